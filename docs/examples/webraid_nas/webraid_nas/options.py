"""What [[disk]] may say for kind = "nas"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from webraid.errors import ConfigError


@dataclass(frozen=True, slots=True)
class NasOptions:
    """Raises ConfigError for what cannot be right, whatever the server would say."""

    host: str = field(metadata={"help": "Name or address of the NAS.", "secret": False})
    user: str = field(metadata={"help": "Who logs in.", "secret": False})
    folder: str = field(default="webraid", metadata={"help": "Folder there; made if it is missing.", "secret": False})
    port: int = field(default=21, metadata={"help": "Port of its FTP server.", "secret": False})
    timeout: float = field(default=30.0, metadata={"help": "Seconds of silence until it is given up.", "secret": False})
    password: str = field(default="", repr=False, metadata={"help": "The user's password.", "secret": True})

    def __post_init__(self) -> None:
        if not self.host or "/" in self.host:
            raise ConfigError("host is a name or an address, like nas.local")
        if not 0 < self.port < 65536 or not self.timeout > 0:
            raise ConfigError("port and timeout are numbers above 0")
        parts = [part for part in self.folder.split("/") if part]
        if not parts or any(part in (".", "..") for part in parts) or not self.folder.isprintable():
            raise ConfigError("folder is a path on the NAS, like backup/webraid")
        object.__setattr__(self, "folder", "/".join(parts))

    def with_secrets(self, secrets: Mapping[str, str]) -> NasOptions:
        """The same options with the password, where ``secrets`` hold one."""
        return replace(self, password=secrets.get("password", self.password))
