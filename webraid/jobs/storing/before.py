"""What earlier runs saw: the last snapshots of the same folders, and each file as it was then.

This machine's own notes come first.  Where they are missing (a new machine, a deleted cache) the last snapshot's tree
is walked beside the scan, both being in the same order; so a lost cache does not mean that everything is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from webraid.entry import Entry, sort_key
from webraid.errors import WebRAIDError
from webraid.files.roots import Root
from webraid.files.source import Scanned
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import Notice
from webraid.jobs.base.pages import Pages
from webraid.jobs.base.snapshots import ordered, select
from webraid.jobs.storing.put_result import PutOptions
from webraid.table.fold import Shot
from webraid.table.local import Seen
from webraid.table.tree import walk

TICK = 0.01  # seconds: kernels give out times in steps of so much (100 Hz), most in smaller ones
COARSE = 2.0  # seconds: the step of file systems that keep no fractions (FAT)
UNSURE = -1  # stands in the notes for the mtime of a file that may have changed without a new ctime


def unsettled(entry: Entry, now: float) -> float:
    """Seconds until a change of the file is sure to show in its ctime; before that it must not be taken for unchanged.

    ``now``: when it is about to be read, in seconds.
    """
    step = TICK if entry.ctime_ns % 1_000_000_000 else COARSE
    age = now - entry.ctime_ns / 1e9
    return max(0.0, step - age) if age >= -TICK else 0.0


def key_of(root: Root) -> tuple[bytes, bytes]:
    """What makes two roots the same one: its name, and where it is."""
    return root.name, root.path


def roots_in(shot: Shot) -> set[tuple[bytes, bytes]]:
    """The roots of a snapshot."""
    return {(root.name, root.origin) for root in shot.info.roots}


def earlier(ctx: Context, host: str, roots: Iterable[Root]) -> list[Shot]:
    """Snapshots that ``host`` made of exactly these roots, oldest first; partial ones too."""
    wanted = {key_of(root) for root in roots}
    return [shot for shot in ordered(ctx) if shot.info.host == host and roots_in(shot) == wanted]


def last_with(ctx: Context, host: str, root: Root) -> Shot | None:
    """The newest whole snapshot of this host that has this root."""
    fitting = (
        shot
        for shot in reversed(ordered(ctx))
        if shot.info.host == host and not shot.info.partial and key_of(root) in roots_in(shot)
    )
    return next(fitting, None)


class _Tree:
    """A snapshot's entries, asked for in path order."""

    def __init__(self, ctx: Context, shot: Shot, names: Sequence[bytes]) -> None:
        self._ctx = ctx
        self._entries: Iterator[Entry] | None = walk(shot.info.root, Pages(ctx), under=names)
        self._shot = shot
        self._head: Entry | None = None
        self._begun = False

    def find(self, path: bytes) -> Entry | None:
        """The entry of that path.  Paths must be asked for in their order."""
        key = sort_key(path)
        while self._entries is not None and (self._head is None or sort_key(self._head.path) < key):
            try:
                self._head = next(self._entries, None)
            except WebRAIDError as error:
                self._head = None
                text = f"snapshot {self._shot.name} cannot be compared with, more files are read: {error}"
                self._ctx.event(Notice(text, warning=True))
            if self._head is None:
                self._entries = None
        return self._head if self._head is not None and self._head.path == path else None


class Before:
    """Each file as it was the last time, for one put of ``roots``.  ``noted``: whether what was found last stands in
    this machine's own notes."""

    def __init__(self, ctx: Context, roots: Sequence[Root], options: PutOptions, host: str) -> None:
        self._ctx = ctx
        self._options = options
        self._roots = roots
        self.noted = True
        self._only_trees = bool(options.parent)
        cold = [root for root in roots if not ctx.local.get(_walked(root))]
        if options.parent:
            shots = [select(ctx, options.parent).shot]
        elif cold and not options.force:
            shots = self._parents(host)
        else:
            shots = []
        names = [root.name for root in (roots if options.parent else cold)]
        self._trees = [_Tree(ctx, shot, names) for shot in shots]

    def _parents(self, host: str) -> list[Shot]:
        """The last whole snapshot, and what an interrupted put has stored since then, newest first."""
        shots = earlier(self._ctx, host, self._roots)
        whole = next((i for i in reversed(range(len(shots))) if not shots[i].info.partial), None)
        if whole is None:
            last = [found for root in self._roots if (found := last_with(self._ctx, host, root)) is not None]
            whole_shots = list({shot.id: shot for shot in last}.values())
            return [*reversed(shots[-1:]), *whole_shots]
        return [*reversed(shots[whole + 1 :][-1:]), shots[whole]]

    def find(self, scanned: Scanned) -> Seen | None:
        """What is known of a file or folder from earlier; None: it is new."""
        seen = None if self._only_trees else self._ctx.local.seen(scanned.source)
        self.noted = seen is not None
        if seen is not None:
            return seen
        found = None
        for tree in self._trees:  # all of them, so that all keep step
            entry = tree.find(scanned.entry.path)
            found = found or entry
        return _as_seen(scanned.source, found) if found is not None and found.type is scanned.entry.type else None

    def same(self, seen: Seen, entry: Entry) -> bool:
        """Whether the file cannot have changed.  The holes count too: some file systems move them without a new ctime.
        The device does not: it is another one after many a restart."""
        return (seen.size, seen.mtime_ns, seen.sparse) == (entry.size, entry.mtime_ns, holes(entry)) and (
            (self._options.ignore_ctime or seen.ctime_ns == entry.ctime_ns)
            and (self._options.ignore_inode or seen.inode == entry.inode)
        )

    def walked(self) -> None:
        """The put has come to its end: from now on this machine's own notes are whole."""
        for root in self._roots:
            self._ctx.local.set(_walked(root), b"1")


def _walked(root: Root) -> str:
    part = b"\0list" if root.only else b""  # a list is another part of the same folder every time
    return f"walked:{hashlib.sha256(root.path + part).hexdigest()[:32]}"


def holes(entry: Entry) -> bytes:
    """Where a file's data lies, as the local notes keep it."""
    return msgspec.msgpack.encode(entry.sparse) if entry.sparse else b""


def seen_of(source: bytes, entry: Entry) -> Seen:
    """A file as it is now, to be noted."""
    return Seen(
        source, entry.size, entry.mtime_ns, entry.ctime_ns, entry.inode, entry.device_id, entry.atime_ns,
        holes(entry), entry.chunks,
    )  # fmt: skip


def _as_seen(source: bytes, entry: Entry) -> Seen:
    """An entry of a snapshot; a hard link names its content as its first one does."""
    return seen_of(source, entry)
