"""A server made of a script: what it answers to each request, as packets in memory."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable

from webraid_sftp import wire as sftp
from webraid_sftp.wire import Fields, Wire, string, u32, u64

Reply = bytes | list[bytes] | None
Answer = Callable[[int, Fields], Reply]


def packet(kind: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">IB", 1 + len(body), kind) + body


def status(number: int, code: int, text: str = "") -> bytes:
    return packet(sftp.STATUS, u32(number), u32(code), string(text.encode()), string(b""))


def attributes(number: int, size: int | None = None, mode: int | None = None) -> bytes:
    flags = (0 if size is None else 1) | (0 if mode is None else 4)
    told = (b"" if size is None else u64(size)) + (b"" if mode is None else u32(mode))
    return packet(sftp.ATTRS, u32(number), u32(flags), told)


class Script:
    """The far end of a channel.  ``answers``: by type of request, what comes back: a packet, several, or none."""

    def __init__(self, answers: dict[int, Answer] | None = None, *, offers: tuple[str, ...] = (), begin: bytes = b""):
        self.answers = answers or {}
        self.asked: list[int] = []
        self._begin = begin or packet(sftp.VERSION, u32(3), *(string(name.encode()) + string(b"1") for name in offers))
        self._waiting = bytearray()
        self._replies: deque[bytes] = deque()

    def sendall(self, data: bytes, /) -> None:
        self._waiting += data
        while len(self._waiting) >= 4:
            length = int.from_bytes(self._waiting[:4], "big")
            if len(self._waiting) < 4 + length:
                return
            whole = bytes(self._waiting[4 : 4 + length])
            del self._waiting[: 4 + length]
            self._take(whole[0], whole[1:])

    def _take(self, kind: int, body: bytes) -> None:
        self.asked.append(kind)
        if kind == sftp.INIT:
            self._replies.append(self._begin)
            return
        fields = Fields(memoryview(body))
        number = fields.u32()
        reply = self.answers.get(kind, lambda number, _: status(number, 0))(number, fields)
        self._replies.extend([reply] if isinstance(reply, bytes) else reply or [])

    def recv(self, nbytes: int, /) -> bytes:
        """'' (the end) where a real server would keep us waiting."""
        return self._replies.popleft() if self._replies else b""

    def wire(self) -> Wire:
        return Wire(self)
