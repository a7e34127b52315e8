"""Kept: what was read last, in bounded memory, for many threads; what several want at once is fetched once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(slots=True)
class Counts:
    """How often something was there, had to be fetched, or was on its way for somebody else; how many were let go."""

    hits: int = 0
    misses: int = 0
    shared: int = 0
    dropped: int = 0


class Kept(Generic[Key, Value]):
    """A least-recently-used cache of at most ``limit`` in ``weigh``'s unit.  Any thread may call.

    No lock is held while something is fetched.  A thread first fetches what it has promised to others, and waits for
    theirs only then: nobody waits in a circle.
    """

    def __init__(self, limit: int, weigh: Callable[[Value], int]) -> None:
        self.limit = limit
        self.counts = Counts()
        self._weigh = weigh
        self._used = 0
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._coming: dict[Key, Future[Value]] = {}
        self._lock = threading.Lock()

    @property
    def used(self) -> int:
        """What is kept now weighs so much."""
        return self._used

    def missing(self, keys: Iterable[Key]) -> list[Key]:
        """Those that are neither here nor on their way."""
        with self._lock:
            return [key for key in dict.fromkeys(keys) if key not in self._values and key not in self._coming]

    def get(
        self, keys: Sequence[Key], fetch: Callable[[Sequence[Key]], Iterable[tuple[Key, Value | Exception]]]
    ) -> dict[Key, Value]:
        """All of ``keys``.  ``fetch`` gives those that are not here, in any order, or why one is not to be had.

        Raises that reason, or what ``fetch`` raises; LookupError for a key that it left out.
        """
        found, mine, theirs = self._sort(keys)
        if mine:
            self._fetch(mine, fetch)
        for key, coming in {**mine, **theirs}.items():
            found[key] = coming.result()
        return found

    def _sort(self, keys: Sequence[Key]) -> tuple[dict[Key, Value], dict[Key, Future[Value]], dict[Key, Future[Value]]]:
        found: dict[Key, Value] = {}
        mine: dict[Key, Future[Value]] = {}
        theirs: dict[Key, Future[Value]] = {}
        with self._lock:
            for key in dict.fromkeys(keys):
                if key in self._values:
                    self._values.move_to_end(key)
                    found[key] = self._values[key]
                elif key in self._coming:
                    theirs[key] = self._coming[key]
                else:
                    mine[key] = self._coming[key] = Future()
            self.counts.hits += len(found)
            self.counts.misses += len(mine)
            self.counts.shared += len(theirs)
        return found, mine, theirs

    def _fetch(
        self, mine: dict[Key, Future[Value]],
        fetch: Callable[[Sequence[Key]], Iterable[tuple[Key, Value | Exception]]],
    ) -> None:  # fmt: skip
        left = dict(mine)
        reason: BaseException = LookupError("it was not among what was fetched")
        try:
            for key, value in fetch(list(mine)):
                coming = left.pop(key, None)
                if coming is not None:
                    self._settle(key, coming, value)
        except BaseException as error:  # whoever waits for these must hear of it
            reason = error
            raise
        finally:
            for key, coming in left.items():
                self._settle(key, coming, reason)

    def _settle(self, key: Key, coming: Future[Value], value: Value | BaseException) -> None:
        with self._lock:
            del self._coming[key]
            if not isinstance(value, BaseException):
                self._keep(key, value)
        if isinstance(value, BaseException):
            coming.set_exception(value)
        else:
            coming.set_result(value)

    def _keep(self, key: Key, value: Value) -> None:
        weight = self._weigh(value)
        if weight > self.limit:
            return
        self._values[key] = value
        self._used += weight
        while self._used > self.limit:
            _, old = self._values.popitem(last=False)
            self._used -= self._weigh(old)
            self.counts.dropped += 1
