"""Requests to one server: one connection, one try each, nothing followed, bodies of a bounded size."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from webraid.backend import ranges
from webraid.backend.base import Bytes
from webraid.backend.mapping import mapped
from webraid.errors import Misconfigured, PluginMissing, ProtocolError, Unavailable
from webraid_webdav.errors import ERRORS
from webraid_webdav.options import WebdavOptions, path_of

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

CONNECT_TIMEOUT = 10.0
PIECE = 64 << 10  # bytes handed to the socket at once: the timeout is for each of them, not for the whole body
SMALL = 256 << 10  # bytes; what is looked at of an answer that is no object and no listing
MULTISTATUS = 207
LARGEST = 4 << 30  # bytes of a body: so much is read at most, whatever the server says


@dataclass(frozen=True, slots=True)
class Answer:
    """``headers`` with names in lower case; ``asked``: path below the disk's folder."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(default=b"", repr=False)
    asked: str = ""


class Client:
    """Paths are below the disk's folder; those that begin with '/' are from the server's root, encoded."""

    def __init__(self, options: WebdavOptions, password: str) -> None:
        """Sends nothing yet.  Raises Misconfigured, PluginMissing, urllib3's."""
        self.root = path_of(options.parts)
        self.origin = options.origin
        self._pool = _pool(options)
        self._headers = {"User-Agent": "webraid", "Accept-Encoding": "identity"}
        if options.user:
            login = b64encode(f"{options.user}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {login}"

    def url(self, path: str) -> str:
        """What a Destination header says."""
        return f"{self.origin}{self._path(path)}"

    def call(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Bytes = b"",
        limit: int = SMALL, name: str = "",
    ) -> Answer:  # fmt: skip
        """One request; its answer with what of the body fits into ``limit``.  Raises BackendError."""
        with mapped(ERRORS, name):
            response = self._send(method, path, headers or {}, body)
            try:
                answer = Answer(response.status, _headers(response), response.read(limit + 1), path)
                rest = response.length_remaining
            finally:
                self._done(response)
        if len(answer.body) > limit:
            if answer.status == MULTISTATUS:
                raise ProtocolError(f"an answer of more than {limit} bytes", key=name)
        elif rest:
            raise Unavailable(f"an answer broke off {rest} bytes before its end", key=name)
        return answer

    def fetch(self, path: str, offset: int, size: int | None) -> tuple[Answer, bytes | None]:
        """``size`` bytes of an object from ``offset`` (None: all of it).  No bytes where it is refused."""
        with mapped(ERRORS, path):
            response = self._send("GET", path, ranges.header(offset, size), b"")
            try:
                answer = Answer(response.status, _headers(response), asked=path)
                if answer.status not in (200, ranges.PARTIAL):
                    response.read(SMALL)
                    return answer, None
                return answer, _body(response, answer, path, offset, size)
            finally:
                self._done(response)

    def close(self) -> None:
        self._pool.close()

    def _path(self, path: str) -> str:
        return path if path.startswith("/") else f"{self.root}/{path}"

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: Bytes) -> BaseHTTPResponse:
        view = memoryview(body).cast("B")
        sized = {"Content-Length": str(view.nbytes)} if view.nbytes or method == "PUT" else {}
        response: BaseHTTPResponse = self._pool.urlopen(
            method,
            self._path(path),
            body=_pieces(view) if view.nbytes else None,
            headers={**self._headers, **sized, **headers},
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        return response

    def _done(self, response: BaseHTTPResponse) -> None:
        """Back to the pool if its answer came whole; an answer that did not must not meet the next request."""
        if not response.closed:
            response.close()
        response.release_conn()


def _pool(options: WebdavOptions) -> Any:
    try:
        import urllib3  # noqa: PLC0415  only open disks shall pay for it
    except ImportError as error:
        raise PluginMissing("webdav needs urllib3: pipx install --force '.[all]' in the checkout") from error
    timeout = urllib3.Timeout(connect=min(CONNECT_TIMEOUT, options.timeout), read=options.timeout)
    more: dict[str, Any] = {}
    if options.origin.startswith("https:"):
        more["cert_reqs"] = "CERT_REQUIRED"
        if options.ca_file:
            try:
                ssl.create_default_context(cafile=options.ca_file)
            except OSError as error:  # missing, not readable, or nothing of the kind
                raise Misconfigured("ca_file holds no certificate authority", hint="Check the file.") from error
            more["ca_certs"] = options.ca_file
    pool = urllib3.connection_from_url(options.origin, maxsize=1, retries=False, timeout=timeout, **more)
    pool.ConnectionCls = _patient(pool.ConnectionCls, options.timeout)
    return pool


@cache
def _patient(base: Any, timeout: float) -> Any:
    """urllib3 goes on with the timeout of connecting while it sends a body; a slow line needs the other one."""

    class Patient(base):  # type: ignore[misc]  # whichever of urllib3's two it is
        def connect(self) -> None:
            super().connect()
            self.sock.settimeout(timeout)

    return Patient


def _pieces(view: memoryview) -> Iterator[memoryview]:
    for begin in range(0, view.nbytes, PIECE):
        yield view[begin : begin + PIECE]


def _headers(response: BaseHTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _body(response: BaseHTTPResponse, answer: Answer, name: str, offset: int, size: int | None) -> bytes:
    if answer.headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        raise ProtocolError("the bytes came packed, though they were asked for as they are", key=name)
    length = _length(answer, name)
    if length is None:
        return _unmeasured(response, answer, name, offset, size)
    count = length if size is None else size
    begin = _begin(answer, name, offset, size, length)
    if begin + count > LARGEST:
        raise ProtocolError("an answer without end", key=name)
    data: bytes = response.read(length) if count == length else response.read(begin + count)[begin:]
    if len(data) != count:
        raise Unavailable(f"{len(data)} of {count} bytes came", key=name)
    return data


def _unmeasured(response: BaseHTTPResponse, answer: Answer, name: str, offset: int, size: int | None) -> bytes:
    """A body in chunks says where it ends; one that only ends may as well be broken off."""
    if "chunked" not in answer.headers.get("transfer-encoding", "").lower():
        raise ProtocolError("an answer without a length", key=name)
    data = bytearray()
    while piece := response.read(1 << 20):
        data += piece
        if len(data) > (LARGEST if size is None else offset + size):
            break
    if len(data) > LARGEST:
        raise ProtocolError("an answer without end", key=name)
    begin = _begin(answer, name, offset, size, len(data))
    return bytes(data[begin:] if size is None else data[begin : begin + size])


def _begin(answer: Answer, name: str, offset: int, size: int | None, length: int) -> int:
    told = answer.headers.get("content-range", "")
    return ranges.begin(name, offset, size, status=answer.status, content_range=told, length=length)


def _length(answer: Answer, name: str) -> int | None:
    """Bytes that an answer announces; None where it does not."""
    text = answer.headers.get("content-length")
    if text is None:
        return None
    if not text.isascii() or not text.isdigit():
        raise ProtocolError("an answer whose length is no number", key=name)
    return int(text)
