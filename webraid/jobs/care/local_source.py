"""Chunks and shards out of this machine's own files, as long as they are what was stored: nothing is downloaded.

A file is never believed: a chunk counts when its id fits, a shard when its SHA-256 is the one in the table.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import msgspec

from webraid.codec.chunker import chunk_id
from webraid.codec.pack import AUTO, MAX, OFF, Chunk, Place, seal_pack
from webraid.codec.shard import Shard, make_shards
from webraid.entry import CHUNK_ID, Entry, EntryType
from webraid.files.safepath import open_long
from webraid.files.sparse import stream_length, stream_to_file
from webraid.jobs.base.context import Context
from webraid.model import Pack, PackKind
from webraid.table.local import Seen

TRIES = 3  # files that are looked into for one chunk


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a chunk was when the file was read: ``offset`` in its content stream."""

    file: Entry
    offset: int


class LocalSource:
    """What the files that earlier runs of this machine have stored still hold."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._spots: dict[bytes, list[_Spot]] = {}

    def look_for(self, ids: Iterable[bytes]) -> None:
        """Find out in which files these chunks were; what was looked for before is forgotten."""
        wanted = set(ids)
        self._spots = {}
        for seen in self._ctx.local.every_seen() if wanted else ():
            chunks = _ids(seen.chunks)
            if not wanted.isdisjoint(chunks):
                self._note(seen, chunks, wanted)

    def _note(self, seen: Seen, chunks: list[bytes], wanted: Collection[bytes]) -> None:
        sizes = {chunk: found[0][1].plain for chunk, found in self._ctx.index.find(list(dict.fromkeys(chunks))).items()}
        file, offset = _file(seen), 0
        for chunk in chunks:
            if chunk in wanted and len(spots := self._spots.setdefault(chunk, [])) < TRIES:
                spots.append(_Spot(file, offset))
            if chunk not in sizes:  # where the next one begins is not known
                return
            offset += sizes[chunk]

    def chunk(self, place: Place) -> bytes | None:
        """The plaintext of a chunk that was looked for; None where no file has it any more."""
        for spot in self._spots.get(place.id, ()):
            plain = read_stream(spot.file.path, spot.file, spot.offset, place.plain)
            if plain is not None and chunk_id(self._ctx.identity.root.id, plain) == place.id:
                return plain
        return None

    def shards(self, pack: Pack, indices: Collection[int], *, md5: bool) -> dict[int, Shard] | None:
        """Shards of a data pack exactly as they were stored, sealed anew from local files; None where that fails.

        The keys of a pack follow from its id, so its bytes are the same again; should another release of the compressor
        make others of them, the hash tells, and what was made is thrown away: nothing of it leaves this machine.
        """
        places = self._ctx.index.places(pack.id)
        if pack.kind is not PackKind.DATA or not places or any(place.id not in self._spots for place in places):
            return None
        chunks: list[Chunk] = []
        for place in places:  # in the pack's own order
            plain = self.chunk(place)
            if plain is None:
                return None
            chunks.append(Chunk(place.id, place.kind, plain))
        for compression in (AUTO, MAX) if any(place.compressed for place in places) else (OFF,):
            for root in self._ctx.identity.root.every():
                sealed = seal_pack(
                    root.data, self._ctx.pool, pack.id, chunks, shuffle=None, compression=compression
                )  # fmt: skip
                if len(sealed.data) != pack.length or sealed.places != places:
                    break  # that was not how it was compressed
                made = self._made(pack, sealed.data, indices, md5=md5)
                if made is not None:
                    return made
        return None

    def _made(self, pack: Pack, data: bytearray, indices: Collection[int], *, md5: bool) -> dict[int, Shard] | None:
        made = make_shards(self._ctx.pool, pack.id, pack.kind, pack.geometry, data, md5=md5, verify=False)
        found = {shard.index: shard for shard in made if shard.index in indices}
        good = all(shard.sha256 == pack.shards[shard.index] for shard in found.values())
        return found if good and len(found) == len(set(indices)) else None


def _ids(chunks: bytes) -> list[bytes]:
    return [chunks[i : i + CHUNK_ID] for i in range(0, len(chunks), CHUNK_ID)]


def _file(seen: Seen) -> Entry:
    holes = msgspec.msgpack.decode(seen.sparse, type=tuple[tuple[int, int], ...]) if seen.sparse else ()
    return Entry(
        path=seen.path, type=EntryType.FILE, size=seen.size, mtime_ns=seen.mtime_ns, ctime_ns=seen.ctime_ns,
        inode=seen.inode, device_id=seen.device, sparse=holes,
    )  # fmt: skip


def read_stream(path: bytes, file: Entry, offset: int, size: int) -> bytes | None:
    """``size`` bytes of a file's content stream from ``offset`` (holes left out, as ``file`` says where they are).

    None where the file is gone, shorter, no regular file or not to be read.
    """
    try:
        descriptor = open_long(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, descriptor)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            parts = [_pread(descriptor, at, length) for at, length in stream_to_file(file, offset, size)]
        except OSError:
            return None
    data = b"".join(parts)
    return data if len(data) == size else None


def _pread(descriptor: int, offset: int, size: int) -> bytes:
    parts = []
    while size and (part := os.pread(descriptor, size, offset)):
        parts.append(part)
        offset, size = offset + len(part), size - len(part)
    return b"".join(parts)


def compare_chunks(ctx: Context, path: bytes, entry: Entry, places: dict[bytes, Place]) -> bool:
    """Whether the file at ``path`` holds exactly the content that ``entry`` names, chunk by chunk."""
    offset = 0
    for chunk in entry.chunk_ids():
        plain = read_stream(path, entry, offset, places[chunk].plain)
        if plain is None or chunk_id(ctx.identity.root.id, plain) != chunk:
            return False
        offset += len(plain)
    return offset == stream_length(entry)
