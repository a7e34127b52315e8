"""Checks of what a backend leaves behind: secrets in logs, threads, processes."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from webraid.backend.base import Backend
from webraid.backend.conformance.subject import Check, Subject, expect, needs, put
from webraid.errors import BackendError

_GRACE = 5.0  # seconds threads and children may take to end after close()


class _Collector(logging.Handler):
    """Keeps every record as text."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@needs("secrets")
def no_secret_in_logs_or_repr(subject: Subject) -> None:
    """With the root logger at DEBUG: not in a record, the repr of instance and options, or an error."""
    root, collector = logging.getLogger(), _Collector()
    level = root.level
    root.addHandler(collector)
    root.setLevel(logging.DEBUG)
    try:
        seen = _use_and_show(subject)
    finally:
        root.setLevel(level)
        root.removeHandler(collector)
    for where, text in (*(("log", line) for line in collector.lines), *(("repr", text) for text in seen)):
        for secret in filter(None, subject.secrets):
            expect(secret not in text, f"a secret is in a {where}: {text.replace(secret, '<secret>')[:200]}")


def _use_and_show(subject: Subject) -> list[str]:
    seen = [repr(thing) for thing in subject.shown]
    with subject.opened() as backend:
        seen += [repr(backend), repr(vars(backend)) if hasattr(backend, "__dict__") else ""]
        _use(backend, subject.at("secret/a"))
        for inject in subject.faults.values():
            with inject():
                try:
                    _use(backend, subject.at("secret/a"))
                except BackendError as error:
                    seen += [str(error), repr(error), error.hint, repr(vars(error)), repr(error.__cause__)]
        try:
            backend.get(subject.at("secret/none"))
        except BackendError as error:
            seen += [str(error), repr(error), error.hint, repr(vars(error)), repr(error.__cause__)]
    return seen


def _use(backend: Backend, name: str) -> None:
    put(backend, name, b"1")
    backend.get(name)
    backend.stat(name)
    list(backend.list(name))
    backend.delete(name)


def close_leaves_no_thread_and_no_child(subject: Subject) -> None:
    """A process that used a backend can end; close may be called twice."""
    threads, children = set(threading.enumerate()), _children()
    backend = subject.open()
    _use(backend, subject.at("close/a"))
    backend.close()
    backend.close()
    begin = subject.env.monotonic()
    while True:
        new_threads = [thread.name for thread in threading.enumerate() if thread not in threads]
        new_children = _children() - children
        if not new_threads and not new_children:
            return
        late = subject.env.monotonic() - begin > _GRACE
        expect(not late, f"close left {len(new_threads)} threads and {len(new_children)} child processes")
        subject.env.sleep(0.02)


def _children() -> set[int]:
    """Process ids of our children, as far as the system tells (Linux)."""
    found: set[int] = set()
    for path in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        try:
            found |= {int(pid) for pid in path.read_text().split()}
        except OSError:  # that thread ended meanwhile: its children are another's now, and found there
            continue
    return found


HYGIENE_CHECKS: tuple[Check, ...] = (no_secret_in_logs_or_repr, close_leaves_no_thread_and_no_child)
