"""cat: one file's content, in order, to wherever the caller wants it."""

from __future__ import annotations

from collections.abc import Iterator

from webraid.codec.pack import Place
from webraid.entry import Entry, EntryType
from webraid.errors import NotInTable
from webraid.files.sparse import stream_to_file
from webraid.jobs.base.context import Context
from webraid.jobs.base.known import Known
from webraid.jobs.base.reading import ChunkFailure, Wanted, read_chunks
from webraid.jobs.base.snapshots import EVERY, Which, one_entry, open_for_reading, select

AHEAD = 32 << 20  # bytes of content read at a time
ZEROS = 1 << 20


def cat(ctx: Context, what: str, *, which: Which = EVERY) -> Iterator[bytes]:
    """The content of the file 'SNAP:path'; holes are zeros.  Raises NotInTable, NotEnoughShards, SealBroken."""
    open_for_reading(ctx)
    entry = one_entry(ctx, select(ctx, what, which))
    if entry.type is not EntryType.FILE:
        raise NotInTable("that is not a regular file", hint="Use 'webraid get' for folders and links.")
    return _with_holes(entry, _stream(ctx, entry))


def _stream(ctx: Context, entry: Entry) -> Iterator[bytes]:
    known, batch, size = Known(ctx, 0), list[tuple[bytes, Place]](), 0
    ids = entry.chunk_ids()
    places = ctx.index.find(list(dict.fromkeys(ids)))
    best = known(ids)
    for chunk in ids:
        options = places.get(chunk)
        if not options:
            raise NotInTable("the table does not say where this file's content is")
        choice = next((item for item in options if item[0] == best.get(chunk)), options[0])
        batch.append(choice)
        size += choice[1].plain
        if size >= AHEAD:
            yield from _batch(ctx, batch)
            batch, size = [], 0
    yield from _batch(ctx, batch)


def _batch(ctx: Context, batch: list[tuple[bytes, Place]]) -> Iterator[bytes]:
    by_pack: dict[bytes, Wanted] = {}
    for pack, place in dict.fromkeys(batch):
        by_pack.setdefault(pack, Wanted(pack)).places.append(place)
    plain: dict[bytes, bytes] = {}
    for item in read_chunks(ctx, by_pack.values()):
        if isinstance(item, ChunkFailure):
            raise item.error
        plain[item[0].id] = item[1]
    for _, place in batch:
        yield plain[place.id]


def _with_holes(entry: Entry, stream: Iterator[bytes]) -> Iterator[bytes]:
    at = offset = 0
    for data in stream:
        taken = 0
        for start, length in stream_to_file(entry, offset, len(data)):
            yield from _zeros(start - at)
            yield data[taken : taken + length]
            taken += length
            at = start + length
        offset += len(data)
    yield from _zeros(entry.size - at)


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        yield bytes(min(count, ZEROS))
        count -= ZEROS
