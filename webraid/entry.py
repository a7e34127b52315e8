"""One file, folder or link of a snapshot: what the scanner finds, the tree keeps and the restorer writes."""

from __future__ import annotations

from enum import StrEnum

import msgspec

CHUNK_ID = 16  # bytes of a chunk id


class EntryType(StrEnum):
    """What kind of directory entry it is."""

    FILE = "f"
    DIR = "d"
    SYMLINK = "l"
    FIFO = "p"
    CHAR = "c"
    BLOCK = "b"
    SOCKET = "s"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a Unix file has.

    ``path``: relative to the snapshot's root, '/'-separated raw bytes, never absolute, no empty, '.' or '..' parts.
    ``hardlink``: path of the first entry of the same hard-link group in this snapshot (b'' if none); that one carries
    the content.  ``sparse``: data extents (offset, length) where the file has holes, else ().  ``chunks``: the ids of
    the content's chunks, 16 bytes each, in order; for a sparse file the content is its extents end to end.
    Times in nanoseconds since the epoch, sizes in bytes.
    """

    path: bytes
    type: EntryType
    mode: int = 0
    uid: int = 0
    gid: int = 0
    user: str = ""
    group: str = ""
    mtime_ns: int = 0
    ctime_ns: int = 0
    atime_ns: int = 0
    size: int = 0
    target: bytes = b""
    inode: int = 0
    device_id: int = 0
    nlink: int = 1
    hardlink: bytes = b""
    rdev_major: int = 0
    rdev_minor: int = 0
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    sparse: tuple[tuple[int, int], ...] = ()
    chunks: bytes = b""

    def __repr__(self) -> str:
        return f"Entry(type={self.type.value!r})"  # names belong in no log

    def chunk_ids(self) -> list[bytes]:
        """The 16-byte ids in the content's order."""
        return [self.chunks[i : i + CHUNK_ID] for i in range(0, len(self.chunks), CHUNK_ID)]


def sort_key(path: bytes) -> bytes:
    """Order of entries: a folder's content directly follows it ('/' sorts before every other byte of a name)."""
    return path.replace(b"/", b"\0")
