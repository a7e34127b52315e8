"""What [[disk]] may say for kind = "sftp"."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from webraid.errors import ConfigError
from webraid_sftp.hostkeys import HostKey, pinned

_DEFAULT_PORT = 22


def _say(text: str, *, secret: bool = False, file: bool = False, rare: bool = False) -> dict[str, Any]:
    return {"help": text, "secret": secret, "file": file, "rare": rare}


@dataclass(frozen=True, slots=True)
class SftpOptions:
    """Brought into one spelling when made.  Raises ConfigError."""

    host: str = field(metadata=_say("Name or address of the server."))
    user: str = field(metadata=_say("Who logs in."))
    path: str = field(
        metadata=_say("Folder on the server; made if it is missing.  Without a / in front: in the login's home folder.")
    )
    port: int = field(default=_DEFAULT_PORT, metadata=_say("Port of the server."))
    known_host_key: str = field(
        default="",
        metadata=_say(
            "The server's public key, as ssh-keyscan or known_hosts have it; no other one is talked to.", rare=True
        ),
    )
    key: str = field(
        default="",
        repr=False,
        metadata=_say("File with the private key; its content is kept, so that recover can log in.", secret=True,
                      file=True, rare=True),
    )  # fmt: skip
    key_passphrase: str = field(
        default="", repr=False, metadata=_say("Passphrase of the private key.", secret=True, rare=True)
    )
    password: str = field(
        default="", repr=False, metadata=_say("Password, where the server takes no keys.", secret=True, rare=True)
    )
    timeout: float = field(default=60.0, metadata=_say("Seconds of silence after which a request is given up."))

    def __post_init__(self) -> None:
        host = self.host.strip().removeprefix("[").removesuffix("]").rstrip(".").lower()
        if not host or not host.isprintable() or set(host) & set("/@ []"):
            raise ConfigError("host is the bare name or address of a server, without user, port or path")
        if not self.user or not self.user.isprintable():
            raise ConfigError("an sftp disk needs the name of the user who logs in")
        if not 0 < self.port < 1 << 16:
            raise ConfigError("port is a number from 1 to 65535")
        if not self.timeout > 0:
            raise ConfigError("timeout is a number of seconds above 0")
        object.__setattr__(self, "host", host)
        object.__setattr__(self, "path", _folder(self.path))
        if self.known_host_key:
            object.__setattr__(self, "known_host_key", str(pinned(self.known_host_key)))

    @property
    def host_key(self) -> HostKey | None:
        """The pinned key; None where none is yet."""
        return pinned(self.known_host_key) if self.known_host_key else None

    @property
    def address(self) -> str:
        """The server as known_hosts and people write it."""
        return self.host if self.port == _DEFAULT_PORT else f"[{self.host}]:{self.port}"

    def with_secrets(self, secrets: Mapping[str, str]) -> SftpOptions:
        """The same options with the secret fields that ``secrets`` holds."""
        known = {item.name for item in fields(self) if item.metadata["secret"]}
        given: dict[str, Any] = {name: value for name, value in secrets.items() if name in known}
        return replace(self, **given)


def _folder(path: str) -> str:
    """``path`` in one spelling; relative ones are relative to the login's home folder."""
    text = path.strip()
    if text == "~" or text.startswith("~/"):
        text = text[2:] or "."
    if not text or "\0" in text:
        raise ConfigError("an sftp disk needs the path of a folder on the server")
    text = posixpath.normpath(text)
    if text == ".." or text.startswith("../"):
        raise ConfigError("the path of an sftp disk leads out of the home folder: write it from / on")
    return f"/{text.lstrip('/')}" if text.startswith("/") else text
