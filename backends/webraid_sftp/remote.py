"""A server's files: whole ones written and read with many requests under way, folders walked, room asked for.

Paths are bytes as they go over the wire.  Raises BackendErrors for what the server says.
"""

from __future__ import annotations

import contextlib
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from webraid.errors import ObjectNotFound, ProtocolError, Unavailable, Unsupported
from webraid.model import Usage
from webraid_sftp import wire as sftp
from webraid_sftp.wire import Attributes, Wire, mode, string, u32, u64

FSYNC, STATVFS, POSIX_RENAME, LIMITS = (
    f"{name}@openssh.com" for name in ("fsync", "statvfs", "posix-rename", "limits")
)
_SMALL = 32 << 10  # bytes a request that every server takes (draft-ietf-secsh-filexfer-02, section 3)
_LARGE = 128 << 10  # where the server says so; larger ones are no faster
_AHEAD = 4 << 20  # bytes that are under way at once: a whole shard ...
_REQUESTS = 64  # ... in so many requests, as OpenSSH's own client has it
_GUESS = 256 << 10  # bytes that are asked for before the size is known
_FOLDERS = 16  # that are read at once


@dataclass(frozen=True, slots=True)
class Entry:
    """What a folder holds: its name and attributes."""

    name: str
    attributes: Attributes


class Remote:
    """The files behind a session."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.offers = set(wire.extensions)
        self._request = _SMALL
        if LIMITS in self.offers:
            with contextlib.suppress(Unsupported):
                self._request = self._limit()
        self._ahead = max(1, min(_REQUESTS, _AHEAD // self._request))

    def _limit(self) -> int:
        """Bytes that a read or write may have.  A 0 says: no limit."""
        fields = self.wire.ask(sftp.EXTENDED, sftp.EXTENDED_REPLY, string(LIMITS.encode()))
        fields.u64()
        return min(limit for limit in (fields.u64(), fields.u64(), _LARGE) if limit)

    # --------------------------------------------------------------------------------------------------------- whole
    def write(self, path: bytes, data: memoryview) -> None:
        """Make the file ``path``, which must not be there yet, durable where the server can do that.  Removed again
        where that fails."""
        handle = self._open(path, sftp.FOR_CREATING, mode(0o600))
        try:
            self._fill(handle, path, data)
        except BaseException:
            self.remove_unheard(path)
            raise

    def _fill(self, handle: bytes, path: bytes, data: memoryview) -> None:
        try:
            self._write_all(handle, data)
            self._sync(handle)
        except BaseException:
            self._forget(sftp.CLOSE, string(handle))
            raise
        # Both at once; closing may be what tells of a failed write, and some servers tell the size only afterwards.
        closing = self.wire.send(sftp.CLOSE, string(handle))
        size_told = self.wire.send(sftp.LSTAT, string(path))
        with self._not_awaited(size_told):
            self.wire.answer(closing, sftp.STATUS)
        size = self.wire.answer(size_told, sftp.ATTRS).attributes().size
        if size != len(data):
            size = self.lstat(path).size
        if size != len(data):
            raise Unavailable(f"of {len(data)} bytes the server stored {size}", provider_code="size")

    def read(self, path: bytes, offset: int, size: int | None, name: str) -> bytes:
        """``size`` bytes from ``offset`` (None: to the end).  ObjectNotFound where it is no file; ProtocolError past
        the end."""
        handle = self._open(path, sftp.FOR_READING, u32(0))
        try:
            return _Reading(self.wire, handle, self._request, self._ahead, name).run(offset, size)
        finally:
            self._forget(sftp.CLOSE, string(handle))

    def _open(self, path: bytes, flags: int, attributes: bytes) -> bytes:
        return bytes(self.wire.ask(sftp.OPEN, sftp.HANDLE, string(path), u32(flags), attributes).string())

    def _write_all(self, handle: bytes, data: memoryview) -> None:
        begin, pending = string(handle), deque[int]()
        try:
            for at in range(0, len(data), self._request):
                if len(pending) == self._ahead:
                    self.wire.answer(pending.popleft(), sftp.STATUS)
                part = data[at : at + self._request]
                pending.append(self.wire.send(sftp.WRITE, begin, u64(at), u32(len(part)), part))
            while pending:
                self.wire.answer(pending.popleft(), sftp.STATUS)
        finally:
            self.wire.forget(pending)

    def _sync(self, handle: bytes) -> None:
        if FSYNC not in self.offers:
            return
        try:
            self.wire.do(sftp.EXTENDED, string(FSYNC.encode()), string(handle))
        except Unsupported:
            self.offers.discard(FSYNC)

    # -------------------------------------------------------------------------------------------------- single steps
    @property
    def replaces(self) -> bool:
        """Whether a rename onto what is there already is offered."""
        return POSIX_RENAME in self.offers

    def rename(self, old: bytes, new: bytes) -> None:
        """Onto what is there already where the server offers that; else that is its FAILURE, or it overwrites."""
        if POSIX_RENAME in self.offers:
            try:
                return self.wire.do(sftp.EXTENDED, string(POSIX_RENAME.encode()), string(old), string(new))
            except Unsupported:
                self.offers.discard(POSIX_RENAME)
        return self.wire.do(sftp.RENAME, string(old), string(new))

    def remove(self, path: bytes) -> None:
        self.wire.do(sftp.REMOVE, string(path))

    def remove_unheard(self, path: bytes) -> None:
        """Whatever comes of it."""
        self._forget(sftp.REMOVE, string(path))

    def make_folder(self, path: bytes) -> None:
        self.wire.do(sftp.MKDIR, string(path), mode(0o700))

    def remove_folder(self, path: bytes) -> None:
        """One that is empty."""
        self.wire.do(sftp.RMDIR, string(path))

    def lstat(self, path: bytes) -> Attributes:
        """Of a link: its own."""
        return self.wire.ask(sftp.LSTAT, sftp.ATTRS, string(path)).attributes()

    def stat(self, path: bytes) -> Attributes:
        """Of a link: of what it leads to."""
        return self.wire.ask(sftp.STAT, sftp.ATTRS, string(path)).attributes()

    def absolute(self, path: bytes) -> str:
        """What ``path`` is from / on."""
        fields = self.wire.ask(sftp.REALPATH, sftp.NAME, string(path))
        if fields.u32() != 1:
            raise ProtocolError("the server gives no path where one was asked for")
        return fields.text()

    def room(self, path: bytes) -> Usage:
        """Of the file system there, as far as this login may use it; nothing where the server does not tell."""
        if STATVFS not in self.offers:
            return Usage()
        try:
            told = self.wire.ask(sftp.EXTENDED, sftp.EXTENDED_REPLY, string(STATVFS.encode()), string(path))
        except Unsupported:
            self.offers.discard(STATVFS)
            return Usage()
        told.u64()
        unit, blocks, free, available, files, _, files_available = (told.u64() for _ in range(7))
        if not unit or not blocks:  # a server that does not know says so by zeros
            return Usage()
        used, total = max(0, blocks - free) * unit, blocks * unit
        return Usage(used=used, free=0 if files and not files_available else available * unit, total=total)

    # -------------------------------------------------------------------------------------------------------- folders
    def folders(self, paths: list[bytes]) -> Iterator[tuple[bytes, list[Entry] | None]]:
        """Each of ``paths`` with what it holds; None where it is no folder."""
        for at in range(0, len(paths), _FOLDERS):
            yield from self._read_folders(paths[at : at + _FOLDERS])

    def _read_folders(self, paths: list[bytes]) -> Iterator[tuple[bytes, list[Entry] | None]]:
        found: dict[bytes, list[Entry] | None] = {}
        handles: dict[bytes, bytes] = {}
        opening = deque((path, self.wire.send(sftp.OPENDIR, string(path))) for path in paths)
        try:
            while opening:
                path, number = opening.popleft()
                found[path] = None
                with contextlib.suppress(ObjectNotFound):
                    handles[path] = bytes(self.wire.answer(number, sftp.HANDLE).string())
                    found[path] = []
            self._read_on(handles, found)
        finally:
            self.wire.forget(number for _, number in opening)
            for handle in handles.values():
                self._forget(sftp.CLOSE, string(handle))
        yield from found.items()

    def _read_on(self, handles: dict[bytes, bytes], found: dict[bytes, list[Entry] | None]) -> None:
        """Fill ``found`` until all folders have come to their ends."""
        left = dict(handles)
        while left:
            asked = deque((path, self.wire.send(sftp.READDIR, string(left[path]))) for path in left)
            try:
                while asked:
                    path, number = asked.popleft()
                    entries = found[path]
                    try:
                        fields = self.wire.maybe(number, sftp.NAME)
                    except ObjectNotFound:  # some servers look for a folder only when it is read
                        fields = found[path] = None
                    if fields is None or entries is None:
                        del left[path]
                        continue
                    for _ in range(fields.u32()):
                        name = fields.text()
                        fields.string()  # what 'ls -l' would print
                        entries.append(Entry(name, fields.attributes()))
            finally:
                self.wire.forget(number for _, number in asked)

    # -------------------------------------------------------------------------------------------------------- inside
    def _forget(self, kind: int, *parts: bytes) -> None:
        """A request whose answer nobody waits for."""
        if not self.wire.broken:
            self.wire.forget([self.wire.send(kind, *parts)])

    @contextlib.contextmanager
    def _not_awaited(self, number: int) -> Iterator[None]:
        """Where the block raises, nobody will fetch the answer ``number``."""
        try:
            yield
        except BaseException:
            self.wire.forget([number])
            raise


class _Reading:
    """One read of a file that is open: what is under way, and the bytes that came."""

    def __init__(self, wire: Wire, handle: bytes, request: int, ahead: int, name: str) -> None:
        self._wire = wire
        self._handle = string(handle)
        self._request = request
        self._ahead = ahead
        self._name = name
        self._pending: deque[tuple[int, int, int]] = deque()  # (number, offset, bytes), in the order of the bytes
        self._parts: list[memoryview] = []

    def run(self, offset: int, size: int | None) -> bytes:
        """The first reads go out together with the question how large the file is."""
        asked = self._wire.send(sftp.FSTAT, self._handle)
        try:
            at = self._send(offset, offset + (_GUESS if size is None else size))
            end = self._end(self._wire.answer(asked, sftp.ATTRS).attributes(), offset, size)
            while self._pending or at < end:
                at = self._send(at, end)
                self._receive(end)
        finally:
            self._wire.forget((asked, *(number for number, _, _ in self._pending)))
        return b"".join(self._parts)

    def _send(self, at: int, end: int) -> int:
        """Ask for what lies from ``at`` on, as far as may be under way; where that ended."""
        while at < end and len(self._pending) < self._ahead:
            count = min(self._request, end - at)
            self._pending.append((self._read(at, count), at, count))
            at += count
        return at

    def _read(self, at: int, count: int) -> int:
        return self._wire.send(sftp.READ, self._handle, u64(at), u32(count))

    def _receive(self, end: int) -> None:
        """The next answer; what lies past ``end`` was guessed, and is let go."""
        number, at, count = self._pending.popleft()
        fields = self._wire.maybe(number, sftp.DATA)
        wanted = max(0, min(count, end - at))
        part = fields.string()[:wanted] if fields else memoryview(b"")
        if wanted and not part:
            raise Unavailable("the file got shorter while it was read", key=self._name)
        self._parts.append(part)
        if len(part) < wanted:  # some servers give less than was asked for
            at, count = at + len(part), wanted - len(part)
            self._pending.appendleft((self._read(at, count), at, count))

    def _end(self, told: Attributes, offset: int, size: int | None) -> int:
        if told.mode is not None and not stat.S_ISREG(told.mode):
            raise ObjectNotFound("no such object", key=self._name)
        if told.size is None:
            raise ProtocolError("the server does not tell how large a file is", key=self._name)
        end = told.size if size is None else offset + size
        if not offset <= end <= told.size:
            raise ProtocolError(f"the range begins at {offset}, the object has {told.size} bytes", key=self._name)
        return end
