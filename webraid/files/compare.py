"""Whether two trees on this machine are the same in everything a restore promises.  Shares no code with scan."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import FileIO
from itertools import zip_longest
from pathlib import Path

from webraid.files.problem import display, words
from webraid.files.safepath import FOLDER, open_long

_GRID = 128 << 10
_SLACK = 256 << 10  # bytes of allocation that say nothing: block sizes, preallocation
_ZEROS = bytes(_GRID)
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "symlink", stat.S_IFIFO: "FIFO"}


@dataclass(slots=True)
class _Comparison:
    """``links``: for each tree, inode -> the first path with it."""

    tops: tuple[bytes, bytes]
    owner: bool
    links: tuple[dict[tuple[int, int], bytes], dict[tuple[int, int], bytes]] = field(default_factory=lambda: ({}, {}))
    found: list[str] = field(default_factory=list)

    def differs(self, path: bytes, what: str) -> None:
        self.found.append(f"{display(path) or '.'}: {what}")


def compare_trees(a: Path, b: Path, *, owner: bool = True) -> list[str]:
    """Every difference between two trees, one line each; [] when there is none.

    Content, type, mode, owner (numbers; left out with ``owner=False``), mtime in ns (also of symlinks), symlink
    targets, device numbers, hard-link groups, extended attributes with ACLs, and roughly how many blocks sparse files
    take.  What can't be read is a difference, too.  Not compared: atime, ctime, sizes of folders, sockets.
    """
    run = _Comparison((os.path.abspath(os.fsencode(a)), os.path.abspath(os.fsencode(b))), owner)
    tops = _stat_top(run, 0), _stat_top(run, 1)
    if tops[0] is None or tops[1] is None:
        return run.found
    pending = [b""] if _same_thing(run, b"", tops[0], tops[1]) else []
    while pending:
        pending.extend(_compare_folder(run, pending.pop()))
    return run.found


def _stat_top(run: _Comparison, side: int) -> os.stat_result | None:
    try:
        return os.stat(run.tops[side])
    except OSError as error:
        run.differs(b"", f"the {'second' if side else 'first'} tree: {words(error)}")
        return None


def _full(run: _Comparison, side: int, path: bytes) -> bytes:
    return run.tops[side].rstrip(b"/") + b"/" + path if path else run.tops[side]


def _compare_folder(run: _Comparison, folder: bytes) -> list[bytes]:
    """Compares the children; returns the folders among them."""
    listings: list[dict[bytes, os.stat_result]] = []
    for side in (0, 1):
        try:
            listings.append(_listing(_full(run, side, folder), top=not folder))
        except OSError as error:
            run.differs(folder, f"can't be listed: {words(error)}")
            return []
    deeper: list[bytes] = []
    for name in sorted(listings[0].keys() | listings[1].keys()):
        path = folder + b"/" + name if folder else name
        one, other = listings[0].get(name), listings[1].get(name)
        if one is None or other is None:
            run.differs(path, f"only in the {'second' if one is None else 'first'} tree")
        elif _same_thing(run, path, one, other):
            deeper.append(path)
    return deeper[::-1]


def _listing(folder: bytes, *, top: bool) -> dict[bytes, os.stat_result]:
    fd = open_long(folder, os.O_RDONLY | (os.O_DIRECTORY if top else FOLDER))
    try:
        names = [os.fsencode(name) for name in os.listdir(fd)]
        stats = {name: os.lstat(name, dir_fd=fd) for name in names}
        return {name: now for name, now in stats.items() if not stat.S_ISSOCK(now.st_mode)}
    finally:
        os.close(fd)


def _same_thing(run: _Comparison, path: bytes, one: os.stat_result, other: os.stat_result) -> bool:
    """Compares two things of one path; True when both are folders, whose children are to be compared."""
    kinds = stat.S_IFMT(one.st_mode), stat.S_IFMT(other.st_mode)
    if kinds[0] != kinds[1]:
        run.differs(path, f"{_KINDS.get(kinds[0], 'device')} against {_KINDS.get(kinds[1], 'device')}")
        return False
    if path:
        _compare_inodes(run, path, one, other)
    try:
        if path:
            _compare_xattrs(run, path)
        if kinds[0] == stat.S_IFREG:
            _compare_content(run, path, one, other)
        elif kinds[0] == stat.S_IFLNK:
            _compare_targets(run, path)
    except OSError as error:
        run.differs(path, f"can't be read: {words(error)}")
    return kinds[0] == stat.S_IFDIR


def _compare_inodes(run: _Comparison, path: bytes, one: os.stat_result, other: os.stat_result) -> None:
    pairs = [("mtime", one.st_mtime_ns, other.st_mtime_ns)]
    if not stat.S_ISLNK(one.st_mode):
        pairs.append(("mode", stat.S_IMODE(one.st_mode), stat.S_IMODE(other.st_mode)))
    if run.owner:
        pairs += [("uid", one.st_uid, other.st_uid), ("gid", one.st_gid, other.st_gid)]
    if stat.S_ISCHR(one.st_mode) or stat.S_ISBLK(one.st_mode):
        pairs.append(("device number", one.st_rdev, other.st_rdev))
    for what, left, right in pairs:
        if left != right:
            shown = (f"{left:04o}", f"{right:04o}") if what == "mode" else (str(left), str(right))
            run.differs(path, f"{what} {shown[0]} against {shown[1]}")
    if not stat.S_ISDIR(one.st_mode):
        firsts = [
            run.links[side].setdefault((now.st_dev, now.st_ino), path) if now.st_nlink > 1 else path
            for side, now in enumerate((one, other))
        ]
        if firsts[0] != firsts[1]:
            run.differs(path, f"hard link of {display(firsts[0])} against {display(firsts[1])}")


def _at(run: _Comparison, side: int, path: bytes) -> tuple[int, bytes]:
    """(descriptor of its folder, its name there)."""
    folder, _, name = _full(run, side, path).rpartition(b"/")
    return open_long(folder or b"/", os.O_RDONLY | os.O_DIRECTORY), name


def _compare_xattrs(run: _Comparison, path: bytes) -> None:
    sides = [_xattrs(run, side, path) for side in (0, 1)]
    for name in sorted(sides[0].keys() | sides[1].keys()):
        if sides[0].get(name) != sides[1].get(name):
            run.differs(path, f"extended attribute {display(name)}")


def _xattrs(run: _Comparison, side: int, path: bytes) -> dict[bytes, bytes]:
    fd, name = _at(run, side, path)
    where = b"/proc/self/fd/%d/%s" % (fd, name)
    try:
        names = map(os.fsencode, os.listxattr(where, follow_symlinks=False))
        kept = (user for user in names if user != b"security.selinux")  # the machine's own, not the file's
        return {key: os.getxattr(where, key, follow_symlinks=False) for key in kept}
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
    finally:
        os.close(fd)


def _compare_targets(run: _Comparison, path: bytes) -> None:
    targets: list[bytes] = []
    for side in (0, 1):
        fd, name = _at(run, side, path)
        try:
            targets.append(os.readlink(name, dir_fd=fd))
        finally:
            os.close(fd)
    if targets[0] != targets[1]:
        run.differs(path, f"symlink to {display(targets[0])} against {display(targets[1])}")


def _compare_content(run: _Comparison, path: bytes, one: os.stat_result, other: os.stat_result) -> None:
    if one.st_size != other.st_size:
        run.differs(path, f"size {one.st_size} against {other.st_size}")
        return
    with _open(run, 0, path) as first, _open(run, 1, path) as second:
        for left, right in zip_longest(_blocks(first.fileno(), one.st_size), _blocks(second.fileno(), one.st_size)):
            if left != right:
                run.differs(path, f"content at or after byte {min(side[0] for side in (left, right) if side)}")
                return
    taken = one.st_blocks * 512, other.st_blocks * 512
    sparse = min(taken) < one.st_size
    if sparse and abs(taken[0] - taken[1]) > _SLACK + max(taken) // 8:
        run.differs(path, f"takes {taken[0]} bytes of disk against {taken[1]}")


def _open(run: _Comparison, side: int, path: bytes) -> FileIO:
    return FileIO(open_long(_full(run, side, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK))


def _blocks(fd: int, size: int) -> Iterator[tuple[int, bytes]]:
    """(offset, bytes) of every block of the grid that is not all zeros; holes are stepped over."""
    offset = 0
    while offset < size:
        try:
            data = os.lseek(fd, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        offset = max(offset, data - data % _GRID)
        block = os.pread(fd, _GRID, offset)
        if block != _ZEROS[: len(block)]:
            yield offset, block
        offset += _GRID
