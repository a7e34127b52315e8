"""What this very account really does, found out with about a dozen small requests when a disk is added.

A kind's caps are what its provider says; a probe tells what the account in hand does.  It never makes caps better than
the kind claims, only more cautious.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from webraid.backend.base import Backend, Caps, Digest
from webraid.env import Env
from webraid.errors import ObjectNotFound, ProtocolError

T = TypeVar("T")

SMALL = 4096
LARGE = 1 << 20
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


def _digest(data: bytes) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest(), hashlib.md5(data, usedforsecurity=False).hexdigest())
