"""How much a scan is going to find: the same walk, but of a file nothing is looked at but its kind and size."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from functools import partial

from webraid.entry import Entry, EntryType
from webraid.files.problem import Problem
from webraid.files.roots import Root
from webraid.files.scan import Folder, Scan
from webraid.files.select import Rules
from webraid.files.source import Scanned

STEP = 200  # entries
STEP_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Mark:
    """``files``, ``bytes``: what lies before ``path`` in the order of a scan."""

    path: bytes = field(repr=False)
    files: int
    bytes: int


class Sizes(Scan):
    """A count under way.  ``files``: regular ones so far, each hard link is one; ``bytes``: their sizes.

    What cannot be read is passed over in silence: whoever stores it meets it too, and tells.  Nothing is opened but
    folders, and what the rules make one read (.gitignore files, the beginnings of markers).
    """

    def __init__(self, roots: Sequence[Root], *, rules: Rules) -> None:
        """Raises ConfigError: two roots of one name."""
        super().__init__(roots, on_problem=_unheard, rules=rules)
        self.files = 0
        self.bytes = 0

    def steps(self) -> Generator[Mark, None, None]:
        """Count everything, with a mark now and then.  Closing it gives its descriptors back."""
        try:
            for root in self._roots:
                top = self._look_at_root(root)
                if top is not None and top.entry.type is EntryType.FILE:
                    self.files += 1
                    self.bytes += top.entry.size
                elif top is not None and top.entry.type is EntryType.DIR:
                    self._enter(top, top.entry.device_id, partial(self._selector.enter, root))
                    yield from self._steps_below()
        finally:
            for folder in self._stack:
                folder.close()

    def _steps_below(self) -> Generator[Mark, None, None]:
        """Everything in the folder on top of the stack.  As plain as can be: it goes through millions of names."""
        entries, marked = 0, self.bytes
        while self._stack:
            folder = self._stack[-1]
            if folder.fd < 0 and not self._reopen(folder):
                continue
            fd, leaves_out = folder.fd, folder.rules.leaves_out
            for name in folder.names:
                try:
                    found = os.lstat(name, dir_fd=fd)
                except OSError:
                    continue
                entries += 1
                if entries >= STEP or self.bytes - marked >= STEP_BYTES:
                    yield Mark(folder.path + name, self.files, self.bytes)
                    entries, marked = 0, self.bytes
                if leaves_out(name, found):
                    continue
                kind = stat.S_IFMT(found.st_mode)
                if kind == stat.S_IFREG:
                    self.files += 1
                    self.bytes += found.st_size
                elif kind == stat.S_IFDIR and self._descend(folder, name, found):
                    break
            else:
                self._stack.pop().close()

    def _descend(self, folder: Folder, name: bytes, found: os.stat_result) -> bool:
        path, source = folder.path + name, folder.source + name
        scanned = Scanned(self._entry(path, source, EntryType.DIR, found, (folder.fd, name)), source)
        if self._may_enter(folder, scanned.entry):
            self._enter_from(folder, name, scanned)
            return True
        return False

    def _entry(
        self, path: bytes, source: bytes, kind: EntryType, found: os.stat_result, at: tuple[int | None, bytes]
    ) -> Entry:
        size = found.st_size if kind is EntryType.FILE else 0
        return Entry(path=path, type=kind, size=size, inode=found.st_ino, device_id=found.st_dev)


def _unheard(problem: Problem) -> None:
    """Whoever stores it tells of it."""
