"""Meter counts what a disk is asked and what it costs; Metered feeds it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from webraid.backend.base import Backend, map_error
from webraid.backend.wrapper import Call, Op, Wrapper, innermost

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Count:
    """What was counted for one operation class (or, as a total, for all).

    ``requests``: tries, successful or not; a listing is one.  ``up`` and ``down``: bytes of bodies in requests that
    succeeded.  ``errors``: class name -> how often.  ``throttled``: seconds spent waiting for our own limits.
    """

    requests: int = 0
    up: int = 0
    down: int = 0
    retries: int = 0
    throttled: float = 0.0
    errors: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Count) -> Count:
        return Count(
            self.requests + other.requests, self.up + other.up, self.down + other.down,
            self.retries + other.retries, self.throttled + other.throttled,
            dict(Counter(self.errors) + Counter(other.errors)),
        )  # fmt: skip


class Meter:
    """Counters of one disk, shared by its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[Op, Count] = {}

    def requested(self, op: Op) -> None:
        """A request sets out."""
        self._add(op, Count(requests=1))

    def moved(self, op: Op, *, up: int = 0, down: int = 0) -> None:
        """Bytes went through."""
        self._add(op, Count(up=up, down=down))

    def failed(self, op: Op, error: BaseException) -> None:
        """A request ended in an error, counted under its class."""
        self._add(op, Count(errors={type(error).__name__: 1}))

    def retried(self, op: Op) -> None:
        """A request is about to be repeated."""
        self._add(op, Count(retries=1))

    def throttled(self, op: Op, seconds: float) -> None:
        """A request waits that long for our own limits."""
        self._add(op, Count(throttled=seconds))

    def _add(self, op: Op, more: Count) -> None:
        with self._lock:
            self._counts[op] = self._counts.get(op, Count()) + more

    def counts(self) -> dict[Op, Count]:
        """Everything so far, by operation class; classes that were never used are absent."""
        with self._lock:
            return dict(self._counts)

    def total(self) -> Count:
        """Everything so far in one."""
        return sum(self.counts().values(), Count())


class Metered(Wrapper):
    """Counts every request that reaches the backend below.  Errors are counted under the class they are mapped to."""

    kind: ClassVar[str] = "metered"

    def __init__(self, inner: Backend, meter: Meter) -> None:
        super().__init__(inner)
        self.meter = meter

    def around(self, call: Call, go: Callable[[], T]) -> T:
        self.meter.requested(call.op)
        try:
            answer = go()
        except Exception as error:
            self.meter.failed(call.op, map_error(innermost(self).ERRORS, error) or error)
            raise
        self.meter.moved(call.op, up=call.up, down=len(answer) if isinstance(answer, bytes) else 0)
        return answer
