"""Throttled: bytes and requests per second, as configured and as the provider shows it wants them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from webraid.backend.base import Backend
from webraid.backend.line import Bucket, Line, Rate, Ticket
from webraid.backend.metered import Meter
from webraid.backend.wrapper import SLICE, Call, Wrapper, never, pause
from webraid.env import Env
from webraid.errors import RateLimited, Unavailable

T = TypeVar("T")

SLOWEST = 0.1  # requests/s: below this no RateLimited pushes a disk
HALVE_EVERY = 1.0  # seconds: the threads of a disk are refused together, that is one reason to slow down, not four
LOOK_BACK = 5.0  # seconds whose requests tell how fast we were
CREEP = 0.01  # of the ceiling, per success
FIRST_PAUSE = 0.5  # seconds without any request after a refusal, doubling with every one that follows
LONGEST_PAUSE = 30.0  # ... up to this, unless the provider says how long
LONGEST_TOLD = 3600.0  # seconds of a Retry-After that are believed
LONGEST_WAIT = 30.0  # seconds that a request waits for the end of a pause; if it takes longer, it fails at once
PROBE_FOR = 30.0  # seconds after which a probe that hangs does not bar the next one
MOMENT = 1e-6  # seconds that are none


@dataclass(frozen=True, slots=True)
class Limits:
    """``up`` and ``down`` in bytes per second, fixed or a function that tells the rate in force; ``requests`` per
    second; None: no limit.  ``burst``: how many seconds' worth may be used at once after a quiet time."""

    up: Rate = None
    down: Rate = None
    requests: float | None = None
    burst: float = 1.0


@dataclass(frozen=True, slots=True)
class Lines:
    """Both directions of a link that several disks share; None: no limit."""

    up: Line | None = None
    down: Line | None = None


class Turn:
    """One request that waits for its turn.  ``paused``: it waits for the provider, not for our own limits."""

    def __init__(self, call: Call, env: Env) -> None:
        self.call = call
        self.paused = False
        self.tickets: list[Ticket] | None = None
        self._env = env
        self._began = env.monotonic()
        self._slept = 0.0

    def now(self) -> float:
        """The time.  What was slept counts: a simulated clock need not move."""
        return max(self._env.monotonic(), self._began + self._slept)

    def slept(self, seconds: float) -> None:
        """So much of the wait is over."""
        self._slept += seconds


class Throttle:
    """The limits of one disk, shared by its threads; ``lines`` are shared with other disks.

    A refusal (RateLimited) halves the requests per second, the configured or else the observed ones, and closes the
    disk for a while: for as long as the provider says, else for a pause that doubles each time.  After it one request
    is let through as a probe, and the others follow when it was answered.
    """

    def __init__(self, limits: Limits, env: Env, lines: Lines | None = None) -> None:
        self._env = env
        self._limits = limits
        self._lock = threading.Lock()
        now = env.monotonic()
        shared = lines or Lines()
        own_up = Line(limits.up, env, limits.burst) if limits.up else None
        own_down = Line(limits.down, env, limits.burst) if limits.down else None
        self._up = [line for line in (own_up, shared.up) if line]
        self._down = [line for line in (own_down, shared.down) if line]
        self._rate = limits.requests
        self._requests = self._bucket(now) if limits.requests else None
        self._ceiling = limits.requests or 0.0
        self._recent: deque[float] = deque(maxlen=32)
        self._halved_at = float("-inf")
        self._closed_until = now
        self._pause = 0.0  # the last one, while it lasts and until a request is answered
        self._probe: Turn | None = None
        self._probe_until = now

    @property
    def requests_rate(self) -> float | None:
        """Requests per second that are allowed just now; None: no limit."""
        with self._lock:
            return self._rate

    def _bucket(self, now: float, *, full: bool = True) -> Bucket:
        return Bucket(lambda: self._rate, self._limits.burst, now, full=full)

    def wait(self, turn: Turn) -> float:
        """Seconds until it is worth asking again; 0.0: it is this request's turn, and it must be sent.

        Raises RateLimited where the provider wants to be left alone for longer than a request should wait.
        """
        with self._lock:
            now = turn.now()
            closed = self._closed_until - now
            turn.paused = closed > MOMENT
            if closed > LONGEST_WAIT:
                text = f"it wants to be left alone for {closed:.0f} s"
                raise RateLimited(text, retry_after=closed, key=turn.call.name)
            if turn.paused:
                return closed
            if turn.tickets is None:
                turn.tickets = self._take(turn.call, now)
                self._recent.append(now)
            wait = max((ticket.wait(now) for ticket in turn.tickets), default=0.0)
            if wait > MOMENT:
                return wait
            return self._admit(turn, now)

    def _admit(self, turn: Turn, now: float) -> float:
        """After a refusal one at a time, until one is answered."""
        if self._pause:
            if self._probe is not None and now < self._probe_until:
                turn.paused = True
                return SLICE
            self._probe, self._probe_until = turn, now + PROBE_FOR
        return 0.0

    def _take(self, call: Call, now: float) -> list[Ticket]:
        tickets = [self._requests.take(1, now)] if self._requests else []
        if call.up:
            tickets += [line.take(call.up, now) for line in self._up]
        # A body of unknown length is paid for afterwards: here it only waits for what is owed already.
        if call.want != 0:
            tickets += [line.take(call.want, now) for line in self._down]
        return tickets

    def answered(self, turn: Turn, received: int = 0) -> None:
        """The request ended well.  ``received``: bytes that came and that were not foreseen.

        The rate creeps back up; a limit that was only learnt is dropped when it has been climbed.
        """
        with self._lock:
            self._left(turn)
            self._pause = 0.0
            if received:
                for line in self._down:
                    line.take(received, turn.now())
            if self._rate is not None:
                self._rate = min(self._ceiling, self._rate + CREEP * self._ceiling)
                if self._rate >= self._ceiling and not self._limits.requests:
                    self._rate = self._requests = None

    def refused(self, turn: Turn, error: RateLimited) -> None:
        """The provider asks for patience."""
        with self._lock:
            self._left(turn)
            now = turn.now()
            if not self._pause and now - self._halved_at >= HALVE_EVERY:
                self._halve(now)  # a probe that is refused does not tell that half of it is still too much
            if now >= self._closed_until or not self._pause:  # else it was sent before the disk was closed: no news
                self._pause = min(LONGEST_PAUSE, self._pause * 2 or FIRST_PAUSE)
            told = min(error.retry_after or 0.0, LONGEST_TOLD)
            self._closed_until = max(self._closed_until, now + (told or self._pause))

    def failed(self, turn: Turn) -> None:
        """The request ended in another error, which says nothing about limits."""
        with self._lock:
            self._left(turn)

    def _left(self, turn: Turn) -> None:
        if self._probe is turn:
            self._probe = None

    def _halve(self, now: float) -> None:
        self._halved_at = now
        if self._rate is None:
            recent = [at for at in self._recent if now - at <= LOOK_BACK]
            self._rate = self._ceiling = max(1.0, len(recent) / max(1.0, now - recent[0])) if recent else 1.0
            self._requests = self._bucket(now, full=False)
        self._rate = max(min(SLOWEST, self._ceiling), self._rate / 2)


class Throttled(Wrapper):
    """Keeps to the limits of ``throttle``.  A wait that ``stop`` cuts short ends in Unavailable.

    ``waited``: seconds that this instance's requests waited for our own limits so far.
    """

    kind: ClassVar[str] = "throttled"

    def __init__(
        self, inner: Backend, throttle: Throttle, *, env: Env, meter: Meter, stop: Callable[[], bool] = never
    ) -> None:
        super().__init__(inner)
        self.waited = 0.0
        self._throttle = throttle
        self._env = env
        self._meter = meter
        self._stop = stop

    def around(self, call: Call, go: Callable[[], T]) -> T:
        turn = Turn(call, self._env)
        self._queue(turn)
        try:
            answer = go()
        except RateLimited as error:
            self._throttle.refused(turn, error)
            raise
        except BaseException:
            self._throttle.failed(turn)
            raise
        self._throttle.answered(turn, len(answer) if call.want is None and isinstance(answer, bytes) else 0)
        return answer

    def _queue(self, turn: Turn) -> None:
        """Until it is the request's turn.  Looks again every now and then: limits change while it waits."""
        while (wait := self._throttle.wait(turn)) > 0:
            nap = min(wait, SLICE)
            if not pause(self._env, nap, self._stop):
                raise Unavailable("the disk is being closed", key=turn.call.name)
            turn.slept(nap)
            self.waited += 0.0 if turn.paused else nap
            self._meter.throttled(turn.call.op, nap)
