"""Recording what goes over HTTP, at the one place all our SDKs share: http.client, below urllib3 and httplib2.

Not a proxy: S3 signs the host it talks to, and Dropbox speaks to three hosts.  So nothing changes for the SDK.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import threading
from collections.abc import Iterator

import pytest

from tests.live.journal import Journal

READABLE = ("json", "xml")  # the answers whose fields are told
LARGEST = 8 << 20  # bytes of such an answer; no listing has more


@contextlib.contextmanager
def recording(journal: Journal) -> Iterator[None]:
    """Every exchange of this process goes into ``journal``, while this is entered."""
    lock = threading.Lock()
    begun = http.client.HTTPConnection.putrequest
    header = http.client.HTTPConnection.putheader
    answered = http.client.HTTPConnection.getresponse

    def putrequest(self, method, url, *arguments, **more):
        self._recorded = (method, url, [])
        return begun(self, method, url, *arguments, **more)

    def putheader(self, name, *values):
        text = name.decode("latin-1") if isinstance(name, bytes) else name
        self._recorded[2].append(text)
        return header(self, name, *values)

    def getresponse(self):
        response = answered(self)
        method, target, sent = self._recorded
        headers = {name.lower(): value for name, value in response.getheaders()}
        body = b""
        if method != "HEAD" and any(word in headers.get("content-type", "") for word in READABLE):
            body = _read_and_put_back(response)
        with lock:
            journal.add(
                method=method, target=target, sent=sent, status=response.status, headers=headers, body=body,
            )  # fmt: skip
        return response

    with pytest.MonkeyPatch.context() as patch:
        for function in (putrequest, putheader, getresponse):
            patch.setattr(http.client.HTTPConnection, function.__name__, function)
        yield


def _read_and_put_back(response: http.client.HTTPResponse) -> bytes:
    """The whole body, which can then be read as if nobody had; chunks become one."""
    if response.fp is None or (response.length or 0) > LARGEST:
        return b""
    chunked = response.chunked
    try:
        body = response.read()
    except (http.client.HTTPException, OSError):
        return b""  # the reader finds the connection as broken as we did
    if chunked:
        framed = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        response.chunk_left = None
    else:
        framed = body
        response.length = len(body)
    if framed:
        response.fp = io.BufferedReader(io.BytesIO(framed))
    return body
