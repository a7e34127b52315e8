"""du: how large a snapshot is, folder by folder."""

from __future__ import annotations

from dataclasses import dataclass, field

from webraid.entry import CHUNK_ID, Entry, EntryType
from webraid.errors import NotInTable
from webraid.jobs.base.context import Context
from webraid.jobs.base.snapshots import EVERY, Which, entries, open_for_reading, select
from webraid.jobs.space.stats import chunks_of_files

ASK = 5000  # chunk ids looked up at a time


@dataclass(slots=True)
class Folder:
    """A folder with all that lies below it.  ``size``: bytes of its files as they are restored."""

    path: bytes = field(repr=False)
    files: int = 0
    size: int = 0


@dataclass(slots=True)
class Held:
    """``content``: bytes of chunks, each once; ``stored``: the same compressed and sealed, without parity."""

    content: int = 0
    stored: int = 0


@dataclass(slots=True)
class Sizes:
    """``folders``: the largest first.  ``size``: what a restore writes: a file with several names counts once.
    ``content``: bytes of the chunks, each once; ``stored``: the same compressed and sealed, without parity.
    ``unique``: of these, what no other kept snapshot has; None where nobody asked."""

    snapshot: str
    folders: list[Folder] = field(default_factory=list, repr=False)
    files: int = 0
    dirs: int = 0
    others: int = 0
    size: int = 0
    content: int = 0
    stored: int = 0
    unique: Held | None = None


def du(
    ctx: Context, what: str = "latest", *, depth: int = 1, which: Which = EVERY, unique: bool = False
) -> Sizes:  # fmt: skip
    """The sizes of 'SNAP' or 'SNAP:folder', and of the folders in it down to ``depth``.

    ``unique``: also of what no other snapshot has, for which the trees of all others are read.  Raises NotInTable.
    """
    open_for_reading(ctx)
    selection = select(ctx, what, which)
    result = Sizes(selection.shot.name)
    above = selection.sub.count(b"/") + 1 if selection.sub else 0
    told = range(max(1, above), above + depth + 1)
    folders: dict[bytes, Folder] = {}
    chunks: set[bytes] = set()
    for entry in entries(ctx, selection):
        _count(entry, result, folders, told)
        chunks.update(entry.chunk_ids())
    if selection.sub and not (result.files or result.dirs or result.others):
        raise NotInTable(f"there is nothing of that name in snapshot {result.snapshot}")
    result.folders = sorted(folders.values(), key=lambda folder: (-folder.size, folder.path))
    whole = _look_up(ctx, chunks)
    result.content, result.stored = whole.content, whole.stored
    if unique:
        for ids in chunks_of_files(ctx, [shot for shot in ctx.table.state.shots if shot.id != selection.shot.id]):
            chunks.difference_update(ids[at : at + CHUNK_ID] for at in range(0, len(ids), CHUNK_ID))
        result.unique = _look_up(ctx, chunks)
    return result


def _count(entry: Entry, result: Sizes, folders: dict[bytes, Folder], told: range) -> None:
    """``told``: how many parts the paths of folders have that are told of."""
    is_file = entry.type is EntryType.FILE
    size = entry.size if is_file and not entry.hardlink else 0
    result.files += is_file
    result.dirs += entry.type is EntryType.DIR
    result.others += not is_file and entry.type is not EntryType.DIR
    result.size += size
    parts = entry.path.split(b"/")
    if entry.type is EntryType.DIR:
        if len(parts) in told:
            folders.setdefault(entry.path, Folder(entry.path))
        return
    for count in told:
        if count >= len(parts):
            break
        path = b"/".join(parts[:count])
        folder = folders.setdefault(path, Folder(path))
        folder.files += is_file
        folder.size += size


def _look_up(ctx: Context, chunks: set[bytes]) -> Held:
    ids, held = list(chunks), Held()
    for start in range(0, len(ids), ASK):
        for places in ctx.index.find(ids[start : start + ASK]).values():
            if places:
                held.content += places[0][1].plain
                held.stored += places[0][1].stored
    return held
