"""diff: what is different between two snapshots.  Tree pages that both have are not read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from webraid.entry import Entry, EntryType, sort_key
from webraid.jobs.base.context import Context
from webraid.jobs.base.pages import Pages
from webraid.jobs.base.snapshots import EVERY, Selection, Which, below, entries, open_for_reading, select
from webraid.table.leaves import leaf_entries, not_shared

ASK = 5000  # chunk ids looked up at a time
ADDED, REMOVED, CONTENT, TYPE, METADATA = "+", "-", "M", "T", "U"


@dataclass(frozen=True, slots=True)
class Change:
    """``marks``: restic's, '+' added, '-' removed, 'M' other content, 'T' other type, 'U' other metadata."""

    path: bytes = field(repr=False)
    marks: str
    entry: Entry  # as the second snapshot has it; what was removed: as the first had it


@dataclass(slots=True)
class Side:
    """What only one of the two has.  ``bytes``: of content, each chunk once; ``blobs``: how many chunks that is."""

    files: int = 0
    dirs: int = 0
    others: int = 0
    blobs: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Difference:
    """The sum of a comparison.  ``changed``: files with other content; ``updated``: things with other metadata."""

    first: str
    second: str
    changed: int = 0
    updated: int = 0
    added: Side = field(default_factory=Side)
    removed: Side = field(default_factory=Side)

    @property
    def same(self) -> bool:
        """Whether no difference was found."""
        sides = (self.added, self.removed)
        return not (self.changed or self.updated or any(side.files + side.dirs + side.others for side in sides))


def diff(
    ctx: Context, first: str, second: str, *, metadata: bool = False, which: Which = EVERY,
    on_change: Callable[[Change], None] = lambda change: None,
) -> Difference:  # fmt: skip
    """Compare two snapshots, or a folder of each ('SNAP:folder'), and tell each change in path order.

    ``metadata``: changes of mode, owner, times and attributes alone count, too.  Raises NotInTable.
    """
    open_for_reading(ctx)
    sides = select(ctx, first, which), select(ctx, second, which)
    result = Difference(sides[0].shot.name, sides[1].shot.name)
    chunks: tuple[set[bytes], set[bytes]] = set(), set()
    before, after = _entries(ctx, *sides)
    for old, new in _pairs(_noting(before, chunks[0]), _noting(after, chunks[1])):
        change = _compare(old, new, result, metadata=metadata)
        if change is not None:
            on_change(change)
    _content(ctx, chunks[0] - chunks[1], result.removed)
    _content(ctx, chunks[1] - chunks[0], result.added)
    return result


def _entries(ctx: Context, first: Selection, second: Selection) -> tuple[Iterator[Entry], Iterator[Entry]]:
    """What may differ, in path order, with paths as they are below the chosen folders.  Pages that both snapshots have
    are left out where their paths mean the same."""
    if first.sub != second.sub:
        return _relative(entries(ctx, first), first.sub), _relative(entries(ctx, second), second.sub)
    fetch = Pages(ctx)
    leaves = not_shared(first.shot.info.root, second.shot.info.root, fetch)
    before, after = ((entry for _, page in leaf_entries(ids, fetch) for entry in page) for ids in leaves)
    return _relative(before, first.sub), _relative(after, second.sub)


def _relative(found: Iterator[Entry], folder: bytes) -> Iterator[Entry]:
    """Those of a folder, without the folder itself."""
    for entry in found:
        if not folder:
            yield entry
        elif entry.path == folder and entry.type is not EntryType.DIR:
            yield msgspec.structs.replace(entry, path=entry.path.rpartition(b"/")[2])
        elif entry.path != folder and below(entry.path, folder):
            yield msgspec.structs.replace(entry, path=entry.path[len(folder) + 1 :])


def _noting(found: Iterator[Entry], chunks: set[bytes]) -> Iterator[Entry]:
    for entry in found:
        chunks.update(entry.chunk_ids())
        yield entry


def _pairs(before: Iterator[Entry], after: Iterator[Entry]) -> Iterator[tuple[Entry | None, Entry | None]]:
    """The same path on both sides, or one side alone."""
    old, new = next(before, None), next(after, None)
    while old is not None or new is not None:
        if new is None or (old is not None and sort_key(old.path) < sort_key(new.path)):
            yield old, None
            old = next(before, None)
        elif old is None or sort_key(new.path) < sort_key(old.path):
            yield None, new
            new = next(after, None)
        else:
            yield old, new
            old, new = next(before, None), next(after, None)


def _compare(old: Entry | None, new: Entry | None, result: Difference, *, metadata: bool) -> Change | None:
    if old is None or new is None:
        only = new or old
        if only is None:
            return None
        _count(only, result.added if old is None else result.removed)
        return Change(only.path, ADDED if old is None else REMOVED, only)
    if old.type is not new.type:
        _count(old, result.removed)
        _count(new, result.added)
        return Change(new.path, TYPE, new)
    marks = ""
    if _content_of(old) != _content_of(new):
        marks += CONTENT
        result.changed += 1
    if metadata and _metadata_of(old) != _metadata_of(new):
        marks += METADATA
        result.updated += 1
    return Change(new.path, marks, new) if marks else None


def _count(entry: Entry, side: Side) -> None:
    side.files += entry.type is EntryType.FILE
    side.dirs += entry.type is EntryType.DIR
    side.others += entry.type not in (EntryType.FILE, EntryType.DIR)


def _content_of(entry: Entry) -> object:
    if entry.type is EntryType.FILE:
        return entry.chunks, entry.size, entry.sparse, entry.hardlink
    return entry.target, entry.rdev_major, entry.rdev_minor


def _metadata_of(entry: Entry) -> object:
    return entry.mode, entry.uid, entry.gid, entry.user, entry.group, entry.mtime_ns, entry.xattrs


def _content(ctx: Context, chunks: set[bytes], side: Side) -> None:
    ids = list(chunks)
    for start in range(0, len(ids), ASK):
        for places in ctx.index.find(ids[start : start + ASK]).values():
            if places:
                side.blobs += 1
                side.bytes += places[0][1].plain
