"""put: files to chunks to packs to disks, and one snapshot that names them.

scan -> chunks -> known? -> Packer (seal, parity, disks) ; entries -> tree pages -> Run.commit
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing

from webraid.array.stripes import StripeResult
from webraid.array.tolerance import pack_tolerance
from webraid.codec.levels import LevelSpec, parse_level
from webraid.codec.pack import Place
from webraid.entry import Entry
from webraid.errors import BackendError, ConfigError, SourcesUnreadable
from webraid.files.listed import ListKind, read_list, roots_of
from webraid.files.roots import Root, check_roots, roots_for
from webraid.files.stdin import Stream
from webraid.jobs.base.context import Context
from webraid.jobs.base.dated import require_past
from webraid.jobs.base.events import Notice, Started
from webraid.jobs.base.known import Known
from webraid.jobs.base.reading import ChunkFailure, Wanted, read_chunks, with_good_homes
from webraid.jobs.base.seats import seats
from webraid.jobs.base.settings import host
from webraid.jobs.disks.takeout import staying
from webraid.jobs.runs.packer import Packer
from webraid.jobs.runs.run import Run
from webraid.jobs.storing.before import Before, earlier
from webraid.jobs.storing.intake import Intake, forget_unstored
from webraid.jobs.storing.least import refuse_weak, weak
from webraid.jobs.storing.put_result import Compression, Pace, PutOptions, PutResult, together
from webraid.jobs.storing.rehearse import rehearse
from webraid.jobs.storing.session import Session, session
from webraid.jobs.storing.tag import require_text
from webraid.jobs.storing.vanished import refuse_empty_stream, refuse_missing, refuse_shrunk
from webraid.model import PackKind, parse_size
from webraid.table.fold import Shot
from webraid.table.records import RootDir, Snapshot
from webraid.table.table import Acks
from webraid.table.tree import Root as TreeRoot
from webraid.table.tree import TreeBuilder

__all__ = ["Compression", "Pace", "Put", "PutOptions", "PutResult", "put", "put_stream", "roots_from", "together"]

DEFAULT = PutOptions()
Lists = Sequence[tuple[str, ListKind]]


def put(ctx: Context, paths: Sequence[str], options: PutOptions = DEFAULT, *, lists: Lists = ()) -> PutResult:
    """Store ``paths``, and what ``lists`` (files, how they are written) name, as one snapshot.

    Raises PoolBusy, QuorumLost, NotEnoughDisks, SourcesUnreadable, ConfigError; QuotaExceeded, AuthExpired, Unavailable
    where too few disks took the new data (what was stored whole is used by the next put); TooWeak.
    """
    options.rules.check()
    roots = roots_from(paths, lists)
    if options.dry_run:
        return rehearse(ctx, roots, options)
    with session(ctx) as one:
        return Put(one, roots, options).run()


def put_stream(ctx: Context, name: str, command: Sequence[str] = (), options: PutOptions = DEFAULT) -> PutResult:
    """Store standard input, or what ``command`` prints, as one file called ``name``.

    Nothing is stored when the command fails.  Raises SourcesUnreadable, ConfigError, and what ``put`` raises.
    """
    raw = name.encode("utf-8", "surrogateescape")
    (root,) = check_roots([Root(raw, raw)])  # no absolute path: there is no place that it came from
    if options.dry_run:
        raise ConfigError("a stream cannot be tried out: reading it uses it up", hint="Leave --dry-run out.")
    with session(ctx) as one:
        job = Put(one, [root], options)
        with Stream(command) as stream:
            return job.run(stream)


def roots_from(paths: Iterable[str], lists: Lists = ()) -> list[Root]:
    """What a put starts from.  Raises ConfigError: two of one name, a list that cannot be read."""
    roots = [*roots_for(paths), *(root for source, kind in lists for root in roots_of(read_list(source, kind)))]
    if not roots:
        what = "the lists name nothing" if lists else "no path was given"
        raise SourcesUnreadable(f"{what}: nothing was stored")
    return check_roots(roots)


class Put:
    """One snapshot being made.  It is the store of its own Intake."""

    def __init__(self, one: Session, roots: Sequence[Root], options: PutOptions) -> None:
        self.ctx = one.ctx
        self.session = one
        self.roots = roots
        self.options = options
        self.host = options.host or host()
        for text in (self.host, *options.tags):
            require_text(text)
        if options.time_ms is not None:
            require_past(options.time_ms, self.ctx.env.now())
        self.result = PutResult(source=options.source, alarms=list(one.alarms))
        self.written: list[bytes] = []  # packs; what is known of each is in the index
        self.earlier: list[Run] = []  # runs of this put that have committed a partial snapshot
        self.packed_before = 0

    def run(self, stream: Stream | None = None) -> PutResult:
        """Raises SourcesUnreadable, NotEnoughDisks, QuorumLost, and what Packer.finish raises."""
        ctx, result = self.ctx, self.result
        spec = level_of(ctx, self.options.level)
        self.geometry = spec.geometry(ctx.span(spec))
        guarded = not self.options.allow_empty
        if guarded and stream is None:
            refuse_missing(ctx, self.roots, self.host, self.options.source)
        refuse_weak(ctx, spec, self.geometry, self.options.least)
        before = Before(ctx, self.roots, self.options, self.host)
        self._begin()
        result.promised, result.level = self.geometry.m, str(spec)
        result.disks = len(ctx.table.state.joined())
        ctx.event(Started("put"))
        self.known = Known(ctx, self.geometry.m)
        self.intake = intake = Intake(ctx, self.options, result, self, before)
        self.packer = self._new_packer()
        try:
            root = self._take_in(intake, stream)
            self._finish_packer()
        except BackendError:
            forget_unstored(ctx, self.packer.fresh)
            raise
        finally:
            self.packer.__exit__(None, None, None)
        if guarded and stream is None:
            refuse_shrunk(ctx, self.roots, self.host, self.options.source, intake.kept)
        elif guarded:
            refuse_empty_stream(ctx, self.roots[0], self.host, result.bytes)
        before.walked()
        last = self._same_as(root.id)
        if last is not None:
            self._skip(last)
        else:
            self._commit(root.id)
        result.stored = self.session.sent()
        result.seconds = self.session.took()
        return result

    def _begin(self) -> None:
        self.pins = self.session.run()
        self.pins.rescue, self.pins.guard = self._rescue, self._guard
        self.result.repaired, self.session.repaired = self.session.repaired, 0
        self.checked, self.added = self.ctx.env.monotonic(), 0

    def _take_in(self, intake: Intake, stream: Stream | None) -> TreeRoot:
        self.builder = TreeBuilder(self._store_page)
        taken = intake.entries(self.roots) if stream is None else intake.stream(self.roots[0], stream)
        with closing(taken) as entries:
            for entry in entries:
                self.builder.add(entry)
                self.pause(lambda: None)
        result = self.result
        if not result.files + result.dirs + result.others:
            raise SourcesUnreadable("none of the paths could be read: nothing was stored")
        return self.builder.finish()

    # -- the store ---------------------------------------------------------------------------------------------------
    @property
    def packed(self) -> int:
        """Bytes after compression so far."""
        return self.packed_before + self.packer.stats.packed

    @property
    def waiting(self) -> int:
        """Bytes of new content that are still on their way to the disks."""
        return self.packer.stats.plain - self.packer.stats.settled

    def has(self, ids: Sequence[bytes]) -> bool:
        """Whether these chunks are stored already; their packs are pinned if so, this run's own ones are already."""
        others = [chunk for chunk in ids if chunk not in self.packer.fresh]
        packs = self.known(others)
        if any(chunk not in packs for chunk in others):
            return False
        self.pins.reuses.update(packs.values())
        return True

    def add(self, chunk: bytes, plain: bytes) -> None:
        """Store a chunk."""
        self.packer.add(chunk, plain)
        self.added += len(plain)

    def _store_page(self, page: bytes) -> bytes:
        return self.pins.store_page(page)  # of whichever run goes on just now

    def pause(self, under_way: Callable[[], Entry | None]) -> None:
        """A checkpoint, when it is time for one."""
        pace = self.options.pace
        if not self.added:
            return
        if self.added >= pace.bytes or self.ctx.env.monotonic() - self.checked >= pace.seconds:
            part = under_way()
            self._checkpoint([part] if part is not None else [])

    def _new_packer(self) -> Packer:
        ctx, run = self.ctx, self.pins
        return Packer(
            ctx, self.geometry, seats(ctx), run=run.id, new_pack_id=run.new_pack_id,
            memory=parse_size(ctx.config.limits.memory), compression=str(self.options.compression),
            on_settled=self.intake.progress if self.options.scan else None,
        )  # fmt: skip

    def _finish_packer(self) -> None:
        self._note(self.packer.finish())
        self.result.added += self.packer.stats.plain
        self.result.packed += self.packer.stats.packed
        self.packed_before = self.result.packed

    def _rescue(self, pack_id: bytes) -> None:
        """A pack that is re-used was condemned meanwhile: its chunks go into new packs."""
        places: list[Place] = self.ctx.index.places(pack_id)
        with self._new_packer() as packer:
            for item in read_chunks(self.ctx, [Wanted(pack_id, places)]):
                if isinstance(item, ChunkFailure):
                    raise item.error
                packer.add(item[0].id, item[1])
            self._note(packer.finish())

    def _note(self, stripes: Iterable[StripeResult]) -> None:
        for stripe in stripes:
            self.written.append(stripe.pack.id)
            self.result.missing_shards += len(stripe.missing)

    # -- checkpoints -------------------------------------------------------------------------------------------------
    def _checkpoint(self, under_way: Sequence[Entry]) -> None:
        """What is stored so far becomes a partial snapshot, and a new run goes on.

        The old run is not closed: its pins keep what the final snapshot will name, whatever others forget meanwhile.
        """
        self._finish_packer()
        self.packer.__exit__(None, None, None)
        root = self.builder.so_far(*under_way)
        self.pins.commit(self._snapshot(root.id, partial=True), close=False)
        self.earlier.append(self.pins)
        self.pins = self.pins.heir()
        self.known = Known(self.ctx, self.geometry.m)
        self.packer = self._new_packer()
        self.checked, self.added = self.ctx.env.monotonic(), 0
        self.result.checkpoints += 1
        self.ctx.event(
            Notice(f"what is stored so far can be restored: partial snapshot {self.earlier[-1].id.hex()[:8]}")
        )

    # -- the end -----------------------------------------------------------------------------------------------------
    def _same_as(self, root: bytes) -> Shot | None:
        """The last snapshot, if there need not be another one, as nothing has changed since."""
        if not self.options.skip_if_unchanged or self.earlier:
            return None
        shots = earlier(self.ctx, self.host, self.roots)
        last = shots[-1].info if shots else None
        wanted = (root, self.result.level, self.options.source, self.options.tags, False)
        same = last is not None and (last.root, last.level, last.source, last.tags, last.partial) == wanted
        return shots[-1] if same else None

    def _skip(self, last: Shot) -> None:
        domains, usable = self.ctx.domains(), set(self.ctx.table.usable())
        self.ctx.note_findings()
        answering = len({domain for disk, domain in domains.items() if disk in usable})
        self.result.survives = max(-1, min([answering - 1, *self._tolerances(domains)]))
        self.result.snapshot, self.result.skipped = last.name, True
        self.session.give_up(self.pins)

    def _commit(self, root: bytes) -> None:
        ctx, result, run = self.ctx, self.result, self.pins
        acks: Acks = run.commit(self._snapshot(root), close=False)
        run.close(*self.earlier)
        ctx.note_findings()
        result.survives = run.survives(acks, self._tolerances(staying(ctx)))
        result.snapshot = run.id.hex()[:8]
        shot = next((shot for shot in ctx.table.state.shots if shot.id == run.id), None)
        result.conflicts = [other.name for other in ctx.table.state.conflicts(shot)] if shot else []
        for other in result.conflicts:
            ctx.event(Notice(f"snapshot {other} of the same folder was made at the same time elsewhere: both are kept"))

    def _guard(self) -> None:
        """What disks took, or did not take, since the put began."""
        if self.options.least:
            self.ctx.note_findings()
            now = self.pins.would_survive(self._tolerances(self.ctx.domains()))
            if now < self.options.least:
                raise weak(now, self.options.least)

    def _tolerances(self, domains: Mapping[bytes, str]) -> Iterator[int]:
        """What each stripe of the snapshot survives: those just written, and those re-used, on disks that answer."""
        usable = set(self.ctx.table.usable())
        answering = {disk: domain for disk, domain in domains.items() if disk in usable}
        bad = self.ctx.index.bad()
        reused = set[bytes]().union(*(run.reuses for run in (*self.earlier, self.pins)))
        for pack_id, there in (*((pack, domains) for pack in self.written), *((pack, answering) for pack in reused)):
            pack = self.ctx.index.pack(pack_id)
            if pack is not None and pack.kind is PackKind.DATA:
                yield pack_tolerance(with_good_homes(self.ctx, pack, bad), there)

    def _snapshot(self, root: bytes, *, partial: bool = False) -> Snapshot:
        result = self.result
        return Snapshot(
            root=root, time_ms=self._time_ms(), host=self.host, level=result.level,
            tags=self.options.tags, files=result.files, size=result.bytes, problems=len(result.problems),
            roots=tuple(RootDir(name=one.name, origin=one.path, listed=bool(one.only)) for one in self.roots),
            partial=partial, source=self.options.source, replaces=self._replaces(partial=partial),
        )  # fmt: skip

    def _time_ms(self) -> int:
        given = self.options.time_ms
        return int(self.ctx.env.now() * 1000) if given is None else given

    def _replaces(self, *, partial: bool) -> tuple[bytes, ...]:
        """Partial snapshots of this put, and of interrupted ones of the same folders by this machine.  A partial one
        may hold less than those of another put, so it stands for its own put's alone.  So does one that could not read
        everything, or has fewer files: the drive may be failing, and what was read before is nowhere else."""
        own = {run.id for run in self.earlier}
        if partial or self.result.problems or any(root.only for root in self.roots):  # another list is another thing
            return tuple(sorted(own))
        me = self.ctx.identity.key.id
        shots = earlier(self.ctx, self.host, self.roots)
        mine = (shot for shot in shots if shot.info.partial and shot.device == me)
        return tuple(sorted(own | {shot.id for shot in mine if shot.info.files <= self.result.files}))


def level_of(ctx: Context, level: str) -> LevelSpec:
    """The level asked for, or the pool's.  Raises ConfigError, NotEnoughDisks."""
    spec = parse_level(level or ctx.config.pool.level)
    spec.geometry(ctx.span(spec))
    return spec
