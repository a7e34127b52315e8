"""Repacking: chunks that are used are stored anew, in full packs, so that half-dead ones become garbage.

Nothing is moved: the new packs are committed first, and the old ones go the way of all garbage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from webraid.array.stripes import StripeResult
from webraid.codec.pack import ChunkKind
from webraid.errors import BackendError, NotEnoughDisks
from webraid.jobs.context import Context
from webraid.jobs.events import Notice, Progress
from webraid.jobs.live import Liveness
from webraid.jobs.packer import Packer
from webraid.jobs.plan import Plan
from webraid.jobs.reading import ChunkFailure, Wanted, read_chunks
from webraid.jobs.run import Run, new_run
from webraid.jobs.seats import seats
from webraid.model import Geometry, PackKind, parse_size


@dataclass(slots=True)
class Repacked:
    """``packs`` whose used chunks were stored anew, ``size``: bytes of these chunks, sealed; ``created``: packs."""

    packs: int = 0
    size: int = 0
    created: set[bytes] = field(default_factory=set)


def stale_segments(ctx: Context) -> list[bytes]:
    """Index segments most of whose packs are deleted."""
    live = set(ctx.table.state.segments())
    named, there = Counter[bytes](), Counter[bytes]()
    known = {row[0] for row in ctx.index.db.rows("SELECT id FROM packs")}
    for segment, pack in ctx.index.db.rows("SELECT segment, pack FROM members WHERE pack!=x''"):
        if segment in live:
            named[segment] += 1
            there[segment] += pack in known
    return sorted(segment for segment, count in named.items() if 2 * there[segment] < count)


def repack(ctx: Context, live: Liveness, plan: Plan, chosen: Sequence[bytes]) -> Repacked:
    """Store the used chunks of the packs ``chosen`` anew, and write stale index segments anew; then commit.

    Where the disks are too full for that, nothing is packed anew: deleting goes on, and makes room.  Raises QuorumLost,
    NotEnoughShards; then what was stored is used by the next run.
    """
    done, run = Repacked(), new_run(ctx)
    stay = {pack for pack in plan.used if pack not in chosen} - plan.spared
    data = [pack for pack in chosen if plan.facts[pack].kind is PackKind.DATA]
    pending = {pack for pack, _ in ctx.index.pending()}  # of an interrupted run: whole enough, else settle dropped them
    try:
        for geometry, packs in sorted(_by_geometry(ctx, data).items(), key=lambda item: repr(item[0])):
            _data(ctx, live, run, geometry, {pack: _instead(ctx, plan, pack, stay, pending) for pack in packs}, done)
    except BackendError as error:
        ctx.event(Notice(f"half-dead packs are not packed anew this time: {error}", warning=True))
        return Repacked()
    run.replaced |= set(stale_segments(ctx))
    for pack in chosen:
        if plan.facts[pack].kind is PackKind.TABLE:
            _table(ctx, live, run, pack, _instead(ctx, plan, pack, stay, set()), done)
    if done.packs or run.replaced:
        before = set(live.marks.packs())
        run.commit(None)
        done.created |= set(live.marks.packs()) - before
    return done


def _by_geometry(ctx: Context, packs: Sequence[bytes]) -> dict[Geometry, list[bytes]]:
    result: dict[Geometry, list[bytes]] = {}
    for pack_id in packs:
        pack = ctx.index.pack(pack_id)
        if pack is not None:
            result.setdefault(pack.geometry, []).append(pack_id)
    return result


def _instead(
    ctx: Context, plan: Plan, pack: bytes, stay: Collection[bytes], pending: Collection[bytes]
) -> frozenset[bytes]:
    """Packs that keep what lies in them and in ``pack``, too, so that it need not be stored once more."""
    old = plan.facts[pack]
    known = {other for other in stay if plan.facts[other].replaces(old)}
    own = {other for other in pending if (found := ctx.index.pack(other)) is not None and found.geometry.m >= old.m}
    return frozenset(known | own)


def _data(
    ctx: Context, live: Liveness, run: Run, geometry: Geometry, packs: Mapping[bytes, frozenset[bytes]],
    done: Repacked,
) -> None:  # fmt: skip
    wanted = []
    for pack_id, stay in packs.items():
        ids = live.marks.live_in(pack_id)
        keep = set(ids) - live.marks.elsewhere(ids, stay)
        wanted.append(Wanted(pack_id, [place for place in ctx.index.places(pack_id) if place.id in keep]))
    where = seats(ctx)
    if len({seat.id for seat in where if seat.writable}) < geometry.n:
        text = f"packs over {geometry.n} disks are not packed anew: too few disks take new data"
        ctx.event(Notice(text))
        return
    memory = parse_size(ctx.config.limits.memory)
    packer = Packer(ctx, geometry, where, run=run.id, new_pack_id=run.new_pack_id, memory=memory)
    with packer:
        for item in read_chunks(ctx, [item for item in wanted if item.places]):
            if isinstance(item, ChunkFailure):
                raise item.error
            place, plain = item
            packer.add(place.id, plain)
            done.size += place.stored
            ctx.event(Progress(done.packs, done.size))
        results: list[StripeResult] = packer.finish()
    done.packs += len(packs)
    done.created |= {result.pack.id for result in results}
    if any(result.missing for result in results):
        raise NotEnoughDisks(
            "a pack that was stored anew is not whole yet, so nothing was condemned for it",
            hint="Run 'webraid repair', then 'webraid prune' again.",
        )


def _table(ctx: Context, live: Liveness, run: Run, pack: bytes, stay: frozenset[bytes], done: Repacked) -> None:
    """Pages are stored anew; segments are written anew by the commit."""
    ids = set(live.marks.live_in(pack))
    places = [place for place in ctx.index.places(pack) if place.id in ids]
    pages = [place.id for place in places if place.kind is ChunkKind.PAGE]
    run.copy_pages([page for page in pages if page not in live.marks.elsewhere(pages, stay)])
    segments = set(ctx.table.state.segments())
    run.replaced |= {place.id for place in places if place.kind is ChunkKind.INDEX and place.id in segments}
    done.packs += 1
    done.size += sum(place.stored for place in places)
