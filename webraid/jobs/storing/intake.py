"""Files to entries: what is unchanged is taken over, all else is read, cut and handed to a store."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Collection, Generator, Sequence
from typing import Protocol

import msgspec

from webraid.codec.chunker import Chunker, chunk_id
from webraid.entry import CHUNK_ID, Entry, EntryType
from webraid.files.problem import Problem, display
from webraid.files.roots import Root
from webraid.files.safepath import NAME_MAX
from webraid.files.scan import scan
from webraid.files.source import Scanned, open_source
from webraid.files.stdin import Stream
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import FileStored, FileTrouble, Progress
from webraid.jobs.storing.before import TICK, UNSURE, Before, holes, seen_of, unsettled
from webraid.jobs.storing.put_result import PutOptions, PutResult
from webraid.jobs.storing.total import Total
from webraid.table.local import Seen

SEEN_BATCH = 1000
EVERY = 0.1  # seconds between progress events
PART = b".part"  # ends the name of a file of which a partial snapshot has the beginning


class Store(Protocol):
    """Where content goes.  ``packed``: bytes after compression so far.  ``waiting``: bytes of content that were added
    and are still on their way."""

    @property
    def packed(self) -> int:
        """Bytes so far."""

    @property
    def waiting(self) -> int:
        """Bytes just now."""

    def has(self, ids: Sequence[bytes]) -> bool:
        """Whether all of these chunks are stored, or are on their way; if so they are kept from now on."""

    def add(self, chunk: bytes, plain: bytes) -> None:
        """Store a chunk that is not there."""

    def pause(self, under_way: Callable[[], Entry | None]) -> None:
        """Between two chunks; ``under_way``: the beginning of the file that is being read, as an entry."""


class Intake:
    """Takes a put's files in.  ``kept``: name of a root -> files found in it."""

    def __init__(self, ctx: Context, options: PutOptions, result: PutResult, store: Store, before: Before) -> None:
        self.kept: Counter[bytes] = Counter()
        self._ctx = ctx
        self._options = options
        self._result = result
        self._store = store
        self._before = before
        self._chunker = Chunker()
        self._linked: dict[bytes, Entry] = {}
        self._seen: list[Seen] = []
        self._last_event = 0.0
        self._current = b""
        self._within = 0  # bytes read of a file that is not counted yet
        self._done = 0  # bytes told as done
        self._telling = threading.Lock()  # several threads tell
        self._total: Total | None = None

    def entries(self, roots: Sequence[Root]) -> Generator[Entry, None, None]:
        """Everything below ``roots``, in path order, with its content stored.  To be closed: a thread may run beside
        it."""
        rules = self._options.rules
        found = scan(roots, on_problem=self._problem, rules=rules)
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.closing(found))
            if self._options.scan:
                self._total = stack.enter_context(Total(self._ctx.env, roots, rules, self.progress))
            for scanned in found:
                if self._total is not None:
                    self._total.passes(scanned.entry.path, self._result.files, self._result.bytes)
                entry = self._entry(scanned)
                if entry is not None:
                    if entry.nlink > 1 and entry.chunks and not entry.hardlink:
                        self._linked.setdefault(entry.path, entry)
                    self._count(entry)
                    yield entry
            self._result.excluded = found.excluded
            if self._total is not None:
                self._total.is_over(self._result.files, self._result.bytes)
        self._flush_seen()

    def stream(self, root: Root, stream: Stream) -> Generator[Entry, None, None]:
        """The one entry of a stream.  Raises SourcesUnreadable when what writes it fails, OSError."""
        now = int(self._ctx.env.now() * 1e9)
        entry = Entry(path=root.name, type=EntryType.FILE, mode=0o644, mtime_ns=now, ctime_ns=now, atime_ns=now)
        self._current = entry.path
        ids, size = self._cut(stream.readinto, entry)
        stream.finish()
        entry = msgspec.structs.replace(entry, size=size, chunks=b"".join(ids))
        self._tally(entry, same=False, before=False)
        self._count(entry)
        yield entry

    # ------------------------------------------------------------------------------------------------------- counting
    def _problem(self, problem: Problem) -> None:
        trouble = FileTrouble(problem.path, problem.reason)
        self._result.problems.append(trouble)
        self._ctx.event(trouble)

    def _count(self, entry: Entry) -> None:
        result = self._result
        if entry.type is EntryType.FILE:
            with self._telling:  # a file is counted once, whoever asks
                self._within = 0
                result.files += 1
                result.bytes += entry.size
            self.kept[entry.path.partition(b"/")[0]] += 1
        elif entry.type is EntryType.DIR:
            result.dirs += 1
        else:
            result.others += 1
        self._now_and_then()

    def _now_and_then(self) -> None:
        now = self._ctx.env.monotonic()
        if now - self._last_event >= EVERY:
            self._last_event = now
            self.progress()

    def progress(self) -> None:
        """Tell where it is, on any thread.  Measured by a total, what is still on its way to the disks is not done."""
        with self._telling:
            files, done = self._result.files, self._result.bytes + self._within
            total: tuple[int | None, int | None] = (None, None)
            if self._total is not None:
                known = self._total.known
                total = (max(known[0], files), max(known[1], done)) if known is not None else total
                done = self._done = max(self._done, done - self._store.waiting)
        self._ctx.event(Progress(files, done, self._store.packed, display(self._current), *total))

    def _tally(self, entry: Entry, *, same: bool, before: bool) -> None:
        action = "unchanged" if same else "changed" if before else "new"
        if same:
            self._result.files_unmodified += 1
        elif before:
            self._result.files_changed += 1
        else:
            self._result.files_new += 1
        if self._options.list_files:
            self._ctx.event(FileStored(display(entry.path), action, entry.size))

    # -------------------------------------------------------------------------------------------------------- entries
    def _entry(self, scanned: Scanned) -> Entry | None:
        entry = scanned.entry
        seen = self._before.find(scanned)
        noted, same = self._before.noted, seen is not None and self._before.same(seen, entry)
        if same and seen is not None:  # reading a file or folder moves its atime: that alone is no change
            known = entry.size and not entry.hardlink and not self._options.force
            if known and self._store.has(_ids(seen.chunks)):
                return self._unchanged(scanned, seen, noted=noted)
            entry = msgspec.structs.replace(entry, atime_ns=seen.atime_ns)
        if entry.hardlink in self._linked:  # each link names the content, so that any of them can be restored alone
            first = self._linked[entry.hardlink]
            self._tally(entry, same=same, before=seen is not None)
            entry = msgspec.structs.replace(
                entry, hardlink=first.path, chunks=first.chunks, sparse=first.sparse, size=first.size
            )
            if not (same and noted):
                self._note(scanned.source, entry)
            return entry
        if entry.hardlink and entry.type is EntryType.FILE and entry.size:
            return self._stand_in(scanned)
        if entry.type is not EntryType.FILE or not entry.size:
            if not (same and noted):
                self._note(scanned.source, entry)
            if entry.type is EntryType.FILE:
                self._tally(entry, same=same, before=seen is not None)
            return entry
        return self._changed(scanned, entry, seen, same=same)

    def _unchanged(self, scanned: Scanned, seen: Seen, *, noted: bool) -> Entry:
        """Nothing is read.  Most files go this way: it is short."""
        entry = msgspec.structs.replace(scanned.entry, atime_ns=seen.atime_ns, chunks=seen.chunks)
        self._tally(entry, same=True, before=True)
        now = entry.ctime_ns, entry.inode, entry.device_id
        if not noted or now != (seen.ctime_ns, seen.inode, seen.device):  # all else is the same, or it were no match
            self._note(scanned.source, entry)
        return entry

    def _changed(self, scanned: Scanned, entry: Entry, seen: Seen | None, *, same: bool) -> Entry | None:
        """To be read.  What was read in vain, since it is as it was, counts as unchanged."""
        read = self._read(Scanned(entry, scanned.source))
        as_seen = seen is not None and (same or (seen.mtime_ns == UNSURE and seen.sparse == holes(entry)))
        unchanged = as_seen and seen is not None and read is not None and read.chunks == seen.chunks
        if read is not None:
            self._tally(entry, same=unchanged, before=seen is not None)
        return read

    def _stand_in(self, scanned: Scanned) -> Entry | None:
        """A hard link whose first could not be read: it carries the content for the others of its group."""
        alone = msgspec.structs.replace(scanned.entry, hardlink=b"")
        entry = self._read(Scanned(alone, scanned.source))
        if entry is not None:
            self._tally(alone, same=False, before=False)
            self._linked[scanned.entry.hardlink] = entry
        return entry

    def _read(self, scanned: Scanned) -> Entry | None:
        self._current = scanned.entry.path
        fresh = self._settle(scanned.entry)
        try:
            with open_source(scanned) as source:
                ids, _ = self._cut(source.readinto, scanned.entry)
                changed = source.changed()
                entry = source.as_read()
        except OSError as error:
            self._within = 0
            self._problem(Problem.of(scanned.source, error))
            return None
        entry = msgspec.structs.replace(entry, chunks=b"".join(ids))
        if changed:
            self._problem(Problem(display(scanned.source), "changed while it was being read: stored as it was read"))
        else:
            self._note(scanned.source, msgspec.structs.replace(entry, mtime_ns=UNSURE) if fresh else entry)
        return entry

    def _settle(self, entry: Entry) -> bool:
        """A file that was written a moment ago can change again without a new ctime: that moment is waited for.  True
        where it would take too long: next time the file is read again."""
        wait = unsettled(entry, self._ctx.env.now())
        if 0 < wait <= 2 * TICK:
            self._ctx.env.sleep(wait)
            return False
        return wait > 0

    def _cut(self, readinto: Callable[[memoryview], int], entry: Entry) -> tuple[list[bytes], int]:
        """Store a stream: its chunks' ids, and its length."""
        root_id = self._ctx.identity.root.id
        ids: list[bytes] = []
        size = 0

        def under_way() -> Entry | None:
            path = entry.path + PART
            if len(path.rpartition(b"/")[2]) > NAME_MAX:
                return None
            return msgspec.structs.replace(
                entry, path=path, size=size, chunks=b"".join(ids), sparse=(), hardlink=b"", nlink=1
            )

        with contextlib.closing(self._chunker.chunks(readinto)) as chunks:
            for view in chunks:
                if ids:  # between two chunks: behind the last one it is a whole file
                    self._store.pause(under_way)
                chunk = chunk_id(root_id, view)
                ids.append(chunk)
                size += len(view)
                self._result.read += len(view)
                if not self._store.has([chunk]):
                    self._store.add(chunk, bytes(view))
                self._within = size  # only now: what was added is on its way, and not done
                self._now_and_then()
        return ids, size

    # ---------------------------------------------------------------------------------------------------------- notes
    def _note(self, source: bytes, entry: Entry) -> None:
        if self._options.dry_run:
            return
        self._seen.append(seen_of(source, entry))
        if len(self._seen) >= SEEN_BATCH:
            self._flush_seen()

    def _flush_seen(self) -> None:
        if self._seen:
            self._ctx.local.set_seen(self._seen)
            self._seen.clear()


def forget_unstored(ctx: Context, chunks: Collection[bytes]) -> None:
    """After a put that had no room: files of which some of ``chunks`` lie nowhere are as if never seen."""
    ids = list(chunks)
    lacking = set(ids) - ctx.index.find(ids).keys()
    if lacking:
        gone = [seen.path for seen in ctx.local.every_seen() if not lacking.isdisjoint(_ids(seen.chunks))]
        ctx.local.forget_seen(gone)


def _ids(chunks: bytes) -> list[bytes]:
    return [chunks[at : at + CHUNK_ID] for at in range(0, len(chunks), CHUNK_ID)]
