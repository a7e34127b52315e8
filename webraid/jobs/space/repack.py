"""Repacking: chunks that are used are stored anew, in full packs, so that half-dead ones become garbage.

Nothing is moved: the new packs are committed first, and the old ones go the way of all garbage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from webraid.codec.pack import ChunkKind
from webraid.errors import BackendError, NoRoomForTable
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import Notice, Progress
from webraid.jobs.base.reading import ChunkFailure, Wanted, read_chunks
from webraid.jobs.base.seats import seats
from webraid.jobs.runs.packer import Packer
from webraid.jobs.runs.run import Run, new_run
from webraid.jobs.space.live import Liveness
from webraid.jobs.space.plan import Plan
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

    Where the disks are too full for all of it, what found room is committed: deleting goes on, makes room, and the next
    run goes further.  Raises QuorumLost, NotEnoughShards; then what was stored is used by the next run.
    """
    done, run = Repacked(), new_run(ctx)
    stay = {pack for pack in plan.used if pack not in chosen} - plan.spared
    data = [pack for pack in chosen if plan.facts[pack].kind is PackKind.DATA]
    pending = {pack for pack, _ in ctx.index.pending()}  # of an interrupted run: whole enough, else settle dropped them
    short = False
    for geometry, packs in sorted(_by_geometry(ctx, data).items(), key=lambda item: repr(item[0])):
        instead = {pack: _instead(ctx, plan, pack, stay, pending) for pack in packs}
        short = short or not _data(ctx, live, run, geometry, instead, done)
    run.replaced |= set(stale_segments(ctx))
    for pack in chosen:
        if plan.facts[pack].kind is PackKind.TABLE and not short:
            _table(ctx, live, run, pack, _instead(ctx, plan, pack, stay, set()), done)
    if done.packs or run.replaced:  # else what was stored waits for the next run
        before = set(live.marks.packs())
        if not _commit(ctx, run):
            return Repacked()
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
) -> bool:  # fmt: skip
    """False: there was no room for all of it.  The packs that were stored are whole."""
    kept = {pack_id: _to_move(live, pack_id, stay) for pack_id, stay in packs.items()}
    wanted = (
        Wanted(pack_id, [place for place in ctx.index.places(pack_id) if place.id in keep])
        for pack_id, keep in kept.items()
        if keep
    )
    where = seats(ctx)
    if len({seat.id for seat in where if seat.writable}) < geometry.n:
        text = f"packs over {geometry.n} disks are not packed anew: too few disks take new data"
        ctx.event(Notice(text))
        return True
    memory, moved = parse_size(ctx.config.limits.memory), set[bytes]()
    with Packer(ctx, geometry, where, run=run.id, new_pack_id=run.new_pack_id, memory=memory, whole=True) as packer:
        refused = _fill(ctx, packer, wanted, done)
        for result in packer.stored:
            done.created.add(result.pack.id)
            for place in ctx.index.places(result.pack.id):
                moved.add(place.id)
                done.size += place.stored
    done.packs += sum(keep <= moved for keep in kept.values())
    if refused is not None:
        ctx.event(Notice(f"{_some(done)} packed anew this time: {refused}", warning=True))
    return refused is None


def _to_move(live: Liveness, pack: bytes, stay: frozenset[bytes]) -> set[bytes]:
    """Live chunks of a pack that none of ``stay`` has."""
    ids = live.marks.live_in(pack)
    return set(ids) - live.marks.elsewhere(ids, stay)


def _fill(ctx: Context, packer: Packer, wanted: Iterable[Wanted], done: Repacked) -> BackendError | None:
    """Everything into the packer, as long as there is room; why there is none any more."""
    refused, size = None, done.size
    try:
        for item in read_chunks(ctx, wanted):
            if isinstance(item, ChunkFailure):
                raise item.error
            place, plain = item
            packer.add(place.id, plain)
            size += place.stored
            ctx.event(Progress(done.packs, size))
    except BackendError as error:
        refused = error
    try:
        packer.finish()
    except BackendError as error:
        refused = error
    return refused


def _some(done: Repacked) -> str:
    return f"only {done.packs} half-dead packs are" if done.packs else "half-dead packs are not"


def _commit(ctx: Context, run: Run) -> bool:
    """False where the table itself finds no room: what was stored waits for the next run, and deleting goes on."""
    try:
        run.commit(None)
    except NoRoomForTable as error:
        me = ctx.table.state.runs.get((ctx.identity.key.id, run.id))
        if me is not None and me.commit is not None:  # it is written, and nothing may be decided before it is durable
            raise
        ctx.event(Notice(f"half-dead packs are not packed anew this time: {error}", warning=True))
        return False
    return True


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
