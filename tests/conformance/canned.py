"""A server that gives prepared answers, for what no real one can be made to say."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from webraid_s3 import S3Options

KEYS = {"access_key": "AKID", "secret_key": "SECRET"}


def s3_options(**more: Any) -> S3Options:
    return S3Options(**{"bucket": "b", "endpoint": "https://s3.example.org"} | more)


@dataclass(frozen=True)
class Answer:
    """``length``: announced instead of the body's own; 'none': not announced."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: str = ""


def refusal(status: int, code: str, message: str = "", **headers: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Canned:
    """``answers``: used up one by one; the last is repeated.  ``seen``: (method, path, body) of every request."""

    port: int
    answers: list[Answer] = field(default_factory=list)
    seen: list[tuple[str, str, bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    canned: Canned

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.canned.seen.append((self.command, self.path, body))
        self.canned.headers.append({name.lower(): value for name, value in self.headers.items()})
        answers = self.canned.answers
        said = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response_only(said.status)
        if said.length != "none":
            self.send_header("Content-Length", said.length or str(len(said.body)))
        self.send_header("Connection", "close")
        for name, value in said.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else said.body)
        self.close_connection = True

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = answer  # noqa: N815  http.server's names

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def canned_server() -> Iterator[Canned]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    canned = Canned(server.server_address[1])
    server.RequestHandlerClass = type("Handler", (_Handler,), {"canned": canned})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    try:
        yield canned
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
