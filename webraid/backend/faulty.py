"""Faulty: a backend that breaks its promises in every way a provider can, from a seed, a script, or as a test says."""

from __future__ import annotations

import builtins
import copy
import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Literal, TypeVar

from webraid.backend.base import Backend, Bytes, Digest
from webraid.backend.wrapper import Call, Op, Wrapper
from webraid.env import Env
from webraid.errors import AuthExpired, BackendError, ObjectNotFound, QuotaExceeded, RateLimited, Unavailable
from webraid.model import Stored

T = TypeVar("T")
Listing = builtins.list[Stored]


class Fault(StrEnum):
    """What can go wrong with one request."""

    BEFORE = "before"  # Unavailable, and nothing happened
    AFTER = "after"  # Unavailable, but it did happen
    LIMITED = "limited"  # 429
    EXPIRED = "expired"  # the token
    HANG = "hang"  # no answer until faults.hang is set
    SLOW = "slow"  # faults.slow seconds
    FLIP = "flip"  # get: one bit is wrong
    SHORT = "short"  # get: the last byte is missing
    LONG = "long"  # get: a byte too many
    WRONG = "wrong"  # get: other bytes of the same length
    TORN = "torn"  # put: Unavailable, and half of it lies there
    FULL = "full"  # put: QuotaExceeded in the middle; where puts are not atomic half of it lies there
    TWICE = "twice"  # put: from now on a listing names it twice
    LATE = "late"  # delete: takes effect many calls later
    STALE = "stale"  # list: as it was many calls ago


BODIES = frozenset({Fault.FLIP, Fault.SHORT, Fault.LONG, Fault.WRONG})
ONLY: Mapping[Fault, Op] = {
    **dict.fromkeys(BODIES, Op.GET),
    **dict.fromkeys((Fault.TORN, Fault.FULL, Fault.TWICE), Op.PUT),
    Fault.LATE: Op.DELETE,
    Fault.STALE: Op.LIST,
}
MANY = 20  # calls that 'late' and 'stale' mean when a script or a rate asks for them
SLOW_FOR = 1.0  # seconds that 'slow' means


@dataclass(frozen=True, slots=True)
class Step:
    """A line of a script: what befalls the next request of that ``op`` (None: of any) whose name begins with ``name``.
    A fault of None lets it pass."""

    fault: Fault | BackendError | None
    op: Op | None = None
    name: str = ""

    def fits(self, call: Call) -> bool:
        op = self.op or (ONLY.get(self.fault) if isinstance(self.fault, Fault) else None)
        return op in (None, call.op) and call.name.startswith(self.name)


class Faults:
    """What goes wrong with a place: shared by its instances, changed by tests while it is used.  Thread-safe.

    ``rates``: chance per request, drawn from the seed, the request and how often it was made - not from the order in
    which threads come - so a run repeats.  ``script``: used up line by line, the first line by the first request that
    it fits; goes before the rates.  ``down`` ``expired`` ``full``: until set back.  ``storm``: how many requests get
    429 (with ``retry_after``) from now on.  ``hang``: every request waits for that event first; ``release`` frees
    those that hang by script or rate.  ``slow``: seconds more for each request.  ``late_calls`` ``stale_calls``: for
    how many requests a delete has no effect, a put and a delete do not show in listings.  ``connect_error``: what
    opening raises.  ``calls`` counts requests, ``journal`` names them.  One Faults may serve many places.
    """

    def __init__(self, seed: int = 0, *, env: Env | None = None) -> None:
        self.seed = seed
        self.rates: dict[Fault, float] = {}
        self.script: list[Fault | BackendError | Step | None] = []
        self.down = self.expired = self.full = False
        self.storm = 0
        self.retry_after: float | None = None
        self.hang: threading.Event | None = None
        self.release = threading.Event()
        self.slow = 0.0
        self.late_calls = self.stale_calls = 0
        self.connect_error: BackendError | None = None
        self.calls = 0
        self.journal: list[tuple[Op, str]] = []
        self._env = env or Env()
        self._lock = threading.Lock()
        self._asked: Counter[tuple[Op, str]] = Counter()
        self._crash: tuple[int, str, type[BaseException]] | None = None
        self._dead: type[BaseException] | None = None

    @property
    def flip_rate(self) -> float:
        """Chance that a body comes with a flipped bit."""
        return self.rates.get(Fault.FLIP, 0.0)

    @flip_rate.setter
    def flip_rate(self, rate: float) -> None:
        self.rates[Fault.FLIP] = rate

    def crash_at(
        self, n: int, when: Literal["before", "after"] = "before", error: type[BaseException] = KeyboardInterrupt
    ) -> None:
        """The process dies at the n-th request from now (1: the next), before or after its effect: that request and
        all later ones raise ``error`` and do nothing, until ``revive``."""
        with self._lock:
            self._crash = (self.calls + n, when, error)

    def revive(self) -> None:
        """The process is started again."""
        with self._lock:
            self._crash = self._dead = None

    @property
    def crashed(self) -> bool:
        """Whether the crash point was reached."""
        return self._dead is not None

    def opener(self, open_backend: Callable[[], Backend]) -> Callable[[], Faulty]:
        """For a Disk: opens a backend with these faults around it, unless ``connect_error`` is set."""

        past = Past()

        def opened() -> Faulty:
            if self.connect_error is not None:
                raise copy.copy(self.connect_error)
            return Faulty(open_backend(), self, past)

        return opened

    # ------------------------------------------------------------------------------------------------- used by Faulty
    def begin(self, call: Call) -> tuple[int, Fault | None]:
        """A request comes in: raises what happens before its effect, else gives its number and what to do to it."""
        with self._lock:
            self._check_alive()
            self.calls += 1
            number = self.calls
            self.journal.append((call.op, call.name))
            self._asked[call.op, call.name] += 1
            self._die_at(number, "before")
            fault = self._standing(call) or self._chosen(call)
            hang = self.release if fault is Fault.HANG else self.hang
        if hang is not None:
            hang.wait()
            self._check_alive()
        slow = self.slow + (SLOW_FOR if fault is Fault.SLOW else 0.0)
        if slow:
            self._env.sleep(slow)
        if isinstance(fault, BackendError):
            raise copy.copy(fault)
        return number, fault

    def end(self, call: Call, number: int, fault: Fault | None) -> None:
        """The effect of a request is there: raises what happens after it."""
        with self._lock:
            self._check_alive()
            self._die_at(number, "after")
        if fault is Fault.AFTER:
            raise Unavailable("the connection broke before the answer came", key=call.name)

    def draw(self, *what: object) -> int:
        """A number of 64 bits that depends on the seed and ``what`` only."""
        text = "|".join(map(str, (self.seed, *what)))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

    def _check_alive(self) -> None:
        if self._dead is not None:
            raise self._dead

    def _die_at(self, number: int, when: str) -> None:
        if self._crash is not None and self._crash[:2] == (number, when):
            self._dead = self._crash[2]
            raise self._dead

    def _standing(self, call: Call) -> Fault | BackendError | None:
        if self.down:
            return Unavailable("no answer", key=call.name)
        if self.expired:
            return self._meant(Fault.EXPIRED)
        if self.storm > 0:
            self.storm -= 1
            return self._meant(Fault.LIMITED)
        return Fault.FULL if self.full and call.op is Op.PUT else None

    def _chosen(self, call: Call) -> Fault | BackendError | None:
        if self.script:
            line = self.script[0]
            step = line if isinstance(line, Step) else Step(line)
            if step.fits(call):
                del self.script[0]
                return self._meant(step.fault)
        nth = self._asked[call.op, call.name]
        for fault, rate in self.rates.items():
            fits = ONLY.get(fault) in (None, call.op)
            if fits and self.draw(fault, call.op, call.name, nth) < rate * 2**64:
                return self._meant(fault)
        return None

    def _meant(self, fault: Fault | BackendError | None) -> Fault | BackendError | None:
        match fault:
            case Fault.BEFORE:
                return Unavailable("the connection broke before anything was done")
            case Fault.LIMITED:
                return RateLimited("too many requests", retry_after=self.retry_after)
            case Fault.EXPIRED:
                return AuthExpired("the login has expired", fix="webraid login")
            case _:
                return fault


class Past:
    """What a place has not done yet (late deletes) or does not show yet (stale listings).  Shared by its instances."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._late: dict[str, int] = {}  # name -> number of the request at which its delete takes effect
        self._put: dict[str, int] = {}
        self._deleted: dict[str, tuple[int, Stored]] = {}
        self._twice: set[str] = set()

    def put(self, name: str, now: int, *, twice: bool) -> None:
        with self._lock:
            self._late.pop(name, None)
            self._deleted.pop(name, None)
            self._put[name] = now
            if twice:
                self._twice.add(name)

    def deleted(self, stored: Stored, now: int, delay: int) -> None:
        """``delay``: requests until it is really gone."""
        with self._lock:
            self._deleted[stored.name] = (now, stored)
            self._twice.discard(stored.name)
            if delay:
                self._late[stored.name] = now + delay

    def due(self, now: int) -> list[str]:
        """Names whose delete takes effect now; told once."""
        with self._lock:
            names = [name for name, at in self._late.items() if at < now]
            for name in names:
                del self._late[name]
            return names

    def listing(self, objects: Iterator[Stored], prefix: str, now: int, window: int) -> list[Stored]:
        """The listing as it was ``window`` requests ago, with what is shown twice."""
        found = {stored.name: stored for stored in objects}
        with self._lock:
            if window:
                for name, at in self._put.items():
                    if now - at <= window:
                        found.pop(name, None)
                for name, (at, stored) in self._deleted.items():
                    if now - at <= window and name.startswith(prefix):
                        found[name] = stored
            return [*found.values(), *(found[name] for name in self._twice & found.keys())]


class Faulty(Wrapper):
    """Does to requests what ``faults`` says.  Instances on one place share ``past``: ``Faults.opener`` sees to it."""

    kind: ClassVar[str] = "faulty"

    def __init__(self, inner: Backend, faults: Faults, past: Past | None = None) -> None:
        super().__init__(inner)
        self.faults = faults
        self._past = past or Past()
        self._number = 0  # of the request this instance is busy with, and what befalls it
        self._fault: Fault | None = None

    def around(self, call: Call, go: Callable[[], T]) -> T:
        self._number, self._fault = self.faults.begin(call)
        for name in self._past.due(self._number):
            self.inner.delete(name)
        answer = go()
        self.faults.end(call, self._number, self._fault)
        return answer

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        def go() -> Stored:
            if self._fault is Fault.TORN or (self._fault is Fault.FULL and not self.caps.atomic_put):
                half = bytes(data)[: memoryview(data).nbytes // 2]
                self.inner.put(name, half, digest=_digest(half))
            if self._fault is Fault.TORN:
                raise Unavailable("the connection broke half-way", key=name)
            if self._fault is Fault.FULL:
                raise QuotaExceeded("the place is full", key=name)
            stored = self.inner.put(name, data, digest=digest)
            self._past.put(name, self._number, twice=self._fault is Fault.TWICE)
            return stored

        return self.around(Call(Op.PUT, name, up=memoryview(data).nbytes), go)

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        body = super().get(name, locator=locator, offset=offset, size=size)
        luck = self.faults.draw("body", name, self._number)
        match self._fault:
            case Fault.FLIP if body:
                spoilt = bytearray(body)
                spoilt[luck // 8 % len(body)] ^= 1 << luck % 8
                return bytes(spoilt)
            case Fault.SHORT:
                return body[:-1]
            case Fault.LONG:
                return body + b"\0"
            case Fault.WRONG:
                return hashlib.shake_256(b"%d" % luck).digest(len(body))
            case _:
                return body

    def list(self, prefix: str) -> Iterator[Stored]:
        def go() -> Listing:
            window = MANY if self._fault is Fault.STALE else self.faults.stale_calls
            return self._past.listing(self.inner.list(prefix), prefix, self._number, window)

        return iter(self.around(Call(Op.LIST, prefix), go))

    def delete(self, name: str, *, locator: str = "") -> None:
        def go() -> None:
            delay = MANY if self._fault is Fault.LATE else self.faults.late_calls
            try:
                self._past.deleted(self.inner.stat(name, locator=locator), self._number, delay)
            except ObjectNotFound:
                return
            if not delay:
                self.inner.delete(name, locator=locator)

        self.around(Call(Op.DELETE, name), go)

    def _delete_part(self, part: Mapping[str, str]) -> None:
        for name, locator in part.items():  # each meets its own fate
            self.delete(name, locator=locator)

    def snapshot(self) -> dict[str, bytes]:
        """Everything that lies there, past all faults, for ``roll_back``."""
        return {stored.name: self.inner.get(stored.name) for stored in list(self.inner.list(""))}

    def roll_back(self, snapshot: Mapping[str, bytes]) -> None:
        """The whole place is as it was when the snapshot was taken."""
        for stored in list(self.inner.list("")):
            self.inner.delete(stored.name)
        for name, data in snapshot.items():
            self.inner.put(name, data, digest=_digest(data))


def _digest(data: bytes) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest(), hashlib.md5(data, usedforsecurity=False).hexdigest())
