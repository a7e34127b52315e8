"""Throttled: bytes and requests per second, as configured and as the provider shows it wants them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from webraid.backend.base import Backend
from webraid.backend.metered import Meter
from webraid.backend.wrapper import Call, Wrapper, never, pause
from webraid.env import Env
from webraid.errors import RateLimited, Unavailable

T = TypeVar("T")

SLOWEST = 0.1  # requests/s: below this no RateLimited pushes a disk
HALVE_EVERY = 1.0  # seconds: the threads of a disk are refused together, that is one reason to slow down, not four
CREEP = 0.01  # of the ceiling, per success
LONGEST_PAUSE = 30.0  # seconds that a Retry-After to one thread holds back the others


@dataclass(frozen=True, slots=True)
class Limits:
    """``up`` and ``down`` in bytes per second, ``requests`` per second; None: no limit.  ``burst``: how many seconds'
    worth may be used at once after a quiet time."""

    up: float | None = None
    down: float | None = None
    requests: float | None = None
    burst: float = 1.0


class Bucket:
    """A token bucket that may owe: whoever takes is told how long to wait, so everybody is served in turn."""

    def __init__(self, rate: float, burst: float, now: float, *, full: bool = True) -> None:
        self.rate = rate
        self._burst = burst
        self._level = rate * burst if full else 0.0
        self._at = now

    def take(self, amount: float, now: float) -> float:
        """Seconds to wait before using what was taken."""
        self._level = min(self.rate * self._burst, self._level + (now - self._at) * self.rate)
        self._at = now
        self._level -= amount
        return max(0.0, -self._level / self.rate)


class Throttle:
    """The limits of one disk, shared by its threads."""

    def __init__(self, limits: Limits, env: Env) -> None:
        self._env = env
        self._limits = limits
        self._lock = threading.Lock()
        now = env.monotonic()
        self._up = Bucket(limits.up, limits.burst, now) if limits.up else None
        self._down = Bucket(limits.down, limits.burst, now) if limits.down else None
        self._requests = Bucket(limits.requests, limits.burst, now) if limits.requests else None
        self._ceiling = limits.requests or 0.0
        self._recent: deque[float] = deque(maxlen=32)
        self._halved_at = float("-inf")
        self._closed_until = now

    @property
    def requests_rate(self) -> float | None:
        """Requests per second that are allowed just now; None: no limit."""
        with self._lock:
            return self._requests.rate if self._requests else None

    def reserve(self, call: Call) -> float:
        """Takes what the call needs; seconds to wait before sending it."""
        with self._lock:
            now = self._env.monotonic()
            self._recent.append(now)
            waits = [self._closed_until - now]
            waits += [self._requests.take(1, now)] if self._requests else []
            waits += [self._up.take(call.up, now)] if self._up and call.up else []
            # A body of unknown length is paid for afterwards: here it only waits for what is owed already.
            waits += [self._down.take(call.want or 0, now)] if self._down and call.want != 0 else []
            return max(0.0, *waits)

    def received(self, extra: int) -> None:
        """Bytes came that were not reserved."""
        with self._lock:
            if self._down:
                self._down.take(extra, self._env.monotonic())

    def slow_down(self, error: RateLimited) -> None:
        """Halves the requests per second (the configured, or else the observed), and keeps a told pause."""
        with self._lock:
            now = self._env.monotonic()
            self._closed_until = max(self._closed_until, now + min(error.retry_after or 0.0, LONGEST_PAUSE))
            if now - self._halved_at < HALVE_EVERY:
                return
            self._halved_at = now
            if self._requests is None:
                self._ceiling = len(self._recent) / max(1.0, now - self._recent[0]) if self._recent else 1.0
                self._requests = Bucket(self._ceiling, self._limits.burst, now, full=False)
            self._requests.rate = max(min(SLOWEST, self._ceiling), self._requests.rate / 2)

    def speed_up(self) -> None:
        """Creeps back up; a limit that was only learnt is dropped when it has been climbed."""
        with self._lock:
            if self._requests is None:
                return
            self._requests.rate = min(self._ceiling, self._requests.rate + CREEP * self._ceiling)
            if self._requests.rate >= self._ceiling and not self._limits.requests:
                self._requests = None


class Throttled(Wrapper):
    """Keeps to the limits of ``throttle``.  A wait that ``stop`` cuts short ends in Unavailable."""

    kind: ClassVar[str] = "throttled"

    def __init__(
        self, inner: Backend, throttle: Throttle, *, env: Env, meter: Meter, stop: Callable[[], bool] = never
    ) -> None:
        super().__init__(inner)
        self._throttle = throttle
        self._env = env
        self._meter = meter
        self._stop = stop

    def around(self, call: Call, go: Callable[[], T]) -> T:
        wait = self._throttle.reserve(call)
        if wait > 0:
            self._meter.throttled(call.op, wait)
            if not pause(self._env, wait, self._stop):
                raise Unavailable("the disk is being closed", key=call.name)
        try:
            answer = go()
        except RateLimited as error:
            self._throttle.slow_down(error)
            raise
        self._throttle.speed_up()
        if isinstance(answer, bytes) and call.want is None:
            self._throttle.received(len(answer))
        return answer
