"""Budgeted: counts what a disk is asked for into its budget, and refuses what that does not allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

from webraid.backend.base import Backend
from webraid.backend.budget import Budget
from webraid.backend.wrapper import Call, Wrapper
from webraid.errors import BackendError

T = TypeVar("T")


class Budgeted(Wrapper):
    """Counts every request into ``budget``, and refuses shards where it is spent.

    ``overdraw``: not just now, whoever asks has no other way.
    """

    kind: ClassVar[str] = "budgeted"

    def __init__(self, inner: Backend, budget: Budget) -> None:
        super().__init__(inner)
        self.overdraw = False
        self._budget = budget

    def around(self, call: Call, go: Callable[[], T]) -> T:
        taken = self._budget.take(call, overdraw=self.overdraw)
        try:
            answer = go()
        except BackendError:
            self._budget.give_back(call, taken)
            raise
        self._budget.settle(call, answer)
        return answer


@contextmanager
def overdrawing(backend: Backend) -> Iterator[None]:
    """Requests to ``backend`` are not refused for its budget while the block runs."""
    found: Any = backend
    while isinstance(found, Wrapper) and not isinstance(found, Budgeted):
        found = found.inner
    if not isinstance(found, Budgeted):
        yield
        return
    found.overdraw = True
    try:
        yield
    finally:
        found.overdraw = False
