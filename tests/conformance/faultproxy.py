"""A reverse proxy in front of an S3 server that fails on command: one name of conformance.FAULTS a line on stdin.

    faultproxy.py UPSTREAM_PORT      prints its own port, then one line for every command

Commands: a fault's name, 'none', 'requests' (how many came so far).  Ends when stdin closes.
"""

from __future__ import annotations

import http.client
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REFUSALS = {
    "busy": (503, "ServiceUnavailable", {}),
    "limited": (429, "TooManyRequests", {}),
    "limited_for_7": (429, "TooManyRequests", {"Retry-After": "7"}),
    "expired": (403, "InvalidAccessKeyId", {}),
    "expired_once": (403, "InvalidAccessKeyId", {}),
    "full": (507, "InsufficientStorage", {}),
}
BODIES = ("reset_within", "truncated", "slow", "flipped_down")
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}


class State:
    """What all connections share."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.lock = threading.Lock()
        self.fault = "none"
        self.requests = 0
        self.over = threading.Event()
        self.open: set[socket.socket] = set()

    def take(self) -> str:
        """Count a request; the fault that befalls it."""
        with self.lock:
            self.requests += 1
            fault = self.fault
            if fault == "expired_once":
                self.fault = "none"
            return fault

    def become(self, fault: str) -> None:
        with self.lock:
            self.fault = fault
            self.over.set()
            self.over = threading.Event()


class Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: State

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.state.open.add(self.connection)

    def finish(self) -> None:
        self.state.open.discard(self.connection)
        super().finish()

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault, over = self.state.take(), self.state.over
        if fault in REFUSALS and (fault != "full" or self.command == "PUT"):
            self.refuse(*REFUSALS[fault])
        elif fault == "reset_before":
            self.reset()
        else:
            if fault == "flipped_up" and self.command == "PUT" and body:
                body = body[:-1] + bytes([body[-1] ^ 1])
            status, headers, reply = self.forward(body)
            if fault == "lost":
                self.reset()
            else:
                self.send(status, headers, reply, fault if fault in BODIES and len(reply) > 1 else "none", over)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = answer  # noqa: N815  http.server's names

    def forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = http.client.HTTPConnection("127.0.0.1", self.state.upstream, timeout=60)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    upstream.putheader(name, value)
            upstream.endheaders(body or None)
            reply = upstream.getresponse()
            data = reply.read()
            headers = {name: value for name, value in reply.getheaders() if name.lower() not in HOP_BY_HOP}
        finally:
            upstream.close()
        if self.command != "HEAD":
            headers = {name: value for name, value in headers.items() if name.lower() != "content-length"}
            headers["Content-Length"] = str(len(data))
        return reply.status, headers, data

    def send(self, status: int, headers: dict[str, str], body: bytes, fault: str, over: threading.Event) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if fault == "flipped_down":
            body = bytes([body[0] ^ 1]) + body[1:]
        if fault not in ("reset_within", "truncated", "slow"):
            self.wfile.write(body)
            return
        self.wfile.write(body[: len(body) // 2])
        self.close_connection = True
        if fault == "reset_within":
            self.reset()
        elif fault == "slow":
            over.wait(60)

    def refuse(self, status: int, code: str, more: dict[str, str]) -> None:
        body = f"<Error><Code>{code}</Code><Message>as told</Message></Error>".encode()
        headers = {"Content-Type": "application/xml", "Content-Length": str(len(body)), **more}
        self.send(status, headers, b"" if self.command == "HEAD" else body, "none", self.state.over)

    def reset(self) -> None:
        """RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that we or the client broke."""


def listen(state: State, port: int) -> Listener:
    server = Listener(("127.0.0.1", port), type("Handler", (Proxy,), {"state": state}))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005}, daemon=True).start()
    return server


def stop(state: State, server: Listener) -> None:
    server.shutdown()
    server.server_close()
    for connection in list(state.open):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue


def main() -> None:
    state = State(int(sys.argv[1]))
    server = listen(state, 0)
    port = server.server_address[1]
    print(port, flush=True)
    refusing = False
    for line in sys.stdin:
        command = line.strip()
        if command == "requests":
            print(state.requests, flush=True)
            continue
        if refusing and command != "refuse":
            server, refusing = listen(state, port), False
        state.become(command)
        if command == "refuse":
            stop(state, server)
            refusing = True
        print("ok", flush=True)


if __name__ == "__main__":
    main()
