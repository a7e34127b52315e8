"""What an array reports while it works: frozen events and findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """A shard that is not what it should be.  ``disk``: its name; ``pack``: the pack's id in hex."""

    disk: str
    pack: str
    index: int
    problem: Literal["missing", "corrupt", "unreadable"]


@dataclass(frozen=True, slots=True)
class ShardRead:
    """``size`` bytes came from a disk."""

    disk: str
    size: int


@dataclass(frozen=True, slots=True)
class ShardWritten:
    """A shard object of ``size`` bytes lies on a disk."""

    disk: str
    size: int


@dataclass(frozen=True, slots=True)
class ShardBad:
    """A shard must be repaired."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class DiskStalled:
    """A disk does not answer in its time: others do its work for now."""

    disk: str


@dataclass(frozen=True, slots=True)
class DiskRefused:
    """A disk takes no more shards in this run: it is full, spent, or the login is over.  ``why`` and what to do."""

    disk: str
    why: str
    hint: str


ArrayEvent = ShardRead | ShardWritten | ShardBad | DiskStalled | DiskRefused
