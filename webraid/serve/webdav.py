"""The WebDAV server: where it listens, who may ask, how it ends."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from webraid.errors import ConfigError
from webraid.jobs.browsing.browse import Browser
from webraid.serve.files import Tree
from webraid.serve.library import STACK, Server, SimpleDomainController, WsgiDAVApp

PORT = 8633
HOST = "127.0.0.1"
THREADS = 16
PAUSE = 120  # seconds that a client may stop taking or asking: films are paused
PIECE = 256 << 10  # bytes of a file answered at a time


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 takes a free one."""

    host: str = HOST
    port: int = PORT

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return _loopback(self.host)

    @property
    def url(self) -> str:
        """As one types it."""
        return f"http://[{self.host}]:{self.port}/" if ":" in self.host else f"http://{self.host}:{self.port}/"


@dataclass(frozen=True, slots=True)
class Login:
    """Who may read."""

    user: str
    password: str = field(repr=False)


def parse_address(text: str) -> Address:
    """'127.0.0.1:8633', '[::1]:8633', ':8633' (this machine only), '0.0.0.0:8633'.  Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isdecimal() or int(port) > 65535 or (":" in host and bare == host):
        raise ConfigError(f"{text!r} is no address", hint=f"Write it like {HOST}:{PORT} or [::1]:{PORT}.")
    return Address(bare or HOST, int(port))


def check(address: Address, login: Login | None) -> None:
    """Raises ConfigError when everybody on the network could read everything."""
    if login is None and not address.local:
        raise ConfigError(
            f"{address.host} can be reached by other machines, and no password is asked for",
            hint=f"Give --user and --user-password-file, or listen on {HOST}.",
        )


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard(SimpleDomainController):  # type: ignore[misc]  # the library has no types
    """One user; the password is compared in constant time."""

    def basic_auth_user(self, realm: str, user_name: str, password: str, environ: dict[str, Any]) -> bool:
        """Whether these are the user and the password."""
        user = self._get_realm_entry(realm, user_name)
        known = user["password"] if isinstance(user, dict) else ""
        same = hmac.compare_digest(password.encode(), known.encode())
        return same and bool(known)


def _application(browser: Browser, login: Login | None) -> Any:
    users: object = True if login is None else {login.user: {"password": login.password}}
    return WsgiDAVApp({
        "provider_mapping": {"/": Tree(browser)},
        "http_authenticator": {"domain_controller": Guard, "accept_basic": True, "default_to_digest": True},
        "simple_dc": {"user_mapping": {"*": users}},
        "middleware_stack": list(STACK),
        "lock_storage": False,
        "suppress_version_info": True,
        "verbose": 0,
        "block_size": PIECE,
        "logging": {"enable": False},
        "dir_browser": {
            "ignore": [], "icon": False, "response_trailer": "", "davmount": False, "ms_sharepoint_support": False,
            "libre_office_support": False,
        },
    })  # fmt: skip


class _Door:
    """What is turned away before the library sees it.

    Without a password (``own_names``) only those who call this machine by its own name are answered: a web page whose
    name was made to lead here must not read the user's files through the user's browser.  Paths with '..' or with bytes
    that are no UTF-8 lead nowhere; the library would leave who asks for them without an answer.
    """

    def __init__(self, inner: Any, *, own_names: bool) -> None:
        self._inner = inner
        self._own_names = own_names

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST", "")
        name = host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
        refusal = ""
        if self._own_names and not _loopback(name.lower()):
            refusal = "403 Forbidden"
        elif not _leads_somewhere(environ.get("PATH_INFO", "")):
            refusal = "404 Not Found"
        if refusal:
            start_response(refusal, [("Content-Type", "text/plain"), ("Content-Length", "0")])
            return [b""]
        answer: Iterable[bytes] = self._inner(environ, start_response)
        return answer


def _leads_somewhere(path: str) -> bool:
    """``path``: as WSGI has it, each byte a letter."""
    try:
        return ".." not in path.encode("latin-1").decode().split("/")
    except UnicodeError:
        return False


class _Quiet(Server):
    """Prints nothing: what a user should know comes as an event.  Leaves no socket open where it cannot listen."""

    @staticmethod
    def bind_socket(socket_: socket.socket, bind_addr: tuple[str, int]) -> socket.socket:
        """Take the address."""
        try:
            socket_.bind(bind_addr)
        except OSError:
            socket_.close()
            raise
        return socket_

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Clients that hang up are no news."""


class Webdav:
    """The server.  ``address`` has the true port once it is made."""

    def __init__(self, browser: Browser, address: Address, login: Login | None = None) -> None:
        check(address, login)
        application = _application(browser, login)
        self._server = _Quiet(
            (address.host, address.port),
            _Door(application, own_names=login is None),
            numthreads=THREADS, server_name="webraid", timeout=PAUSE,
        )  # fmt: skip
        try:
            self._server.prepare()
        except OSError as error:
            raise ConfigError(
                f"nothing can listen on {address.host}:{address.port}: {error.strerror or error}",
                hint="Choose another port with --addr.",
            ) from error
        host, port = self._server.bind_addr[:2]
        self.address = Address(str(host), int(port))

    def run(self) -> None:
        """Answer until ``stop``, or until a signal raises KeyboardInterrupt, which ends it cleanly."""
        try:
            self._server.serve()
        except KeyboardInterrupt:
            return
        finally:
            self.stop()

    def stop(self) -> None:
        """End; requests under way get a moment.  Any thread may call."""
        self._server.stop()
