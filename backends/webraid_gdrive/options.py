"""What [[disk]] may say for kind = "gdrive"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import urlsplit

from webraid.errors import ConfigError

ENDPOINT = "https://www.googleapis.com/"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _say(text: str, *, secret: bool = False, rare: bool = False) -> dict[str, Any]:
    return {"help": text, "secret": secret, "rare": rare}


@dataclass(frozen=True, slots=True)
class DriveOptions:
    """``folder_id`` and ``account`` are found out by the login.  Raises ConfigError."""

    client_secret: str = field(
        default="",
        repr=False,
        metadata=_say("Your own OAuth client: the content of its JSON file.", secret=True, rare=True),
    )
    token: str = field(default="", repr=False, metadata=_say("What a login gave; made by it.", secret=True, rare=True))
    folder: str = field(default="webraid", metadata=_say("Folder in My Drive; made if it is missing."))
    folder_id: str = field(default="", metadata=_say("Drive's id of that folder; the login finds it out.", rare=True))
    account: str = field(default="", metadata=_say("Whose Drive it is; the login finds it out.", rare=True))
    endpoint: str = field(default=ENDPOINT, metadata=_say("Root of the API; another one only for tests.", rare=True))
    timeout: float = field(default=60.0, metadata=_say("Seconds of silence after which a request is given up."))

    def __post_init__(self) -> None:
        if not self.folder.strip():
            raise ConfigError("a gdrive disk needs the name of a folder")
        if not self.timeout > 0:
            raise ConfigError("timeout is a number of seconds above 0")
        address = self.endpoint.strip() or ENDPOINT
        if not trustworthy(address):
            raise ConfigError("the endpoint is an https:// URL (http:// on this machine only), without keys in it")
        object.__setattr__(self, "endpoint", address.rstrip("/") + "/")

    def with_secrets(self, secrets: Mapping[str, str]) -> DriveOptions:
        """The same options with the secret fields that ``secrets`` holds."""
        known = {item.name for item in fields(self) if item.metadata["secret"]}
        given: dict[str, Any] = {name: value for name, value in secrets.items() if name in known}
        return replace(self, **given)


def trustworthy(address: str) -> bool:
    """Whether a token may be sent there: encrypted, or not leaving this machine."""
    try:
        url = urlsplit(address)
        _ = url.port  # parsed only when asked for
    except ValueError:
        return False
    if not url.hostname or url.username or url.query or url.fragment:
        return False
    return url.scheme == "https" or (url.scheme == "http" and url.hostname in LOOPBACK)
