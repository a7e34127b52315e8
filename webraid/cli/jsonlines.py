"""Output for programs: one JSON object a line, every one with message_type.  See docs/reference/json.md."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from webraid.cli.gauge import Gauge, Meters, Reading, nothing
from webraid.jobs.base.events import DiskNotice, FileRestored, FileStored, FileTrouble, Notice, ShardFound

if TYPE_CHECKING:
    from webraid.env import Env
    from webraid.jobs.base.events import Event

EVERY = 0.5  # seconds between status lines
DURING = {"put": "archival", "get": "restore"}


class Lines:
    """Writes documents and events.  Errors of single files go to stderr, everything else to stdout."""

    def __init__(self, env: Env, *, quiet: bool = False) -> None:
        self._env = env
        self._quiet = quiet
        self._gauge: Gauge | None = None
        self._last = env.monotonic()
        self._lock = threading.Lock()
        self.hushed = False

    @property
    def draws(self) -> bool:
        """Whether status lines are written while a job runs."""
        return not self._quiet

    def write(self, document: Mapping[str, Any], *, err: bool = False) -> None:
        """One line."""
        text = json.dumps({name: value for name, value in document.items() if value is not None})
        with self._lock:
            typer.echo(text, err=err)

    @contextmanager
    def job(self, title: str, meters: Meters = nothing) -> Iterator[None]:
        """Status lines come while it runs."""
        self._gauge = Gauge(self._env, title, meters)
        try:
            yield
        finally:
            self._gauge = None

    def event(self, event: Event) -> None:
        """Written at once, but progress only so often."""
        gauge = self._gauge
        if gauge:
            gauge.take(event)
        if self.hushed:
            return
        match event:
            case FileTrouble():
                during = DURING.get(gauge.read().job, gauge.read().job) if gauge else ""
                self.write(_trouble(event, during), err=True)
            case _ if not self._quiet:
                line = _verbose(event)
                if line:
                    self.write(line)
        if gauge and not self._quiet and self._due():
            self.write(_status(gauge.read()))

    def _due(self) -> bool:
        with self._lock:
            now = self._env.monotonic()
            due = now - self._last >= EVERY
            if due:
                self._last = now
            return due


def _trouble(event: FileTrouble, during: str) -> dict[str, Any]:
    return {"message_type": "error", "error": {"message": event.reason}, "during": during, "item": event.path}


def _verbose(event: Event) -> dict[str, Any]:
    head = {"message_type": "verbose_status"}
    match event:
        case DiskNotice():
            return {**head, "action": "disk", "backend": event.disk, "message": event.text, "alarm": event.alarm}
        case ShardFound():
            return {
                **head, "action": "shard", "backend": event.disk, "pack": event.pack, "index": event.index,
                "problem": event.problem,
            }  # fmt: skip
        case FileStored():
            return {**head, "action": event.action, "item": event.path, "data_size": event.size}
        case FileRestored():
            return {**head, "action": event.action, "item": event.path, "size": event.size}
        case Notice():
            return {**head, "action": "notice", "message": event.text, "warning": event.warning}
    return {}


def _status(now: Reading) -> dict[str, Any]:
    return {
        "message_type": "status",
        "job": now.job,
        "seconds_elapsed": round(now.seconds, 1),
        "seconds_remaining": None if now.left is None else round(now.left, 1),
        "percent_done": 0 if now.done is None else round(now.done, 4),
        "total_files": now.total_files,
        "files_done": now.files,
        "total_bytes": now.total_bytes,
        "bytes_done": now.bytes,
        "bytes_stored": now.stored,
        "error_count": now.errors,
        "current_files": [now.current] if now.current else None,
        "backends": [{"name": disk.name, "bytes_up": disk.up, "bytes_down": disk.down} for disk in now.disks],
    }
