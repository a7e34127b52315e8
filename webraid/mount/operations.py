"""What the kernel asks of a mounted view of all snapshots, and what it is told.  Nothing can be written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from webraid.entry import Entry, EntryType
from webraid.errors import WebRAIDError
from webraid.files.sparse import extents
from webraid.jobs.browsing.browse import Browser, Node
from webraid.jobs.browsing.browse_content import Reader
from webraid.mount.library import FuseOSError, Operations

KINDS = {
    EntryType.FILE: stat.S_IFREG, EntryType.DIR: stat.S_IFDIR, EntryType.SYMLINK: stat.S_IFLNK,
    EntryType.FIFO: stat.S_IFIFO, EntryType.CHAR: stat.S_IFCHR, EntryType.BLOCK: stat.S_IFBLK,
    EntryType.SOCKET: stat.S_IFSOCK,
}  # fmt: skip
BLOCK = 4096  # bytes, of statfs
SECTOR = 512  # bytes, of st_blocks
NAME_MAX = 255
ST_RDONLY = 1


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that somebody has open."""

    node: Node
    reader: Reader


class Snapshots(Operations):  # type: ignore[misc]  # the library has no types
    """The tree of a Browser as a file system.  The kernel calls on several threads at once."""

    use_ns = True

    def __init__(self, browser: Browser, *, owner_root: bool, on_ready: Callable[[], None]) -> None:
        self._browser = browser
        self._owner_root = owner_root
        self._on_ready = on_ready
        self._numbers = count(1)
        self.opened: dict[int, Opened] = {}
        self.served = False

    def init_with_config(self, connection: Any, config: Any) -> None:
        """The kernel is there."""
        self.served = True
        self._on_ready()

    # -------------------------------------------------------------------------------------------------------- the tree
    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        """What stat tells."""
        return self._status(self._node(path))

    def readdir(self, path: str, fh: int) -> Iterator[tuple[str, dict[str, Any], int]]:
        """Names with their kind and number."""
        node = self._node(path)
        if node.entry.type is not EntryType.DIR:
            raise FuseOSError(errno.ENOTDIR)
        with self._readable(node):
            inside = self._browser.listing(_raw(path))
        yield ".", {"st_mode": stat.S_IFDIR, "st_ino": node.inode}, 0
        yield "..", {"st_mode": stat.S_IFDIR, "st_ino": 0}, 0
        for name, child in inside:
            yield _text(name), {"st_mode": KINDS[child.entry.type], "st_ino": child.inode}, 0

    def readlink(self, path: str) -> str:
        """Where a symlink leads."""
        entry = self._node(path).entry
        if entry.type is not EntryType.SYMLINK:
            raise FuseOSError(errno.EINVAL)
        return _text(entry.target)

    def listxattr(self, path: str) -> list[str]:
        """Names of the extended attributes."""
        return [_text(name) for name, _ in self._node(path).entry.xattrs]

    def getxattr(self, path: str, name: str, position: int = 0) -> bytes:
        """One extended attribute."""
        wanted = _raw("/" + name)
        for known, value in self._node(path).entry.xattrs:
            if known == wanted:
                return value
        raise FuseOSError(errno.ENODATA)

    def statfs(self, path: str) -> dict[str, int]:
        """As large as all snapshots together would be if each were restored; full."""
        shots = self._browser.shots
        return {
            "f_bsize": BLOCK, "f_frsize": BLOCK, "f_blocks": sum(-(-shot.info.size // BLOCK) for shot in shots),
            "f_bfree": 0, "f_bavail": 0, "f_files": sum(shot.info.files for shot in shots), "f_ffree": 0,
            "f_favail": 0, "f_flag": ST_RDONLY, "f_namemax": NAME_MAX,
        }  # fmt: skip

    # ----------------------------------------------------------------------------------------------------- the content
    def open(self, path: str, flags: int) -> int:
        """A number for a file that is read from now on."""
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_TRUNC):
            raise FuseOSError(errno.EROFS)
        node = self._node(path)
        with self._readable(node):
            reader = self._browser.open(node)
        number = next(self._numbers)
        self.opened[number] = Opened(node, reader)
        return number

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        """Bytes, or EIO where they cannot be had; never wrong ones."""
        opened = self.opened[fh]
        with self._readable(opened.node):
            return opened.reader.read(offset, size)

    def release(self, path: str, fh: int) -> int:
        """The file is closed."""
        self.opened.pop(fh).reader.close()
        return 0

    # ------------------------------------------------------------------------------------------------------------ words
    def _node(self, path: str) -> Node:
        try:
            node = self._browser.node(_raw(path))
        except WebRAIDError as error:
            self._browser.complain_of_table(error)
            raise FuseOSError(errno.EIO) from error
        if node is None:
            raise FuseOSError(errno.ENOENT)
        return node

    @contextmanager
    def _readable(self, node: Node) -> Iterator[None]:
        try:
            yield
        except WebRAIDError as error:
            self._browser.complain(node, error)
            raise FuseOSError(errno.EIO) from error

    def _status(self, node: Node) -> dict[str, Any]:
        entry = node.entry
        return {
            "st_mode": KINDS[entry.type] | entry.mode,
            "st_ino": node.inode,
            "st_nlink": 2 if entry.type is EntryType.DIR else max(1, entry.nlink),
            "st_uid": 0 if self._owner_root else entry.uid,
            "st_gid": 0 if self._owner_root else entry.gid,
            "st_rdev": os.makedev(entry.rdev_major, entry.rdev_minor),
            "st_size": _size(entry),
            "st_blocks": _sectors(entry),
            "st_blksize": BLOCK,
            "st_mtime": entry.mtime_ns,
            "st_ctime": entry.ctime_ns,
            "st_atime": entry.atime_ns,
        }


def _raw(path: str) -> bytes:
    return path[1:].encode("utf-8", "surrogateescape")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _size(entry: Entry) -> int:
    if entry.type is EntryType.SYMLINK:
        return len(entry.target)
    return entry.size if entry.type is EntryType.FILE else 0


def _sectors(entry: Entry) -> int:
    """What the file would take on a disk: holes do not count."""
    if entry.type is not EntryType.FILE:
        return 0
    return sum(-(-length // BLOCK) for _, length in extents(entry)) * (BLOCK // SECTOR)
