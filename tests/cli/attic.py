"""A kind of disk with a login, for tests: a folder that opens only to the token that is written beside it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from webraid.backend.base import Bytes, Digest
from webraid.backend.login import Choice, Dialogue, Login, Secrets
from webraid.errors import AuthExpired, ConfigError
from webraid.model import Stored
from webraid_local import LocalBackend, LocalOptions

POINTS = "[webraid.backends]\nattic = tests.cli.attic:Attic\nhalf = tests.cli.half:Half\n"
METADATA = "Metadata-Version: 2.1\nName: acme-attic\nVersion: 1.0\nProvides-Extra: half\n"
PAGE = "https://attic.example/agree?challenge=abc"
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class AtticOptions:
    """``region`` is what an alias sets."""

    path: str = field(metadata={"help": "Folder the objects lie in.", "secret": False})
    region: str = field(default="", metadata={"help": "Which attic.", "secret": False, "rare": True})
    account: str = field(default="", metadata={"help": "The login fills it in.", "secret": False, "rare": True})
    token: str = field(default="", repr=False, metadata={"help": "What opens it.", "secret": True})
    key: str = field(default="", repr=False, metadata={"help": "File with a key.", "secret": True, "file": True})
    password: str = field(default="", repr=False, metadata={"help": "Password.", "secret": True, "rare": True})

    @property
    def door(self) -> Path:
        """What it opens to: the token; a second line is what a token is renewed to when it is used."""
        return Path(f"{self.path}.door")


class Attic(LocalBackend):
    """Opens only to the token of the door."""

    kind: ClassVar[str] = "attic"
    summary: ClassVar[str] = "an attic with a door"
    free_tier: ClassVar[str] = "5 GB, shared with the moths"
    caps = replace(LocalBackend.caps, local=False)

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        """Where there is a gate, only so many puts are let through; the next one waits until it is gone."""
        gate = Path(f"{self._root}.gate")
        while gate.exists():
            left = int(gate.read_text() or 0)
            if left:
                gate.write_text(str(left - 1))
                break
            Path(f"{self._root}.waits").touch()
            time.sleep(0.01)
        return super().put(name, data, digest=digest)

    @classmethod
    def options_type(cls) -> type[Any]:
        return AtticOptions

    @classmethod
    def also_called(cls) -> Mapping[str, str]:
        return {"loft": "an attic in the north", "garret": "an attic in the south"}

    @classmethod
    def called(cls, alias: str) -> Mapping[str, object]:
        return {"region": {"loft": "north", "garret": "south"}[alias]}

    @classmethod
    def connect(cls, options: Any, secrets: Mapping[str, str]) -> LocalBackend:
        good, *later = options.door.read_text().split("\n")
        if secrets.get("token", "") not in (good, *later):
            raise AuthExpired("the token is not accepted", fix="webraid backend login NAME")
        if later:
            Secrets.of(secrets).renew({"token": later[0]})
        return cls(LocalOptions(options.path))

    @classmethod
    def login(cls, options: Any, secrets: Secrets, dialogue: Dialogue) -> Login:
        good = options.door.read_text().split("\n")[0]
        token = secrets.get("token", "")
        if token != good:
            if not dialogue.interactive:
                if not token:
                    raise ConfigError("an attic needs a login", hint="Give --token-file.")
                return Login({"account": "me"})
            dialogue.tell(f"The attic asks who you are.\nOpen {PAGE}")
            dialogue.browse(PAGE)
            floor = dialogue.ask(
                "Which floor?\n  floor", instead="--floor", default="2", only=True,
                choices=[Choice("1", "the first"), Choice("2", "the second")],
            )  # fmt: skip
            token = dialogue.ask(f"The code of floor {floor}", instead="--token-file", hidden=True)
        return Login({"account": "me"}, {"token": token})

    @classmethod
    def identity(cls, options: Any) -> str:
        return f"attic|{options.path}"


def shut(folder: Path, *tokens: str) -> None:
    """A place whose door opens to a token."""
    folder.mkdir(exist_ok=True)
    Path(f"{folder}.door").write_text("\n".join(tokens))


def install(site: Path) -> Path:
    """The kind as pip would leave it; ``site`` is to be on the path."""
    info = site / "acme_attic-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(POINTS)
    return site
