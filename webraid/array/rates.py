"""What each disk can do, learnt from the transfers: time to first byte and rate, apart.  Pure: time is given."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

LATENCY = 0.15  # seconds, assumed while nothing is known of any disk
RATE = 4e6  # bytes a second, likewise
_KEEP = 0.75  # of what was learnt stays with each new observation
_MEMORY = 6.0  # observations that all earlier ones together count for at most


@dataclass(frozen=True, slots=True)
class Estimate:
    """``latency`` in seconds, ``rate`` in bytes a second; ``known``: learnt from this very disk; ``spread``: mean
    relative error of the latest predictions."""

    latency: float
    rate: float
    known: bool
    spread: float

    def predict(self, size: int, backlog: float = 0.0) -> float:
        """Seconds until ``size`` bytes are here when ``backlog`` bytes are asked for before them."""
        return self.latency + (backlog + size) / self.rate


@dataclass(eq=False, slots=True)
class Mark:
    """Taken when a transfer starts, handed back when it ends."""

    started: float


@dataclass(slots=True)
class _Line:
    """seconds = latency + bytes on the link / rate, fitted by least squares of the relative error.

    The older an observation the less it weighs; ``anchor`` keeps what the observations do not tell apart near what is
    usual."""

    anchor: float = 0.08
    weight: float = 0.0
    x: float = 0.0
    xx: float = 0.0
    t: float = 0.0
    xt: float = 0.0

    def add(self, x: float, seconds: float) -> None:
        w = 1.0 / seconds**2
        # Where times grow much longer the old, short ones would weigh most for ever.
        keep = min(_KEEP, _MEMORY * w / self.weight) if self.weight else 0.0
        self.weight, self.x, self.xx = self.weight * keep + w, self.x * keep + w * x, self.xx * keep + w * x * x
        self.t, self.xt = self.t * keep + w * seconds, self.xt * keep + w * x * seconds

    def solve(self, latency: float, slope: float) -> tuple[float, float]:
        """(latency, seconds a byte); given is what is usual."""
        a, d = self.weight + self.anchor / latency**2, self.xx + self.anchor / slope**2
        u, v = self.t + self.anchor / latency, self.xt + self.anchor / slope
        determinant = a * d - self.x * self.x
        found, steep = (u * d - v * self.x) / determinant, (a * v - self.x * u) / determinant
        if found <= 0:
            found, steep = 0.0005, v / d
        elif steep <= 0:
            found, steep = u / a * 0.9, slope / 10  # nothing but waiting: the rate is beyond what could be seen
        return found, steep


@dataclass(slots=True)
class _DiskRate:
    """Transfers of a disk are taken to share its link evenly once their first byte is there."""

    line: _Line = field(default_factory=_Line)
    spread: float = 0.5
    seen: int = 0
    live: list[Mark] = field(default_factory=list)
    past: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=12))  # when transfers moved bytes

    def share(self, start: float, end: float, latency: float) -> float:
        """How many transfers shared the link from ``start`` to ``end`` (the harmonic mean), this one included."""
        others = [*self.past, *((mark.started + latency, math.inf) for mark in self.live)]
        cuts = sorted({start, end, *(t for span in others for t in span if start < t < end)})
        alone = sum(
            (after - before) / (1 + sum(1 for a, b in others if a <= before and b >= after))
            for before, after in pairwise(cuts)
        )
        return (end - start) / alone if alone > 0 else 1.0


class RateBook:
    """The estimates of all disks.  Not thread-safe: the owner guards it.

    A transfer is bracketed by ``began`` and ``ended``; the book knows which transfers shared a link at the time.
    """

    def __init__(self, *, latency: float = LATENCY, rate: float = RATE) -> None:
        self._latency = latency
        self._rate = rate
        self._disks: dict[bytes, _DiskRate] = {}
        self._usual: tuple[float, float] | None = None

    def began(self, disk: bytes, now: float) -> Mark:
        """A transfer starts at ``now`` (seconds)."""
        entry = self._disks.setdefault(disk, _DiskRate())
        mark = Mark(now)
        entry.live.append(mark)
        return mark

    def ended(self, disk: bytes, mark: Mark, now: float, size: int | None) -> None:
        """That transfer brought ``size`` bytes at ``now``; None: it failed and teaches nothing."""
        entry = self._disks[disk]
        if mark not in entry.live:
            return
        entry.live.remove(mark)
        if size is not None:
            self._learn(disk, entry, mark, now, size)

    def _learn(self, disk: bytes, entry: _DiskRate, mark: Mark, now: float, size: int) -> None:
        seconds = max(now - mark.started, 1e-6)
        before = self.estimate(disk)
        moving = max(seconds - before.latency, seconds * 0.3)
        crowded = size * entry.share(now - moving, now, before.latency)
        expected = before.predict(int(crowded))
        entry.spread += 0.3 * (min(abs(seconds / expected - 1.0), 2.0) - entry.spread)
        entry.past.append((now - moving, now))
        if entry.seen > 3:  # one outlier does not count for more than that
            seconds = min(seconds, 4 * expected)
        entry.line.add(crowded, seconds)
        entry.seen += 1
        self._usual = None

    def estimate(self, disk: bytes) -> Estimate:
        """What is known; for a disk that has shown nothing yet, what is usual among the others."""
        latency, slope = self._prior()
        entry = self._disks.get(disk)
        if entry is None or not entry.seen:
            return Estimate(latency, 1 / slope, False, 0.5)
        latency, slope = entry.line.solve(latency, slope)
        return Estimate(latency, 1 / slope, True, entry.spread)

    def known(self, disk: bytes) -> bool:
        """Whether a transfer from this disk has ended well."""
        entry = self._disks.get(disk)
        return bool(entry and entry.seen)

    def rates(self) -> Mapping[bytes, float]:
        """Bytes a second of the disks that have shown it."""
        return {disk: self.estimate(disk).rate for disk in self._disks if self.known(disk)}

    def _prior(self) -> tuple[float, float]:
        """(latency, seconds a byte) that are usual among the disks seen so far."""
        if self._usual is None:
            first = (self._latency, 1 / self._rate)
            lines = [entry.line.solve(*first) for entry in self._disks.values() if entry.seen]
            self._usual = (median(line[0] for line in lines), median(line[1] for line in lines)) if lines else first
        return self._usual
