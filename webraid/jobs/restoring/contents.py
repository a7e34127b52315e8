"""The content of many files at once: which packs hold it, and pack by pack into the files that want it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from webraid.codec.pack import Place
from webraid.entry import Entry
from webraid.files.restored import RestoredFile
from webraid.jobs.base.context import Context
from webraid.jobs.base.known import Known
from webraid.jobs.base.reading import ChunkFailure, Wanted, read_chunks

ASK = 5000  # chunk ids looked up at a time


class Opener(Protocol):
    """Who makes files: files/restore.py."""

    def open_file(self, entry: Entry) -> RestoredFile:
        """The file of an entry that wants content."""


@dataclass(slots=True)
class _File:
    """A file whose content is on its way: ``left`` chunks are still to come."""

    entry: Entry
    left: int
    handle: RestoredFile | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """Who wants to know.  ``done(entry, in place)``: nothing more comes for it; ``lost(entry, why)``: it cannot be had;
    ``wrote(bytes)``: so much was written."""

    done: Callable[[Entry, bool], None]
    lost: Callable[[Entry, str], None]
    wrote: Callable[[int], None]


@dataclass(slots=True)
class Contents:
    """``want`` every file, then ``fetch`` once.  ``size``: bytes of all that is wanted."""

    ctx: Context
    told: Told
    size: int = 0
    files: int = 0
    _packs: dict[bytes, dict[bytes, Place]] = field(default_factory=dict)
    _uses: dict[bytes, list[tuple[_File, int]]] = field(default_factory=dict)
    _pending: list[_File] = field(default_factory=list)
    _waiting: int = 0
    _known: Known | None = None

    def want(self, entry: Entry) -> None:
        """This file's content is needed."""
        count = len(entry.chunks) // 16
        self._pending.append(_File(entry, count))
        self._waiting += count
        if self._waiting >= ASK:
            self.look_up()

    def look_up(self) -> None:
        """Find the chunks of the files gathered so far; which pack serves a chunk is settled here."""
        files, self._pending, self._waiting = self._pending, [], 0
        ids = [chunk for file in files for chunk in file.entry.chunk_ids()]
        places = self.ctx.index.find(list(dict.fromkeys(ids)))
        self._known = self._known or Known(self.ctx, 0)
        best = self._known(list(places))
        for file in files:
            offset = 0
            for chunk in file.entry.chunk_ids():
                options = places.get(chunk, [])
                if not options:
                    self._lost(file, "the table does not say where its content is")
                    break
                pack, place = next((item for item in options if item[0] == best.get(chunk)), options[0])
                self._packs.setdefault(pack, {}).setdefault(chunk, place)
                self._uses.setdefault(chunk, []).append((file, offset))
                offset += place.plain
            if not file.failed:
                self.files += 1
                self.size += offset

    def fetch(self, opener: Opener) -> None:
        """Read all of it and write it."""
        wanted = (Wanted(pack, list(places.values())) for pack, places in self._packs.items())
        for item in read_chunks(self.ctx, wanted):
            if isinstance(item, ChunkFailure):
                for place in item.places:
                    for file, _ in self._uses.pop(place.id, []):
                        self._lost(file, str(item.error))
            else:
                self._write(opener, *item)

    def _write(self, opener: Opener, place: Place, plain: bytes) -> None:
        for file, offset in self._uses.pop(place.id, []):
            if file.failed:
                continue
            if file.handle is None:
                file.handle = opener.open_file(file.entry)
            file.handle.write_stream(plain, offset)
            file.left -= 1
            if not file.left:
                self.told.done(file.entry, file.handle.finish())
                file.handle = None
            self.told.wrote(len(plain))

    def _lost(self, file: _File, reason: str) -> None:
        if file.failed:
            return
        file.failed = True
        self.told.lost(file.entry, reason)
        if file.handle is not None:
            file.handle.abandon()
            file.handle = None
