"""The log of scheduled runs: one file a run, the older ones kept beside it.  A full disk never stops a run."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from pathlib import Path

from webraid.config import Config, Places
from webraid.env import Env
from webraid.unattended.due import wall

LARGEST = 8 << 20  # bytes of one run's log; a tree of unreadable files must not fill the disk
TAIL = 200  # lines remembered for messages


def log_path(config: Config, places: Places) -> Path:
    """Where the log is."""
    return Path(config.log.file).expanduser() if config.log.file else places.state / "webraid.log"


def rotate(path: Path, keep: int) -> None:
    """'webraid.log' becomes 'webraid.log.1' and so on; ``keep`` old ones stay.  Raises OSError."""

    def old(number: int) -> Path:
        return path.with_name(f"{path.name}.{number}") if number else path

    if keep < 1:
        path.unlink(missing_ok=True)
        return
    for number in range(keep - 1, -1, -1):
        if old(number).exists():
            old(number).replace(old(number + 1))
    beyond = keep + 1
    while old(beyond).exists():  # 'keep' was larger once
        old(beyond).unlink()
        beyond += 1


class Logbook:
    """Lines with their time, written at once; any thread may write.  ``trouble``: why the file lacks some, or ''."""

    def __init__(self, path: Path, env: Env) -> None:
        self.path = path
        self.trouble = ""
        self._env = env
        self._lock = threading.Lock()
        self._tail: deque[str] = deque(maxlen=TAIL)
        self._left = LARGEST

    def begin(self, keep: int) -> None:
        """A new file for this run."""
        try:
            rotate(self.path, keep)
        except OSError as error:
            self._failed(error)

    def line(self, text: str, *, private: bool = False) -> None:
        """Write one.  ``private``: it may hold a file's name, and stays out of every message."""
        stamped = f"{wall(self._env.now()):%Y-%m-%d %H:%M:%S} {_one_line(text)}"
        with self._lock:
            if not private:
                self._tail.append(stamped)
            self._append(stamped + "\n")

    def tail(self, most: int) -> str:
        """The last lines that are not private, at most so many bytes of UTF-8."""
        with self._lock:
            lines = list(self._tail)
        taken: list[str] = []
        for line in reversed(lines):
            most -= len(line.encode()) + 1
            if most < 0:
                break
            taken.append(line)
        return "\n".join(reversed(taken))

    def _append(self, text: str) -> None:
        raw = text.encode("utf-8", "backslashreplace")
        if self._left <= 0:
            return
        self._left -= len(raw)
        if self._left <= 0:
            raw += b"... and more: this log is full\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            with contextlib.closing(os.fdopen(descriptor, "ab", buffering=0)) as file:
                file.write(raw)
        except OSError as error:
            self._failed(error)

    def _failed(self, error: OSError) -> None:
        self.trouble = f"the log {self.path} cannot be written: {error.strerror}"


def _one_line(text: str) -> str:
    return " / ".join(part.strip() for part in text.splitlines()) if "\n" in text else text
