"""The one door to WsgiDAV and cheroot, imported when somebody serves."""

from __future__ import annotations

import logging

from webraid.errors import PluginMissing

try:
    from cheroot.wsgi import Server
    from wsgidav.dav_error import DAVError  # type: ignore[import-untyped]
    from wsgidav.dav_provider import DAVCollection, DAVNonCollection, DAVProvider  # type: ignore[import-untyped]
    from wsgidav.dc.simple_dc import SimpleDomainController  # type: ignore[import-untyped]
    from wsgidav.dir_browser import WsgiDavDirBrowser  # type: ignore[import-untyped]
    from wsgidav.error_printer import ErrorPrinter  # type: ignore[import-untyped]
    from wsgidav.http_authenticator import HTTPAuthenticator  # type: ignore[import-untyped]
    from wsgidav.request_resolver import RequestResolver  # type: ignore[import-untyped]
    from wsgidav.util import guess_mime_type  # type: ignore[import-untyped]
    from wsgidav.wsgidav_app import WsgiDAVApp  # type: ignore[import-untyped]
except ImportError as error:
    raise PluginMissing(
        "serving needs the libraries wsgidav and cheroot, which are not installed",
        hint="pipx install --force '.[all]' in the checkout",
    ) from error

logging.getLogger("wsgidav").addHandler(logging.NullHandler())  # it would show paths, and tracebacks of what we tell

STACK = (ErrorPrinter, HTTPAuthenticator, WsgiDavDirBrowser, RequestResolver)

__all__ = [
    "STACK",
    "DAVCollection",
    "DAVError",
    "DAVNonCollection",
    "DAVProvider",
    "Server",
    "SimpleDomainController",
    "WsgiDAVApp",
    "guess_mime_type",
]
