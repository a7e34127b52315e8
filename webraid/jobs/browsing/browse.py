"""All snapshots as one tree of folders, read-only: what a mount and a WebDAV server show."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from webraid.entry import Entry, EntryType
from webraid.errors import NotEnoughShards, NotInTable, WebRAIDError
from webraid.files.problem import display
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import FileTrouble, Notice
from webraid.jobs.base.pages import read_pages
from webraid.jobs.base.snapshots import EVERY as EVERY_SHOT
from webraid.jobs.base.snapshots import Which, open_for_reading, ordered
from webraid.jobs.browsing.browse_ahead import Neighbours
from webraid.jobs.browsing.browse_cache import Kept
from webraid.jobs.browsing.browse_content import CACHE, Contents, Reader
from webraid.jobs.browsing.browse_names import Item, Layout, Link, Sub, arrange
from webraid.jobs.browsing.browse_quiet import Newcomers, Repeats
from webraid.model import MIB
from webraid.table.fold import Shot
from webraid.table.tree import children

EVERY = 60.0  # seconds: no sooner are the disks asked again for new snapshots
LISTING = 3.0  # seconds that a listing waits for their answer; what comes later is in the next one
AGAIN = 10.0  # seconds: no sooner are they asked again because something cannot be read
PAGES = 16 * MIB  # bytes of tree pages kept
LISTED = 100_000  # entries of listed folders kept


@dataclass(frozen=True, slots=True)
class Node:
    """Something in the tree.  ``shot``: the snapshot that it is in, None for the folders above them; ``entry.path`` is
    within the snapshot (b'' for its top)."""

    entry: Entry = field(repr=False)
    shot: Shot | None = None

    @property
    def inode(self) -> int:
        """A number that hard links share, and nothing else."""
        where = self.shot.id if self.shot else b"-"
        name = self.entry.hardlink or self.entry.path
        return int.from_bytes(hashlib.blake2b(where + name, digest_size=8).digest(), "little") >> 1 or 1


@dataclass(frozen=True, slots=True)
class _Listing:
    entries: Sequence[Entry]
    rows: Mapping[bytes, int]


class Browser:
    """The tree.  Any thread may call; ``close`` it before its pool.  Paths are bytes without a leading '/'.

    Only those pages of a snapshot's tree are read that tell what lies in a folder that is looked at.
    """

    def __init__(self, ctx: Context, *, which: Which = EVERY_SHOT, cache: int = CACHE) -> None:
        self._ctx = ctx
        self._which = which
        self._table = threading.Lock()  # the table is for one thread at a time
        self._repeats = Repeats(ctx)
        self._newcomers = Newcomers(ctx, self._table)
        self.contents = Contents(ctx, cache, around=self._newcomers.reading, look_again=self._look_again)
        self._neighbours = Neighbours(cache // 4)
        self._pages: Kept[bytes, bytes] = Kept(PAGES, len)
        self._listings: Kept[tuple[bytes, bytes], _Listing] = Kept(
            LISTED, lambda listing: min(len(listing.entries) + 1, LISTED)
        )
        self._shots: Sequence[Shot] = ()
        self._layout: Layout = arrange(())
        self._asked = 0.0
        self._asking: threading.Thread | None = None
        self._lock = threading.Lock()
        self._me = os.getuid(), os.getgid()
        self.refresh()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what reads ahead and what asks; keep what reads have found out about the disks."""
        self.contents.close()
        asking = self._asking
        if asking is not None:
            asking.join(LISTING)
        self._ctx.note_findings()
        self._repeats.close()
        self._newcomers.close()

    # ----------------------------------------------------------------------------------------------------- snapshots
    @property
    def shots(self) -> Sequence[Shot]:
        """The snapshots that are shown, oldest first."""
        return self._shots

    def refresh(self) -> None:
        """Ask the disks for snapshots made meanwhile."""
        with self._table:
            self._asked = self._ctx.env.monotonic()
            open_for_reading(self._ctx)
            self._ctx.note_findings()
            shots = ordered(self._ctx, self._which)
            self._shots, self._layout = shots, arrange(shots)

    def _refresh_soon(self, every: float = EVERY) -> bool:
        """At most every so many seconds, and a disk that hangs keeps nobody waiting for long.  False: not due."""
        with self._lock:
            if self._asking is None or not self._asking.is_alive():
                if self._ctx.env.monotonic() - self._asked < every:
                    return False
                self._asking = threading.Thread(target=self._refresh_quietly, name="browse-refresh", daemon=True)
                self._asking.start()
            asking = self._asking
        asking.join(LISTING)
        return True

    def _look_again(self) -> bool:
        """Something cannot be read: perhaps a disk is back that did not answer when it was asked."""
        return self._refresh_soon(AGAIN)

    def _refresh_quietly(self) -> None:
        try:
            self.refresh()
        except WebRAIDError as error:  # what was there is shown on
            self._ctx.event(Notice(f"new snapshots, if any, are not shown: {error}", warning=True))

    # ---------------------------------------------------------------------------------------------------- the folders
    def node(self, path: bytes, *, follow: bool = False) -> Node | None:
        """What is at a path, None for nothing.  ``follow``: a 'latest' at its end is what it leads to.

        Raises what keeps the table from being read.
        """
        item, within, at = self._find(path, follow=follow)
        if isinstance(item, Shot) and within:
            parent, _, name = within.rpartition(b"/")
            listing = self._listing(item, parent)
            row = listing.rows.get(name)
            return None if row is None else Node(listing.entries[row], item)
        return None if item is None or within else self._made_up(at, item)

    def listing(self, path: bytes) -> list[tuple[bytes, Node]]:
        """Name and node of everything in a folder.  Raises NotInTable where there is no such folder."""
        item, within, _ = self._find(path)
        if isinstance(item, Sub):
            self._refresh_soon()
            inner = self._layout.get(path, {})
            return [(name, self._made_up(_join(path, name), inner[name])) for name in sorted(inner)]
        if isinstance(item, Shot):
            return [(_name(entry), Node(entry, item)) for entry in self._listing(item, within).entries]
        raise NotInTable("there is no such folder")

    def _find(self, path: bytes, *, follow: bool = True) -> tuple[Item | None, bytes, bytes]:
        """What of the made-up folders a path is or leads through, the rest of it (which is in a snapshot), and the
        made-up folder's own path."""
        layout, at, rest = self._layout, b"", path
        item: Item | None = Sub()
        while rest and isinstance(item, Sub):
            name, _, rest = rest.partition(b"/")
            inner = layout.get(at, {})
            item, at = inner.get(name), _join(at, name)
            if isinstance(item, Link) and (rest or follow):
                item = inner.get(item.target)
        return item, rest, at

    def _made_up(self, path: bytes, item: Item) -> Node:
        newest = self._shots[-1].info.time_ms if self._shots else 0
        time = (item.info.time_ms if isinstance(item, Shot) else newest) * 1_000_000
        entry = Entry(
            path=b"" if isinstance(item, Shot) else path, mode=0o777 if isinstance(item, Link) else 0o555,
            type=EntryType.SYMLINK if isinstance(item, Link) else EntryType.DIR,
            target=item.target if isinstance(item, Link) else b"", uid=self._me[0], gid=self._me[1],
            mtime_ns=time, ctime_ns=time, atime_ns=time,
            size=len(item.target) if isinstance(item, Link) else 0,
        )  # fmt: skip
        return Node(entry, item if isinstance(item, Shot) else None)

    def _listing(self, shot: Shot, folder: bytes) -> _Listing:
        key = shot.info.root, folder
        return self._listings.get([key], self._list)[key]

    def _list(self, keys: Sequence[tuple[bytes, bytes]]) -> Iterable[tuple[tuple[bytes, bytes], _Listing]]:
        for root, folder in keys:
            entries = list(children(root, self._fetch, folder))
            yield (root, folder), _Listing(entries, {_name(entry): row for row, entry in enumerate(entries)})

    def _fetch(self, ids: Sequence[bytes]) -> Mapping[bytes, bytes]:
        try:
            return self._pages.get(ids, self._read_pages)
        except NotEnoughShards:
            if not self._look_again():
                raise
            return self._pages.get(ids, self._read_pages)

    def _read_pages(self, ids: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
        with self._newcomers.reading():
            return read_pages(self._ctx, ids).items()

    # ----------------------------------------------------------------------------------------------------- the content
    def open(self, node: Node) -> Reader:
        """A reader of a file; tell it when a folder's files are read one after the other, and they come together.

        Raises NotInTable for what is no file, or has no content."""
        entry, shot = node.entry, node.shot
        if shot is not None and entry.type is EntryType.FILE:
            folder, _, name = entry.path.rpartition(b"/")
            listing = self._listing(shot, folder)
            row = listing.rows.get(name)
            if row is not None:
                self.contents.prefetch(self._neighbours.after((shot.info.root, folder), listing.entries, row))
            if entry.hardlink and entry.size and not entry.chunks:
                entry = self._first_link(shot, entry)
        return Reader(self.contents, entry)

    def _first_link(self, shot: Shot, entry: Entry) -> Entry:
        """The one of a group of hard links that carries the content."""
        parent, _, name = entry.hardlink.rpartition(b"/")
        listing = self._listing(shot, parent)
        row = listing.rows.get(name)
        return entry if row is None else listing.entries[row]

    def complain(self, node: Node, error: Exception) -> None:
        """A file could not be read: tell the user which, and why (the error names the disks)."""
        where = f"{node.shot.name}:" if node.shot else ""
        self._ctx.event(FileTrouble(where + display(node.entry.path), str(error)))

    def complain_of_table(self, error: Exception) -> None:
        """What lies in a snapshot could not be looked up."""
        self._ctx.event(Notice(f"a folder cannot be shown: {error}", warning=True))


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def _name(entry: Entry) -> bytes:
    return entry.path.rpartition(b"/")[2]
