"""Packs of which too few shards are left: what this machine's files or single shards still hold is stored anew."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from webraid.array.tolerance import pack_tolerance
from webraid.codec.layout import spans
from webraid.codec.levels import parse_level
from webraid.codec.pack import Place
from webraid.errors import BackendError, NotEnoughDisks, NotEnoughShards, SealBroken
from webraid.jobs.base.context import Context
from webraid.jobs.base.reading import Bad, open_place, with_good_homes
from webraid.jobs.base.seats import seats
from webraid.jobs.care.local_source import LocalSource
from webraid.jobs.runs.packer import Packer
from webraid.jobs.runs.run import Run
from webraid.model import Geometry, Pack, PackKind, parse_size


@dataclass(slots=True)
class Rescued:
    """``chunks`` and ``bytes`` that were stored anew; ``lost``: packs of which something is lost for good.

    ``unsaved``: other packs whose content is still to be had, but that found no room; ``refused``: why.
    """

    chunks: int = 0
    bytes: int = 0
    lost: int = 0
    unsaved: int = 0
    refused: BackendError | None = None


def superseded(ctx: Context, pack: Pack, bad: Bad, unnamed: Collection[bytes] = ()) -> bool:
    """Whether nothing depends on a pack that cannot be read: every chunk of it lies in another one that can.
    ``unnamed``: packs that do not count, as no commit names them yet and nobody else would find them."""
    return pack.kind is PackKind.DATA and not _needed(ctx, pack, bad, unnamed)


def _needed(ctx: Context, pack: Pack, bad: Bad, unnamed: Collection[bytes] = ()) -> list[Place]:
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
        if not any(can_read(other) for other, _ in found.get(place.id, ()) if other != pack.id and other not in unnamed)
    ]


def rescue(ctx: Context, run: Run, packs: Sequence[Pack], local: LocalSource) -> Rescued:
    """Store what can still be had of unreadable ``packs`` in new ones, named by ``run``'s commit.  Nothing is removed.

    Only what lies on enough disks counts.  Where there is no room the rest waits, see ``Rescued``.
    """
    done = Rescued()
    bad = ctx.index.bad()
    in_order = sorted(packs, key=lambda pack: (pack.geometry.k, pack.geometry.n, pack.id))
    for geometry, group in groupby(in_order, key=lambda pack: _geometry(ctx, pack.geometry)):
        if geometry is None:
            done.lost += len(list(group))
            continue
        _rescue_group(ctx, run, geometry, list(group), bad, local, done)
    return done


def _rescue_group(
    ctx: Context, run: Run, geometry: Geometry, packs: Sequence[Pack], bad: Bad, local: LocalSource, done: Rescued
) -> None:
    """Packs of one shape.  Where the room ends the rest is only looked at."""
    memory = parse_size(ctx.config.limits.memory)
    with Packer(ctx, geometry, seats(ctx), run=run.id, new_pack_id=run.new_pack_id, memory=memory) as packer:
        keep = _Keep(packer)
        whole = [pack for pack in packs if _rescue_pack(ctx, pack, bad, local, keep)]
        keep.finish()
        stored = [place for stripe in packer.stored for place in ctx.index.places(stripe.pack.id)]
    done.chunks += len(stored)
    done.bytes += sum(place.plain for place in stored)
    done.lost += len(packs) - len(whole)
    if keep.refused is not None:
        done.refused = keep.refused
        done.unsaved += sum(not superseded(ctx, pack, bad) for pack in whole)


class _Keep:
    """Stores chunks as long as there is room.  ``refused``: why there is none any more."""

    def __init__(self, packer: Packer) -> None:
        self.refused: BackendError | None = None
        self._packer = packer

    def __call__(self, place: Place, plain: bytes) -> None:
        if self.refused is None:
            try:
                self._packer.add(place.id, plain)
            except BackendError as error:
                self.refused = error

    def finish(self) -> None:
        """Wait for everything."""
        if self.refused is None:
            try:
                self._packer.finish()
            except BackendError as error:
                self.refused = error


def _geometry(ctx: Context, lost: Geometry) -> Geometry | None:
    """As the pack was, else as the pool's level is now; None where there are too few disks for either."""
    spec = parse_level(ctx.table.state.level)
    if lost.n <= ctx.span(spec):
        return lost
    try:
        return spec.geometry(ctx.span(spec))
    except NotEnoughDisks:
        return None


def _rescue_pack(ctx: Context, pack: Pack, bad: Bad, local: LocalSource, keep: _Keep) -> bool:
    """Whether all of it is to be had."""
    needed = _needed(ctx, pack, bad)
    local.look_for(place.id for place in needed)
    rest: list[Place] = []
    for place in needed:
        plain = local.chunk(place)
        if plain is None:
            rest.append(place)
        else:
            keep(place, plain)
    for place, plain in _left_over(ctx, pack, bad, rest).items():
        keep(place, plain)
        rest.remove(place)
    return not rest


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
