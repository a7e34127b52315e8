"""Whether a file on this machine is, byte for byte, what an entry tells of: its chunks are read and named anew."""

from __future__ import annotations

import os
from collections.abc import Iterator

from webraid.codec.chunker import chunk_id
from webraid.entry import Entry
from webraid.files.folders import Folders
from webraid.files.problem import words
from webraid.files.safepath import open_quietly, split
from webraid.files.sparse import extents, stream_to_file
from webraid.jobs.base.context import Context

_PIECE = 1 << 20


def same_content(ctx: Context, entry: Entry, fd: int) -> bool:
    """Compare an open file with its entry; False, too, where the table does not know a chunk.  Raises OSError."""
    if os.fstat(fd).st_size != entry.size:
        return False
    ids = entry.chunk_ids()
    lengths = {chunk: found[0][1].plain for chunk, found in ctx.index.find(list(dict.fromkeys(ids))).items() if found}
    offset = 0
    for chunk in ids:
        length = lengths.get(chunk)
        if length is None or chunk_id(ctx.identity.root.id, _stream(entry, fd, offset, length)) != chunk:
            return False
        offset += length
    return all(not any(part) for part in _gaps(entry, fd))


def read_back(ctx: Context, entry: Entry, folders: Folders) -> str:
    """What is wrong with a restored file; '' when nothing is."""
    parent, name = split(entry.path)
    try:
        with folders.at(parent) as folder:
            fd = open_quietly(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        try:
            _let_go(fd)
            return "" if same_content(ctx, entry, fd) else "what is read back is not what the snapshot holds"
        finally:
            os.close(fd)
    except OSError as error:
        return f"it could not be read back: {words(error)}"


def _let_go(fd: int) -> None:
    """What is read next comes from the disk and not from memory, where the system can be asked for that."""
    os.fsync(fd)
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def _stream(entry: Entry, fd: int, offset: int, length: int) -> bytes:
    return b"".join(_read(fd, start, size) for start, size in stream_to_file(entry, offset, length))


def _read(fd: int, offset: int, size: int) -> bytes:
    parts = []
    while size and (part := os.pread(fd, size, offset)):
        parts.append(part)
        offset, size = offset + len(part), size - len(part)
    return b"".join(parts)


def _gaps(entry: Entry, fd: int) -> Iterator[bytes]:
    """What lies in the holes: zeros, if all is well."""
    if not entry.sparse:
        return
    end = 0
    for offset, length in [*extents(entry), (entry.size, 0)]:
        for start in range(end, offset, _PIECE):
            yield os.pread(fd, min(_PIECE, offset - start), start)
        end = offset + length
