"""A proxy in front of any TCP server that fails on command: a name of conformance.FAULTS a line on stdin.

    tcpproxy.py UPSTREAM_PORT      prints its own port, then one line for every command

Commands: 'refuse', 'reset_before', 'reset_within', 'truncated', 'slow' (the last three after some bytes of answers),
'hang' (nothing goes through any more, new connections are taken), 'none', and 'connections' (how many came so far).
Ends when stdin closes.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading

BUDGET = 150_000  # bytes of answers that still come through before a fault befalls them
WITHIN = ("reset_within", "truncated", "slow")


class State:
    """What all connections share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.fault = "none"
        self.number = 0  # of the fault, to tell a new one from an old
        self.over = threading.Event()
        self.connections = 0
        self.open: set[Connection] = set()

    def become(self, fault: str) -> None:
        with self.lock:
            self.fault = fault
            self.number += 1
            self.over.set()
            self.over = threading.Event()


class Connection:
    """Two sockets and a thread for each direction."""

    def __init__(self, state: State, client: socket.socket, upstream: int) -> None:
        self.state = state
        self.client = client
        self.server = socket.create_connection(("127.0.0.1", upstream))
        self.left, self.since = BUDGET, -1
        for side in (self.client, self.server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        state.open.add(self)
        for down in (False, True):
            threading.Thread(target=self.pump, args=(down,), daemon=True).start()

    def pump(self, down: bool) -> None:
        source, target = (self.server, self.client) if down else (self.client, self.server)
        with contextlib.suppress(OSError):
            while (data := source.recv(65536)) and self.passes(down, len(data)):
                target.sendall(data)
        self.end()

    def passes(self, down: bool, size: int) -> bool:
        """Whether these bytes may go on; where they may not, what is to be done has been done."""
        with self.state.lock:
            fault, over = self.state.fault, self.state.over
            if self.since != self.state.number:
                self.left, self.since = BUDGET, self.state.number
            self.left -= size if down else 0
            spent = self.left < 0
        if fault == "hang" or (fault == "slow" and spent):
            over.wait(60)
            return True
        if (fault == "reset_before" and not down) or (fault == "reset_within" and spent):
            self.reset()
            return False
        return not (fault == "truncated" and spent)

    def reset(self) -> None:
        """RST instead of FIN."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def end(self) -> None:
        self.state.open.discard(self)
        for side in (self.client, self.server):
            with contextlib.suppress(OSError):  # wakes the thread that reads from it
                side.shutdown(socket.SHUT_RD)
            side.close()


def listen(state: State, port: int, upstream: int) -> socket.socket:
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    threading.Thread(target=accept, args=(state, listener, upstream), daemon=True).start()
    return listener


def accept(state: State, listener: socket.socket, upstream: int) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        state.connections += 1
        Connection(state, client, upstream)


def main() -> None:
    upstream, state = int(sys.argv[1]), State()
    listener = listen(state, 0, upstream)
    port = listener.getsockname()[1]
    print(port, flush=True)
    refusing = False
    for line in sys.stdin:
        command = line.strip()
        if command == "connections":
            print(state.connections, flush=True)
            continue
        if refusing and command != "refuse":
            listener, refusing = listen(state, port, upstream), False
        state.become(command)
        if command == "refuse":
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            for connection in list(state.open):
                connection.reset()
                connection.end()
            refusing = True
        print("ok", flush=True)


if __name__ == "__main__":
    main()
