"""The output of a run with -q: most have nothing to say, and load nothing to say it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from webraid.cli.gauge import Meters, nothing
from webraid.cli.traffic import Traffic
from webraid.jobs.base.events import DiskBytes, FileRestored, FileStored, Progress, Started

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.jobs.base.events import Event

ROUTINE = (Started, Progress, DiskBytes, FileStored, FileRestored)


class Quiet:
    """A listener.  The screen, and rich with it, is made for the first event that may be told in spite of -q."""

    draws = False

    def __init__(self, screen: Callable[[], Screen]) -> None:
        self._make = screen
        self._made: Screen | None = None
        self._making = Lock()
        self.hushed = False
        self.moved: Sequence[Traffic] = ()  # as Screen has it

    @contextmanager
    def job(self, title: str, meters: Meters = nothing) -> Iterator[None]:
        """A job is running; it is not shown."""
        if self._made is None:
            yield
        else:
            with self._made.job(title, meters):
                yield
        self.moved = meters()

    def event(self, event: Event) -> None:
        """Take in an event; on any thread."""
        if self.hushed or isinstance(event, ROUTINE):
            return
        with self._making:
            self._made = self._make()
        self._made.event(event)
