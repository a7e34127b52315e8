"""Capped: a backend that may only use so much of a place, as a quota or as the user's own limit."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from webraid.backend.base import Backend, Bytes, Digest
from webraid.backend.wrapper import Wrapper
from webraid.errors import ObjectTooLarge, QuotaExceeded
from webraid.model import Stored, Usage


class Room:
    """How much may lie in a place, shared by its instances.  ``capacity`` and ``max_object`` in bytes, None: no limit.

    What lies there is counted by one listing, before the first put or usage, and kept up from then on: what others put
    meanwhile is not seen.
    """

    def __init__(self, capacity: int | None = None, max_object: int | None = None) -> None:
        self.capacity = capacity
        self.max_object = max_object
        self._lock = threading.Lock()
        self._sizes: dict[str, int] | None = None
        self._used = 0

    def used(self, backend: Backend) -> int:
        """Bytes of all objects."""
        with self._lock:
            self._count(backend)
            return self._used

    def take(self, backend: Backend, name: str, size: int) -> int | None:
        """Sets room aside for an object; the size of the one it replaces, None when there was none.  QuotaExceeded."""
        with self._lock:
            sizes = self._count(backend)
            before = sizes.get(name)
            after = self._used - (before or 0) + size
            if self.capacity is not None and after > self.capacity:
                raise QuotaExceeded(f"{size} bytes do not fit: {self._used} of {self.capacity} are used", key=name)
            sizes[name] = size
            self._used = after
            return before

    def give_back(self, name: str, size: int | None = None) -> None:
        """An object is gone, or as large as it was before."""
        with self._lock:
            if self._sizes is None:
                return
            self._used += (size or 0) - self._sizes.pop(name, 0)
            if size is not None:
                self._sizes[name] = size

    def _count(self, backend: Backend) -> dict[str, int]:
        if self._sizes is None:
            self._sizes = {stored.name: stored.size for stored in backend.list("")}
            self._used = sum(self._sizes.values())
        return self._sizes


class Capped(Wrapper):
    """Raises QuotaExceeded where ``room`` ends, and ObjectTooLarge."""

    kind: ClassVar[str] = "capped"

    def __init__(self, inner: Backend, room: Room) -> None:
        super().__init__(inner)
        self.room = room
        limits = [limit for limit in (inner.caps.max_object, room.max_object) if limit is not None]
        self.caps = replace(inner.caps, usage=True, max_object=min(limits, default=None))

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        size = memoryview(data).nbytes
        if self.caps.max_object is not None and size > self.caps.max_object:
            raise ObjectTooLarge(f"an object of {size} bytes, where {self.caps.max_object} are taken", key=name)
        before = self.room.take(self.inner, name, size)
        try:
            return super().put(name, data, digest=digest)
        except BaseException:
            self.room.give_back(name, before)
            raise

    def delete(self, name: str, *, locator: str = "") -> None:
        super().delete(name, locator=locator)
        self.room.give_back(name)

    def _delete_part(self, part: Mapping[str, str]) -> None:
        super()._delete_part(part)
        for name in part:
            self.room.give_back(name)

    def usage(self) -> Usage:
        capacity = self.room.capacity
        if capacity is None:
            return super().usage()
        used = self.room.used(self.inner)
        left = max(0, capacity - used)
        below = super().usage().free if self.inner.caps.usage else None
        return Usage(used=used, free=left if below is None else min(left, below), total=capacity)
