"""Which rows of a stripe a read needs, and what the bytes that came mean for the pack.  Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from webraid.array.rows import Row, Task
from webraid.codec import Bytes
from webraid.codec.layout import shard_sizes, spans
from webraid.model import MIB, UNIT, Code, Pack

ROW = MIB  # bytes of each shard that are asked for at once
GAP = 64 << 10  # bytes not wanted that are read along rather than asked around

Ranges = Sequence[tuple[int, int]]  # (offset, size) within a sealed pack


def make_task(pack: Pack, disks: Iterable[bytes], ranges: Ranges | None, *, whole: bool) -> Task:
    """The rows that give the asked bytes of a pack back.  ``disks``: those that are there.  Raises ValueError for a
    range outside the pack."""
    geometry, there = pack.geometry, set(disks)
    lengths = payload_lengths(pack)
    copies = geometry.code is Code.COPIES
    holders = dict.fromkeys((0 if copies else home.index, home.disk) for home in pack.homes if home.disk in there)
    task = Task(geometry.k, lengths, list(holders), whole)
    wanted = _wanted(pack, ranges)
    if whole:
        if wanted:
            task.row(0, lengths[0], wanted)
        return task
    for start, stop in _joint(wanted, lengths[: geometry.k]):
        for at in range(start, stop, ROW):
            task.row(at, min(at + ROW, stop), range(geometry.k))
        wanted = {index: _without(parts, start, stop) for index, parts in wanted.items()}
    for index, parts in wanted.items():
        for start, stop in parts:
            for at in range(start, stop, ROW):
                task.row(at, min(at + ROW, stop), [index])
    return task


def payload_lengths(pack: Pack) -> list[int]:
    """Payload bytes of every shard by index; one entry for copies."""
    sizes = shard_sizes(pack.length, pack.geometry.k)
    return sizes if pack.geometry.code is Code.COPIES else sizes + [sizes[0]] * pack.geometry.m


Parts = list[tuple[int, int]]  # (start, stop), ascending, apart


def _wanted(pack: Pack, ranges: Ranges | None) -> dict[int, Parts]:
    """By data shard, the parts of its payload that hold the asked bytes."""
    k = pack.geometry.k
    if ranges is None:
        return {index: [(0, size)] for index, size in enumerate(shard_sizes(pack.length, k)) if size}
    found: dict[int, Parts] = {}
    for offset, size in ranges:
        for span in spans(offset, size, pack.length, k):
            found.setdefault(span.shard, []).append((span.shard_offset, span.shard_offset + span.size))
    return {index: _merged(parts) for index, parts in found.items()}


def _merged(parts: Parts) -> Parts:
    merged: Parts = []
    for start, stop in sorted(parts):
        if merged and start <= merged[-1][1] + GAP:
            merged[-1] = merged[-1][0], max(stop, merged[-1][1])
        else:
            merged.append((start, stop))
    return merged


def _joint(wanted: Mapping[int, Parts], lengths: Sequence[int]) -> Parts:
    """Where every data shard is wanted (as far as it reaches): there any k shards will do."""
    cuts = sorted({0, *lengths, *(edge for parts in wanted.values() for part in parts for edge in part)})
    joint: Parts = []
    for start, stop in pairwise(cuts):
        long = [index for index, length in enumerate(lengths) if length > start]
        if not long or not all(any(a <= start and stop <= b for a, b in wanted.get(i, ())) for i in long):
            continue
        if joint and joint[-1][1] == start:
            joint[-1] = joint[-1][0], stop
        else:
            joint.append((start, stop))
    return [(start, stop) for start, stop in joint if stop - start >= GAP or len(cuts) <= len(lengths) + 1]


def _without(parts: Parts, start: int, stop: int) -> Parts:
    cut = [part for a, b in parts for part in ((a, min(b, start)), (max(a, stop), b))]
    return [(a, b) for a, b in cut if a < b]


class Landed:
    """The bytes of a stripe's shards as they come in."""

    def __init__(self) -> None:
        self._pieces: dict[int, list[tuple[int, memoryview]]] = {}

    def add(self, index: int, offset: int, data: memoryview) -> None:
        """Bytes of shard ``index`` from ``offset`` of its payload on."""
        self._pieces.setdefault(index, []).append((offset, data))

    def part(self, row: Row, index: int) -> memoryview:
        """What lies in the row of a shard that is there."""
        size = row.sizes[index]
        for offset, data in self._pieces[index]:
            if offset <= row.start and row.start + size <= offset + len(data):
                return data[row.start - offset : row.start - offset + size]
        raise LookupError(f"shard {index} is not here")


Segment = tuple[int, memoryview]  # (offset in the pack, bytes)


def segments(pack: Pack, task: Task, landed: Landed) -> list[Segment]:
    """The asked parts of the pack, ascending; what did not come is decoded from what did."""
    found: list[Segment] = []
    for row in task.rows:
        parts = {index: landed.part(row, index) for index in row.have}
        lost = sorted(row.wanted - row.have)
        if lost:
            parts.update(_decoded(pack, row, parts, lost))
        for index in row.wanted:
            found.extend(_in_pack(pack, index, row.start, parts[index]))
    return sorted(found, key=lambda segment: segment[0])


def _decoded(pack: Pack, row: Row, parts: Mapping[int, memoryview], lost: Sequence[int]) -> dict[int, memoryview]:
    from webraid.codec.parity import coder  # brings numpy, which a read of data shards alone has no use for

    k = pack.geometry.k
    have: dict[int, Bytes] = {index: b"" for index in range(k) if index not in row.sizes}
    have.update(parts)
    rebuilt = coder(pack.geometry).decode(have, lost, row.stop - row.start)
    return {index: memoryview(data)[: row.sizes[index]] for index, data in rebuilt.items()}


def _in_pack(pack: Pack, index: int, start: int, data: memoryview) -> Iterable[Segment]:
    """Bytes of a data shard's payload from ``start`` on, unit by unit, where they belong in the pack."""
    k = pack.geometry.k
    if k == 1:
        yield start, data
        return
    at = 0
    while at < len(data):
        unit, inside = divmod(start + at, UNIT)
        size = min(UNIT - inside, len(data) - at)
        yield (unit * k + index) * UNIT + inside, data[at : at + size]
        at += size


class PackView:
    """The asked bytes of a sealed pack.

    ``error``: NotEnoughShards if they are not to be had; then ``get`` raises it."""

    def __init__(self, found: Sequence[Segment], error: Exception | None = None) -> None:
        self.error = error
        self._starts = [start for start, _ in found]
        self._parts = [part for _, part in found]

    def get(self, offset: int, size: int) -> memoryview | bytes:
        """``size`` bytes from ``offset`` of the pack; without a copy where they lie in one piece.

        Raises ValueError for bytes that were not asked for."""
        if self.error is not None:
            raise self.error
        chosen: list[memoryview] = []
        at, end = offset, offset + size
        while at < end:
            which = bisect_right(self._starts, at) - 1
            inside = at - self._starts[which] if which >= 0 else 0
            if which < 0 or inside >= len(self._parts[which]):
                raise ValueError(f"bytes {offset} to {end} of the pack were not asked for")
            part = self._parts[which][inside : inside + end - at]
            chosen.append(part)
            at += len(part)
        return chosen[0] if len(chosen) == 1 else b"".join(chosen)
