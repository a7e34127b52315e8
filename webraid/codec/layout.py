"""Unit layout: a pack is cut into units of 1 MiB, dealt round-robin over the k data shards, as RAID does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from webraid.codec import Bytes
from webraid.errors import NotEnoughShards, ShardCorrupt
from webraid.model import UNIT


@dataclass(frozen=True, slots=True)
class Span:
    """``size`` bytes of a pack from ``pack_offset`` on are those of data shard ``shard`` from ``shard_offset`` on."""

    shard: int
    shard_offset: int
    size: int
    pack_offset: int


def shard_sizes(length: int, k: int) -> list[int]:
    """Payload bytes of the k data shards of a pack of ``length`` bytes; may be 0.  Parity has as many as the first."""
    rows, rest = divmod(length, k * UNIT)
    return [rows * UNIT + min(max(rest - shard * UNIT, 0), UNIT) for shard in range(k)]


def spans(offset: int, size: int, length: int, k: int) -> list[Span]:
    """Where ``size`` bytes from ``offset`` of a pack of ``length`` bytes lie: one span a unit (one in all if k is 1).

    Raises ValueError for a range that is not inside the pack.
    """
    if offset < 0 or size < 0 or offset + size > length:
        raise ValueError(f"bytes {offset} to {offset + size} are not inside a pack of {length}")
    if k == 1:
        return [Span(0, offset, size, offset)] if size else []
    found = []
    while size:
        unit, inside = divmod(offset, UNIT)
        row, shard = divmod(unit, k)
        part = min(UNIT - inside, size)
        found.append(Span(shard, row * UNIT + inside, part, offset))
        offset, size = offset + part, size - part
    return found


def pieces(pack: memoryview, k: int) -> Iterator[tuple[int, int, memoryview]]:
    """(data shard, offset in its payload, bytes) of every unit of the pack."""
    for span in spans(0, len(pack), len(pack), k):
        yield span.shard, span.shard_offset, pack[span.pack_offset : span.pack_offset + span.size]


def join_pack(payloads: Mapping[int, Bytes], length: int, k: int) -> bytearray:
    """The pack from the payloads of all its data shards (empty ones may be left away).

    Raises NotEnoughShards if one is missing, ShardCorrupt if one is not as long as it must be.
    """
    sizes = shard_sizes(length, k)
    there = sum(1 for shard, size in enumerate(sizes) if not size or shard in payloads)
    if there < k:
        raise NotEnoughShards(f"{there} of {k} data shards are here", have=there, need=k)
    for shard, size in enumerate(sizes):
        if size and len(payloads[shard]) != size:
            raise ShardCorrupt(f"data shard {shard} has {len(payloads[shard])} bytes instead of {size}")
    pack = bytearray(length)
    view, sources = memoryview(pack), {shard: memoryview(payloads[shard]) for shard, size in enumerate(sizes) if size}
    for span in spans(0, length, length, k):
        part = sources[span.shard][span.shard_offset : span.shard_offset + span.size]
        view[span.pack_offset : span.pack_offset + span.size] = part
    return pack
