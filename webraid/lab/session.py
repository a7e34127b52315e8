"""HTTP on one connection of a cloud: takes requests off the wire one by one, has them answered, sends the answers."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from webraid.lab.body import Body
from webraid.lab.http import Answer, Chunked, FilePart, Request, parse_head, refuse
from webraid.lab.link import Link
from webraid.lab.s3server import answer, operation
from webraid.lab.wire import READ, Lane

MAX_HEAD = 64 * 1024
_LOG = logging.getLogger(__name__)


class Line(Protocol):
    """The connection as its session sees it: bytes come up and go down, or all ends at once."""

    up: Lane
    down: Lane

    def may_send(self) -> bool: ...
    def abort(self) -> None: ...


@dataclass(slots=True)
class Exchange:
    """The request under way.  ``left``: bytes of the body to come, None when it is chunked; ``slower``: the tail."""

    request: Request
    body: Body
    left: int | None
    framing: Chunked | None
    early: Answer | None
    slower: float
    answering: bool = False


@dataclass(slots=True)
class Sending:
    """A file on its way out.  ``flip``: the byte that is sent wrong, from here; None: all right."""

    file: BinaryIO
    left: int
    flip: int | None
    close: bool


class Session:
    """Answers requests in the order they come; the next one is looked at when the last byte of an answer is sent."""

    def __init__(self, link: Link, line: Line) -> None:
        self._link, self._line = link, line
        self._input = bytearray()
        self._exchange: Exchange | None = None
        self._sending: Sending | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._eof = False
        self.ended = False

    def data(self, data: bytes | None) -> None:
        """Bytes off the wire; None: the client will send no more."""
        with self._or_reset():
            if data is None:
                self._eof = True
            else:
                self._input += data
            self._step()

    def room(self) -> None:
        """The wire takes more of the file that is being sent."""
        with self._or_reset():
            self._pump()
            self._step()

    def gone(self) -> None:
        """The connection is lost: leave nothing behind."""
        self.ended = True
        if self._timer:
            self._timer.cancel()
        if self._exchange:
            self._exchange.body.discard()
        if self._sending:
            self._sending.file.close()
        self._exchange = self._sending = None

    # ------------------------------------------------------------------------------------------------------------- in
    def _step(self) -> None:
        """As far as the bytes at hand lead."""
        while not self.ended and self._advance():
            pass
        idle = self._exchange is None or not self._exchange.answering
        if self._eof and idle and not self.ended and not self._sending:
            self._end()

    def _advance(self) -> bool:
        exchange = self._exchange
        if self._sending or (exchange and exchange.answering):
            return False
        if exchange:
            return self._take_body(exchange)
        return self._take_head()

    def _take_head(self) -> bool:
        while self._input.startswith(b"\r\n"):
            del self._input[:2]
        end = self._input.find(b"\r\n\r\n")
        if end < 0 or end > MAX_HEAD:
            if len(self._input) > MAX_HEAD:
                self._send(refuse(431, "RequestHeaderSectionTooLarge"), "GET", close=True)
            return False
        request = parse_head(bytes(self._input[:end]))
        del self._input[: end + 4]
        if isinstance(request, Answer):
            self._send(request, "GET", close=True)
            return False
        self._begin(request)
        return True

    def _begin(self, request: Request) -> None:
        link = self._link
        early = link.admit(request)
        to_file = early is None and operation(request) in ("PutObject", "UploadPart")
        body = Body(request, link.store.new_file() if to_file else None)
        slower = max(1.0, link.spec.tail_factor) if link.chance(link.spec.tail_rate) else 1.0
        framing = Chunked() if request.chunked else None
        left = None if framing else request.content_length
        self._exchange = Exchange(request, body, left, framing, early, slower)
        if slower > 1:
            link.count["slowed"] += 1
            self._line.up.slow_down(slower)
            self._line.down.slow_down(slower)
        if request.headers.get("expect", "").lower() == "100-continue":
            if early:  # no body will follow, or one that is not wanted: only a new connection makes that clear
                request.keep_alive = False
                self._exchange.left, self._exchange.framing = 0, None
            else:
                self._line.down.push(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _take_body(self, exchange: Exchange) -> bool:
        """True when there may be more to do at once."""
        if exchange.framing:
            data = exchange.framing.feed(bytes(self._input))
            self._input.clear()
            if exchange.framing.broken:
                exchange.early, exchange.request.keep_alive = refuse(400, "IncompleteBody"), False
            complete = exchange.framing.done or exchange.framing.broken
            if complete:
                self._input += exchange.framing.rest
        else:
            data = bytes(self._input[: exchange.left])
            del self._input[: len(data)]
            exchange.left = (exchange.left or 0) - len(data)
            complete = exchange.left == 0
        if exchange.early is None:
            exchange.body.feed(data)
        if complete:
            exchange.answering = True
            delay = self._link.think(exchange.slower)
            if delay:
                self._timer = self._link.loop.call_later(delay, self._thought)
            else:
                self._answer(exchange)
        return complete

    # ------------------------------------------------------------------------------------------------------------ out
    def _thought(self) -> None:
        """The time it takes to answer has passed."""
        with self._or_reset():
            if self._exchange:
                self._answer(self._exchange)
            self._step()

    def _answer(self, exchange: Exchange) -> None:
        link = self._link
        try:
            said = exchange.early or exchange.body.finish() or answer(link, exchange.request, exchange.body)
        except OSError as error:  # the disk under the lab is full, or somebody moved a folder away just now
            _LOG.exception("the lab's own disk failed")
            said = refuse(500, "InternalError", error.strerror or "")
        exchange.body.discard()
        self._exchange = None
        if not exchange.early and link.chance(link.spec.lost_rate):
            link.count["lost"] += 1
            self._line.abort()
            return
        self._send(said, exchange.request.method, close=not exchange.request.keep_alive)

    def _send(self, said: Answer, method: str, *, close: bool) -> None:
        said.close = said.close or close
        date = email.utils.formatdate(self._link.now(), usegmt=True)
        head = said.head(date=date, request_id=f"{self._link.count['requests']:016X}")
        body: bytes | FilePart = b"" if method == "HEAD" or not said.length else said.body
        if isinstance(body, FilePart):
            self._sending = self._open(body, said.close)
            self._line.down.push(head)
            self._pump()
        else:
            self._line.down.push(head + body)
            self._after_answer(said.close)

    def _pump(self) -> None:
        while self._sending and self._line.may_send():
            self._send_some(self._sending)

    def _open(self, part: FilePart, close: bool) -> Sending:
        link, flip = self._link, None
        if link.chance(link.spec.corrupt_rate):
            link.count["corrupted"] += 1
            flip = link.rng.randrange(part.length)
        file = part.path.open("rb", buffering=0)
        file.seek(part.offset)
        return Sending(file, part.length, flip, close)

    def _send_some(self, sending: Sending) -> None:
        data = bytearray(sending.file.read(min(READ, sending.left)))
        if not data:  # the file was cut short by hand while we sent it
            sending.file.close()
            self._line.abort()
            return
        if sending.flip is not None:
            if sending.flip < len(data):
                data[sending.flip] ^= 1
            sending.flip = sending.flip - len(data) if sending.flip >= len(data) else None
        sending.left -= len(data)
        self._line.down.push(bytes(data))
        if not sending.left:
            sending.file.close()
            self._sending = None
            self._after_answer(sending.close)

    def _after_answer(self, close: bool) -> None:
        self._line.up.slow_down(1)
        self._line.down.slow_down(1)
        if close:
            self._end()

    def _end(self) -> None:
        """Say no more; the connection closes once what was said has arrived."""
        self.ended = True
        if self._exchange:
            self._exchange.body.discard()
            self._exchange = None
        self._line.down.push(None)

    @contextlib.contextmanager
    def _or_reset(self) -> Iterator[None]:
        """A bug in here must look like a broken connection, never like a slow cloud; the event loop logs it."""
        well = False
        try:
            yield
            well = True
        finally:
            if not well:
                self._line.abort()
