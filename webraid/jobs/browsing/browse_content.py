"""What files hold, at any offset: chunks through a bounded cache, and a reader that reads ahead when it pays."""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Self

from webraid.entry import CHUNK_ID, Entry, EntryType
from webraid.errors import NotEnoughShards, NotInTable, SealBroken
from webraid.files.sparse import extents, starts, stream_length
from webraid.jobs.base.context import Context
from webraid.jobs.base.known import Known
from webraid.jobs.base.pages import Pages
from webraid.jobs.base.reading import ChunkFailure, Wanted, read_chunks
from webraid.jobs.base.snapshots import open_for_reading, select
from webraid.jobs.browsing.browse_ahead import Ahead
from webraid.jobs.browsing.browse_cache import Kept
from webraid.model import MIB
from webraid.table.tree import children

CACHE = 64 * MIB  # bytes of plain chunks kept unless told otherwise
FARTHEST = 16 * MIB  # bytes read ahead at most for one reader
FIRST = 2 * MIB  # ... and to begin with
ASKED = 4096  # chunks that the index is asked for at a time
NEAR = 2  # chunks that a read may lie off and still go on where the last one was: kernels ask out of order


class Contents:
    """The chunks of a pool's files.  Any thread may read; what several want at once is fetched once."""

    def __init__(
        self, ctx: Context, cache: int = CACHE, *, around: Callable[[], AbstractContextManager[None]] = nullcontext,
        look_again: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self._ctx = ctx
        self._around = around  # whatever asks the disks
        self._look_again = look_again  # the disks are asked anew; False: that was done just now
        self.kept: Kept[bytes, bytes] = Kept(cache, len)
        self.ahead = Ahead()
        self._runners: set[int] = set()  # readers that read on and on share the room

    def chunks(self, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """Plain chunks by id.  Raises NotInTable, NotEnoughShards, SealBroken."""
        try:
            return self.kept.get(ids, self._fetch)
        except NotEnoughShards:
            if not self._look_again():
                raise
            return self.kept.get(ids, self._fetch)

    def prefetch(self, ids: Sequence[bytes]) -> None:
        """Fetch these soon, on a thread of our own; what cannot be had is left to whoever asks for it."""
        if self.kept.missing(ids):
            self.ahead.ask(lambda: self.chunks(self.kept.missing(ids)))

    def begins(self, chunks: bytes) -> array[int]:
        """Where in the content stream each of these chunks (ids end to end) begins, and the stream's end.

        Raises NotInTable.  A few bytes a chunk: a file may have a million.
        """
        begins, at = array("Q", [0]), 0
        for start in range(0, len(chunks), ASKED * CHUNK_ID):
            part = chunks[start : start + ASKED * CHUNK_ID]
            ids = [part[i : i + CHUNK_ID] for i in range(0, len(part), CHUNK_ID)]
            found = self._ctx.index.find(list(dict.fromkeys(ids)))
            for chunk in ids:
                if not found.get(chunk):
                    raise _nowhere()
                at += found[chunk][0][1].plain
                begins.append(at)
        return begins

    def _fetch(self, ids: Sequence[bytes]) -> Iterator[tuple[bytes, bytes | Exception]]:
        places, best = self._ctx.index.find(ids), Known(self._ctx, 0)(ids)
        by_pack: dict[bytes, Wanted] = {}
        for chunk in ids:
            options = places.get(chunk)
            if not options:
                yield chunk, _nowhere()
                continue
            pack, place = next((item for item in options if item[0] == best.get(chunk)), options[0])
            by_pack.setdefault(pack, Wanted(pack)).places.append(place)
        with self._around():
            for item in read_chunks(self._ctx, by_pack.values()):
                if isinstance(item, ChunkFailure):
                    yield from ((place.id, item.error) for place in item.places)
                else:
                    yield item[0].id, item[1]

    def running(self, reader: int, on: bool) -> int:
        """Note whether a reader reads on and on; returns how many bytes ahead each of these may be."""
        (self._runners.add if on else self._runners.discard)(reader)
        return min(FARTHEST, self.kept.limit // (2 * max(1, len(self._runners))))

    def close(self) -> None:
        """Nothing is read ahead any more."""
        self.ahead.close()


def _nowhere() -> NotInTable:
    return NotInTable("the table does not say where this file's content is", hint="Run 'webraid check'.")


class Reader:
    """One file's content at any offset; holes are zeros.  Any thread may read.

    ``entry`` must carry the content.  ``owns``: the contents are closed with the reader.
    """

    def __init__(self, contents: Contents, entry: Entry, *, owns: bool = False) -> None:
        if entry.type is not EntryType.FILE:
            raise NotInTable("that is not a regular file", hint="Use 'webraid get' for folders and links.")
        if stream_length(entry) and not entry.chunks:
            raise NotInTable("the snapshot holds no content for this file")
        self.size = entry.size
        self._contents = contents
        self._owns = owns
        self._entry = entry
        self._parts = extents(entry)
        self._begins = starts(self._parts)
        self._chunk_begins = array("Q")  # stream offset of each chunk, and the stream's end; empty until it is needed
        self._held: tuple[int, bytes] = (-1, b"")
        self._last, self._asked, self._window = 0, 0, 0
        self._lock = threading.Lock()

    def read(self, offset: int, size: int) -> bytes:
        """Up to ``size`` bytes from ``offset`` on; fewer only at the end.

        Raises NotInTable, NotEnoughShards (naming the disks), SealBroken; never gives wrong bytes.
        """
        end = min(offset + max(0, size), self.size)
        if offset < 0 or offset >= end:
            return b""
        plan = list(self._plan(offset, end))
        if len(plan) == 1 and plan[0][2] == end - offset:  # no hole in it
            return self._stream(plan[0][1], plan[0][2])
        whole = bytearray(end - offset)
        for at, begin, length in plan:
            whole[at : at + length] = self._stream(begin, length)
        return bytes(whole)

    def _plan(self, offset: int, end: int) -> Iterator[tuple[int, int, int]]:
        """(place in the answer, stream offset, length) of every part that is no hole."""
        index = max(0, bisect_right(self._parts, (offset, 1 << 63)) - 1)
        while index < len(self._parts) and self._parts[index][0] < end:
            begin, length = self._parts[index]
            low, high = max(begin, offset), min(begin + length, end)
            if low < high:
                yield low - offset, self._begins[index] + low - begin, high - low
            index += 1

    def _stream(self, offset: int, length: int) -> bytes:
        """Bytes of the content stream."""
        begins = self._layout()
        first = bisect_right(begins, offset) - 1
        last = bisect_left(begins, offset + length) - 1
        plain = self._chunks(first, last)
        self._read_ahead(first, last)
        pieces = []
        for index in range(first, last + 1):
            low = max(offset - begins[index], 0)
            high = min(offset + length, begins[index + 1]) - begins[index]
            pieces.append(plain[index][low:high])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _chunks(self, first: int, last: int) -> dict[int, bytes]:
        held = self._held  # a cache of no size must not fetch a chunk for each of its pages
        if first == last == held[0]:
            return {first: held[1]}
        ids = {index: self._id(index) for index in range(first, last + 1)}
        found = self._contents.chunks(list(ids.values()))
        begins = self._chunk_begins
        for index, chunk in ids.items():
            if len(found[chunk]) != begins[index + 1] - begins[index]:
                raise SealBroken("a chunk is not as long as the table says")
        self._held = (last, found[ids[last]])
        return {index: found[chunk] for index, chunk in ids.items()}

    def _id(self, index: int) -> bytes:
        return self._entry.chunks[index * CHUNK_ID : (index + 1) * CHUNK_ID]

    def _layout(self) -> array[int]:
        with self._lock:
            if not self._chunk_begins:
                begins = self._contents.begins(self._entry.chunks)
                if begins[-1] != stream_length(self._entry):
                    raise SealBroken("the file's chunks are not as long as the file")
                self._chunk_begins = begins
            return self._chunk_begins

    def _read_ahead(self, first: int, last: int) -> None:
        """Twice as far with every chunk that follows the one before; not at all for who jumps about."""
        with self._lock:
            follows = self._last - NEAR <= first <= self._last + NEAR
            if follows and last <= self._last:
                return
            if not follows:
                self._window = 0
                self._asked = 0
                self._contents.running(id(self), False)
            elif last > 0:
                most = self._contents.running(id(self), True)
                self._window = min(most, max(FIRST, 2 * self._window))
            self._last = last
            ids = self._next_ids(last + 1) if self._window else []
        if ids:
            self._contents.prefetch(ids)

    def _next_ids(self, start: int) -> list[bytes]:
        """The chunks that lie in the window and were not asked for yet; none while half of it is still to come."""
        begins = self._chunk_begins
        begin = max(start, self._asked)
        if begin >= len(begins) - 1 or begins[begin] - begins[start] > self._window // 2:
            return []
        stop = bisect_right(begins, begins[start] + self._window, begin) - 1  # what fits as a whole
        self._asked = max(begin, stop)
        return [self._id(index) for index in range(begin, stop)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is read ahead for this file any more."""
        self._contents.running(id(self), False)
        if self._owns:
            self._contents.close()


def open_file(ctx: Context, what: str, cache: int = CACHE) -> Reader:
    """A reader of the file 'SNAP:path'.  Raises NotInTable."""
    open_for_reading(ctx)
    selection = select(ctx, what)
    folder = selection.sub.rpartition(b"/")[0]
    found = (entry for entry in children(selection.shot.info.root, Pages(ctx), folder) if entry.path == selection.sub)
    entry = next(found, None)
    if entry is None:
        raise NotInTable(f"there is nothing of that name in snapshot {selection.shot.name}")
    return Reader(Contents(ctx, cache), entry, owns=True)
