"""Files and folders made durable: sync, a whole file, a range of a file.  OSErrors come out as they are."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat

# '_' is outside our alphabet, so no object can ever have such a name.
TEMP_PREFIX = ".tmp_"
_NUMBERS = itertools.count()
# What file systems without a notion of syncing a folder (FUSE, CIFS) answer: nothing can be done about it there.
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.ENOTTY)


def sync_folder(path: str) -> None:
    """The names in the folder survive a power cut when this returns."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(fd)


def create_temporary(folder: str) -> tuple[int, str]:
    """(descriptor, path) of a fresh file in ``folder``, for ``become``."""
    while True:
        path = os.path.join(folder, f"{TEMP_PREFIX}{os.getpid()}_{next(_NUMBERS)}")
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), path
        except FileExistsError:  # another machine's on the same NAS, or a dead run's
            continue


def become(fd: int, temporary: str, path: str, data: memoryview, *, durable: bool) -> None:
    """``path`` holds ``data`` (bytes) or what it held before: never a part, not even after a crash.  Takes ``fd``.

    ``durable``: it survives a power cut when this returns.
    """
    try:
        try:
            _write_all(fd, data)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)  # before the rename: network file systems may report a failed write only here
        os.replace(temporary, path)
    except BaseException:
        # The first error is the one to report; a file that stays behind is swept by prepare().
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if durable:
        sync_folder(os.path.dirname(path))


def _write_all(fd: int, data: memoryview) -> None:
    done = 0
    while done < len(data):  # one call may take less than it was given, and at most 2 GiB
        done += os.write(fd, data[done:])


def read_range(fd: int, offset: int, size: int) -> bytes:
    """Up to ``size`` bytes from ``offset``; less only at the end of the file."""
    first = os.pread(fd, size, offset)
    if len(first) == size or not first:
        return first
    parts = [first]  # one call gives at most 2 GiB
    have = len(first)
    while have < size and (part := os.pread(fd, size - have, offset + have)):
        parts.append(part)
        have += len(part)
    return b"".join(parts)


def open_object(path: str) -> tuple[int, int]:
    """(descriptor, size) of a regular file; anything else is no object: FileNotFoundError.

    O_NONBLOCK: a FIFO that somebody put there must not hang us.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    except BaseException:
        os.close(fd)
        raise
    return fd, status.st_size


def sweep(root: str, age: float) -> None:
    """Remove temporary files below ``root`` that were last written more than ``age`` seconds ago."""
    older_than = _file_system_time(root) - age
    for folder, _, names in os.walk(root, onerror=_raise):
        for name in names:
            if not name.startswith(TEMP_PREFIX):
                continue
            path = os.path.join(folder, name)
            with contextlib.suppress(FileNotFoundError):  # its writer was alive after all, and has just renamed it
                if os.lstat(path).st_mtime < older_than:
                    os.unlink(path)


def _file_system_time(folder: str) -> float:
    """Now, by the clock that stamps the files there (a NAS has its own); also proves that we may write."""
    fd, path = create_temporary(folder)
    try:
        return os.fstat(fd).st_mtime
    finally:
        os.close(fd)
        os.unlink(path)


def _raise(error: OSError) -> None:
    raise error
