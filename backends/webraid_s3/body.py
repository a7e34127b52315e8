"""The body of an upload, handed to the connection in slices."""

from __future__ import annotations

from collections.abc import Iterator

from webraid.backend.base import Bytes

SLICE = 256 << 10


class Slices:
    """Bytes that go out slice by slice, without a copy.

    A socket's timeout holds for one call of sendall, however long the body (Python's documentation of it): in one piece
    a shard over plain http failed wherever the line took longer than the timeout for connecting.
    """

    def __init__(self, data: Bytes) -> None:
        self._data = memoryview(data).cast("B")

    def __len__(self) -> int:
        return self._data.nbytes

    def __iter__(self) -> Iterator[memoryview]:
        return (self._data[at : at + SLICE] for at in range(0, len(self), SLICE))
