"""What [[disk]] may say for kind = "dropbox", and what a token is."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from webraid.errors import ConfigError

_FOLDER = re.compile(r"[A-Za-z0-9 ._-]*[A-Za-z0-9_-]")  # Dropbox takes no name that ends in a space
_APP_KEY = re.compile(r"[a-z0-9]{4,64}")
_MAX_FOLDER = 100
TOKEN_HINT = 'Give --token-file a file with the refresh token, bare or as JSON {"refresh_token": ...}, or log in.'


def _say(text: str, *, secret: bool = False, rare: bool = False) -> dict[str, Any]:
    return {"help": text, "secret": secret, "rare": rare}


@dataclass(frozen=True, slots=True)
class DropboxOptions:
    """Raises ConfigError."""

    app_key: str = field(metadata=_say("App key of your own Dropbox app (scoped access, App folder)."))
    folder: str = field(
        default="", metadata=_say("Folder in the app's folder, so that it can hold other things too.", rare=True)
    )
    account: str = field(default="", metadata=_say("Account id; the login fills it in.", rare=True))
    token: str = field(
        default="", repr=False, metadata=_say("Refresh token; the login gets it.", secret=True, rare=True)
    )
    timeout: float = field(default=60.0, metadata=_say("Seconds of silence after which a request is given up."))
    endpoint: str = field(
        default="", metadata=_say("URL of another server that speaks Dropbox's API, for tests.", rare=True)
    )

    def __post_init__(self) -> None:
        if not _APP_KEY.fullmatch(self.app_key):
            raise ConfigError(
                "a dropbox disk needs the app key of your own app: letters and digits",
                hint="Make an app at www.dropbox.com/developers/apps (see docs/backends/dropbox.md).",
            )
        if not self.timeout > 0:
            raise ConfigError("timeout is a number of seconds above 0")
        folder = self.folder.strip("/")
        if folder and (len(folder) > _MAX_FOLDER or not all(map(_FOLDER.fullmatch, folder.split("/")))):
            raise ConfigError("folder is a path of plain letters, digits, spaces and . _ -, 100 of them at most")
        object.__setattr__(self, "folder", folder)
        object.__setattr__(self, "endpoint", _endpoint(self.endpoint))

    @property
    def host(self) -> str:
        """Host and port of another server; '' for Dropbox itself."""
        return urlsplit(self.endpoint).netloc

    def with_secrets(self, secrets: Mapping[str, str]) -> DropboxOptions:
        """The same options with the token that ``secrets`` holds."""
        return replace(self, token=secrets["token"]) if "token" in secrets else self


def _endpoint(given: str) -> str:
    text = given.strip().rstrip("/")
    try:
        url = urlsplit(text)
        _ = url.port  # parsed only when asked for
    except ValueError:
        raise ConfigError("the endpoint is no URL") from None
    plain = url.scheme in ("http", "https") and url.hostname and not (url.username or url.query or url.fragment)
    if text and not plain:
        raise ConfigError("an endpoint is a plain URL like http://127.0.0.1:8080, without keys in it")
    return text


def refresh_token(token: str) -> str:
    """The refresh token in a ``token`` secret: JSON {"refresh_token": ...} or bare; '' where there is none.

    Raises ConfigError, without the token in it.
    """
    text = token.strip()
    if text.startswith("{"):
        try:
            told = json.loads(text)
        except ValueError:
            raise ConfigError("the token is no JSON, though it begins like it", hint=TOKEN_HINT) from None
        text = told.get("refresh_token", "")
        if not isinstance(text, str) or not text:
            raise ConfigError("the token has no refresh_token in it", hint=TOKEN_HINT)
    if text.startswith("sl."):  # how Dropbox's short-lived access tokens begin
        raise ConfigError("this is an access token, which ends after 4 hours", hint=TOKEN_HINT)
    if any(letter.isspace() for letter in text):
        raise ConfigError("the token has more than one word", hint=TOKEN_HINT)
    return text


def token_of(refresh: str) -> str:
    """The ``token`` secret that holds ``refresh``."""
    return json.dumps({"refresh_token": refresh})
