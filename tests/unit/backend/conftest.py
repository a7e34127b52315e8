"""A clock that only moves when somebody sleeps, how objects are put, and disks that are closed afterwards."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.backend.rig import WAIT, Rig
from webraid.backend.base import Digest
from webraid.env import Env


class Clock:
    """Seconds since 1000, moved by ``env.sleep`` alone."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.naps: list[float] = []
        self.lock = threading.Lock()
        self.env = Env(
            now=lambda: self.time,
            monotonic=lambda: self.time,
            sleep=self.sleep,
            random=random.Random(1).randbytes,
            rng=random.Random(2),
        )

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.time += seconds
            self.naps.append(seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def env(clock: Clock) -> Env:
    return clock.env


@pytest.fixture
def put() -> Callable[..., Any]:
    """put(backend or disk, name, data, **more) with the right digest."""

    def put(place: Any, name: str, data: bytes, **more: Any) -> Any:
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return place.put(name, data, digest=Digest(hashlib.sha256(data).hexdigest(), md5), **more)

    return put


@pytest.fixture
def rigs(env: Env) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(**more: Any) -> Rig:
        made.append(Rig(more.pop("env", env), **more))
        return made[-1]

    yield make
    for rig in made:
        rig.faults.release.set()
        if rig.faults.hang:
            rig.faults.hang.set()
        assert rig.disk.close(timeout=WAIT), "a thread outlived its disk"
