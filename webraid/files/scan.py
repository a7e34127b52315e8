"""Walking the trees of a put: every entry in order, lstat by name, never through a symlink."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial

from webraid.entry import Entry, EntryType
from webraid.files.metadata import HAS_XATTRS, TYPES, read_xattrs
from webraid.files.owners import Owners
from webraid.files.problem import Problem, display
from webraid.files.roots import Root, check_roots, root_for, roots_for
from webraid.files.safepath import FOLDER, PATH_MAX, open_long, open_quietly
from webraid.files.select import Inside, Rules, Selector
from webraid.files.source import Scanned, SourceFile, open_source
from webraid.files.sparse import data_extents

__all__ = ["Problem", "Root", "Scan", "Scanned", "SourceFile", "open_source", "root_for", "roots_for", "scan"]

OnProblem = Callable[[Problem], None]
Enter = Callable[[int, Sequence[bytes]], Inside]
EVERYTHING = Rules()
OPEN_FOLDERS = 64  # descriptors held at once, however deep the tree

_UNSUPPORTED = frozenset({errno.ENOTSUP, errno.ENOSYS})


class Folder:
    """A folder being walked: its descriptor (-1 while lent out), what it is called, the names still to come."""

    __slots__ = ("device", "entry", "fd", "names", "path", "rules", "source")

    def __init__(self, scanned: Scanned, device: int) -> None:
        """``device``: the file system that its tree is on."""
        self.entry = scanned.entry
        self.device = device
        self.path = scanned.entry.path + b"/"
        self.source = scanned.source.rstrip(b"/") + b"/"
        self.fd = -1
        self.names: Iterator[bytes] = iter(())
        self.open()

    def open(self) -> None:
        """Opens, and makes sure that it is still the folder that was looked at.  Raises OSError."""
        self.fd = open_long(self.source.rstrip(b"/") or b"/", os.O_RDONLY | FOLDER)
        now = os.fstat(self.fd)
        if (now.st_dev, now.st_ino) != (self.entry.device_id, self.entry.inode):
            self.close()
            raise OSError(errno.ESTALE, "replaced since it was looked at")

    def list(self, enter: Enter) -> None:
        """Takes in its names, and the rules that hold in it.  Raises OSError."""
        names = sorted(map(os.fsencode, os.listdir(self.fd)))
        self.rules = enter(self.fd, names)
        self.names = iter(names if self.rules.only is None else sorted(self.rules.only))

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Scan(Iterator[Scanned]):
    """A running scan.  ``sockets`` and ``excluded`` count what was passed over so far."""

    def __init__(self, roots: Sequence[Root], *, on_problem: OnProblem, rules: Rules) -> None:
        self.sockets = 0
        self.excluded = 0
        self._roots = check_roots(roots)
        self._on_problem = on_problem
        self._selector = Selector(rules)
        self._one_file_system = rules.one_file_system
        self._owners = Owners()
        self._first_links: dict[tuple[int, int], bytes] = {}
        self._no_xattrs: set[int] = set()  # file systems (st_dev) without extended attributes
        self._privileged = os.geteuid() == 0
        self._stack: list[Folder] = []
        self._running: Generator[Scanned, None, None] = self._walk()

    def __iter__(self) -> Iterator[Scanned]:
        return self._running

    def __next__(self) -> Scanned:
        return next(self._running)

    def close(self) -> None:
        """Ends the scan early and gives its descriptors back."""
        self._running.close()

    def _walk(self) -> Generator[Scanned, None, None]:
        try:
            for root in self._roots:
                scanned = self._look_at_root(root)
                if scanned is not None:
                    yield scanned
                    if scanned.entry.type is EntryType.DIR:
                        self._enter(scanned, scanned.entry.device_id, partial(self._selector.enter, root))
                        yield from self._walk_below()
        finally:
            for folder in self._stack:
                folder.close()

    def _walk_below(self) -> Iterator[Scanned]:
        """Everything in the folder on top of the stack, depth first."""
        while self._stack:
            folder = self._stack[-1]
            if folder.fd < 0 and not self._reopen(folder):
                continue
            for name in folder.names:
                scanned = self._look(folder, name)
                if scanned is None:
                    continue
                yield scanned
                if scanned.entry.type is EntryType.DIR and self._may_enter(folder, scanned.entry):
                    self._enter_from(folder, name, scanned)
                    break
            else:
                self._stack.pop().close()

    def _may_enter(self, folder: Folder, entry: Entry) -> bool:
        return not self._one_file_system or entry.device_id == folder.device or folder.rules.only is not None

    def _enter_from(self, folder: Folder, name: bytes, scanned: Scanned) -> None:
        # what is only on the way to something wanted may be on another file system than that
        device = folder.device if folder.rules.only is None else scanned.entry.device_id
        self._enter(scanned, device, partial(folder.rules.enter, name))

    def _enter(self, scanned: Scanned, device: int, enter: Enter) -> None:
        try:
            folder = Folder(scanned, device)
        except OSError as error:
            self._on_problem(Problem.of(scanned.source, error))
            return
        try:
            folder.list(enter)
        except OSError as error:
            folder.close()
            self._on_problem(Problem.of(scanned.source, error))
            return
        self._stack.append(folder)
        if len(self._stack) > OPEN_FOLDERS:
            self._stack[-OPEN_FOLDERS - 1].close()

    def _reopen(self, folder: Folder) -> bool:
        try:
            folder.open()
        except OSError as error:
            self._stack.pop()
            self._on_problem(Problem.of(folder.source.rstrip(b"/"), error))
            return False
        return True

    def _look_at_root(self, root: Root) -> Scanned | None:
        try:
            found = os.lstat(root.path)
        except OSError as error:
            self._on_problem(Problem(display(root.path), os.strerror(error.errno or 0).lower()))
            return None
        if self._selector.leaves_out(root, found):
            self.excluded += 1
            return None
        return self._scanned(root.name, root.path, found, None)

    def _look(self, folder: Folder, name: bytes) -> Scanned | None:
        try:
            found = os.lstat(name, dir_fd=folder.fd)
        except OSError as error:
            self._on_problem(Problem.of(folder.source + name, error))
            return None
        if folder.rules.leaves_out(name, found):
            self.excluded += 1
            return None
        return self._scanned(folder.path + name, folder.source + name, found, (folder.fd, name))

    def _scanned(
        self, path: bytes, source: bytes, found: os.stat_result, at: tuple[int, bytes] | None
    ) -> Scanned | None:
        """``at``: descriptor of its folder and its name there (None for a root)."""
        kind = TYPES.get(found.st_mode & 0o170000)
        if kind is None or kind is EntryType.SOCKET:
            self.sockets += 1
            return None
        fd, name = at if at is not None and len(source) >= PATH_MAX else (None, source)
        try:
            entry = self._entry(path, source, kind, found, (fd, name))
        except OSError as error:
            self._on_problem(Problem.of(source, error))
            return None
        return Scanned(entry, source)

    def _entry(
        self, path: bytes, source: bytes, kind: EntryType, found: os.stat_result, at: tuple[int | None, bytes]
    ) -> Entry:
        """``at``: (descriptor of its folder, its name there), or (None, its whole path)."""
        fd, name = at
        device = found.st_rdev
        is_file = kind is EntryType.FILE
        holes = is_file and found.st_blocks * 512 < found.st_size
        target = os.readlink(name, dir_fd=fd) if kind is EntryType.SYMLINK else b""
        sparse = _holes(name, fd, found) if holes else ()
        xattrs = self._xattrs(source, kind, found.st_dev, name, fd) if found.st_dev not in self._no_xattrs else ()
        return Entry(
            path=path,
            type=kind,
            mode=found.st_mode & 0o7777,
            uid=found.st_uid,
            gid=found.st_gid,
            user=self._owners.user(found.st_uid),
            group=self._owners.group(found.st_gid),
            mtime_ns=found.st_mtime_ns,
            ctime_ns=found.st_ctime_ns,
            atime_ns=found.st_atime_ns,
            size=found.st_size if is_file else 0,
            target=target,
            inode=found.st_ino,
            device_id=found.st_dev,
            nlink=found.st_nlink,
            hardlink=self._first_link(path, found) if found.st_nlink > 1 and kind is not EntryType.DIR else b"",
            rdev_major=os.major(device) if device else 0,
            rdev_minor=os.minor(device) if device else 0,
            xattrs=xattrs,
            sparse=sparse,
        )

    def _first_link(self, path: bytes, found: os.stat_result) -> bytes:
        """Path of the first entry with this inode; b'' when this is the one.  Asked last: nothing can fail any more."""
        first = self._first_links.setdefault((found.st_dev, found.st_ino), path)
        return first if first != path else b""

    def _xattrs(
        self, source: bytes, kind: EntryType, device: int, name: bytes, fd: int | None
    ) -> tuple[tuple[bytes, bytes], ...]:
        if not HAS_XATTRS or (kind is EntryType.SYMLINK and not self._privileged):
            return ()  # those that a symlink can have are root's
        where = name if fd is None else b"/proc/self/fd/%d/%s" % (fd, name)
        try:
            return read_xattrs(where, privileged=self._privileged)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                self._no_xattrs.add(device)
            else:
                self._on_problem(Problem(display(source), f"its attributes: {os.strerror(error.errno or 0).lower()}"))
        return ()


def _holes(name: bytes, fd: int | None, found: os.stat_result) -> tuple[tuple[int, int], ...]:
    try:
        file = open_quietly(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=fd)
    except PermissionError:
        return ()  # whoever reads the content meets the same refusal, and reports it
    try:
        return data_extents(file, found.st_size)
    finally:
        os.close(file)


def scan(roots: Sequence[Root], *, on_problem: OnProblem, rules: Rules = EVERYTHING) -> Scan:
    """Every entry of the trees in ``sort_key`` order, each root itself first, under its name.

    What ``rules`` leave out is not there, with all below it.  One file system: a mount point is kept as an empty
    folder.  What can't be read goes to ``on_problem`` and the scan goes on; a folder that can't be listed is still kept
    itself.  Sockets are counted, not kept.  ConfigError: two roots of one name.
    """
    return Scan(roots, on_problem=on_problem, rules=rules)
