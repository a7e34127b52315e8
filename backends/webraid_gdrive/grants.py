"""What stands in the two secrets: the OAuth client's JSON file, and the token that a login gave."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from webraid.errors import AuthExpired, Misconfigured
from webraid_gdrive.options import trustworthy

SCOPE = "https://www.googleapis.com/auth/drive.file"
CLIENT_HINT = "Make an OAuth client of the type 'Desktop app' and download its JSON file: see docs/backends/gdrive.md."


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """The user's own app at Google.  A desktop app's ``secret`` is not kept from its user, but from everybody else."""

    id: str
    secret: str = field(repr=False)
    auth_uri: str
    token_uri: str

    @classmethod
    def of(cls, text: str) -> OAuthClient:
        """From the content of the file that the Cloud console offers.  Raises Misconfigured."""
        if not text.strip():
            raise Misconfigured("a gdrive disk needs your own OAuth client", hint=CLIENT_HINT)
        told = _object(text)
        if told is None or not ({"installed", "web"} & told.keys()):
            raise Misconfigured("this is no OAuth client's JSON file", hint=CLIENT_HINT)
        app = told.get("installed")
        if not isinstance(app, dict):
            raise Misconfigured("the OAuth client is for a web server, not for a desktop app", hint=CLIENT_HINT)
        values = [app.get(name) for name in ("client_id", "client_secret", "auth_uri", "token_uri")]
        if not all(isinstance(value, str) and value for value in values):
            raise Misconfigured("the OAuth client's JSON file is not whole", hint=CLIENT_HINT)
        client = cls(*map(str, values))
        if not (trustworthy(client.auth_uri) and trustworthy(client.token_uri)):
            raise Misconfigured("the OAuth client's JSON file names addresses that are not safe", hint=CLIENT_HINT)
        return client


def refresh_token(text: str, client: OAuthClient) -> str:
    """The refresh token in ``text``: our own JSON, another program's (google-auth, rclone), or the bare token.

    Raises AuthExpired where there is none, Misconfigured where it was made for another OAuth client.
    """
    told = _object(text)
    token = str(told.get("refresh_token") or "") if told is not None else text.strip()
    if not token or any(sign.isspace() for sign in token):
        raise AuthExpired("there is no login yet")
    made_for = (told or {}).get("client_id")
    if made_for and made_for != client.id:
        raise Misconfigured(
            "the token was made for another OAuth client",
            hint="Give the client's JSON file that the login was made with, or log in again.",
        )
    return token


def kept(token: str, client: OAuthClient) -> str:
    """A refresh token as the secret 'token' holds it."""
    return json.dumps({"refresh_token": token, "client_id": client.id, "scope": SCOPE})


def _object(text: str) -> dict[str, Any] | None:
    try:
        told = json.loads(text)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None
