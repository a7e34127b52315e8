"""repair: shards that are missing or damaged are made again and put where they belong.  Only adds.

Exactly what is missing is written, and it is made from this machine's own files where these still hold it, else from k
shards of each pack, fetched once however many of its shards are missing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from webraid.array.array import Salvage
from webraid.array.tolerance import pack_tolerance
from webraid.codec.shard import Shard, rebuild
from webraid.errors import BackendError, NotEnoughShards
from webraid.jobs.base.context import Context, locked
from webraid.jobs.base.events import Notice, Progress, Started
from webraid.jobs.base.idle import keep_alive
from webraid.jobs.base.pages import load_index
from webraid.jobs.base.reading import Bad, with_good_homes
from webraid.jobs.base.seats import object_sizes
from webraid.jobs.care.local_source import LocalSource
from webraid.jobs.care.mend import mend_all
from webraid.jobs.care.putback import Delivery, PutBack
from webraid.jobs.care.rescue import rescue, superseded
from webraid.jobs.care.targets import Targets, ready_spares, strangers
from webraid.jobs.runs.run import Run, new_run
from webraid.jobs.runs.settle import abort, settle
from webraid.model import Code, Home, Pack, PackKind, parse_size
from webraid.table.log import Verdict
from webraid.table.records import Abort

PASSES = 3  # what is found to be bad while it is read is mended, too
LOOK = 1000  # packs whose chunks are looked for in local files at a time


@dataclass(slots=True)
class Repaired:
    """``shards`` made again, ``waiting`` that have no usable disk just now, ``lost`` packs with too few shards left.

    ``bytes`` were stored and ``read`` fetched; ``from_files``: shards made from this machine's files with nothing
    fetched; ``saved``: chunks of unreadable packs that are stored anew, ``saved_bytes`` long; ``unsaved``: unreadable
    packs whose content is still here but found no room, ``refused``: why.  ``silent``: disks that do not answer; what
    they have is not missing, so it is waited for.
    """

    shards: int = 0
    waiting: int = 0
    lost: int = 0
    bytes: int = 0
    seconds: float = 0.0
    read: int = 0
    from_files: int = 0
    saved: int = 0
    saved_bytes: int = 0
    unsaved: int = 0
    refused: BackendError | None = None
    silent: list[str] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Work:
    """A damaged pack.  ``good``: with the homes that count; ``wants``: (shard's number, the disk that gets it)."""

    pack: Pack
    good: Pack
    wants: list[tuple[int, bytes]]
    held: list[bytes] = field(default_factory=list)

    @property
    def margin(self) -> int:
        """How many more of its shards may be lost; of the table's own packs: -1, as everything else needs them."""
        if self.pack.kind is PackKind.TABLE:
            return -1
        return self.pack.geometry.m - len(missing_indices(self.pack, self.good))

    @property
    def numbers(self) -> tuple[int, ...]:
        """Shards to be made, each once."""
        return tuple(sorted({number for number, _ in self.wants}))


def missing_indices(pack: Pack, good: Pack) -> list[int]:
    """Shards of ``pack`` that lie nowhere (for copies: one 0 for each copy that is missing)."""
    wanted = [index for index, size in enumerate(object_sizes(pack)) if size]
    if pack.geometry.code is Code.COPIES:
        return [0] * max(0, pack.geometry.n - len({home.disk for home in good.homes}))
    held = {home.index for home in good.homes}
    return [index for index in wanted if index not in held]


def repair(ctx: Context) -> Repaired:
    """Mend everything that can be mended now, and record it.  Raises PoolBusy, QuorumLost."""
    started = ctx.env.monotonic()
    with locked(ctx.settings.places):
        view = ctx.open_table(spot=True)
        ctx.table.require_quorum()
        load_index(ctx)
        run, left = new_run(ctx), settle(ctx)
        run.reuses |= set(left.packs)
        if left.packs:
            run.pin()
        abort(ctx, left)
        ctx.event(Started("repair"))
        mend_all(ctx, view)
        done = _Repair(ctx, run).all()
        ctx.table.spread_head()
        if ctx.index.unrecorded() or run.replaced:
            run.commit(None)
        elif left.packs:
            ctx.table.append(Abort(run=run.id))
        keep_alive(ctx)
        ctx.table.flush(ctx.config.limits.patience)
    done.silent = silent(ctx)
    done.seconds = ctx.env.monotonic() - started
    return done


def silent(ctx: Context) -> list[str]:
    """Names of the pool's disks that do not answer."""
    verdicts = ctx.table.view.verdicts
    quiet = (disk for disk in ctx.domains() if disk not in verdicts or verdicts[disk].verdict is Verdict.SILENT)
    return sorted(ctx.disk_name(disk) for disk in quiet)


def repair_missing(ctx: Context) -> int:
    """Before a put: the repair queue of earlier runs.  The put's own commit records the new homes."""
    return _Repair(ctx, None).all().shards


class _Repair:
    """One repair; ``run``: the one that may store what no disk has any more, None where the caller does that itself."""

    def __init__(self, ctx: Context, run: Run | None) -> None:
        self._ctx = ctx
        self._run = run
        self._done = Repaired()
        self._local = LocalSource(ctx)
        self._memory = parse_size(ctx.config.limits.memory)
        self._lost: list[Pack] = []
        self._made: set[bytes] = set()  # packs whose shards came from local files
        self._hoped: list[Pack] = []  # of these, the ones that cannot be read before all has arrived

    def all(self) -> Repaired:
        """Again while reading finds more that is damaged."""
        self._ctx.note_findings()
        for _ in range(PASSES):
            self._done.waiting, self._lost = 0, []
            self._pass()
            if not self._ctx.findings:
                break
            self._ctx.note_findings()
        if self._lost:
            self._save()
        return self._done

    def _pass(self) -> None:
        gone = strangers(self._ctx) if ready_spares(self._ctx) else set()
        damaged = list(damaged_packs(self._ctx, gone))
        if not damaged:
            return
        self._targets = Targets(self._ctx, gone)
        works = [self._plan(pack, good) for pack, good in damaged]
        if self._run is not None:
            self._ctx.event(Started("repair", self._done.shards + sum(len(work.wants) for work in works)))
        self._back = PutBack(self._ctx, window=self._memory // 3, landed=self._landed, failed=self._failed)
        self._works = {work.pack.id: work for work in works}
        for _, urgent in groupby(works, key=lambda work: work.margin):  # the next ones wait until these are safe
            for item, found in self._ctx.array.salvage(self._to_fetch(list(urgent)), window=self._memory // 3):
                self._fetched(item.tag, found)
            self._back.finish()
        self._targets.promote()
        self._disappointed()

    def _disappointed(self) -> None:
        """What was to be readable again and is not, as no disk took the shards, goes the way of what is lost."""
        hoped, self._hoped = self._hoped, []
        bad, domains = self._ctx.index.bad(), self._ctx.domains()
        for pack in hoped:
            now = self._ctx.index.pack(pack.id) or pack
            if pack_tolerance(with_good_homes(self._ctx, now, bad), domains) < 0:
                self._lost.append(now)

    def _plan(self, pack: Pack, good: Pack) -> Work:
        """Who gets what is missing."""
        if pack.kind is PackKind.TABLE:
            held = {home.disk for home in good.homes}
            lacking = [disk for disk in self._ctx.domains() if disk not in held]
            able = [disk for disk in lacking if disk in self._ctx.table.usable()]
            self._done.waiting += len(lacking) - len(able)
            return Work(pack, good, [(0, disk) for disk in able])
        work = Work(pack, good, [], [home.disk for home in good.homes])
        sizes = object_sizes(pack)
        for index in missing_indices(pack, good):
            disk = self._targets.choose(pack, index, sizes[index], work.held)
            if disk is None:
                self._done.waiting += 1
            else:
                self._targets.take(disk, sizes[index])
                work.held.append(disk)
                work.wants.append((index, disk))
        return work

    def _to_fetch(self, works: Sequence[Work]) -> Iterator[Salvage]:
        """The packs that must be fetched; what local files hold is made and sent off on the way."""
        for start in range(0, len(works), LOOK):
            part = works[start : start + LOOK]
            self._local.look_for(
                place.id
                for work in part
                if work.pack.kind is PackKind.DATA and work.wants
                for place in self._ctx.index.places(work.pack.id)
            )
            for work in part:
                readable = pack_tolerance(work.good, self._ctx.domains()) >= 0
                if work.wants and self._from_files(work) and (readable or _whole(work)):
                    self._hoped += [] if readable else [work.pack]
                    continue
                if not readable:
                    self._lost.append(work.pack)
                elif work.wants:
                    yield Salvage(_quick(self._ctx, work.good), work.numbers, tag=work)

    def _md5(self, work: Work) -> bool:
        return any("md5" in self._ctx.disks[disk].caps.hashes for _, disk in work.wants)

    def _from_files(self, work: Work) -> bool:
        made = self._local.shards(work.pack, work.numbers, md5=self._md5(work))
        if made is None:
            return False
        self._made.add(work.pack.id)
        self._send(work, made)
        return True

    def _fetched(self, work: Work, found: dict[int, memoryview] | NotEnoughShards) -> None:
        if isinstance(found, NotEnoughShards):
            self._done.waiting += len(work.wants)
            text = f"pack {work.pack.id.hex()[:8]} cannot be repaired now: {found}"
            self._ctx.event(Notice(text, warning=True))
            return
        self._done.read += sum(len(payload) for payload in found.values())
        md5 = self._md5(work)
        made = {number: rebuild(found, work.pack, number, self._ctx.pool, md5=md5) for number in work.numbers}
        self._send(work, made)

    def _send(self, work: Work, made: dict[int, Shard]) -> None:
        for number, disk in work.wants:
            self._back.send(Delivery(work.pack, number, disk, made[number]))

    def _landed(self, delivery: Delivery, home: Home) -> None:
        pack, index, done = delivery.pack, self._ctx.index, self._done
        if pack.kind is PackKind.DATA:
            index.add_homes(replace(pack, homes=(home,)), fresh=True)
        index.mark_good(pack.id, home.index, delivery.disk)
        self._targets.took(delivery.disk)
        done.shards += 1
        done.from_files += pack.id in self._made
        done.bytes += len(delivery.shard.object)
        self._ctx.event(Progress(done.shards, done.bytes, done.bytes))

    def _failed(self, delivery: Delivery) -> None:
        """Another legal disk, where there is one."""
        work, pack = self._works[delivery.pack.id], delivery.pack
        self._targets.refuse(delivery.disk)
        tried = {*delivery.tried, delivery.disk}
        if delivery.disk in work.held:
            work.held.remove(delivery.disk)
        disk = None
        if pack.kind is PackKind.DATA:
            disk = self._targets.choose(pack, delivery.number, len(delivery.shard.object), work.held, tried)
        if disk is None:
            self._done.waiting += 1
            return
        work.held.append(disk)
        self._targets.take(disk, len(delivery.shard.object))
        self._back.send(Delivery(pack, delivery.number, disk, delivery.shard, tried))

    def _save(self) -> None:
        """What too few shards are left of."""
        bad = self._ctx.index.bad()
        lost = [pack for pack in self._lost if not superseded(self._ctx, pack, bad)]
        self._done.lost = len(lost)
        data = [pack for pack in lost if pack.kind is PackKind.DATA]
        if self._run is not None:
            self._run.replaced |= self._known_segments(lost)
        if self._run is not None and data:
            saved = rescue(self._ctx, self._run, data, self._local)
            self._done.saved, self._done.saved_bytes = saved.chunks, saved.bytes
            self._done.lost = len(lost) - len(data) + saved.lost
            self._done.unsaved, self._done.refused = saved.unsaved, saved.refused
        self._forgive(bad)

    def _known_segments(self, lost: Sequence[Pack]) -> set[bytes]:
        """Parts of the index in ``lost`` table packs that this machine has taken in: it can write them anew."""
        index, state = self._ctx.index, self._ctx.table.state
        tables = {pack.id for pack in lost if pack.kind is PackKind.TABLE}
        live = set(state.segments()) & {place.id for pack in tables for place in index.places(pack)}
        found = index.find(sorted(live))
        nowhere = (segment for segment in live if all(pack in tables for pack, _ in found.get(segment, ())))
        return {segment for segment in nowhere if index.has_all_of(segment, state.swept)}

    def _forgive(self, bad: Bad) -> None:
        """Nothing depends on the lost packs whose chunks lie elsewhere now: their damage accuses no disk any more."""
        now = self._ctx.index.bad()
        for pack in self._lost:
            if superseded(self._ctx, pack, now):
                for index, disk in bad.get(pack.id, ()):
                    self._ctx.index.mark_bad(pack.id, index, disk, "missing")


def damaged_packs(ctx: Context, gone: Collection[bytes] = ()) -> Iterator[tuple[Pack, Pack]]:
    """Packs with missing shards, those with the least margin first.  ``gone``: disks that are not counted on."""
    found = []
    bad, joined = ctx.index.bad(), len(ctx.domains())
    for pack in ctx.index.packs():
        good = with_good_homes(ctx, pack, bad)
        if gone and pack.kind is PackKind.DATA:
            good = replace(good, homes=tuple(home for home in good.homes if home.disk not in gone))
        if pack.kind is PackKind.TABLE:
            if len(good.homes) < joined:
                found.append((-1, pack, good))
        elif missing := missing_indices(pack, good):
            found.append((pack.geometry.m - len(missing), pack, good))
    for _, pack, good in sorted(found, key=lambda item: (item[0], item[1].id)):
        yield pack, good


def _whole(work: Work) -> bool:
    """Whether the pack can be read again once its wanted shards are where they belong."""
    empty = sum(not digest for digest in work.pack.shards[: work.pack.geometry.k])
    there = {home.index for home in work.good.homes} | set(work.numbers)
    return len(there) >= work.pack.geometry.k - empty


def _quick(ctx: Context, good: Pack) -> Pack:
    """Without the disks that do not answer, where the others are enough."""
    usable = set(ctx.table.usable())
    quick = replace(good, homes=tuple(home for home in good.homes if home.disk in usable))
    return quick if pack_tolerance(quick, ctx.domains()) >= 0 else good
