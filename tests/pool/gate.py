"""A gate in front of a server: the network between us and one cloud, which can be cut, hung or slowed at any moment."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

State = Literal["open", "cut", "hung", "slow"]
PIECE = 65536
NAP = 0.02


class Gate:
    """Passes TCP connections on.  ``state``: open; cut (connections are reset, new ones refused); hung (taken, and
    nothing passes); slow (``rate`` bytes a second in each direction).  It applies to connections that are there
    already, too."""

    def __init__(self, upstream: int) -> None:
        self.state: State = "open"
        self.rate = 256 * 1024
        self.connections = 0
        self._upstream = upstream
        self._closed = False
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Reset everything and refuse what comes."""
        self.state = "cut"
        with self._lock:
            pairs = list(self._pairs)
        for pair in pairs:
            _reset(*pair)

    @contextmanager
    def being(self, state: State) -> Iterator[None]:
        """In another state while the block runs."""
        if state == "cut":
            self.cut()
        self.state = state
        try:
            yield
        finally:
            self.state = "open"

    def close(self) -> None:
        self._closed = True
        self.cut()
        _shut(self._listener)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.state == "cut" or self._closed:
                _reset(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._upstream))
            except OSError:
                _reset(client)
                continue
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
            for one in pair:  # a gate that keeps small packets back is a slow network of its own
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, target in (pair, pair[::-1]):
                threading.Thread(target=self._pump, args=(source, target, pair), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, pair: tuple[socket.socket, socket.socket]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(PIECE):
                while self.state == "hung":
                    time.sleep(NAP)
                if self.state == "slow":
                    time.sleep(len(data) / self.rate)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
            return
        with self._lock:
            self._pairs.discard(pair)
        _shut(*pair)


def _shut(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


def _reset(*sockets: socket.socket) -> None:
    """Close with RST: what a pulled cable's router or a dying server sends."""
    for one in sockets:
        with contextlib.suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    _shut(*sockets)


@contextmanager
def gate(upstream: int) -> Iterator[Gate]:
    """A gate to a port of 127.0.0.1 while the block runs."""
    made = Gate(upstream)
    try:
        yield made
    finally:
        made.close()
