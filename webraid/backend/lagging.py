"""Lagging: a backend at the end of a long, thin line, on the clock of its Env."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ClassVar, TypeVar

from webraid.backend.base import Backend
from webraid.backend.wrapper import Call, Wrapper
from webraid.env import Env

T = TypeVar("T")


class Line:
    """A line that all instances of a place share: ``latency`` seconds a request, ``up`` and ``down`` bytes per second
    in all (None: no limit).  May be changed while it is used."""

    def __init__(self, env: Env, *, latency: float = 0.0, up: float | None = None, down: float | None = None) -> None:
        self.latency = latency
        self.up = up
        self.down = down
        self._env = env
        self._lock = threading.Lock()
        self._free_at = {"up": 0.0, "down": 0.0}

    def answer(self) -> None:
        """Waits for the latency."""
        self._sleep(self.latency)

    def send(self, count: int) -> None:
        """Waits until ``count`` bytes have gone up, after those of others."""
        self._sleep(self._turn("up", self.up, count))

    def receive(self, count: int) -> None:
        """Waits until ``count`` bytes have come down, after those of others."""
        self._sleep(self._turn("down", self.down, count))

    def _turn(self, way: str, rate: float | None, count: int) -> float:
        if not rate or not count:
            return 0.0
        with self._lock:
            now = self._env.monotonic()
            self._free_at[way] = max(now, self._free_at[way]) + count / rate
            return self._free_at[way] - now

    def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            self._env.sleep(seconds)


class Lagging(Wrapper):
    """Takes the time that its line takes."""

    kind: ClassVar[str] = "lagging"

    def __init__(self, inner: Backend, line: Line) -> None:
        super().__init__(inner)
        self.line = line

    def around(self, call: Call, go: Callable[[], T]) -> T:
        self.line.answer()
        self.line.send(call.up)
        answer = go()
        if isinstance(answer, bytes):
            self.line.receive(len(answer))
        return answer
