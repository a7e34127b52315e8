"""Rules for names that come from outside, and opening paths without being led astray.  Nothing here writes."""

from __future__ import annotations

import errno
import os

from webraid.entry import Entry, EntryType

NAME_MAX = 255
PATH_MAX = 4096  # of one system call, with the closing NUL; longer paths are walked in pieces
FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW
PASSAGE = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY  # to go through, not to read
NOATIME = getattr(os, "O_NOATIME", 0)

_NO_ID = (1 << 32) - 1  # chown takes it for "leave as it is"
_INT64 = 1 << 63
_SPECIAL = frozenset({EntryType.CHAR, EntryType.BLOCK})


def why_unsafe_path(path: bytes) -> str:
    """Why nothing may be written under this path; '' when it is a plain path below the target."""
    if not path:
        return "its name is empty"
    if path.startswith(b"/"):
        return "its path is absolute"
    if b"\0" in path:
        return "its name holds a NUL"
    for part in path.split(b"/"):
        if part in (b"", b".", b".."):
            return "its path holds '..', '.' or an empty part"
        if len(part) > NAME_MAX:
            return "its name is longer than 255 bytes"
    return ""


def why_unsafe(entry: Entry) -> str:
    """Why this entry is refused as a whole; '' when it may be restored.

    All that a system call would choke on, or take for something else (an owner of 2^32-1 means "leave it to root").
    """
    reason = why_unsafe_path(entry.path)
    if reason:
        return reason
    if not (0 <= entry.uid < _NO_ID and 0 <= entry.gid < _NO_ID):
        return "its owner is no valid number"
    if not 0 <= entry.mode <= 0o7777:
        return "its mode holds more than permission bits"
    if not all(-_INT64 <= time < _INT64 for time in (entry.mtime_ns, entry.atime_ns)):
        return "its times are out of range"
    if entry.type is EntryType.SYMLINK and (not entry.target or b"\0" in entry.target or len(entry.target) >= PATH_MAX):
        return "its symlink target is empty, too long or holds a NUL"
    if entry.type in _SPECIAL and not (0 <= entry.rdev_major < _NO_ID and 0 <= entry.rdev_minor < _NO_ID):
        return "its device number is out of range"
    if any(not name or b"\0" in name for name, _ in entry.xattrs):
        return "a name of its extended attributes is empty or holds a NUL"
    return _why_unsafe_extents(entry)


def _why_unsafe_extents(entry: Entry) -> str:
    if not 0 <= entry.size < _INT64:
        return "its size is out of range"
    end = 0
    for offset, length in entry.sparse:
        if offset < end or length < 0 or offset + length > entry.size:
            return "its data extents overlap or lie outside the file"
        end = offset + length
    return ""


def split(path: bytes) -> tuple[bytes, bytes]:
    """(folder, name) of an entry's path; the folder is b'' at the top."""
    folder, _, name = path.rpartition(b"/")
    return folder, name


def open_quietly(path: bytes, flags: int, dir_fd: int | None = None) -> int:
    """os.open that leaves the time of last access alone where we may (owner or root).  Raises OSError."""
    try:
        return os.open(path, flags | NOATIME, dir_fd=dir_fd)
    except PermissionError as error:
        if error.errno != errno.EPERM or not NOATIME:
            raise
        return os.open(path, flags, dir_fd=dir_fd)


def open_long(path: bytes, flags: int) -> int:
    """``open_quietly`` for an absolute path of any length: what one call cannot take is walked in pieces."""
    if len(path) < PATH_MAX:
        return open_quietly(path, flags)
    here = os.open(b"/", PASSAGE)
    rest = path.lstrip(b"/")
    try:
        while len(rest) >= PATH_MAX:
            cut = rest.rindex(b"/", 0, PATH_MAX - 1)
            deeper = os.open(rest[:cut], PASSAGE, dir_fd=here)
            os.close(here)
            here, rest = deeper, rest[cut + 1 :].lstrip(b"/")
        return open_quietly(rest, flags, dir_fd=here)
    finally:
        os.close(here)
