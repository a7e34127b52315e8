"""What this very account really does, found out with about a dozen small requests when a disk is added; and how fast.

A kind's caps are what its provider says; a probe tells what the account in hand does.  It never makes caps better than
the kind claims, only more cautious.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from webraid.backend.base import Backend, Caps, Digest
from webraid.env import Env
from webraid.errors import ObjectNotFound, ProtocolError

T = TypeVar("T")

SMALL = 4096
LARGE = 1 << 20
BIG = 4 << 20
SAMPLES = 5
PREFIX = "probe"


@dataclass(frozen=True, slots=True)
class Probe:
    """``caps`` as seen; ``latency`` seconds of a small request; ``up`` and ``down`` bytes a second of one connection;
    ``at`` seconds since the epoch; ``requests``: how many it took; ``notes``: what is not as the kind says."""

    caps: Caps
    latency: float
    up: float
    down: float
    at: float
    requests: int
    notes: tuple[str, ...] = ()


def probe(backend: Backend, env: Env, scratch: str) -> Probe:
    """Try the account out below the folder ``scratch`` ('name/'), and remove everything again.

    Raises ProtocolError where a promise that WebRAID depends on is broken, or whatever the requests raise.
    """
    run = _Run(backend, env)
    small, large = env.random(SMALL), env.random(LARGE)
    names = [f"{scratch}{PREFIX}/small", f"{scratch}{PREFIX}/large"]
    notes: list[str] = []
    caps = backend.caps
    try:
        first = run.timed(lambda: backend.put(names[0], small, digest=_digest(small)))
        run.timed(lambda: backend.put(names[0], small, digest=_digest(small)))
        latency = min(run.last, run.before)
        run.check(run.timed(lambda: backend.get(names[0])) == small, "what was written is not what is read back")
        latency = min(latency, run.last)
        part = run.timed(lambda: backend.get(names[0], offset=1000, size=500))
        run.check(part == small[1000:1500], "a part of an object is not what was asked for")
        caps = _listing(run, f"{scratch}{PREFIX}/", names[0], caps, notes)
        told = {algorithm for algorithm, _ in first.hashes}
        if not set(caps.hashes) <= told:
            notes.append("it tells no hash of what it stores: uploads are verified by reading samples back")
            caps = dataclasses.replace(caps, hashes=(), hashes_in_list=False)
        run.timed(lambda: backend.put(names[1], large, digest=_digest(large)))
        up = LARGE / max(1e-6, run.last - latency if run.last > 2 * latency else run.last)
        run.check(run.timed(lambda: backend.get(names[1])) == large, "what was written is not what is read back")
        down = LARGE / max(1e-6, run.last - latency if run.last > 2 * latency else run.last)
        run.timed(lambda: backend.delete(names[0]))
        run.missing(lambda: backend.get(names[0]))
        run.missing(lambda: backend.stat(names[0]))
    finally:
        for name in names:
            backend.delete(name)
    return Probe(caps, latency, up, down, env.now(), run.count + len(names), tuple(notes))


class _Run:
    def __init__(self, backend: Backend, env: Env) -> None:
        self.backend = backend
        self.env = env
        self.count = 0
        self.last = self.before = 0.0

    def timed(self, call: Callable[[], T]) -> T:
        began = self.env.monotonic()
        answer = call()
        self.before, self.last = self.last, self.env.monotonic() - began
        self.count += 1
        return answer

    def check(self, holds: bool, what: str) -> None:
        if not holds:
            raise ProtocolError(what, hint="Do not use this place: it would lose data.")

    def missing(self, call: Callable[[], object]) -> None:
        try:
            self.timed(call)
        except ObjectNotFound:
            self.count += 1
            return
        self.check(False, "it still shows an object that was deleted")


def _listing(run: _Run, folder: str, name: str, caps: Caps, notes: list[str]) -> Caps:
    names = run.timed(lambda: [stored.name for stored in run.backend.list(folder)])
    if name in names:
        return caps
    notes.append("its listings lag behind what was just written")
    return dataclasses.replace(caps, list_consistency="eventual")


# -------------------------------------------------------------------------------------------------------------- speed
@dataclass(frozen=True, slots=True)
class Speed:
    """``latency``: seconds of a small request, the median of several.  Rates in bytes a second: ``up`` and ``down`` of
    one connection, ``up_together`` and ``down_together`` of ``connections`` at once.  ``moved``: bytes it took, both
    ways; ``at``: seconds since the epoch."""

    latency: float
    up: float
    down: float
    up_together: float
    down_together: float
    connections: int
    moved: int
    at: float


def measure(open_backend: Callable[[], Backend], env: Env, scratch: str, connections: int) -> Speed:
    """Time the place below the folder ``scratch`` ('name/') with a few MiB, and remove everything again.

    A slow place gets smaller objects, so that it takes a minute at most.  Raises what the requests raise.
    """
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(contextlib.closing(open_backend())) for _ in range(connections)]
        runs = [_Run(backend, env) for backend in opened]
        names = [f"{scratch}{PREFIX}/speed-{number}" for number in range(connections)]
        stack.callback(_remove, opened[0], names)
        latency = _latency(runs[0], names[0])
        data = env.random(LARGE)
        up = _rate(runs[0], lambda: opened[0].put(names[0], data, digest=_digest(data)), len(data), latency)
        if up > LARGE:
            data = env.random(BIG)
            up = _rate(runs[0], lambda: opened[0].put(names[0], data, digest=_digest(data)), len(data), latency)
        down = _rate(runs[0], lambda: opened[0].get(names[0]), len(data), latency)
        digest = _digest(data)
        pool = stack.enter_context(ThreadPoolExecutor(connections, "speed"))

        def together(work: Callable[[Backend, str], object]) -> float:
            began = env.monotonic()
            list(pool.map(work, opened, names))
            return connections * len(data) / max(1e-6, env.monotonic() - began)

        up_together = together(lambda backend, name: backend.put(name, data, digest=digest))
        down_together = together(lambda backend, name: backend.get(name))
    moved = 2 * len(data) * (connections + 1) + (LARGE if len(data) > LARGE else 0)
    return Speed(latency, up, down, up_together, down_together, connections, moved, env.now())


def _latency(run: _Run, name: str) -> float:
    small = run.env.random(SMALL)
    run.backend.put(name, small, digest=_digest(small))
    times = []
    for _ in range(SAMPLES):
        run.timed(lambda: run.backend.get(name))
        times.append(run.last)
    return sorted(times)[SAMPLES // 2]


def _rate(run: _Run, call: Callable[[], object], size: int, latency: float) -> float:
    run.timed(call)
    return size / max(1e-6, run.last - latency if run.last > 2 * latency else run.last)


def _remove(backend: Backend, names: list[str]) -> None:
    for name in names:
        backend.delete(name)


def _digest(data: bytes) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest(), hashlib.md5(data, usedforsecurity=False).hexdigest())
