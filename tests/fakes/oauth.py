"""A fake OAuth 2 server: no HTTP of its own, a fake provider composes it and hands its two endpoints on.

    oauth = OAuth([Client("id", "secret")], scopes=("drive.file",))
    oauth.authorise(query)          # GET /authorise: the user always agrees (see ``refusing``)
    oauth.token(form)               # POST /token: a code or a refresh token becomes an access token
    oauth.who(header)               # whose access token is in an Authorization header; None: answer 401

Simulated (RFC 6749 and RFC 7636; where Google and Dropbox differ from them, the docs named at the line):

* the code goes to the redirect address, or is shown on a page where there is none (Dropbox, 'no redirect');
* a code is good once, for the address and the client it was made for, and for its PKCE verifier (S256 or plain);
* a refresh token comes only where offline access was asked for;
* access tokens expire after ``expires_in`` seconds; ``expire`` and ``revoke`` do it at once; ``rotate`` makes every
  refresh token good for one use.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

JSON = {"Content-Type": "application/json; charset=utf-8"}


@dataclass(frozen=True)
class Client:
    """An app.  ``secret`` '': a public client, which must use PKCE (RFC 7636, section 1)."""

    id: str
    secret: str = field(default="", repr=False)


@dataclass(frozen=True)
class Answer:
    """What the server that composes this sends back."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, told: Mapping[str, object]) -> Answer:
        return cls(status, json.dumps(told).encode(), JSON)


@dataclass(frozen=True)
class Seen:
    """One request of the journal.  ``what``: 'authorise' or the grant type; ``error``: '' where it was granted."""

    what: str
    client: str
    error: str = ""
    asked: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Grant:
    """What a user let an app do."""

    client: str
    user: str
    scope: str
    offline: bool = False


@dataclass(frozen=True)
class _Code:
    grant: Grant
    redirect: str
    challenge: str
    method: str


@dataclass
class _Access:
    grant: Grant
    until: float


class OAuth:
    """All state behind one lock.  ``journal``: every request, also refused ones.

    ``expires_in``: seconds an access token is good for.  ``more``: what a token answer holds besides (Dropbox: uid and
    account_id).  ``refusing``: an error code that the authorise page sends back instead of a code (access_denied).
    ``failing``: answers that the next calls of the token endpoint get instead of their own, one each; see ``fail``.
    """

    def __init__(
        self, clients: Iterable[Client], *, scopes: Sequence[str] = (), user: str = "user-1", expires_in: int = 3600,
        rotate: bool = False, more: Mapping[str, object] | None = None, prefix: str = "fake",
        now: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.clients = {client.id: client for client in clients}
        self.scopes, self.user = tuple(scopes), user
        self.expires_in, self.rotate, self.more, self.prefix = expires_in, rotate, dict(more or {}), prefix
        self.refusing = ""
        self.journal: list[Seen] = []
        self.failing: list[Answer] = []
        self.failing_for_ever: Answer | None = None
        self._now = now
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._codes: dict[str, _Code] = {}
        self._access: dict[str, _Access] = {}
        self._refresh: dict[str, Grant] = {}

    # -------------------------------------------------------------------------------------------------------- endpoints
    def authorise(self, query: str | Mapping[str, str]) -> Answer:
        """GET of the authorise page by a user who agrees at once.  ``query``: the URL's, raw or parsed."""
        asked = _fields(query)
        with self._lock:
            error = self._unfit(asked)
            self.journal.append(Seen("authorise", asked.get("client_id", ""), error or self.refusing, asked))
            if error:  # RFC 6749, 4.1.2.1: never redirect to an address that nobody vouches for
                return Answer(400, error.encode(), {"Content-Type": "text/plain"})
            back = {"state": asked["state"]} if "state" in asked else {}
            if self.refusing:
                return _back(asked.get("redirect_uri", ""), {"error": self.refusing, **back})
            scope = asked.get("scope") or " ".join(self.scopes)
            # access_type: Google, 'Using OAuth 2.0 for Web Server Applications'; token_access_type: Dropbox OAuth guide
            offline = "offline" in (asked.get("access_type"), asked.get("token_access_type"))
            code = self._new("code")
            self._codes[code] = _Code(
                Grant(asked["client_id"], self.user, scope, offline), asked.get("redirect_uri", ""),
                asked.get("code_challenge", ""), asked.get("code_challenge_method", "plain"),
            )  # fmt: skip
            return _back(asked.get("redirect_uri", ""), {**back, "code": code, "scope": scope})

    def token(self, form: str | bytes | Mapping[str, str], authorization: str = "") -> Answer:
        """POST to the token endpoint.  ``authorization``: the header, where the client names itself there."""
        asked = _fields(form)
        if authorization.startswith("Basic "):  # RFC 6749, 2.3.1
            client, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
            asked |= {"client_id": client, "client_secret": secret}
        kind, client = asked.get("grant_type", ""), asked.get("client_id", "")
        with self._lock:
            if self.failing or self.failing_for_ever:
                answer = self.failing.pop(0) if self.failing else self.failing_for_ever
                assert answer is not None
                self.journal.append(Seen(kind, client, f"HTTP {answer.status}", asked))
                return answer
            try:
                told = self._granted(kind, client, asked)
            except _Refused as refused:
                self.journal.append(Seen(kind, client, refused.code, asked))
                return refused.answer()
            self.journal.append(Seen(kind, client, "", asked))
            return Answer.of(200, told)

    def who(self, authorization: str) -> Grant | None:
        """The grant behind 'Bearer ...'; None where the token is unknown, expired or revoked."""
        with self._lock:
            access = self._access.get(authorization.removeprefix("Bearer "))
            return access.grant if access and access.until > self._now() else None

    # ---------------------------------------------------------------------------------------------------- what tests do
    def sign_in(self, client: str, *, user: str = "", scope: str = "", offline: bool = True) -> str:
        """A refresh token without the detour over a browser."""
        with self._lock:
            grant = Grant(client, user or self.user, scope or " ".join(self.scopes), offline)
            return self._new_refresh(grant)

    def expire(self) -> None:
        """Every access token is over now; refresh tokens stay good."""
        with self._lock:
            self._access.clear()

    def revoke(self, refresh: str = "") -> None:
        """This refresh token (none named: all) is no longer good; its access tokens live on until they expire."""
        with self._lock:
            for token in [refresh] if refresh else list(self._refresh):
                self._refresh.pop(token, None)

    def fail(self, status: int, error: str, *, times: int = 1, headers: Mapping[str, str] | None = None) -> None:
        """The next ``times`` calls of the token endpoint are answered so; 0: all, until ``mend``."""
        answer = Answer(status, json.dumps({"error": error}).encode(), {**JSON, **(headers or {})})
        with self._lock:
            if times:
                self.failing += [answer] * times
            else:
                self.failing_for_ever = answer

    def mend(self) -> None:
        """No more failures."""
        with self._lock:
            self.failing.clear()
            self.failing_for_ever = None

    def refreshes(self) -> int:
        """How often an access token was asked for with a refresh token, also in vain."""
        return sum(seen.what == "refresh_token" for seen in list(self.journal))

    # ----------------------------------------------------------------------------------------------------------- inside
    def _unfit(self, asked: Mapping[str, str]) -> str:
        if asked.get("client_id") not in self.clients:
            return "invalid_client"
        if asked.get("response_type") != "code":
            return "unsupported_response_type"
        if asked.get("code_challenge_method", "S256") not in ("S256", "plain"):
            return "invalid_request"
        if not self.clients[asked["client_id"]].secret and not asked.get("code_challenge"):
            return "invalid_request"
        known = set(self.scopes)
        return "invalid_scope" if known and not set(asked.get("scope", "").split()) <= known else ""

    def _granted(self, kind: str, client: str, asked: Mapping[str, str]) -> dict[str, object]:
        known = self.clients.get(client)
        if known is None or (known.secret and asked.get("client_secret") != known.secret):
            # Google: 401 invalid_client, 'The OAuth client was not found.' or 'Unauthorized'
            raise _Refused("invalid_client", "Unauthorized", 401)
        if kind == "authorization_code":
            return self._from_code(client, asked)
        if kind == "refresh_token":
            return self._from_refresh(client, asked)
        raise _Refused("unsupported_grant_type", f"Invalid grant_type: {kind}")

    def _from_code(self, client: str, asked: Mapping[str, str]) -> dict[str, object]:
        code = self._codes.pop(asked.get("code", ""), None)  # good once, also where it is refused
        if code is None or code.grant.client != client:
            raise _Refused("invalid_grant", "Malformed auth code.")
        if code.redirect != asked.get("redirect_uri", ""):
            raise _Refused("redirect_uri_mismatch", "Bad Request")
        if code.challenge != _challenge(code.method, asked.get("code_verifier", "")):
            raise _Refused("invalid_grant", "Invalid code verifier.")
        told = self._new_access(code.grant)
        if code.grant.offline:
            told["refresh_token"] = self._new_refresh(code.grant)
        return told

    def _from_refresh(self, client: str, asked: Mapping[str, str]) -> dict[str, object]:
        token = asked.get("refresh_token", "")
        grant = self._refresh.get(token)
        if grant is None or grant.client != client:
            # Google, 'Using OAuth 2.0 to access Google APIs', Refresh token expiration
            raise _Refused("invalid_grant", "Token has been expired or revoked.")
        told = self._new_access(grant)
        if self.rotate:  # RFC 6749, section 6
            del self._refresh[token]
            told["refresh_token"] = self._new_refresh(grant)
        return told

    def _new_access(self, grant: Grant) -> dict[str, object]:
        token = self._new("access")
        self._access[token] = _Access(grant, self._now() + self.expires_in)
        told = {"access_token": token, "expires_in": self.expires_in, "scope": grant.scope, "token_type": "Bearer"}
        return {**told, **self.more}

    def _new_refresh(self, grant: Grant) -> str:
        token = self._new("refresh")
        self._refresh[token] = grant
        return token

    def _new(self, kind: str) -> str:
        """'fake-access-7': whoever looks for leaked tokens looks for '<prefix>-access-' and '<prefix>-refresh-'."""
        return f"{self.prefix}-{kind}-{next(self._numbers)}"


class _Refused(Exception):
    """RFC 6749, section 5.2."""

    def __init__(self, code: str, text: str, status: int = 400) -> None:
        super().__init__(code)
        self.code, self.text, self.status = code, text, status

    def answer(self) -> Answer:
        return Answer.of(self.status, {"error": self.code, "error_description": self.text})


def _challenge(method: str, verifier: str) -> str:
    """RFC 7636, section 4.6; '' where the code was asked for without one."""
    if method == "plain" or not verifier:
        return verifier
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _fields(text: str | bytes | Mapping[str, str]) -> dict[str, str]:
    if isinstance(text, Mapping):
        return dict(text)
    raw = text.decode() if isinstance(text, bytes) else text
    return {name: values[-1] for name, values in parse_qs(raw, keep_blank_values=True).items()}


def _back(redirect: str, told: Mapping[str, str]) -> Answer:
    """To the app's address; without one the page shows the code, for the user to copy."""
    if redirect:
        glue = "&" if urlsplit(redirect).query else "?"
        return Answer(302, headers={"Location": f"{redirect}{glue}{urlencode(told)}"})
    return Answer(200, told.get("code", told.get("error", "")).encode(), {"Content-Type": "text/plain; charset=utf-8"})
