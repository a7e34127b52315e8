"""Where a file's data lies between its holes, and how its content stream maps onto the file.

The content stream of a sparse file is its data extents back to back.  ``Entry.sparse`` is () where there are no holes
and ((size, 0),) for a file that is one single hole.
"""

from __future__ import annotations

import errno
import os
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from webraid.entry import Entry

Extents = Sequence[tuple[int, int]]
MOST_EXTENTS = 8192
SMALLEST_HOLE = 64 << 10


def data_extents(fd: int, size: int) -> tuple[tuple[int, int], ...]:
    """Extents (offset, length) that hold data; () where there is no hole worth keeping; ((size, 0),) for one hole.

    Holes under 64 KiB are read as zeros.  A file in more than 8,192 pieces has its smaller holes closed, so that an
    entry stays small whatever the file looks like.  Raises OSError.
    """
    found: list[list[int]] = []
    gap = SMALLEST_HOLE
    end = 0
    while end < size:
        try:
            begin = os.lseek(fd, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # no data after ``end``
        end = min(os.lseek(fd, begin, os.SEEK_HOLE), size)
        if begin >= end:
            break  # the file grew or shrank under us
        _append(found, begin, end, gap)
        if len(found) > MOST_EXTENTS:
            gap *= 4
            found = _closed(found, gap)
    return _as_extents(found, size)


def _append(found: list[list[int]], begin: int, end: int, gap: int) -> None:
    last = found[-1][1] if found else 0
    if begin - last >= gap or (begin == 0 and not found):
        found.append([begin, end])
    elif found:
        found[-1][1] = end
    else:
        found.append([0, end])


def _closed(found: list[list[int]], gap: int) -> list[list[int]]:
    merged: list[list[int]] = []
    for begin, end in found:
        _append(merged, begin, end, gap)
    return merged


def _as_extents(found: list[list[int]], size: int) -> tuple[tuple[int, int], ...]:
    if not found:
        return ((size, 0),) if size else ()
    if size - found[-1][1] < SMALLEST_HOLE:
        found[-1][1] = size
    if found == [[0, size]]:
        return ()
    return tuple((begin, end - begin) for begin, end in found)


def extents(entry: Entry) -> Extents:
    """The parts of the file that hold data, (offset, length) each, empty ones left out."""
    whole = entry.sparse or ((0, entry.size),)
    return [(offset, length) for offset, length in whole if length]


def stream_length(entry: Entry) -> int:
    """Bytes of the content stream: the extents back to back."""
    return sum(length for _, length in entry.sparse) if entry.sparse else entry.size


def stream_to_file(entry: Entry, offset: int, length: int) -> list[tuple[int, int]]:
    """Where ``length`` bytes of the content stream from ``offset`` lie in the file: [(file offset, length), ...].

    The pieces are in stream order and back to back; what lies past the stream's end is left out.
    """
    parts = extents(entry)
    return locate(parts, starts(parts), offset, length)


def starts(parts: Extents) -> list[int]:
    """The stream offset at which each extent begins, and the stream's length as the last item."""
    return [0, *accumulate(length for _, length in parts)]


def locate(parts: Extents, begins: Sequence[int], offset: int, length: int) -> list[tuple[int, int]]:
    """``stream_to_file`` for callers that keep ``parts`` (extents) and ``begins`` (starts) at hand."""
    pieces: list[tuple[int, int]] = []
    index = bisect_right(begins, offset) - 1
    while length > 0 and index < len(parts):
        skip = offset - begins[index]
        here = min(length, parts[index][1] - skip)
        pieces.append((parts[index][0] + skip, here))
        offset, length, index = offset + here, length - here, index + 1
    return pieces
