"""HTTP/1.1 as the simulated clouds speak it: requests, answers, chunked framing.  Bytes only, no sockets."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

REASONS = {
    100: "Continue", 200: "OK", 204: "No Content", 206: "Partial Content", 304: "Not Modified", 400: "Bad Request",
    403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 411: "Length Required",
    412: "Precondition Failed", 413: "Content Too Large", 416: "Range Not Satisfiable", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented",
    503: "Service Unavailable", 507: "Insufficient Storage",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class FilePart:
    """A piece of a file as a body: ``length`` bytes from ``offset``."""

    path: Path
    offset: int
    length: int


@dataclass(slots=True)
class Answer:
    """What a cloud says to one request.  ``close``: and ends the connection after it."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | FilePart = b""
    close: bool = False

    def head(self, *, date: str, request_id: str) -> bytes:
        """The status line and the headers."""
        lines = {"Server": "webraid-lab", "Date": date, "x-amz-request-id": request_id, **self.headers}
        if self.status not in (204, 304):
            lines["Content-Length"] = str(self.length)
        if self.close:
            lines["Connection"] = "close"
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"HTTP/1.1 {self.status} {REASONS[self.status]}\r\n{text}\r\n".encode("latin-1", "replace")

    @property
    def length(self) -> int:
        return self.body.length if isinstance(self.body, FilePart) else len(self.body)


def refuse(status: int, code: str, message: str = "", **headers: str) -> Answer:
    """An error in S3's form.  Underscores in the names of ``headers`` become dashes."""
    text = f"<Error><Code>{code}</Code><Message>{escape(message or code)}</Message></Error>"
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"Content-Type": "application/xml", **more}, _xml(text))


def document(text: str) -> Answer:
    """200 with XML."""
    return Answer(200, {"Content-Type": "application/xml"}, _xml(text))


def escape(text: str) -> str:
    """As the text of an XML element."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _xml(text: str) -> bytes:
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + text).encode()


@dataclass(slots=True)
class Request:
    """One request's head.  ``path`` is as sent (percent-encoded), ``bucket`` and ``key`` are decoded."""

    method: str
    path: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str] = field(repr=False)
    keep_alive: bool = True

    @property
    def chunked(self) -> bool:
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    @property
    def aws_chunked(self) -> bool:
        """S3's own framing inside the body."""
        streaming = self.headers.get("x-amz-content-sha256", "").startswith("STREAMING-")
        return streaming or "aws-chunked" in self.headers.get("content-encoding", "")

    @property
    def content_length(self) -> int:
        return int(self.headers.get("content-length") or 0)

    @property
    def object_length(self) -> int:
        """Bytes of the object itself as announced (0 where nothing is)."""
        return int(self.headers.get("x-amz-decoded-content-length") or 0) or self.content_length


def parse_head(raw: bytes) -> Request | Answer:
    """The bytes before the empty line as a Request, or the refusal (which ends the connection)."""
    lines = raw.decode("latin-1").split("\r\n")
    first = lines[0].split(" ")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        key = name.lower()
        if not colon or not key or key != key.strip():
            return _broken("a header line is malformed")
        headers[key] = f"{headers[key]},{value.strip()}" if key in headers else value.strip()
    if len(first) != 3 or not first[2].startswith("HTTP/1.") or not first[1].startswith("/"):
        return _broken("the request line is malformed")
    lengths = (headers.get("content-length", "0"), headers.get("x-amz-decoded-content-length", "0"))
    if not all(text.isascii() and text.isdigit() for text in lengths):
        return _broken("a length is not a number")
    path, _, query = first[1].partition("?")
    bucket, _, key = path[1:].partition("/")
    try:
        names = [urllib.parse.unquote(text, errors="strict") for text in (bucket, key)]
        pairs = dict(urllib.parse.parse_qsl(query, keep_blank_values=True, errors="strict"))
    except ValueError:
        return _broken("the address is not UTF-8", "InvalidURI")
    wish = headers.get("connection", "").lower()
    keep_alive = "close" not in wish and (first[2] != "HTTP/1.0" or "keep-alive" in wish)
    return Request(first[0], path, names[0], names[1], pairs, headers, keep_alive)


def _broken(message: str, code: str = "BadRequest") -> Answer:
    answer = refuse(400, code, message)
    answer.close = True
    return answer


class Chunked:
    """Undoes chunked framing, HTTP's and S3's alike: size[;extensions] CRLF data CRLF ... 0 CRLF trailers CRLF."""

    def __init__(self) -> None:
        self.trailers: dict[str, str] = {}
        self.done = False
        self.broken = False
        self.rest = bytearray()  # not yet understood; after the end: what follows the body
        self._left = 0
        self._state = "size"

    def feed(self, data: bytes) -> bytes:
        """The payload bytes among ``data``."""
        self.rest += data
        out = bytearray()
        while not self.done and not self.broken and self._step(out):
            pass
        return bytes(out)

    def _step(self, out: bytearray) -> bool:
        """One piece further; False when more bytes are needed."""
        if self._state == "data":
            piece = self.rest[: self._left]
            del self.rest[: len(piece)]
            out += piece
            self._left -= len(piece)
            self._state = "data" if self._left else "gap"
            return bool(piece)
        end = self.rest.find(b"\r\n")
        if end < 0:
            self.broken = len(self.rest) > 16384
            return False
        line = bytes(self.rest[:end]).decode("latin-1")
        del self.rest[: end + 2]
        self._line(line)
        return True

    def _line(self, line: str) -> None:
        if self._state == "gap":
            self.broken = bool(line)
            self._state = "size"
        elif self._state == "size":
            digits = line.partition(";")[0].strip()
            self.broken = not digits or len(digits) > 12 or bool(digits.strip("0123456789abcdefABCDEF"))
            self._left = 0 if self.broken else int(digits, 16)
            self._state = "data" if self._left else "trailer"
        elif line:
            name, _, value = line.partition(":")
            self.trailers[name.strip().lower()] = value.strip()
        else:
            self.done = True
