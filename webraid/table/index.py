"""Index segments: which chunk lies in which pack, and where the shards of each pack are.  Pure bytes.

A segment is columnar msgpack: small, quick to write and to read.  Segments are merged by union; a pack's homes and its
width only ever grow, because shards are immutable and their names are used once.  What a home is no longer is said in
the log (Dropped), for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

import msgspec

from webraid.codec.pack import ChunkKind, Place
from webraid.entry import CHUNK_ID
from webraid.errors import ConfigError, SealBroken
from webraid.model import Code, Geometry, Home, Pack, PackKind

FORMAT = 1
SEGMENT_CHUNKS = 1 << 16  # chunks a segment, about 3 MiB
MERGE_ABOVE = 15  # more segments than this are merged


@dataclass(slots=True)
class Index:
    """Packs by id, and the places of the chunks in each."""

    packs: dict[bytes, Pack] = field(default_factory=dict)
    places: dict[bytes, list[Place]] = field(default_factory=dict)

    def add(self, pack: Pack, places: Iterable[Place]) -> None:
        """Add or merge one pack."""
        old = self.packs.get(pack.id)
        self.packs[pack.id] = merge_homes(old, pack) if old else pack
        known = {place.number for place in self.places.setdefault(pack.id, [])}
        self.places[pack.id].extend(place for place in places if place.number not in known)


def merge_homes(one: Pack, other: Pack) -> Pack:
    """``one`` with the homes of both; the other's locator wins for the same shard on the same disk.  Where one of them
    knows the stripe with more shards it was made wider since."""
    homes = {(home.index, home.disk): home for home in (*one.homes, *other.homes)}
    wide = other if other.geometry.n > one.geometry.n else one
    return Pack(one.id, one.kind, wide.geometry, one.length, wide.shards, tuple(homes[key] for key in sorted(homes)))


class _Packs(msgspec.Struct, array_like=True):
    ids: list[bytes]
    kinds: list[str]
    codes: list[str]
    k: list[int]
    n: list[int]
    rotates: list[bool]
    lengths: list[int]
    shards: list[list[bytes]]
    homes: list[list[tuple[int, int, str, bytes]]]  # index, disk (number in ``disks``), locator, md5


class _Chunks(msgspec.Struct, array_like=True):
    ids: bytes
    packs: list[int]
    kinds: list[int]
    numbers: list[int]
    offsets: list[int]
    stored: list[int]
    plain: list[int]
    compressed: list[bool]


class _Segment(msgspec.Struct, array_like=True):
    format: int
    disks: list[bytes]
    packs: _Packs
    chunks: _Chunks


def encode_segments(index: Index) -> list[bytes]:
    """``index`` as one or more segments, each a whole number of packs."""
    segments, part, count = [], Index(), 0
    for pack_id in sorted(index.packs):
        part.add(index.packs[pack_id], index.places.get(pack_id, ()))
        count += len(part.places[pack_id])
        if count >= SEGMENT_CHUNKS:
            segments.append(_encode(part))
            part, count = Index(), 0
    if part.packs:
        segments.append(_encode(part))
    return segments


def _encode(index: Index) -> bytes:
    packs = [index.packs[key] for key in sorted(index.packs)]
    disks = sorted({home.disk for pack in packs for home in pack.homes})
    number = {disk: i for i, disk in enumerate(disks)}
    rows = sorted((place.id, i, place) for i, pack in enumerate(packs) for place in index.places.get(pack.id, ()))
    places = [place for _, _, place in rows]
    return msgspec.msgpack.encode(
        _Segment(
            FORMAT,
            disks,
            _Packs(
                [pack.id for pack in packs],
                [pack.kind.value for pack in packs],
                [pack.geometry.code.value for pack in packs],
                [pack.geometry.k for pack in packs],
                [pack.geometry.n for pack in packs],
                [pack.geometry.rotates for pack in packs],
                [pack.length for pack in packs],
                [list(pack.shards) for pack in packs],
                [[(h.index, number[h.disk], h.locator, h.md5) for h in pack.homes] for pack in packs],
            ),
            _Chunks(
                b"".join(place.id for place in places),
                [i for _, i, _ in rows],
                [int(place.kind) for place in places],
                [place.number for place in places],
                [place.offset for place in places],
                [place.stored for place in places],
                [place.plain for place in places],
                [place.compressed for place in places],
            ),
        )
    )


_decoder = msgspec.msgpack.Decoder(_Segment)


def decode_segment(data: bytes) -> Index:
    """The index in ``data``; raises SealBroken when it does not fit the format."""
    try:
        segment = _decoder.decode(data)
        if segment.format != FORMAT:
            raise SealBroken(f"an index segment has format {segment.format}, and {FORMAT} is known here")
        return _index(segment)
    except (msgspec.MsgspecError, ConfigError, IndexError, ValueError) as error:
        raise SealBroken(f"an index segment does not follow the format: {error}") from error


def _index(segment: _Segment) -> Index:
    p, c, index = segment.packs, segment.chunks, Index()
    columns = zip(p.ids, p.kinds, p.codes, p.k, p.n, p.rotates, p.lengths, p.shards, p.homes, strict=True)
    for pack_id, kind, code, k, n, rotates, length, shards, homes in columns:
        at = tuple(Home(i, segment.disks[disk], locator, md5) for i, disk, locator, md5 in homes)
        geometry = Geometry(Code(code), k, n, rotates)
        index.packs[pack_id] = Pack(pack_id, PackKind(kind), geometry, length, tuple(shards), at)
        index.places[pack_id] = []
    ids = [c.ids[i : i + CHUNK_ID] for i in range(0, len(c.ids), CHUNK_ID)]
    rows = zip(c.packs, ids, c.kinds, c.numbers, c.offsets, c.stored, c.plain, c.compressed, strict=True)
    by_pack = sorted(rows, key=lambda row: (row[0], row[3]))
    for number, group in groupby(by_pack, key=lambda row: row[0]):
        index.places[p.ids[number]] = [
            Place(chunk, ChunkKind(kind), i, offset, stored, plain, compressed)
            for _, chunk, kind, i, offset, stored, plain, compressed in group
        ]
    return index
