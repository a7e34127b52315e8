"""What a long-lived view needs of a context that was made for one job: events told once, disks joined between reads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from webraid.jobs.base.context import Context
from webraid.jobs.base.events import DiskNotice, Event, FileTrouble, Notice, ShardFound
from webraid.table.fold import DiskInfo

AGAIN = 3600.0  # seconds after which something is told once more
MOST = 1000  # things that are remembered as told


class Repeats:
    """Keeps what was told lately from being told again with every look at the disks.  Any thread."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._tell = ctx.settings.on_event
        self._told: dict[Event, float] = {}
        self._lock = threading.Lock()
        ctx.settings.on_event = self._event

    def _event(self, event: Event) -> None:
        if isinstance(event, DiskNotice | FileTrouble | Notice | ShardFound) and not self._news(event):
            return
        self._tell(event)

    def _news(self, event: Event) -> bool:
        now = self._ctx.env.monotonic()
        with self._lock:
            before = self._told.get(event)
            if before is not None and now - before < AGAIN:
                return False
            if len(self._told) >= MOST:
                self._told.clear()
            self._told[event] = now
            return True

    def close(self) -> None:
        """Everything is told again."""
        self._ctx.settings.on_event = self._tell


class Newcomers:
    """Disks that join meanwhile are connected when nobody is reading: reads go through the disks one by one and must
    not see their number change.  ``table``: whoever holds it is working with the table."""

    def __init__(self, ctx: Context, table: threading.Lock) -> None:
        self._ctx = ctx
        self._connect = ctx.table.on_member
        self._table = table
        self._waiting: dict[bytes, DiskInfo] = {}
        self._readers = 0
        self._lock = threading.Lock()
        ctx.table.on_member = self.met

    def met(self, info: DiskInfo) -> None:
        """A disk that is not connected; called by whoever holds the table."""
        with self._lock:
            self._waiting[info.id] = info
            self._settle()

    def _settle(self) -> None:
        while self._waiting and not self._readers:
            _, info = self._waiting.popitem()
            self._connect(info)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around whatever asks the disks for content."""
        with self._lock:
            self._readers += 1
        try:
            yield
        finally:
            with self._lock:
                self._readers -= 1
                if self._waiting and self._table.acquire(blocking=False):
                    try:
                        self._settle()
                    finally:
                        self._table.release()

    def close(self) -> None:
        """As before."""
        self._ctx.table.on_member = self._connect
