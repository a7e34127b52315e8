"""The HTTP side, with the SDK: one request as it was meant, and the service described by the SDK's own document.

The only module that imports the SDK; it is imported when a disk is opened (half a second).
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import select
import socket
import threading
from functools import lru_cache
from typing import Any

import httplib2  # type: ignore[import-untyped]
from google_auth_httplib2 import AuthorizedHttp, Request  # type: ignore[import-untyped]
from googleapiclient.discovery import build_from_document  # type: ignore[import-untyped]
from googleapiclient.discovery_cache import get_static_doc  # type: ignore[import-untyped]
from googleapiclient.http import MediaIoBaseUpload, MediaUpload  # type: ignore[import-untyped]

from webraid.backend.base import Bytes
from webraid.errors import PluginMissing, ProtocolError
from webraid_gdrive.tokens import Bearer, Tokens

OCTETS = "application/octet-stream"
_LOCK = threading.Lock()

__all__ = ["OCTETS", "Http", "Request", "Whole", "authorised", "multipart", "nothing", "service"]


class Http(httplib2.Http):  # type: ignore[misc]  # the library has no types
    """httplib2 without its habit of sending again.

    It repeats a request, also one that is not safe to repeat, when a connection breaks before the answer; here that
    is an error, because those above decide what to do next.  It does so because a connection that lay idle may be
    closed by now: that is looked up before, as urllib3 does.
    """

    def __init__(self, timeout: float) -> None:
        super().__init__(timeout=timeout)
        self.follow_redirects = False  # the API has none; a token must not follow one elsewhere

    def _conn_request(self, conn: Any, request_uri: str, method: str, body: Any, headers: dict[str, str]) -> Any:
        try:
            if conn.sock is not None and _ended(conn.sock):
                conn.close()
            if conn.sock is None:
                conn.connect()
            conn.request(method, request_uri, body, {**headers, "accept-encoding": "identity"})
            with contextlib.closing(conn.getresponse()) as answer:
                content = answer.read()
        except BaseException:
            conn.close()
            raise
        told = httplib2.Response(answer)
        if told.get("content-encoding", "identity") != "identity":
            raise ProtocolError("the answer is packed, though that was not asked for")
        return told, content


def _ended(sock: socket.socket) -> bool:
    """Whether something lies there to be read though nothing was asked: it can only be the connection's end."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def authorised(tokens: Tokens, timeout: float) -> Any:
    """A connection of its own for one thread, with the login all share.  A 401 renews the token once and repeats the
    request once: that is how OAuth works, and no retry."""
    return AuthorizedHttp(Bearer(tokens), http=Http(timeout), max_refresh_attempts=1)


def service(endpoint: str) -> Any:
    """The SDK's Drive service at ``endpoint``, made once a process (5 ms).  It holds no connection: each request is
    executed with the caller's own."""
    with _LOCK:
        return _made(endpoint)


@lru_cache(maxsize=4)
def _made(endpoint: str) -> Any:
    _quiet()
    text = get_static_doc("drive", "v3")
    if text is None:
        raise PluginMissing("gdrive needs the SDK with its documents: pipx install --force '.[all]' in the checkout")
    document = json.loads(text)
    # The upload address is made from these, too; client_options.api_endpoint alone would leave it at Google.
    document |= {"rootUrl": endpoint, "baseUrl": endpoint + document["servicePath"]}
    document.pop("mtlsRootUrl", None)
    return build_from_document(document, http=httplib2.Http())


def _quiet() -> None:
    """The SDK warns on standard error of what we turn into errors of our own."""
    log = logging.getLogger("googleapiclient")
    if log.level == logging.NOTSET:
        log.setLevel(logging.ERROR)


class Whole(MediaUpload):  # type: ignore[misc]
    """A body for a resumable upload that goes out as one piece, without a copy."""

    def __init__(self, data: Bytes) -> None:
        self._data = memoryview(data).cast("B")

    def chunksize(self) -> int:
        return max(1, self._data.nbytes)

    def mimetype(self) -> str:
        return OCTETS

    def size(self) -> int:
        return self._data.nbytes

    def resumable(self) -> bool:
        return True

    def getbytes(self, begin: int, length: int) -> memoryview:
        return self._data[begin : begin + length]


def nothing() -> Any:
    """An empty body: with it the SDK makes an upload request; ``multipart`` fills in the real one."""
    return MediaIoBaseUpload(io.BytesIO(), mimetype=OCTETS)


def multipart(request: Any, about: dict[str, Any], data: Bytes, boundary: str) -> None:
    """Put a multipart/related body (RFC 2387) into an upload request.

    The SDK's own comes from email.generator, which costs 86 ms of processor time for 4 MiB.  This one is three buffers
    that go out as they are.  ``boundary`` must not be in ``data``.
    """
    head = (
        f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(about)}\r\n"
        f"--{boundary}\r\nContent-Type: {OCTETS}\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    body = memoryview(data).cast("B")
    request.body = [head, body, tail]
    request.body_size = len(head) + body.nbytes + len(tail)
    request.headers["content-type"] = f'multipart/related; boundary="{boundary}"'
    request.headers["content-length"] = str(request.body_size)
