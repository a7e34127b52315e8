"""What jobs report as they go, as lines of the log."""

from __future__ import annotations

import threading

from webraid.jobs.base.events import DiskNotice, Event, FileTrouble, Notice, ShardFound
from webraid.unattended.logbook import Logbook

MOST = 1000  # lines of one kind


class Listening:
    """Takes events in, on any thread.  Progress is for people who watch, and nobody does."""

    def __init__(self, log: Logbook) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    def event(self, event: Event) -> None:
        """Write a line, but no more than MOST of a kind."""
        match event:
            case DiskNotice():
                self._line("notices of disks", f"disk {event.disk}: {event.text}{' (ALARM)' if event.alarm else ''}")
            case Notice():
                self._line("notices", ("warning: " if event.warning else "") + event.text, private=True)
            case FileTrouble():
                self._line("files", f"{event.path}: {event.reason}", private=True)
            case ShardFound():
                self._line("shards", f"disk {event.disk}: shard {event.index} of {event.pack} is {event.problem}")
            case _:
                pass

    def _line(self, kind: str, text: str, *, private: bool = False) -> None:
        with self._lock:
            count = self._counts[kind] = self._counts.get(kind, 0) + 1
        if count <= MOST:
            self._log.line(text, private=private)
        elif count == MOST + 1:
            self._log.line(f"... and more {kind}")
