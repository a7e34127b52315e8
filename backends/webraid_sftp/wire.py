"""The SFTP protocol, version 3 (draft-ietf-secsh-filexfer-02, and OpenSSH's PROTOCOL for what ends in @openssh.com).

Paramiko's own client is not used: it forgets which extensions a server offered and which status it gave, starts a
thread for each read, and reads four files at once at a third of this rate (docs/backends/sftp.md has the figures).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from webraid.errors import Misconfigured, ProtocolError, Unavailable
from webraid_sftp.status import EOF, OK, from_status

INIT, VERSION, OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT = 1, 2, 3, 4, 5, 6, 7, 8
OPENDIR, READDIR, REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME = 11, 12, 13, 14, 15, 16, 17, 18
STATUS, HANDLE, DATA, NAME, ATTRS, EXTENDED, EXTENDED_REPLY = 101, 102, 103, 104, 105, 200, 201
FOR_READING, FOR_CREATING = 0x01, 0x02 | 0x08 | 0x20  # FOR_CREATING: write, create, and never what is there already

_VERSION = 3
_LARGEST = 64 << 20  # bytes of a packet; more is no SFTP
_RECEIVE = 1 << 20
_SIZE, _OWNER, _MODE, _TIMES, _EXTENDED = 0x1, 0x2, 0x4, 0x8, 0x80000000


class Pipe(Protocol):
    """What is needed of a channel."""

    def sendall(self, data: bytes, /) -> None: ...

    def recv(self, nbytes: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Attributes:
    """Of a file, as far as the server tells: bytes, st_mode, seconds since the epoch."""

    size: int | None = None
    mode: int | None = None
    mtime: int | None = None


def string(value: bytes | memoryview) -> bytes:
    return b"".join((len(value).to_bytes(4, "big"), value))


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "big")


def mode(value: int) -> bytes:
    """Attributes that say nothing but st_mode."""
    return u32(_MODE) + u32(value)


class Fields:
    """The fields of an answer, one after the other.  Raises ProtocolError past its end."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def _take(self, count: int) -> memoryview:
        end = self._at + count
        if end > len(self._data):
            raise ProtocolError("an answer of the server ends too early: this is no SFTP")
        part, self._at = self._data[self._at : end], end
        return part

    def u32(self) -> int:
        return int.from_bytes(self._take(4), "big")

    def u64(self) -> int:
        return int.from_bytes(self._take(8), "big")

    def string(self) -> memoryview:
        return self._take(self.u32())

    def text(self) -> str:
        return bytes(self.string()).decode(errors="replace")

    def attributes(self) -> Attributes:
        flags = self.u32()
        size = self.u64() if flags & _SIZE else None
        if flags & _OWNER:
            self._take(8)
        mode = self.u32() if flags & _MODE else None
        mtime = None
        if flags & _TIMES:
            self._take(4)
            mtime = self.u32()
        if flags & _EXTENDED:
            for _ in range(2 * self.u32()):
                self.string()
        return Attributes(size, mode, mtime)


class Wire:
    """One SFTP session.  Requests may be sent ahead; each answer is fetched by its request's number.

    ``extensions``: what the server offers.  ``broken``: it cannot be used any more, since a request got no answer or
    one that makes no sense.  Raises BackendErrors for what the server says; the channel's errors come out as they are.
    """

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._buffer = bytearray()
        self._number = 0
        self._waiting: set[int] = set()  # requests without an answer
        self._unwanted: set[int] = set()  # those of them whose answers nobody will fetch
        self._early: dict[int, tuple[int, memoryview]] = {}
        self.broken = False
        self.extensions = self._begin()

    # ------------------------------------------------------------------------------------------------------ requests
    def send(self, kind: int, *parts: bytes | memoryview) -> int:
        """Send a request; the number by which its answer is fetched."""
        self._number = self._number % 0xFFFFFFFF + 1
        self._put(kind, u32(self._number), *parts)
        self._waiting.add(self._number)
        return self._number

    def forget(self, numbers: Iterable[int]) -> None:
        """Nobody will fetch these answers.  Those that were fetched already do not matter."""
        for number in numbers:
            self._early.pop(number, None)
            if number in self._waiting:
                self._unwanted.add(number)

    def maybe(self, number: int, kind: int) -> Fields | None:
        """The answer to a request, which must be of ``kind``; None at the end of a file or folder."""
        got, body = self._fetch(number)
        fields = Fields(body)
        if got == STATUS:
            code = fields.u32()
            if code == EOF:
                return None
            if code != OK:
                raise from_status(code, fields.text() if fields else "")
        if got != kind:
            self.broken = True
            raise ProtocolError(f"the server answers with a packet of type {got}, where {kind} belongs")
        return fields

    def answer(self, number: int, kind: int) -> Fields:
        """The same where there is no end to come to."""
        fields = self.maybe(number, kind)
        if fields is None:
            raise from_status(EOF, "")
        return fields

    def ask(self, request: int, answer: int, *parts: bytes | memoryview) -> Fields:
        """A request and its answer."""
        return self.answer(self.send(request, *parts), answer)

    def do(self, request: int, *parts: bytes | memoryview) -> None:
        """A request that is answered by its success alone."""
        self.ask(request, STATUS, *parts)

    # -------------------------------------------------------------------------------------------------------- inside
    def _begin(self) -> dict[str, bytes]:
        self._put(INIT, u32(_VERSION))
        kind, body = self._packet()
        if kind != VERSION:
            self.broken = True
            raise ProtocolError("the server does not begin as SFTP does")
        fields = Fields(body)
        fields.u32()
        offered: dict[str, bytes] = {}
        while fields:
            name = fields.text()
            offered[name] = bytes(fields.string())
        return offered

    def _fetch(self, number: int) -> tuple[int, memoryview]:
        if number in self._early:
            return self._early.pop(number)
        while True:
            kind, body = self._packet()
            told = int.from_bytes(body[:4], "big")
            if told not in self._waiting:
                self.broken = True
                raise ProtocolError("the server answers what was not asked")
            self._waiting.remove(told)
            if told == number:
                return kind, body[4:]
            if told in self._unwanted:
                self._unwanted.remove(told)
            else:
                self._early[told] = (kind, body[4:])

    def _put(self, kind: int, *parts: bytes | memoryview) -> None:
        length = 1 + sum(len(part) for part in parts)
        self.broken = True  # unless it goes out whole
        self._pipe.sendall(b"".join((struct.pack(">IB", length, kind), *parts)))
        self.broken = False

    def _packet(self) -> tuple[int, memoryview]:
        """(type, body) of the next packet."""
        self.broken = True  # unless it comes whole
        self._fill(4)
        length = int.from_bytes(self._buffer[:4], "big")
        if not 5 <= length <= _LARGEST:
            raise (
                ProtocolError("a packet of the server has an impossible length")
                if self._number
                else Misconfigured(
                    "what answers is not SFTP: the login may print a greeting",
                    hint="Nothing may be printed at that login: move it out of its start-up files (.bashrc, .profile).",
                )
            )
        self._fill(4 + length)
        packet = bytes(memoryview(self._buffer)[4 : 4 + length])
        del self._buffer[: 4 + length]
        self.broken = False
        return packet[0], memoryview(packet)[1:]

    def _fill(self, count: int) -> None:
        while len(self._buffer) < count:
            more = self._pipe.recv(_RECEIVE)
            if not more:
                raise Unavailable("the server ended the connection")
            self._buffer += more
