"""get --delete: what lies in restored folders and is not in the snapshot goes, and nothing else does."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from webraid.files.folders import Folders
from webraid.files.part import found, is_part_name
from webraid.files.problem import words
from webraid.files.safepath import open_quietly, split

Wanted = Callable[[bytes, bool], bool]
OnProblem = Callable[[bytes, str], None]
OnGone = Callable[[bytes], None]


@dataclass(slots=True)
class _Open:
    """A restored folder whose entries are coming."""

    path: bytes
    names: set[bytes] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Thing:
    """What is not in the snapshot.  ``twin``: a name in the snapshot that some file systems take for the same."""

    path: bytes
    identity: tuple[int, int, int]
    twin: bytes = b""


class Surplus:
    """Follows the entries of a snapshot in their order, then removes.

    ``wanted``: what --include and --exclude speak of; what they leave out stays.  No symlink is followed, no other file
    system is entered, and what was changed or replaced since it was found stays.
    """

    def __init__(self, folders: Folders, wanted: Wanted, on_problem: OnProblem) -> None:
        self._folders = folders
        self._wanted = wanted
        self._on_problem = on_problem
        self._open: list[_Open] = []
        self._things: list[_Thing] = []

    def enter(self, path: bytes) -> None:
        """A folder that is restored (after ``saw``); b'' where the target itself stands for one."""
        self._open.append(_Open(path))

    def saw(self, path: bytes) -> None:
        """An entry of the snapshot, restored or not; in the order of ``sort_key``."""
        while self._open and not (not self._open[-1].path or path.startswith(self._open[-1].path + b"/")):
            self._leave()
        folder, name = split(path)
        if self._open and self._open[-1].path == folder:
            self._open[-1].names.add(name)

    def finish(self, on_gone: OnGone, *, remove: bool = True) -> None:
        """After the last entry, and after all files are in place.  Not ``remove``: only tell what would go."""
        while self._open:
            self._leave()
        for thing in self._things:
            try:
                self._end(thing, on_gone, remove=remove)
            except OSError as error:
                self._on_problem(thing.path, f"it is not in the snapshot and could not be deleted: {words(error)}")

    def _leave(self) -> None:
        here = self._open.pop()
        try:
            self._list(here)
        except FileNotFoundError:
            return  # nothing of it was chosen, and it is not there
        except OSError as error:
            self._on_problem(here.path, f"what is not in the snapshot could not be listed: {words(error)}")

    def _list(self, here: _Open) -> None:
        twins = {_folded(name): name for name in here.names}
        for name in self._names(here.path):
            if name in here.names or is_part_name(name):
                continue
            with self._folders.at(here.path) as fd:
                was = found(fd, name)
            if was is not None:
                path = here.path + b"/" + name if here.path else name
                self._things.append(_Thing(path, _identity(was), twins.get(_folded(name), b"")))

    def _names(self, folder: bytes) -> list[bytes]:
        with self._folders.at(folder) as passage:
            fd = open_quietly(b".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=passage)
        try:
            return sorted(map(os.fsencode, os.listdir(fd)))
        finally:
            os.close(fd)

    def _end(self, thing: _Thing, on_gone: OnGone, *, remove: bool) -> None:
        folder, name = split(thing.path)
        with self._folders.at(folder) as fd:
            was, device = found(fd, name), os.fstat(fd).st_dev
            twin = found(fd, thing.twin) if thing.twin else None
        if was is None or _identity(was) != thing.identity:
            return
        if twin is not None and _identity(twin) == thing.identity:
            return  # the file system takes both names for one
        kept: set[bytes] = set()
        for path, is_dir in self._inside(thing.path, stat.S_ISDIR(was.st_mode), device, kept):
            if not self._wanted(path, is_dir) or path in kept:
                kept.add(split(path)[0])
                continue
            if remove:
                self._remove(path, is_dir)
            on_gone(path)

    def _inside(self, path: bytes, is_dir: bool, device: int, kept: set[bytes]) -> Iterator[tuple[bytes, bool]]:
        """A thing and all that is in it, what is in a folder before the folder.  No recursion: trees may be deep."""
        waiting = [(path, is_dir, False)]
        while waiting:
            here, folder, done = waiting.pop()
            if not folder or done:
                yield here, folder
                continue
            waiting.append((here, folder, True))
            with self._folders.at(here) as fd:
                foreign = os.fstat(fd).st_dev != device
            if foreign:
                self._on_problem(here, "another file system is mounted there; it was left as it is")
                kept.add(here)
                continue
            for name in self._names(here):
                with self._folders.at(here) as fd:
                    was = found(fd, name)
                if was is not None:
                    waiting.append((here + b"/" + name, stat.S_ISDIR(was.st_mode), False))

    def _remove(self, path: bytes, is_dir: bool) -> None:
        folder, name = split(path)
        with self._folders.at(folder) as fd:
            if is_dir:
                os.rmdir(name, dir_fd=fd)
            else:
                os.unlink(name, dir_fd=fd)


def _identity(found: os.stat_result) -> tuple[int, int, int]:
    """What makes a thing the one that was found: numbers of deleted files are given out anew."""
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _folded(name: bytes) -> str:
    """The same for names that some file systems take for one (capitals, Unicode forms)."""
    return unicodedata.normalize("NFC", name.decode("utf-8", "surrogateescape")).casefold()
