"""What no machine of ours writes: a device that somebody has taken over must not stop the others with it.  No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from webraid.codec.levels import parse_level
from webraid.codec.pack import ChunkKind
from webraid.errors import ConfigError
from webraid.table.records import Commit, Enroll, Genesis, Snapshot
from webraid.table.rights import ALL_RIGHTS

if TYPE_CHECKING:
    from webraid.table.fold import Record

LATEST_MS = 253_370_764_800_000  # the year 9999: later ones no calendar here shows in every time zone
AHEAD = 1 << 20  # records that this machine may not have been shown
_KINDS = frozenset(ChunkKind)


def most_lamport(lasts: Mapping[bytes, int]) -> int:
    """The highest that is believed.  ``lasts``: device -> highest number of its records."""
    return sum(lasts.values()) + AHEAD


def plausible(records: Sequence[Record], most: int) -> list[Record]:
    """The same, where none is later in the order than there are records: ``lamport`` counts those that its writer knew.
    Whoever claims more than ``most`` stays behind all others, and does not use up the numbers for them."""
    return [record if record.body.lamport <= most else _held_to(record, most) for record in records]


def _held_to(record: Record, lamport: int) -> Record:
    return replace(record, body=msgspec.structs.replace(record.body, lamport=lamport))


@dataclass(slots=True)
class Heads:
    """``found``: device -> number up to which all its records are there.  A number far ahead says nothing: whoever
    wrote it could fill in later what is missing."""

    found: dict[bytes, int] = field(default_factory=dict)
    _ahead: dict[bytes, set[int]] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """One more, in any order."""
        head = self.found.setdefault(record.device, 0)
        ahead = self._ahead.setdefault(record.device, set())
        if record.seq > head:
            ahead.add(record.seq)
        while head + 1 in ahead:
            head += 1
            ahead.remove(head)
        self.found[record.device] = head


def founds(record: Record, op: Genesis) -> bool:
    """Whether this can be the beginning of the pool."""
    enroll = next((op for op in record.body.ops if isinstance(op, Enroll)), None)
    return enroll is not None and set(enroll.rights) >= set(ALL_RIGHTS) and is_level(op.level)


def nonsense(op: Commit) -> str:
    """Why nobody can have meant it, or ''."""
    if any(at.kind not in _KINDS or not 0 <= at.pack < len(op.packs) for at in op.places):
        return "it names pieces of table packs that cannot be"
    return nonsensical_snapshot(op.snapshot) if op.snapshot is not None else ""


def nonsensical_snapshot(shot: Snapshot) -> str:
    """Why it is none, or ''."""
    if not 0 <= shot.time_ms < LATEST_MS:
        return "its snapshot is of a year that no calendar has"
    return "" if is_level(shot.level) else "its snapshot has a level that is none"


def is_level(text: str) -> bool:
    """Whether it is one."""
    try:
        parse_level(text)
    except ConfigError:
        return False
    return True
