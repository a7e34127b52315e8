"""put: files to chunks to packs to disks, and one snapshot that names them.

scan -> chunks -> known? -> Packer (seal, parity, disks) ; entries -> tree pages -> Run.commit
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from webraid.array.stripes import StripeResult
from webraid.array.tolerance import pack_tolerance
from webraid.codec.chunker import Chunker, chunk_id
from webraid.codec.levels import LevelSpec, parse_level
from webraid.codec.pack import Place
from webraid.entry import CHUNK_ID, Entry, EntryType
from webraid.errors import EXIT_ALARM, EXIT_DEGRADED, EXIT_OK, EXIT_PARTIAL, SourcesUnreadable, worst
from webraid.files.problem import Problem, display
from webraid.files.roots import Root, roots_for
from webraid.files.scan import scan
from webraid.files.source import Scanned, open_source
from webraid.jobs.context import Context, locked
from webraid.jobs.events import FileTrouble, Notice, Progress, Started
from webraid.jobs.idle import keep_alive
from webraid.jobs.init import host
from webraid.jobs.known import Known
from webraid.jobs.packer import Packer
from webraid.jobs.pages import load_index
from webraid.jobs.reading import ChunkFailure, Wanted, read_chunks, with_good_homes
from webraid.jobs.repair import repair_missing
from webraid.jobs.run import Run, new_run
from webraid.jobs.seats import seats, used_by_name
from webraid.jobs.settle import abort, settle
from webraid.jobs.spotcheck import spot_check
from webraid.model import Geometry, PackKind, parse_size
from webraid.table.local import Seen
from webraid.table.records import RootDir, Snapshot
from webraid.table.table import Acks
from webraid.table.tree import TreeBuilder

SEEN_BATCH = 1000
EVERY = 0.1  # seconds between progress events


@dataclass(slots=True)
class PutResult:
    """What a put did.  Sizes in bytes; ``stored`` counts parity too.  ``survives``: losses survived, honestly."""

    snapshot: str = ""
    level: str = ""
    files_new: int = 0
    files_changed: int = 0
    files_unmodified: int = 0
    dirs: int = 0
    others: int = 0
    files: int = 0
    bytes: int = 0
    read: int = 0
    added: int = 0
    packed: int = 0
    stored: int = 0
    seconds: float = 0.0
    survives: int = 0
    promised: int = 0
    disks: int = 0
    missing_shards: int = 0
    problems: list[FileTrouble] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    repaired: int = 0

    @property
    def exit_code(self) -> int:
        """The most severe of what happened."""
        return worst(
            EXIT_ALARM if self.alarms else EXIT_OK,
            EXIT_DEGRADED if self.survives < self.promised else EXIT_OK,
            EXIT_PARTIAL if self.problems else EXIT_OK,
        )


def put(
    ctx: Context, paths: Sequence[str], *, level: str = "", tags: Sequence[str] = (),
    exclude: Callable[[bytes, bool], bool] | None = None, one_file_system: bool = False,
) -> PutResult:  # fmt: skip
    """Store ``paths`` as a snapshot.  Raises PoolBusy, QuorumLost, NotEnoughDisks, SourcesUnreadable, ConfigError."""
    roots = roots_for(paths)
    with locked(ctx.settings.places):
        return _Put(ctx, roots, level, tuple(tags)).run(exclude, one_file_system)


class _Put:
    def __init__(self, ctx: Context, roots: Sequence[Root], level: str, tags: tuple[str, ...]) -> None:
        self.ctx = ctx
        self.roots = roots
        self.tags = tags
        self.level = level
        self.result = PutResult()
        self.seen: list[Seen] = []
        self.stripes: list[StripeResult] = []
        self.chunker = Chunker()
        self.last_event = 0.0
        self.linked: dict[bytes, Entry] = {}

    def run(self, exclude: Callable[[bytes, bool], bool] | None, one_file_system: bool) -> PutResult:
        ctx, result, started = self.ctx, self.result, self.ctx.env.monotonic()
        view = ctx.open_table(spot=True)
        ctx.table.require_quorum()
        spec = self._spec()
        load_index(ctx)
        liars = spot_check(ctx) + [ctx.disk_name(disk) for disk in ctx.index.liars()]
        result.alarms = sorted({ctx.disk_name(disk) for disk in view.alarms()} | set(liars))
        run, left = new_run(ctx), settle(ctx)
        run.reuses |= set(left.packs)
        if left.packs:
            run.pin()
        abort(ctx, left)
        result.repaired = repair_missing(ctx)
        geometry = spec.geometry(ctx.span(spec))
        result.promised, result.level = geometry.m, str(spec)
        result.disks = len(ctx.table.state.joined())
        ctx.event(Started("put"))
        self.known, self.pins = Known(ctx, geometry.m), run
        run.rescue = self._rescue
        with self._packer(geometry) as self.packer:
            builder = TreeBuilder(run.store_page)
            for entry in self._entries(exclude, one_file_system):
                builder.add(entry)
            root = builder.finish()
            if not result.files + result.dirs + result.others:
                raise SourcesUnreadable("none of the paths could be read: nothing was stored")
            self.stripes += self.packer.finish()
        acks = run.commit(self._snapshot(root.id))
        self._finish(run, acks, started)
        return result

    def _packer(self, geometry: Geometry) -> Packer:
        ctx, run = self.ctx, self.pins
        memory = parse_size(ctx.config.limits.memory)
        return Packer(ctx, geometry, seats(ctx), run=run.id, new_pack_id=run.new_pack_id, memory=memory)

    def _spec(self) -> LevelSpec:
        spec = parse_level(self.level or self.ctx.config.pool.level)
        spec.geometry(self.ctx.span(spec))
        return spec

    # -- files -------------------------------------------------------------------------------------------------------
    def _entries(self, exclude: Callable[[bytes, bool], bool] | None, one_file_system: bool) -> Iterator[Entry]:
        found = scan(self.roots, on_problem=self._problem, exclude=exclude, one_file_system=one_file_system)
        with contextlib.closing(found):
            for scanned in found:
                entry = self._entry(scanned)
                if entry is not None:
                    if entry.nlink > 1 and entry.chunks and not entry.hardlink:
                        self.linked.setdefault(entry.path, entry)
                    self._count(entry)
                    yield entry
        self._flush_seen()

    def _problem(self, problem: Problem) -> None:
        trouble = FileTrouble(problem.path, problem.reason)
        self.result.problems.append(trouble)
        self.ctx.event(trouble)

    def _count(self, entry: Entry) -> None:
        result = self.result
        if entry.type is EntryType.FILE:
            result.files += 1
            result.bytes += entry.size
        elif entry.type is EntryType.DIR:
            result.dirs += 1
        else:
            result.others += 1
        self._progress(0)

    def _progress(self, within: int) -> None:
        """Now and then; ``within``: bytes read of a file that is not counted yet."""
        now = self.ctx.env.monotonic()
        if now - self.last_event >= EVERY:
            self.last_event = now
            self.ctx.event(Progress(self.result.files, self.result.bytes + within, self.packer.stats.packed))

    def _entry(self, scanned: Scanned) -> Entry | None:
        entry = scanned.entry
        seen = self.ctx.local.seen(scanned.source)
        # the holes are compared too: some file systems move them without a new ctime
        same = seen is not None and (seen.size, seen.mtime_ns, seen.ctime_ns, seen.inode, seen.device, seen.sparse) == (
            entry.size, entry.mtime_ns, entry.ctime_ns, entry.inode, entry.device_id, _holes(entry)
        )  # fmt: skip
        if same and seen is not None:  # reading a file or folder moves its atime: that alone is no change
            entry = msgspec.structs.replace(entry, atime_ns=seen.atime_ns)
        has_content = entry.type is EntryType.FILE and not entry.hardlink and entry.size > 0
        if entry.hardlink in self.linked:  # each link names the content, so that any of them can be restored alone
            first = self.linked[entry.hardlink]
            self._tally(same, seen is not None)
            return msgspec.structs.replace(
                entry, hardlink=first.path, chunks=first.chunks, sparse=first.sparse, size=first.size
            )
        if entry.hardlink and entry.type is EntryType.FILE and entry.size:
            return self._stand_in(scanned)
        if not has_content:
            if not same:
                self._note(scanned.source, entry)
            if entry.type is EntryType.FILE:
                self._tally(same, seen is not None)
            return entry
        if same and seen is not None and self._reuse(seen.chunks):
            self._tally(True, True)
            return msgspec.structs.replace(entry, chunks=seen.chunks)
        self._tally(False, seen is not None)
        return self._read(scanned)

    def _stand_in(self, scanned: Scanned) -> Entry | None:
        """A hard link whose first could not be read: it carries the content for the others of its group."""
        self._tally(False, False)
        alone = msgspec.structs.replace(scanned.entry, hardlink=b"")
        entry = self._read(Scanned(alone, scanned.source))
        if entry is not None:
            self.linked[scanned.entry.hardlink] = entry
        return entry

    def _tally(self, same: bool, before: bool) -> None:
        if same:
            self.result.files_unmodified += 1
        elif before:
            self.result.files_changed += 1
        else:
            self.result.files_new += 1

    def _reuse(self, chunks: bytes) -> bool:
        ids = [chunks[i : i + CHUNK_ID] for i in range(0, len(chunks), CHUNK_ID)]
        packs = self.known(ids)
        if any(chunk not in packs and chunk not in self.packer.fresh for chunk in ids):
            return False
        self.pins.reuses.update(packs.values())
        return True

    def _read(self, scanned: Scanned) -> Entry | None:
        root_id = self.ctx.identity.root.id
        ids: list[bytes] = []
        size = 0
        try:
            with open_source(scanned) as source:
                for view in self.chunker.chunks(source.readinto):
                    chunk = chunk_id(root_id, view)
                    ids.append(chunk)
                    size += len(view)
                    self.result.read += len(view)
                    self._progress(size)
                    if not self._reuse(chunk):
                        self.packer.add(chunk, bytes(view))
                changed = source.changed()
                entry = source.as_read()
        except OSError as error:
            self._problem(Problem.of(scanned.source, error))
            return None
        entry = msgspec.structs.replace(entry, chunks=b"".join(ids))
        if changed:
            self._problem(Problem(display(scanned.source), "changed while it was being read: stored as it was read"))
        else:
            self._note(scanned.source, entry)
        return entry

    def _note(self, source: bytes, entry: Entry) -> None:
        self.seen.append(
            Seen(
                source, entry.size, entry.mtime_ns, entry.ctime_ns, entry.inode, entry.device_id, entry.atime_ns,
                _holes(entry), entry.chunks,
            )
        )  # fmt: skip
        if len(self.seen) >= SEEN_BATCH:
            self._flush_seen()

    def _flush_seen(self) -> None:
        self.ctx.local.set_seen(self.seen)
        self.seen.clear()

    def _rescue(self, pack_id: bytes) -> None:
        """A pack that is re-used was condemned meanwhile: its chunks go into new packs."""
        places: list[Place] = self.ctx.index.places(pack_id)
        spec = parse_level(self.result.level)
        geometry = spec.geometry(self.ctx.span(spec))
        with self._packer(geometry) as packer:
            for item in read_chunks(self.ctx, [Wanted(pack_id, places)]):
                if isinstance(item, ChunkFailure):
                    raise item.error
                packer.add(item[0].id, item[1])
            self.stripes += packer.finish()

    # -- the end -----------------------------------------------------------------------------------------------------
    def _snapshot(self, root: bytes) -> Snapshot:
        result = self.result
        return Snapshot(
            root=root, time_ms=int(self.ctx.env.now() * 1000), host=host(), level=result.level, tags=self.tags,
            roots=tuple(RootDir(name=item.name, origin=item.path) for item in self.roots), files=result.files,
            size=result.bytes, problems=len(result.problems),
        )  # fmt: skip

    def _tolerances(self, domains: Mapping[bytes, str]) -> Iterator[int]:
        """What each stripe of the snapshot survives: those just written, and those re-used, on disks that answer."""
        usable = set(self.ctx.table.usable())
        answering = {disk: domain for disk, domain in domains.items() if disk in usable}
        bad = self.ctx.index.bad()
        for stripe in self.stripes:
            yield pack_tolerance(stripe.pack, domains)
        for pack_id in self.pins.reuses:
            pack = self.ctx.index.pack(pack_id)
            if pack is not None and pack.kind is PackKind.DATA:
                yield pack_tolerance(with_good_homes(self.ctx, pack, bad), answering)

    def _finish(self, run: Run, acks: Acks, started: float) -> None:
        ctx, result, domains = self.ctx, self.result, self.ctx.domains()
        ctx.note_findings()
        stripes = self.stripes
        result.survives = run.survives(acks, self._tolerances(domains))
        result.missing_shards = sum(len(stripe.missing) for stripe in stripes)
        result.snapshot = run.id.hex()[:8]
        result.added, result.packed = self.packer.stats.plain, self.packer.stats.packed
        result.stored = sum(disk.meter.total().up for disk in ctx.disks.values())
        shot = next((shot for shot in ctx.table.state.shots if shot.id == run.id), None)
        result.conflicts = [other.name for other in ctx.table.state.conflicts(shot)] if shot else []
        for other in result.conflicts:
            ctx.event(Notice(f"snapshot {other} of the same folder was made at the same time elsewhere: both are kept"))
        ctx.manners.note_stored(lambda: used_by_name(ctx))
        keep_alive(ctx)
        ctx.table.flush(ctx.config.limits.patience)
        result.seconds = ctx.env.monotonic() - started


def _holes(entry: Entry) -> bytes:
    return msgspec.msgpack.encode(entry.sparse) if entry.sparse else b""
