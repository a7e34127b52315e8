"""A disk over doubles with everything within reach, and how to wait for its threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from webraid.backend.disk import Disk
from webraid.backend.faulty import Faults
from webraid.backend.memory import CAPS, Memory, Store
from webraid.env import Env

WAIT = 10  # seconds: for what should take milliseconds


class Rig:
    """A disk over Faulty over Memory, everything shared by its instances within reach."""

    def __init__(self, env: Env, **more: Any) -> None:
        self.env = env
        self.store = Store()
        self.faults = Faults(env=env)
        self.opened: list[Memory] = []
        more.setdefault("caps", CAPS)
        self.disk = Disk("attic", self.faults.opener(self.open), env=env, **more)

    def open(self) -> Memory:
        self.opened.append(Memory(self.store))
        return self.opened[-1]


def result(future: Future[Any]) -> Any:
    return future.result(WAIT)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def threads_of(disk: Disk) -> int:
    return sum(thread.name.startswith(f"disk-{disk.name}-") for thread in threading.enumerate())
