"""One file on its way to its place: written under a name of our own, put in place when whole."""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from webraid.entry import Entry
from webraid.files.folders import Descriptors, Folders
from webraid.files.metadata import Metadata
from webraid.files.safepath import split
from webraid.files.sparse import extents, locate, starts, stream_length

PART = b".webraid-part-"
_PART_NAME = re.compile(re.escape(PART) + rb"[0-9a-f]{16}")
GRID = 64 << 10  # bytes of zeros that become a hole
_ZEROS = bytes(GRID)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
NO_LINKS = frozenset({errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL})


def is_part_name(name: bytes) -> bool:
    """Whether a name is one that a restore gives to unfinished things."""
    return _PART_NAME.fullmatch(name) is not None


def _without_zeros(view: memoryview, offset: int) -> Iterator[tuple[memoryview, int]]:
    """The pieces of ``view`` that hold anything, on the file's own grid: what is never written stays a hole."""
    begin = 0
    while begin < len(view):
        end = min(len(view), begin + GRID - (offset + begin) % GRID)
        if view[begin:end] != _ZEROS[: end - begin]:
            yield view[begin:end], offset + begin
        begin = end


@dataclass(frozen=True, slots=True)
class Site:
    """What all parts of one restore share.  ``random``: n unguessable bytes.  ``sparse``: holes of the source become
    holes; ``punch``: so do runs of zeros in its content."""

    folders: Folders
    files: Descriptors
    metadata: Metadata
    random: Callable[[int], bytes]
    sparse: bool
    punch: bool = False

    def part_name(self) -> bytes:
        """A new name for something unfinished."""
        return PART + self.random(8).hex().encode()


def put_in_place(folder: int, part: bytes, name: bytes, *, replace: bool) -> None:
    """Gives an unfinished thing its final name, in the folder of descriptor ``folder``.

    Raises FileExistsError when something is there and ``replace`` is false: link() never overwrites, rename() would.
    Even with ``replace`` a folder is never replaced, and a symlink is replaced itself, not what it points to.
    """
    if replace:
        os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
        return
    try:
        os.link(part, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if found(folder, name) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
        os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    else:
        os.unlink(part, dir_fd=folder)


def found(folder: int, name: bytes) -> os.stat_result | None:
    """lstat in a folder; None where there is nothing of that name."""
    try:
        return os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return None


class Part:
    """A file being filled, in any order, from many threads.  Every byte is written once; then ``land`` or ``drop``."""

    def __init__(self, entry: Entry, site: Site, *, replace: bool) -> None:
        """Creates it, readable by its owner only.  Raises OSError."""
        self.entry = entry
        self._site = site
        self._replace = replace
        self._folder, self._name = split(entry.path)
        self._part = site.part_name()
        self._extents = extents(entry)
        self._starts = starts(self._extents)
        self._written = 0
        self._lock = threading.Lock()
        self._identity = (0, 0)
        with self._fd(self._create) as fd:
            now = os.fstat(fd)
            self._identity = (now.st_dev, now.st_ino)
            if now.st_mode & 0o777 != 0o600:
                os.chmod(fd, 0o600)  # the umask, or a default ACL, took from its mode; we may have to open it again

    def pwrite(self, data: bytes | bytearray | memoryview, offset: int) -> None:
        """Writes at a file offset, see ``stream_to_file``.  Raises OSError."""
        self._pwrite(memoryview(data).cast("B"), offset)

    def write_stream(self, data: bytes | bytearray | memoryview, offset: int) -> None:
        """Writes bytes of the content stream: ``offset`` counts data only, holes are stepped over.  Raises OSError."""
        view = memoryview(data).cast("B")
        for place, length in locate(self._extents, self._starts, offset, len(view)):
            self._pwrite(view[:length], place)
            view = view[length:]
        if view:
            raise OSError(errno.EFBIG, "more content than the entry tells of")

    def whole(self) -> bool:
        """Whether as many bytes were written as the content stream has."""
        return self._written == stream_length(self.entry)

    def land(self) -> tuple[int, int]:
        """Length, metadata, final name.  Returns (st_dev, st_ino).  Raises OSError; the part is then still there."""
        with self._fd(self._reopen) as fd:
            self._settle_length(fd)
            self._site.metadata.apply(self.entry, fd)
        self._site.files.drop(self._part)
        with self._site.folders.at(self._folder) as folder:
            put_in_place(folder, self._part, self._name, replace=self._replace)
        return self._identity

    def drop(self) -> None:
        """Takes it away again.  Raises OSError."""
        self._site.files.drop(self._part)
        with self._site.folders.at(self._folder) as folder:
            now = found(folder, self._part)
            if now is not None and (now.st_dev, now.st_ino) == self._identity:
                os.unlink(self._part, dir_fd=folder)

    def _pwrite(self, view: memoryview, offset: int) -> None:
        total = len(view)
        if offset < 0 or offset + total > self.entry.size:
            raise OSError(errno.EFBIG, "more content than the entry tells of")
        with self._fd(self._reopen) as fd:
            for data, place in _without_zeros(view, offset) if self._site.punch else ((view, offset),):
                while data:
                    count = os.pwrite(fd, data, place)
                    data, place = data[count:], place + count
        with self._lock:
            self._written += total

    def _settle_length(self, fd: int) -> None:
        size = self.entry.size
        if self.entry.sparse and size and not self._site.sparse:
            os.posix_fallocate(fd, 0, size)
        if os.fstat(fd).st_size != size:
            os.ftruncate(fd, size)

    @contextmanager
    def _fd(self, opener: Callable[[], int]) -> Iterator[int]:
        with self._site.files.borrow(self._part, opener) as fd:
            yield fd

    def _create(self) -> int:
        with self._site.folders.at(self._folder) as folder:
            return os.open(self._part, _CREATE, 0o600, dir_fd=folder)

    def _reopen(self) -> int:
        """After its descriptor was needed elsewhere.  Only what we made ourselves is written to."""
        with self._site.folders.at(self._folder) as folder:
            fd = os.open(self._part, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        now = os.fstat(fd)
        if (now.st_dev, now.st_ino) != self._identity or not stat.S_ISREG(now.st_mode):
            os.close(fd)
            raise OSError(errno.ESTALE, "replaced meanwhile")
        return fd
