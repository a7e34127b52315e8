"""HTTP to rclone over unix sockets: one connection that is kept, used by one thread."""

from __future__ import annotations

import http.client
import select
import socket
from collections.abc import Mapping

from webraid.backend.base import Bytes

_BLOCK = 1 << 20  # bytes a send


class UnixConnection(http.client.HTTPConnection):
    """HTTP/1.1 to a socket in the file system.  ``timeout``: seconds of silence."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Raises OSError."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.settimeout(self.timeout)
            made.connect(self._path)
        except BaseException:
            made.close()
            raise
        self.sock = made

    def ask(
        self, method: str, path: str, body: Bytes = b"", headers: Mapping[str, str] | None = None,
        patience: float | None = None,
    ) -> Answer:  # fmt: skip
        """Send a request; its answer up to the body, which must be read or dropped.  ``patience``: instead of timeout.

        Raises OSError, HTTPException.
        """
        try:
            return self._ask(method, path, body, headers or {}, self.timeout if patience is None else patience)
        except BaseException:
            self.close()
            raise

    def _ask(self, method: str, path: str, body: Bytes, headers: Mapping[str, str], patience: float | None) -> Answer:
        if self.sock is not None and _stale(self.sock):
            self.close()
        if self.sock is None:
            self.connect()
        self.sock.settimeout(patience)
        self.putrequest(method, path, skip_host=False, skip_accept_encoding=True)
        self.putheader("Content-Length", str(memoryview(body).nbytes))
        for name, value in headers.items():
            self.putheader(name, value)
        self.endheaders()
        try:
            self._send_body(body)
        except (BrokenPipeError, ConnectionResetError):
            return Answer(self)  # it refuses before it has read all: its answer says why, if it got through
        return Answer(self)

    def _send_body(self, body: Bytes) -> None:
        view = memoryview(body).cast("B")
        for at in range(0, len(view), _BLOCK):
            self.send(view[at : at + _BLOCK])


class Answer:
    """Status, headers, and a body that comes when it is read.  A broken answer closes the connection."""

    def __init__(self, connection: UnixConnection) -> None:
        self._connection = connection
        self._response = connection.getresponse()
        self.status = self._response.status

    def header(self, name: str) -> str:
        return self._response.getheader(name) or ""

    @property
    def length(self) -> int:
        """Bytes that are announced; -1 when none are."""
        return -1 if self._response.length is None else self._response.length

    def read(self) -> bytes:
        """The whole body; IncompleteRead when it ends early."""
        try:
            return self._response.read()
        except BaseException:
            self._connection.close()
            raise

    def drop(self) -> None:
        """The body is not wanted."""
        self._response.close()
        self._connection.close()


def _stale(sock: socket.socket) -> bool:
    """Whether the other side has closed: between two requests nothing else can be there to read."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
