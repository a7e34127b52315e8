"""relevel: what a snapshot needs lies at a higher level from now on.

More parity over the same data shards only uploads that parity (webraid/codec/shard.py, ``widen``), more copies only
these copies.  Anything else is read and stored anew in packs of the new shape; the old ones are left to 'prune'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from webraid.array.tolerance import pack_tolerance
from webraid.codec.levels import LevelSpec, parse_level
from webraid.errors import EXIT_DEGRADED, EXIT_OK, EXIT_UNREADABLE, ConfigError, worst
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import Notice, Progress, Started
from webraid.jobs.base.reading import ChunkFailure, Wanted, read_chunks, with_good_homes
from webraid.jobs.base.seats import object_sizes, seats
from webraid.jobs.base.snapshots import Selection, entries, select
from webraid.jobs.care.repair import repair_missing
from webraid.jobs.moves.moving import Work, working
from webraid.jobs.moves.widening import Widening
from webraid.jobs.runs.packer import Packer
from webraid.model import Code, Geometry, Pack, PackKind, many, parse_size
from webraid.table.fold import FORGET, SWEEP, Shot
from webraid.table.records import Condemn, Relevel

CHUNKS = 20_000  # chunks that are looked up at a time


@dataclass(slots=True)
class Releveled:
    """``packs`` hold the snapshot's content: ``fitting`` lay at the level already, ``widened`` got more parity or
    copies, ``repacked`` were stored anew.  ``read`` and ``stored``: payload and object bytes.  ``survives``: losses
    that the snapshot's data survives now; ``promised``: that the level promises."""

    snapshot: str
    before: str
    level: str
    packs: int = 0
    fitting: int = 0
    widened: int = 0
    repacked: int = 0
    read: int = 0
    stored: int = 0
    missing: int = 0
    lost: int = 0
    survives: int = 0
    promised: int = 0
    seconds: float = 0.0
    dry_run: bool = False

    @property
    def exit_code(self) -> int:
        """21 when something cannot be read, 20 while shards wait for a disk."""
        degraded = not self.dry_run and (self.missing or self.survives < self.promised)
        return worst(EXIT_UNREADABLE if self.lost else EXIT_OK, EXIT_DEGRADED if degraded else EXIT_OK)


@dataclass(slots=True)
class _Sorted:
    """The packs of a snapshot by what is to be done with them."""

    fit: set[bytes] = field(default_factory=set)
    widen: dict[bytes, Pack] = field(default_factory=dict)
    repack: set[bytes] = field(default_factory=set)


def relevel(ctx: Context, snapshot: str, level: str, *, dry_run: bool = False) -> Releveled:
    """Bring everything that ``snapshot`` needs to ``level``, and record that.  Run again it goes on.

    Raises NotInTable, ConfigError (the level is lower than the one it has), NotEnoughDisks, QuorumLost, RightMissing,
    PoolBusy.
    """
    started = ctx.env.monotonic()
    spec = parse_level(level)
    with working(ctx, FORGET) as work:
        shot = select(ctx, snapshot).shot
        geometry = spec.geometry(ctx.span(spec))
        _refuse_lowering(ctx, shot, spec, geometry)
        result = Releveled(shot.name, shot.info.level, str(spec), promised=geometry.m, dry_run=dry_run)
        found = _sort(ctx, shot, geometry)
        result.packs = len(found.fit) + len(found.widen) + len(found.repack)
        result.fitting = len(found.fit)
        if dry_run:
            _foretell(ctx, found, geometry, result)
            return result
        repair_missing(ctx)
        ctx.event(Started("relevel", len(found.widen) + len(found.repack)))
        more = Widening(work, geometry.n).go(list(found.widen.values()))
        result.widened, result.read, result.stored = more.packs, more.read, more.stored
        result.missing, result.lost = more.missing, more.lost
        _repack(work, shot, geometry, found.repack, result)
        work.commit()
        _record(ctx, shot, spec, found, result)
        result.survives = _survives(ctx, shot)
        result.seconds = ctx.env.monotonic() - started
        return result


def _refuse_lowering(ctx: Context, shot: Shot, spec: LevelSpec, geometry: Geometry) -> None:
    before = parse_level(shot.info.level)
    try:
        promised = before.geometry(ctx.span(before)).m
    except ConfigError:
        return
    if geometry.m < promised:
        raise ConfigError(
            f"snapshot {shot.name} survives {promised} losses at {before}, and would survive {geometry.m} at {spec}",
            hint="relevel only makes safer: what is stored with more parity is never traded for less.",
        )


# ------------------------------------------------------------------------------------------------------ what there is
def _chunks(ctx: Context, shot: Shot) -> Iterator[list[bytes]]:
    """The snapshot's chunk ids, in the order of its files, many at a time."""
    part: dict[bytes, None] = {}
    for entry in entries(ctx, Selection(shot)):
        part.update(dict.fromkeys(entry.chunk_ids()))
        if len(part) >= CHUNKS:
            yield list(part)
            part = {}
    yield list(part)


def _sort(ctx: Context, shot: Shot, geometry: Geometry) -> _Sorted:
    found = _Sorted()
    judged: dict[bytes, int] = {}

    def judge(pack_id: bytes) -> int:
        if pack_id not in judged:
            judged[pack_id] = _distance(ctx, pack_id, geometry)
        return judged[pack_id]

    for ids in _chunks(ctx, shot):
        for places in ctx.index.find(ids).values():
            best = min((pack for pack, _ in places), key=lambda pack: (judge(pack), pack))
            if judge(best) == 0:
                found.fit.add(best)
            elif judge(best) == 1 and best not in found.widen:
                pack = ctx.index.pack(best)
                assert pack is not None
                found.widen[best] = pack
            elif judge(best) > 1:
                found.repack.add(best)
    return found


def _distance(ctx: Context, pack_id: bytes, geometry: Geometry) -> int:
    """0: the pack is as it should be; 1: it only needs more shards; 2: it must be stored anew; 3: it is no use."""
    pack = ctx.index.pack(pack_id)
    if pack is None or pack.kind is not PackKind.DATA:
        return 3
    own = pack.geometry
    if (own.code, own.k) == (geometry.code, geometry.k) and own.n >= geometry.n:
        return 2 if pack_id in ctx.table.state.condemned else 0
    systematic = geometry.code is Code.RS and own.code in (Code.RS, Code.NONE) and own.k == geometry.k
    if systematic or (geometry.code is own.code is Code.COPIES):
        return 2 if pack_id in ctx.table.state.condemned else 1
    return 2


def _foretell(ctx: Context, found: _Sorted, geometry: Geometry, result: Releveled) -> None:
    """What it would read and store.  Of a pack that is stored anew all is counted, also what is not in the snapshot."""
    result.widened, result.repacked = len(found.widen), len(found.repack)
    for pack in found.widen.values():
        size = object_sizes(pack)[0]
        result.read += size if pack.geometry.code is Code.COPIES else pack.length
        result.stored += size * (geometry.n - pack.geometry.n)
    for pack_id in found.repack:
        old = ctx.index.pack(pack_id)
        if old is not None:
            result.read += old.length
            result.stored += old.length * geometry.n // geometry.k


# ---------------------------------------------------------------------------------------------------------- new packs
def _repack(work: Work, shot: Shot, geometry: Geometry, old: set[bytes], result: Releveled) -> None:
    """The snapshot's chunks that lie in ``old`` packs go into new ones."""
    ctx = work.ctx
    if not old:
        return
    memory = parse_size(ctx.config.limits.memory)
    left: set[bytes] = set()
    whole = sum(pack.length for pack in map(ctx.index.pack, old) if pack is not None)
    with Packer(
        ctx, geometry, seats(ctx), run=work.run.id, new_pack_id=work.run.new_pack_id, memory=memory
    ) as packer:  # fmt: skip
        for ids in _chunks(ctx, shot):
            for item in read_chunks(ctx, _wanted(ctx, ids, old, packer.fresh)):
                if isinstance(item, ChunkFailure):
                    result.lost += len(item.places)
                    left.update(place.id for place in item.places)
                    ctx.event(Notice(f"{many(len(item.places), 'chunk')} cannot be read: {item.error}", warning=True))
                    continue
                packer.add(item[0].id, item[1])
                result.read += item[0].stored
                done = min(len(old), len(old) * packer.stats.packed // max(1, whole))
                ctx.event(Progress(result.widened + done, packer.stats.plain, packer.stats.packed))
        stripes = packer.finish()
    result.repacked = len(old)
    result.missing += sum(len(stripe.missing) for stripe in stripes)
    for stripe in stripes:
        sizes = object_sizes(stripe.pack)
        result.stored += sum(sizes[home.index] for home in stripe.pack.homes)


def _wanted(ctx: Context, ids: Sequence[bytes], old: set[bytes], done: set[bytes]) -> list[Wanted]:
    by_pack: dict[bytes, Wanted] = {}
    for places in ctx.index.find([chunk for chunk in ids if chunk not in done]).values():
        if all(pack in old for pack, _ in places):
            pack, place = places[0]
            by_pack.setdefault(pack, Wanted(pack)).places.append(place)
    return list(by_pack.values())


# ------------------------------------------------------------------------------------------------------------- the end
def _record(ctx: Context, shot: Shot, spec: LevelSpec, found: _Sorted, result: Releveled) -> None:
    """The snapshot's level, if nothing of it had to be left as it was; and that nobody uses the old packs anew."""
    if result.lost:
        return
    ops: list[Relevel | Condemn] = []
    if shot.info.level != str(spec):
        ops.append(Relevel(snapshot=shot.id, level=str(spec)))
    me = ctx.table.state.devices.get(ctx.identity.key.id)
    old = tuple(sorted(found.repack - ctx.table.state.condemned.keys()))
    if old and me is not None and SWEEP in me.rights:
        ops.append(Condemn(packs=old))
    if ops:
        ctx.table.append(*ops)


def _survives(ctx: Context, shot: Shot) -> int:
    """What the snapshot's packs survive now, the best of them for each chunk."""
    bad, domains = ctx.index.bad(), ctx.domains()
    held: dict[bytes, int] = {}

    def tolerance(pack_id: bytes) -> int:
        if pack_id not in held:
            pack = ctx.index.pack(pack_id)
            good = None if pack is None else with_good_homes(ctx, pack, bad)
            held[pack_id] = -1 if good is None else pack_tolerance(good, domains)
        return held[pack_id]

    least = len(set(domains.values())) - 1
    for ids in _chunks(ctx, shot):
        for places in ctx.index.find(ids).values():
            least = min(least, max(tolerance(pack) for pack, _ in places))
    return least
