"""get: a snapshot's files back onto this machine, pack by pack, from whichever disks are quickest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from webraid.codec.pack import Place
from webraid.entry import Entry
from webraid.errors import EXIT_OK, EXIT_PARTIAL, EXIT_UNREADABLE, NotInTable, worst
from webraid.files.problem import Problem, display
from webraid.files.restore import Action, Restorer
from webraid.files.restored import RestoredFile
from webraid.jobs.context import Context
from webraid.jobs.events import FileTrouble, Notice, Progress, Started
from webraid.jobs.known import Known
from webraid.jobs.reading import ChunkFailure, Wanted, read_chunks
from webraid.jobs.snapshots import Selection, entries, open_for_reading, select

EVERY = 0.1  # seconds between progress events
ASK = 5000  # chunk ids looked up at a time


@dataclass(slots=True)
class GetResult:
    """What a get did.  ``unreadable``: files that need a pack with fewer than k shards left."""

    snapshot: str
    target: str
    files: int = 0
    bytes: int = 0
    skipped: int = 0
    dirs: int = 0
    seconds: float = 0.0
    bad_shards: int = 0
    problems: list[FileTrouble] = field(default_factory=list)
    unreadable: list[FileTrouble] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """The most severe of what happened."""
        return worst(
            EXIT_UNREADABLE if self.unreadable else EXIT_OK, EXIT_PARTIAL if self.problems else EXIT_OK
        )  # fmt: skip


@dataclass(slots=True)
class _File:
    """A file whose content is on its way: ``left`` chunks are still to come."""

    entry: Entry
    left: int
    handle: RestoredFile | None = None
    failed: bool = False


@dataclass(slots=True)
class _Plan:
    """Pack -> chunk -> where its plaintext goes: (file, offset in the content stream)."""

    packs: dict[bytes, dict[bytes, Place]] = field(default_factory=dict)
    uses: dict[bytes, list[tuple[_File, int]]] = field(default_factory=dict)
    bytes: int = 0


def get(
    ctx: Context, snapshot: str = "latest", paths: Sequence[bytes] = (), *, target: Path | None = None,
    overwrite: bool = False, numeric_ids: bool = False,
) -> GetResult:  # fmt: skip
    """Restore a snapshot, or the ``paths`` of it, below ``target``.  Never over existing files unless ``overwrite``.

    Raises NotInTable when there is no such snapshot or path; a file that cannot be had is in the result.
    """
    started = ctx.env.monotonic()
    open_for_reading(ctx)
    selection = select(ctx, snapshot)
    where = target or Path(f"webraid-restore-{selection.shot.name}")
    result = GetResult(selection.shot.name, str(where))
    _Get(ctx, selection, result).run(paths, where, overwrite, numeric_ids)
    result.bad_shards = len(ctx.findings)
    ctx.note_findings()
    result.seconds = ctx.env.monotonic() - started
    return result


class _Get:
    def __init__(self, ctx: Context, selection: Selection, result: GetResult) -> None:
        self.ctx = ctx
        self.selection = selection
        self.result = result
        self.plan = _Plan()
        self.pending: list[_File] = []
        self.waiting = 0
        self.known = Known(ctx, 0)
        self.last_event = 0.0
        self.done = 0

    def run(self, paths: Sequence[bytes], target: Path, overwrite: bool, numeric_ids: bool) -> None:
        with Restorer(
            target, on_problem=self._problem, overwrite=overwrite, numeric_ids=numeric_ids, env=self.ctx.env
        ) as restorer:
            self._prepare(restorer, paths)
            wanted = {id(file) for uses in self.plan.uses.values() for file, _ in uses}
            self.ctx.event(Started("get", len(wanted), self.plan.bytes))
            self._fetch(restorer)
            restorer.finish()
            self.result.notes = restorer.notes
        for text, count in self.result.notes.items():
            self.ctx.event(Notice(f"{text} ({count} times)"))

    def _problem(self, problem: Problem) -> None:
        trouble = FileTrouble(problem.path, problem.reason)
        self.result.problems.append(trouble)
        self.ctx.event(trouble)

    # -- what is wanted ----------------------------------------------------------------------------------------------
    def _prepare(self, restorer: Restorer, paths: Sequence[bytes]) -> None:
        found = False
        for entry in entries(self.ctx, self.selection, paths):
            found = True
            relative = self._relative(entry)
            if relative is None:
                continue
            action = restorer.prepare(relative)
            if action is Action.CONTENT:
                self._want(relative)
            elif action is Action.SKIPPED:
                self.result.skipped += 1
            elif action is not Action.REFUSED:
                self.result.dirs += entry.type.value == "d"
                self.result.files += entry.type.value == "f"
        self._look_up()
        if not found and (paths or self.selection.sub):
            raise NotInTable(f"nothing in snapshot {self.selection.shot.name} matches")

    def _relative(self, entry: Entry) -> Entry | None:
        """SNAP:folder is restored as what is in the folder; a single file as itself."""
        sub = self.selection.sub
        if not sub:
            return entry
        if entry.path == sub:
            return None if entry.type.value == "d" else _moved(entry, sub.rpartition(b"/")[2], b"")
        return _moved(entry, entry.path[len(sub) + 1 :], b"/" + entry.hardlink if entry.hardlink else b"")

    def _want(self, entry: Entry) -> None:
        count = len(entry.chunks) // 16
        self.pending.append(_File(entry, count))
        self.waiting += count
        self.result.files += 1
        if self.waiting >= ASK:
            self._look_up()

    def _look_up(self) -> None:
        """Find the chunks of the files gathered so far; which pack serves a chunk is settled here."""
        files, self.pending, self.waiting = self.pending, [], 0
        ids = [chunk for file in files for chunk in file.entry.chunk_ids()]
        places = self.ctx.index.find(list(dict.fromkeys(ids)))
        best = self.known(list(places))
        for file in files:
            offset = 0
            for chunk in file.entry.chunk_ids():
                options = places.get(chunk, [])
                if not options:
                    self._lost(file, "the table does not say where its content is")
                    break
                pack, place = next((item for item in options if item[0] == best.get(chunk)), options[0])
                self.plan.packs.setdefault(pack, {}).setdefault(chunk, place)
                self.plan.uses.setdefault(chunk, []).append((file, offset))
                offset += place.plain
                self.plan.bytes += place.plain

    # -- content -----------------------------------------------------------------------------------------------------
    def _fetch(self, restorer: Restorer) -> None:
        wanted = (Wanted(pack, list(places.values())) for pack, places in self.plan.packs.items())
        for item in read_chunks(self.ctx, wanted):
            if isinstance(item, ChunkFailure):
                for place in item.places:
                    for file, _ in self.plan.uses.pop(place.id, []):
                        self._lost(file, str(item.error))
            else:
                self._write(restorer, *item)

    def _write(self, restorer: Restorer, place: Place, plain: bytes) -> None:
        for file, offset in self.plan.uses.pop(place.id, []):
            if file.failed:
                continue
            if file.handle is None:
                file.handle = restorer.open_file(file.entry)
            file.handle.write_stream(plain, offset)
            self.result.bytes += len(plain)
            file.left -= 1
            if not file.left:
                self.done += 1
                if not file.handle.finish():
                    self.result.files -= 1  # it was reported why
                file.handle = None
        now = self.ctx.env.monotonic()
        if now - self.last_event >= EVERY:
            self.last_event = now
            self.ctx.event(Progress(self.done, self.result.bytes))

    def _lost(self, file: _File, reason: str) -> None:
        if file.failed:
            return
        file.failed = True
        self.result.files -= 1
        trouble = FileTrouble(display(file.entry.path), reason)
        self.result.unreadable.append(trouble)
        self.ctx.event(trouble)
        if file.handle is not None:
            file.handle.abandon()
            file.handle = None


def _moved(entry: Entry, path: bytes, hardlink: bytes) -> Entry:
    return msgspec.structs.replace(entry, path=path, hardlink=hardlink)
