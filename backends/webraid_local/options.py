"""What [[disk]] may say for kind = "local"."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Literal

from webraid.errors import ConfigError


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """``path`` is kept absolute.  Raises ConfigError."""

    path: str = field(metadata={"help": "Folder the objects lie in; ~ is your home folder.", "secret": False})
    durability: Literal["object", "batch"] = field(
        default="object",
        metadata={
            "help": "object: every object is on the platter when its put ends.  batch: faster; shards are synced "
            "when the next record is written, so a power cut may cost the last minutes' shards (healed by a check).",
            "secret": False,
        },
    )

    def __post_init__(self) -> None:
        if not self.path or "\0" in self.path:
            raise ConfigError("a local disk needs the path of a folder")
        if self.durability not in ("object", "batch"):
            raise ConfigError(f"durability is 'object' or 'batch', not {self.durability!r}")
        # The config file is read from any working directory (cron's too): a relative path would change its meaning.
        object.__setattr__(self, "path", os.path.abspath(os.path.expanduser(self.path)))
