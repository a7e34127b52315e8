"""Packs of which too few shards are left: what this machine's files or single shards still hold is stored anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from webraid.array.tolerance import pack_tolerance
from webraid.codec.layout import spans
from webraid.codec.levels import parse_level
from webraid.codec.pack import Place
from webraid.errors import NotEnoughDisks, NotEnoughShards, SealBroken
from webraid.jobs.context import Context
from webraid.jobs.local_source import LocalSource
from webraid.jobs.packer import Packer
from webraid.jobs.reading import Bad, open_place, with_good_homes
from webraid.jobs.run import Run
from webraid.jobs.seats import seats
from webraid.model import Geometry, Pack, PackKind, parse_size


@dataclass(slots=True)
class Rescued:
    """``chunks`` and ``bytes`` that were stored anew; ``lost``: packs of which something is lost for good."""

    chunks: int = 0
    bytes: int = 0
    lost: int = 0


def superseded(ctx: Context, pack: Pack, bad: Bad) -> bool:
    """Whether nothing depends on a pack that cannot be read: every chunk of it lies in another one that can."""
    return pack.kind is PackKind.DATA and not _needed(ctx, pack, bad)


def _needed(ctx: Context, pack: Pack, bad: Bad) -> list[Place]:
    """The chunks that no other readable pack has, in the pack's order."""
    places, domains = ctx.index.places(pack.id), ctx.domains()
    found = ctx.index.find([place.id for place in places])
    readable: dict[bytes, bool] = {}

    def can_read(pack_id: bytes) -> bool:
        if pack_id not in readable:
            other = ctx.index.pack(pack_id)
            readable[pack_id] = other is not None and pack_tolerance(with_good_homes(ctx, other, bad), domains) >= 0
        return readable[pack_id]

    return [
        place
        for place in places
        if not any(can_read(other) for other, _ in found.get(place.id, ()) if other != pack.id)
    ]


def rescue(ctx: Context, run: Run, packs: Sequence[Pack], local: LocalSource) -> Rescued:
    """Store what can still be had of unreadable ``packs`` in new ones, named by ``run``'s commit.  Nothing is removed.

    Raises what a put raises when there is no room.
    """
    done = Rescued()
    bad = ctx.index.bad()
    in_order = sorted(packs, key=lambda pack: (pack.geometry.k, pack.geometry.n, pack.id))
    for geometry, group in groupby(in_order, key=lambda pack: _geometry(ctx, pack.geometry)):
        if geometry is None:
            done.lost += len(list(group))
            continue
        memory = parse_size(ctx.config.limits.memory)
        with Packer(
            ctx, geometry, seats(ctx), run=run.id, new_pack_id=run.new_pack_id, memory=memory
        ) as packer:  # fmt: skip
            for pack in group:
                _rescue_pack(ctx, pack, bad, local, packer, done)
            packer.finish()
    return done


def _geometry(ctx: Context, lost: Geometry) -> Geometry | None:
    """As the pack was, else as the pool's level is now; None where there are too few disks for either."""
    spec = parse_level(ctx.table.state.level)
    if lost.n <= ctx.span(spec):
        return lost
    try:
        return spec.geometry(ctx.span(spec))
    except NotEnoughDisks:
        return None


def _rescue_pack(ctx: Context, pack: Pack, bad: Bad, local: LocalSource, packer: Packer, done: Rescued) -> None:
    needed = _needed(ctx, pack, bad)
    local.look_for(place.id for place in needed)
    rest: list[Place] = []
    for place in needed:
        plain = local.chunk(place)
        if plain is None:
            rest.append(place)
        else:
            _store(packer, place, plain, done)
    for place, plain in _left_over(ctx, pack, bad, rest).items():
        _store(packer, place, plain, done)
        rest.remove(place)
    done.lost += bool(rest)


def _store(packer: Packer, place: Place, plain: bytes, done: Rescued) -> None:
    packer.add(place.id, plain)
    done.chunks += 1
    done.bytes += len(plain)


def _left_over(ctx: Context, pack: Pack, bad: Bad, wanted: Iterable[Place]) -> Mapping[Place, bytes]:
    """Chunks that lie as a whole in data shards that are left: those can be read though the stripe cannot."""
    usable = set(ctx.table.usable())
    good = with_good_homes(ctx, pack, bad)
    good = replace(good, homes=tuple(home for home in good.homes if home.disk in usable))
    found: dict[Place, bytes] = {}
    held = {home.index for home in good.homes}
    for place in wanted if good.homes else ():
        if not _shards_of(pack, place) <= held:
            continue
        try:
            view = ctx.array.read(good, [(place.offset, place.stored)])
            found[place] = open_place(ctx, pack, place, view.get(place.offset, place.stored))
        except (NotEnoughShards, SealBroken):
            continue  # it stays among those that are lost
    return found


def _shards_of(pack: Pack, place: Place) -> set[int]:
    """Numbers of the data shards that the chunk's bytes lie in."""
    return {span.shard for span in spans(place.offset, place.stored, pack.length, pack.geometry.k)}
