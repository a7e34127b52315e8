"""How much a put has before it: a scan beside it, on a thread of its own, counts what it is going to find.

The scan is ahead of the put as a rule, and both go the same way.  So it leaves marks: what lies before this path.  When
the put comes to a mark, what it really met stands in the place of what was counted: files that have grown, vanished or
cannot be read are right from there on.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from itertools import islice
from types import TracebackType
from typing import Self

from webraid.env import Env
from webraid.files.roots import Root
from webraid.files.select import Rules
from webraid.files.sizes import Mark, Sizes

REST = 1  # times as long as it works: the put goes first
MARKS = 4096  # kept at once; with more every other one goes

Counts = tuple[int, int]  # files, bytes


class Total:
    """Use as a context: it counts while the block runs, and has stopped when the block is left."""

    def __init__(self, env: Env, roots: Sequence[Root], rules: Rules, on_known: Callable[[], None]) -> None:
        """``on_known`` is called once, on the other thread.  Raises ConfigError: two roots of one name."""
        self._env = env
        self._sizes = Sizes(roots, rules=rules)
        self._on_known = on_known
        self._marks: dict[bytes, Mark] = {}
        self._found: Counts | None = None  # by the scan, at its end
        self._more: Counts = 0, 0  # what the put met beyond that, up to the last mark
        self._met: Counts | None = None  # by the put, at its end
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="put-total", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def known(self) -> Counts | None:
        """Files and bytes of the whole put, as far as can be told; None: not counted yet."""
        if self._met is not None or self._found is None:
            return self._met
        return max(0, self._found[0] + self._more[0]), max(0, self._found[1] + self._more[1])

    def passes(self, path: bytes, files: int, size: int) -> None:
        """The put comes to ``path`` and has stored so much.  Raises what went wrong in ``on_known``."""
        mark = self._marks.get(path)
        if mark is not None:
            self._more = files - mark.files, size - mark.bytes
        self._raise()

    def is_over(self, files: int, size: int) -> None:
        """The put has found all there is: it was so much.  Raises as ``passes`` does."""
        self._met = files, size
        self._stop.set()
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        if not self._count() or self._stop.is_set():
            return
        self._found = self._sizes.files, self._sizes.bytes
        try:
            self._on_known()
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, whatever it is
            self._error = error

    def _count(self) -> bool:
        """Whether it came to the end."""
        since = self._env.monotonic()
        with contextlib.closing(self._sizes.steps()) as steps:
            for mark in steps:
                if len(self._marks) >= MARKS:
                    self._marks = dict(islice(self._marks.items(), 0, None, 2))
                self._marks[mark.path] = mark
                if self._stop.wait(max(0.0, REST * (self._env.monotonic() - since))):
                    return False
                since = self._env.monotonic()
        return True
