"""Reading one scanned file, and knowing whether it kept still meanwhile."""

from __future__ import annotations

import errno
import os
import stat
from types import TracebackType

import msgspec

from webraid.entry import Entry
from webraid.files.safepath import open_long
from webraid.files.sparse import extents


class Scanned(msgspec.Struct, frozen=True, gc=False):
    """``entry``: as it will be stored, without chunks.  ``source``: absolute path to read from."""

    entry: Entry
    source: bytes

    def __repr__(self) -> str:
        return f"Scanned(type={self.entry.type.value!r})"


class SourceFile:
    """An open file, read as its content stream (holes left out).  A context manager; one thread at a time."""

    def __init__(self, scanned: Scanned) -> None:
        """Opens without following symlinks or waiting on FIFOs.  Raises OSError; ESTALE when it is another file now."""
        self._entry = scanned.entry
        self._extents = extents(scanned.entry)
        self._index = 0
        self._within = 0
        self._cut: int | None = None  # where the file ended too early
        self._fd = open_long(scanned.source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            self._check_identity()
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        except OSError:
            os.close(self._fd)
            raise

    def __enter__(self) -> SourceFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the descriptor back; more than once does no harm."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def readinto(self, view: memoryview | bytearray) -> int:
        """Fills ``view`` with the stream's next bytes; returns how many, 0 only at the end.  Raises OSError.

        Never more than the entry promises: what was appended since the scan is left for the next run.
        """
        space = memoryview(view).cast("B")
        filled = 0
        while filled < len(space) and self._index < len(self._extents) and self._cut is None:
            offset, length = self._extents[self._index]
            want = min(length - self._within, len(space) - filled)
            got = os.preadv(self._fd, [space[filled : filled + want]], offset + self._within)
            if got == 0:
                self._cut = offset + self._within
            filled += got
            self._within += got
            if self._within == length:
                self._index, self._within = self._index + 1, 0
        return filled

    def changed(self) -> bool:
        """Whether the file is no longer what was scanned: to be asked after the last read.  Raises OSError."""
        now = os.fstat(self._fd)
        then = self._entry
        return self._cut is not None or (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino) != (
            then.size,
            then.mtime_ns,
            then.ctime_ns,
            then.inode,
        )

    def as_read(self) -> Entry:
        """The entry as it must be stored: where the file ended too early, its size is what could be read."""
        if self._cut is None:
            return self._entry
        cut = self._cut
        kept = tuple((offset, min(length, cut - offset)) for offset, length in self._extents if offset < cut)
        sparse = (kept or ((cut, 0),)) if self._entry.sparse and cut else ()
        return msgspec.structs.replace(self._entry, size=cut, sparse=sparse)

    def _check_identity(self) -> None:
        now = os.fstat(self._fd)
        same = (now.st_dev, now.st_ino) == (self._entry.device_id, self._entry.inode)
        if not same or not stat.S_ISREG(now.st_mode):
            raise OSError(errno.ESTALE, "replaced since it was scanned")


def open_source(scanned: Scanned) -> SourceFile:
    """Opens a scanned regular file for reading.  Raises OSError (see ``Problem.of``)."""
    return SourceFile(scanned)
