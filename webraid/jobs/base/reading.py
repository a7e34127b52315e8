"""Reading chunks and packs through the array: opened, checked by id, with another source where one is bad."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from webraid.array.array import Request
from webraid.array.layout import PackView
from webraid.codec.chunker import chunk_id
from webraid.codec.pack import Place, open_chunk
from webraid.errors import NotEnoughShards, NotInTable, SealBroken
from webraid.jobs.base.context import Context
from webraid.model import Home, Pack, PackKind, parse_size

WHOLE = 0.5  # a pack of which at least this share is wanted is read whole
Bad = dict[bytes, set[tuple[int, bytes]]]


def with_good_homes(ctx: Context, pack: Pack, bad: Bad) -> Pack:
    """``pack`` with the homes that count: on joined disks, not known to be bad.  A table pack is on every disk."""
    spoiled = bad.get(pack.id, set())
    joined = ctx.domains()
    homes: Iterable[Home] = pack.homes
    if pack.kind is PackKind.TABLE:
        homes = [Home(0, disk) for disk in joined]
    good = tuple(home for home in homes if home.disk in joined and (home.index, home.disk) not in spoiled)
    return dataclasses.replace(pack, homes=good)


def find_pack(ctx: Context, pack_id: bytes, bad: Bad) -> Pack:
    """A pack by id, with the homes to read it from.  Raises NotInTable."""
    pack = ctx.index.pack(pack_id)
    if pack is None:
        raise NotInTable(f"pack {pack_id.hex()} is not in the table")
    good = with_good_homes(ctx, pack, bad)
    usable = set(ctx.table.usable())
    quick = tuple(home for home in good.homes if home.disk in usable)
    return dataclasses.replace(good, homes=quick) if _enough(good, quick) else good


def _enough(pack: Pack, homes: Sequence[Home]) -> bool:
    """Whether these homes alone give the pack back, so that disks that did not answer need not be waited for."""
    empty = sum(not digest for digest in pack.shards[: pack.geometry.k])
    return len({home.index for home in homes}) >= pack.geometry.k - empty


def ranges_of(pack: Pack, places: Sequence[Place]) -> list[tuple[int, int]] | None:
    """What to read of a pack for these chunks: (offset, size) pairs, or None for all of it."""
    if sum(place.stored for place in places) >= WHOLE * pack.length:
        return None
    return sorted((place.offset, place.stored) for place in places)


@dataclass(slots=True)
class ChunkFailure:
    """Chunks that could not be read, and why."""

    places: list[Place]
    error: Exception


@dataclass(slots=True)
class Wanted:
    """Chunks wanted of one pack."""

    pack: bytes
    places: list[Place] = field(default_factory=list)


def open_place(ctx: Context, pack: Pack, place: Place, sealed: bytes | memoryview) -> bytes:
    """A chunk's plaintext, compared with its id.  Raises SealBroken."""
    plain = _opened_with_any(ctx, pack, place, sealed)
    if chunk_id(ctx.identity.root.id, plain) != place.id:
        raise SealBroken("a chunk is not the one that the table names")
    return plain


def _opened_with_any(ctx: Context, pack: Pack, place: Place, sealed: bytes | memoryview) -> bytes:
    """A pack does not say of which epoch it is: the root that opened it last is tried first, then the newest."""
    known = ctx.opened_with.get(pack.id)
    roots = [*([known] if known else []), *(root for root in ctx.identity.root.every() if root is not known)]
    for root in roots:
        key = root.data if pack.kind is PackKind.DATA else root.meta
        try:
            plain = open_chunk(key, ctx.pool, pack.id, place, sealed)
        except SealBroken:
            if root is roots[-1]:
                raise
        else:
            ctx.opened_with[pack.id] = root
            return plain
    raise AssertionError("there is always a root")


def read_chunks(ctx: Context, wanted: Iterable[Wanted]) -> Iterator[tuple[Place, bytes] | ChunkFailure]:
    """Every wanted chunk, in any order, or why it cannot be had.  Bulk: many packs at once, bounded memory."""
    bad = ctx.index.bad()

    def requests() -> Iterator[Request]:
        for item in wanted:
            pack = find_pack(ctx, item.pack, bad)
            liars = {found.disk for found in ctx.findings if found.problem == "corrupt"}
            if liars:  # whoever lied once is not asked again while enough others are there
                honest = tuple(home for home in pack.homes if ctx.disk_name(home.disk) not in liars)
                pack = dataclasses.replace(pack, homes=honest) if _enough(pack, honest) else pack
            yield Request(pack, ranges_of(pack, item.places), item.places)

    for request, view in ctx.array.read_many(requests(), window=parse_size(ctx.config.limits.memory)):
        places: list[Place] = request.tag
        if view.error is not None:
            yield from _elsewhere(ctx, request.pack, places, view.error)
        else:
            yield from _opened(ctx, request.pack, places, view)


def _opened(
    ctx: Context, pack: Pack, places: Sequence[Place], view: PackView
) -> Iterator[tuple[Place, bytes] | ChunkFailure]:
    for i, place in enumerate(places):
        try:
            plain = open_place(ctx, pack, place, view.get(place.offset, place.stored))
        except SealBroken:
            yield from _strictly(ctx, pack, list(places[i:]))
            return
        yield place, plain


def _strictly(ctx: Context, pack: Pack, places: list[Place]) -> Iterator[tuple[Place, bytes] | ChunkFailure]:
    """Somebody served wrong bytes: read whole shards, each checked by its hash, so that the liar is found."""
    try:
        view = ctx.array.read(pack, None, strict=True)
        opened = [(place, open_place(ctx, pack, place, view.get(place.offset, place.stored))) for place in places]
    except (NotEnoughShards, SealBroken) as error:
        yield from _elsewhere(ctx, pack, places, error)
    else:
        yield from opened


def _elsewhere(
    ctx: Context, pack: Pack, places: list[Place], error: Exception
) -> Iterator[tuple[Place, bytes] | ChunkFailure]:
    """The same chunks in other packs, where two machines stored them at the same time."""
    bad = ctx.index.bad()
    for place in places:
        for other, there in ctx.index.find([place.id]).get(place.id, []):
            if other == pack.id:
                continue
            try:
                another = find_pack(ctx, other, bad)
                view = ctx.array.read(another, None, strict=True)
                yield place, open_place(ctx, another, there, view.get(there.offset, there.stored))
                break
            except (NotEnoughShards, SealBroken):
                continue
        else:
            yield ChunkFailure([place], error)
