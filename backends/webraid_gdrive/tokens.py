"""The access token that all threads of a disk share: asked for once, used by all, renewed when one is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, MutableMapping
from typing import Any
from urllib.parse import urlencode

from webraid.env import Env
from webraid.errors import ProtocolError
from webraid_gdrive.codes import sign_in_refused
from webraid_gdrive.grants import OAuthClient

# google.auth's Request: (url, method, body, headers) -> an answer with status, headers and data.
Request = Callable[..., Any]

EARLY = 60.0  # seconds before its end at which a token is renewed, rather than be refused on the way
_FORM = {"content-type": "application/x-www-form-urlencoded"}


class Tokens:
    """One login.  ``keep`` gets a refresh token that Google puts in the place of ours.

    google.oauth2.credentials.Credentials would do the same, but it asks a token endpoint that fails three times over,
    with pauses of seconds in between, and each thread would need one of its own.
    """

    def __init__(self, client: OAuthClient, refresh: str, keep: Callable[[str], None], env: Env) -> None:
        self._client, self._refresh, self._keep, self._env = client, refresh, keep, env
        self._lock = threading.Lock()
        self._access = ""
        self._until = 0.0

    def current(self, request: Request) -> str:
        """A token that should be good.  Raises BackendError."""
        with self._lock:
            if not self._access or self._env.monotonic() >= self._until:
                self._renew(request)
            return self._access

    def instead_of(self, refused: str, request: Request) -> str:
        """Another one: what a thread that was quicker got, else a new one."""
        with self._lock:
            if self._access == refused:
                self._renew(request)
            return self._access

    def _renew(self, request: Request) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": self._refresh}
        told = ask_token(request, self._client, form)
        self._access = told["access_token"]
        self._until = self._env.monotonic() + told["expires_in"] - EARLY
        if told["refresh_token"] not in ("", self._refresh):
            self._refresh = told["refresh_token"]
            self._keep(self._refresh)


class Bearer:
    """What an AuthorizedHttp takes for credentials: one an instance, all with the same Tokens."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._used = ""

    def before_request(self, request: Request, method: str, url: str, headers: MutableMapping[str, str]) -> None:
        """AuthorizedHttp calls it before each sending of a request."""
        self._used = self._tokens.current(request)
        headers["authorization"] = f"Bearer {self._used}"

    def refresh(self, request: Request) -> None:
        """AuthorizedHttp calls it after a 401."""
        self._tokens.instead_of(self._used, request)


def ask_token(request: Request, client: OAuthClient, form: dict[str, str]) -> dict[str, Any]:
    """One request to the token endpoint: access_token, expires_in (seconds), refresh_token ('': none came).

    Raises BackendError, and what the transport raises.
    """
    body = urlencode({"client_id": client.id, "client_secret": client.secret, **form}).encode()
    answer = request(client.token_uri, method="POST", body=body, headers=dict(_FORM))
    if answer.status != 200:
        raise sign_in_refused(answer.status, answer.headers, answer.data)
    try:
        told = json.loads(answer.data)
        return {
            "access_token": str(told["access_token"]),
            "expires_in": float(told.get("expires_in") or 0),
            "refresh_token": str(told.get("refresh_token") or ""),
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ProtocolError("the answer of Google's sign-in is not understood") from None
