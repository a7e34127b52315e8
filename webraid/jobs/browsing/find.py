"""find: where in the snapshots things of some name are.  A tree page that several snapshots share is read once."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from webraid.entry import Entry, EntryType
from webraid.errors import ConfigError
from webraid.jobs.base.context import Context
from webraid.jobs.base.pages import Pages
from webraid.jobs.base.snapshots import EVERY, Which, chosen, open_for_reading
from webraid.table.fold import Shot
from webraid.table.leaves import leaf_entries, leaf_ids
from webraid.table.tree import BATCH

TYPES = {
    "f": EntryType.FILE, "file": EntryType.FILE, "d": EntryType.DIR, "dir": EntryType.DIR, "l": EntryType.SYMLINK,
    "symlink": EntryType.SYMLINK, "p": EntryType.FIFO, "fifo": EntryType.FIFO, "c": EntryType.CHAR,
    "chardev": EntryType.CHAR, "b": EntryType.BLOCK, "dev": EntryType.BLOCK, "s": EntryType.SOCKET,
    "socket": EntryType.SOCKET,
}  # fmt: skip


ANY = None  # in a glob: any folders, or none


@dataclass(frozen=True, slots=True)
class Glob:
    """A shell's pattern.  Without '/' it is matched with the name; with '/' with the path's end, or with the whole path
    where it begins with '/'.  '*' stays within a name, '**' stands for any folders."""

    parts: tuple[re.Pattern[str] | None, ...]

    @classmethod
    def of(cls, text: str, *, ignore_case: bool = False) -> Glob:
        """Raises ConfigError when there is nothing in it."""
        words = [word for word in text.split("/") if word]
        if not words:
            raise ConfigError(f"{text!r} is no pattern", hint="Give one like '*.jpg' or '2024/**/*.jpg'.")
        flags = re.IGNORECASE if ignore_case else re.NOFLAG
        parts = [ANY if word == "**" else re.compile(fnmatch.translate(word), flags) for word in words]
        return cls(tuple(parts) if text.startswith("/") else (ANY, *parts))

    def fits(self, names: Sequence[str]) -> bool:
        """Whether a path, given as its parts, is meant."""
        reached = {0}  # how many parts of the pattern may be used up
        for name in names:
            reached = {after for at in self._over_any(reached) for after in self._step(at, name)}
        return len(self.parts) in self._over_any(reached)

    def _over_any(self, reached: set[int]) -> set[int]:
        more = set(reached)
        for at in range(len(self.parts)):
            if at in more and self.parts[at] is ANY:
                more.add(at + 1)
        return more

    def _step(self, at: int, name: str) -> Iterator[int]:
        if at < len(self.parts):
            part = self.parts[at]
            if part is ANY:
                yield at
            elif part.match(name):
                yield at + 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for.  ``patterns``: any of them; times in ns since the epoch, sizes in bytes; None: any."""

    patterns: tuple[Glob, ...]
    type: EntryType | None = None
    oldest: int | None = None
    newest: int | None = None
    smallest: int | None = None
    largest: int | None = None

    def fits(self, entry: Entry) -> bool:
        """Whether it is looked for."""
        if self.type is not None and entry.type is not self.type:
            return False
        names = entry.path.decode("utf-8", "surrogateescape").split("/")
        return (
            any(pattern.fits(names) for pattern in self.patterns)
            and (self.oldest is None or entry.mtime_ns >= self.oldest)
            and (self.newest is None or entry.mtime_ns <= self.newest)
            and (self.smallest is None or (entry.type is EntryType.FILE and entry.size >= self.smallest))
            and (self.largest is None or (entry.type is EntryType.FILE and entry.size <= self.largest))
        )


def find(
    ctx: Context, wanted: Wanted, snapshots: Sequence[str] = (), *, which: Which = EVERY
) -> Iterator[tuple[Shot, list[Entry]]]:
    """(snapshot, what was found in it), the newest first, without those that hold nothing of it.  Raises NotInTable."""
    open_for_reading(ctx)
    shots = sorted(chosen(ctx, snapshots, which), key=lambda shot: shot.order, reverse=True)
    return _found(ctx, wanted, shots)


def _found(ctx: Context, wanted: Wanted, shots: Sequence[Shot]) -> Iterator[tuple[Shot, list[Entry]]]:
    fetch, known = Pages(ctx), dict[bytes, tuple[Entry, ...]]()
    for shot in shots:
        leaves = leaf_ids(shot.info.root, fetch)
        fresh = [page for page in leaves if page not in known]
        for start in range(0, len(fresh), BATCH):
            for page, entries in leaf_entries(fresh[start : start + BATCH], fetch):
                known[page] = tuple(entry for entry in entries if wanted.fits(entry))
        matches = [entry for page in leaves for entry in known[page]]
        if matches:
            yield shot, matches
