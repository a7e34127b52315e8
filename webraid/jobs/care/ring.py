"""The ring that scrubs go round: packs by the first bits of their ids, so that a part of it is a part of all data.

Pack ids are random: every bucket holds about as much as any other, and which packs it holds needs no memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from webraid.errors import ConfigError
from webraid.model import parse_size

BUCKETS = 4096
_PART = re.compile(r"(\d+)\s*/\s*(\d+)")
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def bucket_of(pack: bytes) -> int:
    """Of a pack's id."""
    return (pack[0] << 4) | (pack[1] >> 4)


def phase(now: float, period: float) -> int:
    """Where a scrub that takes ``period`` seconds to go round is at ``now``: by the clock, so no memory is needed."""
    return int(now % period / period * BUCKETS) % BUCKETS


@dataclass(frozen=True, slots=True)
class Arc:
    """``count`` buckets from ``start`` on, round the ring."""

    start: int
    count: int

    def __contains__(self, bucket: int) -> bool:
        return self.place(bucket) < self.count

    def place(self, bucket: int) -> int:
        """How far behind the start a bucket is."""
        return (bucket - self.start) % BUCKETS

    @property
    def end(self) -> int:
        """The first bucket behind it."""
        return (self.start + self.count) % BUCKETS


EVERYTHING = Arc(0, BUCKETS)


@dataclass(frozen=True, slots=True)
class Subset:
    """What --read-data-subset asks for, one of: part ``number`` of ``parts``; a ``share``; ``size`` bytes."""

    number: int = 0
    parts: int = 0
    share: float = 0.0
    size: int = 0

    def arc(self, cursor: int, weights: Iterable[tuple[int, int]]) -> Arc:
        """The buckets to read.  ``cursor``: where the last scrub of a share or size has ended; ``weights``: (bucket,
        bytes) of every shard."""
        if self.parts:
            start = BUCKETS * (self.number - 1) // self.parts
            return Arc(start, BUCKETS * self.number // self.parts - start)
        if self.share:
            return Arc(cursor, min(BUCKETS, max(1, round(BUCKETS * self.share))))
        return Arc(cursor, _as_many(cursor, weights, self.size))


def _as_many(cursor: int, weights: Iterable[tuple[int, int]], size: int) -> int:
    """How many buckets from ``cursor`` on hold at most ``size`` bytes, but always something."""
    held = [0] * BUCKETS
    for bucket, weight in weights:
        held[(bucket - cursor) % BUCKETS] += weight
    total = 0
    for count, weight in enumerate(held):
        if total and total + weight > size:
            return count
        total += weight
    return BUCKETS


def parse_subset(text: str) -> Subset:
    """'1/7', '5%' or '2GiB'.  Raises ConfigError."""
    part, share = _PART.fullmatch(text.strip()), _SHARE.fullmatch(text.strip())
    if part and 1 <= int(part[1]) <= int(part[2]) <= BUCKETS:
        return Subset(number=int(part[1]), parts=int(part[2]))
    if share and 0 < float(share[1]) <= 100:
        return Subset(share=float(share[1]) / 100)
    if not part and not share:
        size = parse_size(text)
        if size:
            return Subset(size=size)
    raise ConfigError(f"{text!r} is no part of the data", hint="Write 1/7, 5% or 2GiB.")
