"""Content-defined cutting of a stream, and chunk ids.  Which bytes a file has is not this module's business."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator

import blake3
from pyfastcdc import FastCDC

from webraid.codec import Bytes

CHUNK_ID = 16


class Chunker:
    """FastCDC (2020, normalisation 1) with one buffer of twice ``maximum`` bytes for all streams, one after another.

    pyfastcdc rather than fastcdc: its ``cut_buf`` is twice as fast and cuts a buffer that is already there.
    Boundaries depend on the bytes alone, never on how the reads were split.  Sizes in bytes.
    """

    def __init__(self, minimum: int = 256 << 10, average: int = 1 << 20, maximum: int = 4 << 20) -> None:
        self._cdc = FastCDC(average, min_size=minimum, max_size=maximum)
        self._maximum = maximum
        self._buffer = memoryview(bytearray(2 * maximum))
        self._lent = False

    def chunks(self, readinto: Callable[[memoryview], int]) -> Generator[memoryview]:
        """Views of the stream's chunks, in order, each valid only until the next is asked for.

        ``readinto(view)`` fills the view's beginning and says how many bytes; 0 means the end.  An empty stream has no
        chunk.  Raises RuntimeError if the chunks of another stream are still being taken.
        """
        if self._lent:
            raise RuntimeError("a Chunker cuts one stream at a time")
        self._lent = True
        try:
            yield from self._cut(readinto)
        finally:
            self._lent = False

    def _cut(self, readinto: Callable[[memoryview], int]) -> Iterator[memoryview]:
        buffer, start, stop, ended = self._buffer, 0, 0, False
        while not ended:
            # Both ends lie in one buffer: memoryview assignment moves overlapping bytes rightly.
            buffer[: stop - start] = buffer[start:stop]
            start, stop = 0, stop - start
            while stop < len(buffer) and not ended:
                count = readinto(buffer[stop:])
                stop, ended = stop + count, count <= 0
            cuts = self._cdc.cut_buf(buffer[:stop])
            # A cut is final only if it was searched in a full maximum of bytes, or in all that will ever come.
            while stop - start >= self._maximum or (ended and start < stop):
                size = next(cuts).length
                yield buffer[start : start + size]
                start += size


def chunk_id(id_key: bytes, plain: Bytes) -> bytes:
    """16 bytes: BLAKE3 keyed with root.id, so that nobody without it can tell which known file is stored."""
    return blake3.blake3(plain, key=id_key).digest(length=CHUNK_ID)
