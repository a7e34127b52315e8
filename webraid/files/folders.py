"""Descriptors of the folders below a restore's target, reached step by step so that no symlink is ever followed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from webraid.files.safepath import FOLDER, PASSAGE


class _Slot:
    __slots__ = ("fd", "users")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.users = 0


class Descriptors:
    """Open descriptors by key, at most ``limit`` unless more are in use at once; the least recently used go first.

    Safe for many threads.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._slots: dict[Hashable, _Slot] = {}  # least recently used first
        self._lock = threading.RLock()

    @contextmanager
    def borrow(self, key: Hashable, opener: Callable[[], int]) -> Iterator[int]:
        """The descriptor of ``key``, opened when it is not there, and not closed while it is lent out."""
        with self._lock:
            slot = self._slots.pop(key, None) or _Slot(opener())
            slot.users += 1
            self._slots[key] = slot
            self._shrink()
        try:
            yield slot.fd
        finally:
            with self._lock:
                slot.users -= 1

    def drop(self, key: Hashable) -> None:
        """Closes a descriptor that nobody uses any more."""
        with self._lock:
            slot = self._slots.pop(key, None)
            if slot is not None:
                os.close(slot.fd)

    def close(self) -> None:
        """Closes all."""
        with self._lock:
            for key in list(self._slots):
                self.drop(key)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._slots

    def __len__(self) -> int:
        return len(self._slots)

    def _shrink(self) -> None:
        if len(self._slots) <= self._limit:
            return
        idle = [key for key, slot in self._slots.items() if not slot.users]
        for key in idle[: len(self._slots) - self._limit]:
            self.drop(key)


class Folders:
    """The folders below ``top`` (a descriptor that stays the caller's), by path relative to it."""

    def __init__(self, top: int, limit: int) -> None:
        self._top = top
        self._open = Descriptors(limit)

    @contextmanager
    def at(self, folder: bytes) -> Iterator[int]:
        """A descriptor of the folder, for use as dir_fd.

        Raises OSError: ENOTDIR when a symlink or a file stands anywhere on the way, ENOENT when a folder is missing.
        """
        if not folder:
            yield self._top
            return
        with self._open.borrow(folder, lambda: self._walk(folder)) as fd:
            yield fd

    def close(self) -> None:
        """Gives all descriptors back."""
        self._open.close()

    def _walk(self, folder: bytes) -> int:
        """One openat a part, from the nearest ancestor that is open."""
        known = folder.rpartition(b"/")[0]
        while known and known not in self._open:
            known = known.rpartition(b"/")[0]
        with self.at(known) as start:
            here = os.dup(start)
        rest = folder[len(known) + 1 :] if known else folder
        for part in rest.split(b"/"):
            try:
                deeper = os.open(part, PASSAGE | FOLDER, dir_fd=here)
            finally:
                os.close(here)
            here = deeper
        return here
