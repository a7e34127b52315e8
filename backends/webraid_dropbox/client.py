"""The only place that makes SDK clients: their sessions, the access token all threads share, another server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from webraid.backend.mapping import mapped
from webraid.env import Env
from webraid.errors import BackendError
from webraid_dropbox.errors import ERRORS, own
from webraid_dropbox.options import DropboxOptions
from webraid_dropbox.sdk import sdk

CONNECT_TIMEOUT = 10.0
EARLY = 300.0  # seconds before its end that an access token is replaced, as in the SDK

Fetch = Callable[[], tuple[str, float]]


class Token:
    """The access token of one login.  Whoever needs a new one first gets it; the others wait and share it, or its
    error: no storm on the token endpoint."""

    def __init__(self, refresh: str, env: Env | None = None) -> None:
        self.refresh = refresh
        self._now = (env or Env()).monotonic
        self._lock = threading.Lock()
        self._access = ""
        self._until = 0.0
        self._tries = 0
        self._failure: BackendError | None = None

    def renew(self, refresh: str) -> None:
        """A newer login."""
        if refresh == self.refresh:  # nothing to wait for, however long somebody's fetch takes
            return
        with self._lock:
            self.refresh, self._access = refresh, ""

    def refused(self, access: str) -> None:
        """The server calls this access token invalid; the login that it was got with may be good for another one."""
        with self._lock:
            if self._access == access:
                self._access = ""

    def __repr__(self) -> str:
        return "Token()"

    def access(self, fetch: Fetch, *, stale: str = "") -> str:
        """A valid access token other than ``stale``.  ``fetch``: a new one and the seconds it is good for."""
        seen = self._tries
        with self._lock:
            if self._access and self._access != stale and self._now() < self._until:
                return self._access
            if self._tries != seen and self._failure is not None:
                raise own(self._failure)
            self._tries += 1
            self._failure = None
            try:
                access, seconds = fetch()
            except BackendError as error:
                self._failure = own(error)  # not itself: its traceback will hold what its caller wanted to send
                raise
            self._access, self._until = access, self._now() + max(seconds - EARLY, seconds / 2)
            return access


def make_session(options: DropboxOptions) -> Any:
    """A requests session of the SDK, which sends elsewhere where the options say so.  Raises PluginMissing."""
    session = sdk().create_session(max_connections=2)
    session.auth = _as_it_is  # without one requests looks into ~/.netrc, and what it finds replaces our token
    if options.endpoint:
        session.mount("https://", _adapter_class()(options.endpoint))
    return session


def make_client(options: DropboxOptions, token: Token) -> Any:
    """A client for one thread, without retries; no request is sent yet.  Raises PluginMissing."""
    return _client_class()(token, options, make_session(options))


def _as_it_is(request: Any) -> Any:
    return request


@cache
def _client_class() -> Any:
    host = sdk().session.API_HOST

    class Client(sdk().Dropbox):  # type: ignore[misc]  # the SDK has no types
        """The SDK's client; its access token is the one that all threads share."""

        def __init__(self, token: Token, options: DropboxOptions, session: Any) -> None:
            super().__init__(
                oauth2_refresh_token=token.refresh,
                app_key=options.app_key,
                max_retries_on_error=0,
                max_retries_on_rate_limit=0,  # the SDK's default sleeps and tries again without end
                user_agent="webraid",
                session=session,
                timeout=(min(CONNECT_TIMEOUT, options.timeout), options.timeout),
                auto_content_hash=False,  # we send it ourselves, from what we know already
            )
            self._token = token

        def check_and_refresh_access_token(self) -> None:
            """Called by the SDK before every request."""
            self._oauth2_access_token = self._token.access(self._fetch)

        def refresh_access_token(self, host: str = host, scope: Any = None) -> None:
            """Called by the SDK, once a request, when the server says that the access token has expired."""
            self._oauth2_access_token = self._token.access(self._fetch, stale=self._oauth2_access_token)

        def raise_dropbox_error_for_resp(self, res: Any) -> None:
            """The SDK leaves an answer that it did not expect unread: its connection would stay open and be lost."""
            if not res.ok or "dropbox-api-result" not in res.headers:
                _ = res.content
            try:
                self._raise_for(res)
            except sdk().exceptions.AuthError as error:
                if error.error is not None and error.error.is_invalid_access_token():
                    self._token.refused(self._oauth2_access_token)
                raise

        def _raise_for(self, res: Any) -> None:
            """The SDK stumbles over a Retry-After that is no whole number, such as a date (RFC 9110, 10.2.3)."""
            if not res.headers.get("retry-after", "0").isdecimal():
                del res.headers["retry-after"]
            super().raise_dropbox_error_for_resp(res)

        def _fetch(self) -> tuple[str, float]:
            form = {"grant_type": "refresh_token", "refresh_token": self._token.refresh, "client_id": self._app_key}
            with mapped(ERRORS):
                answer = self._session.post(f"https://{host}/oauth2/token", data=form, timeout=self._timeout)
                self._raise_for(answer)
                told = answer.json()
                return str(told["access_token"]), float(told["expires_in"])

    return Client


@cache
def _adapter_class() -> Any:
    from requests.adapters import HTTPAdapter  # noqa: PLC0415

    class Elsewhere(HTTPAdapter):
        """Sends to ``endpoint`` what was meant for Dropbox's hosts."""

        def __init__(self, endpoint: str) -> None:
            self._endpoint = urlsplit(endpoint)
            super().__init__(pool_connections=1, pool_maxsize=2)

        def send(self, request: Any, *arguments: Any, **more: Any) -> Any:
            url = urlsplit(request.url)
            path = self._endpoint.path + url.path
            request.url = urlunsplit((self._endpoint.scheme, self._endpoint.netloc, path, url.query, ""))
            return super().send(request, *arguments, **more)

    return Elsewhere
