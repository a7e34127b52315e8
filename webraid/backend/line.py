"""Line: bytes a second that several senders share, in the order in which they come."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from webraid.env import Env

SMALL = 64 << 10  # bytes: up to here a body does not wait behind large ones

Rate = float | Callable[[], float | None] | None


class Bucket:
    """A token bucket that may owe: whoever takes gets a ticket, and tickets are served in turn.  Thread-safe.

    ``rate`` a second, fixed or a function that tells what is in force (None: no limit); a change holds for what waits
    already, too.  ``burst``: how many seconds' worth are there at once after a quiet time.  Times are the caller's.
    """

    def __init__(self, rate: Rate, burst: float, now: float, *, full: bool = True) -> None:
        self._told = rate
        self._burst = burst
        self._lock = threading.Lock()
        self._rate = rate() if callable(rate) else rate
        self._granted = self._rate * burst if full and self._rate else 0.0
        self._taken = 0.0
        self._at = now

    def take(self, amount: float, now: float) -> Ticket:
        """A ticket for ``amount``."""
        with self._lock:
            self._advance(now)
            self._taken += amount
            return Ticket(self, self._taken)

    def wait(self, number: float, now: float) -> float:
        """Seconds until what the ticket of that number is for may be used, at the rate of now."""
        with self._lock:
            self._advance(now)
            return max(0.0, (number - self._granted) / self._rate) if self._rate else 0.0

    def _advance(self, now: float) -> None:
        """What has been granted meanwhile, at the rate that held; then the one that holds now."""
        passed, self._at = max(0.0, now - self._at), max(now, self._at)
        if self._rate:
            self._granted = min(self._granted + passed * self._rate, self._taken + self._rate * self._burst)
        else:
            self._granted = self._taken
        self._rate = self._told() if callable(self._told) else self._told


@dataclass(frozen=True, slots=True)
class Ticket:
    """A place in a queue."""

    bucket: Bucket
    number: float

    def wait(self, now: float) -> float:
        """Seconds until it is its turn."""
        return self.bucket.wait(self.number, now)


class Line:
    """One direction of a link, ``rate`` bytes a second.  Thread-safe.

    A small body waits for other small ones only: log records and markers must not stand in line behind a hundred
    megabytes of shards; what they take is owed by those.
    """

    def __init__(self, rate: Rate, env: Env, burst: float = 1.0) -> None:
        now = env.monotonic()
        self._all = Bucket(rate, burst, now)
        self._small = Bucket(rate, burst, now)

    def take(self, size: int | None, now: float) -> Ticket:
        """A ticket for a body of that many bytes; None: it is not known, and waits for what is owed already."""
        ticket = self._all.take(size or 0, now)
        return ticket if size is None or size > SMALL else self._small.take(size, now)
