"""What this machine remembers of its scrubs: when which part of each disk was last read whole, and a run not ended.

A cache like all local state: without it a scrub begins anew, at the place in the ring that the clock tells.
"""

from __future__ import annotations

from array import array
from typing import TypeVar

import msgspec

from webraid.jobs.care.ring import BUCKETS, Arc
from webraid.table.local import Local

T = TypeVar("T")
SKEW = 600.0  # seconds that a clock may be set back without all being read again
_RUN, _LAST, _CURSOR, _ROUND = "scrub:run", "scrub:last", "scrub:cursor", "scrub:round"


class Unfinished(msgspec.Struct, frozen=True):
    """A scrub that was interrupted: what it was to read, and since when (what was read later is not read again)."""

    mode: str
    asked: str
    start: int
    count: int
    local: bool
    began: float

    @property
    def arc(self) -> Arc:
        """The buckets it goes over."""
        return Arc(self.start, self.count)


class LastScrub(msgspec.Struct, frozen=True):
    """The last scrub that came to its end.  ``time``: seconds since the epoch; ``covered``: share of what lies on the
    disks that was read within [check] full-every."""

    time: float
    mode: str
    exit_code: int
    corrupt: int
    missing: int
    bytes_read: int
    covered: float


class Stamps:
    """When each bucket was last read whole on one disk, seconds since the epoch; 0: never."""

    def __init__(self, local: Local, disk: bytes) -> None:
        self._local = local
        self._key = f"scrub:{disk.hex()}"
        data = local.get(self._key)
        self.at = array("d", data) if data and len(data) == 8 * BUCKETS else array("d", bytes(8 * BUCKETS))

    def read(self, bucket: int, since: float, now: float) -> bool:
        """Whether it was read between the two times.  A stamp from the future is one of a clock that was wrong."""
        return since <= self.at[bucket] <= now + SKEW

    def save(self) -> None:
        """Keep them."""
        self._local.set(self._key, self.at.tobytes())


def unfinished(local: Local) -> Unfinished | None:
    """The scrub to go on with, if there is one."""
    return _decoded(local, _RUN, Unfinished)


def keep_run(local: Local, run: Unfinished | None) -> None:
    """Remember it; None: it has ended."""
    local.set(_RUN, msgspec.msgpack.encode(run) if run else b"")


def last_scrub(local: Local) -> LastScrub | None:
    """The last one that ended."""
    return _decoded(local, _LAST, LastScrub)


def keep_last(local: Local, last: LastScrub) -> None:
    """Remember it."""
    local.set(_LAST, msgspec.msgpack.encode(last))


def cursor(local: Local, otherwise: int) -> int:
    """Where the last part ended."""
    data = local.get(_CURSOR)
    return int.from_bytes(data, "big") % BUCKETS if data else otherwise


def keep_cursor(local: Local, bucket: int) -> None:
    """Remember it."""
    local.set(_CURSOR, bucket.to_bytes(2, "big"))


def round_until(local: Local) -> float | None:
    """Up to when, by the clock, the parts of the ring were read that were due; None: nobody knows."""
    return _decoded(local, _ROUND, float)


def keep_round(local: Local, until: float) -> None:
    """Remember it."""
    local.set(_ROUND, msgspec.msgpack.encode(until))


def _decoded(local: Local, key: str, kind: type[T]) -> T | None:
    data = local.get(key)
    try:
        return msgspec.msgpack.decode(data, type=kind) if data else None
    except msgspec.MsgspecError:  # another release wrote it
        return None
