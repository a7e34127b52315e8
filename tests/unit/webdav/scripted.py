"""A server that gives prepared answers to WebDAV requests, for what no real one can be made to say."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from webraid.backend.base import Digest
from webraid.backend.conformance.subject import digest_of
from webraid_webdav import WebdavBackend, WebdavOptions

ROOT = "/dav/disk/"
USER, PASSWORD = "ada", "sEcReT-word"


@dataclass(frozen=True)
class Answer:
    """``length``: announced instead of the body's own; 'none': not announced; 'chunked': in chunks."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    length: str = ""


@dataclass
class Scripted:
    """``answers``: by method; used up one by one, the last is repeated.  ``seen``: (method, path, headers, body)."""

    port: int
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{ROOT}"

    @property
    def methods(self) -> list[str]:
        return [method for method, *_ in self.seen]

    def says(self, **answers: Answer | list[Answer]) -> None:
        """From now on."""
        self.seen.clear()
        self.answers = {name: one if isinstance(one, list) else [one] for name, one in answers.items()}

    def backend(self, **more: Any) -> WebdavBackend:
        options = WebdavOptions(self.url, USER, **{"timeout": 5.0, **more})
        return WebdavBackend.connect(options, {"password": PASSWORD})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    script: Scripted

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.script.seen.append((self.command, self.path, headers, body))
        answers = self.script.answers.get(self.command) or [Answer(599)]
        said = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response_only(said.status)
        body = said.body
        if said.length == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            half = len(body) // 2
            parts = [part for part in (body[:half], body[half:]) if part]
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        elif said.length != "none":
            self.send_header("Content-Length", said.length or str(len(body)))
        self.send_header("Connection", "close")
        for name, value in said.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    do_GET = do_PUT = do_DELETE = do_OPTIONS = do_PROPFIND = do_MKCOL = do_MOVE = answer  # noqa: N815

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def scripted() -> Iterator[Scripted]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    script = Scripted(server.server_address[1])
    server.RequestHandlerClass = type("Handler", (_Handler,), {"script": script})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def row(path: str, *, size: int | None = 1, status: str = "200 OK", more: str = "") -> str:
    """One entry of a listing; ``size`` None: a folder.  ``path`` below the disk's folder."""
    kind = "<D:resourcetype><D:collection/></D:resourcetype>" if size is None else "<D:resourcetype/>"
    length = "" if size is None else f"<D:getcontentlength>{size}</D:getcontentlength>"
    return (
        f"<D:response><D:href>{ROOT}{path}</D:href><D:propstat><D:prop>{kind}{length}{more}</D:prop>"
        f"<D:status>HTTP/1.1 {status}</D:status></D:propstat></D:response>"
    )


def listing(*rows: str, head: str = "", **headers: str) -> Answer:
    text = f'{head}<D:multistatus xmlns:D="DAV:" xmlns:o="http://owncloud.org/ns">{"".join(rows)}</D:multistatus>'
    return Answer(207, text.encode(), headers)


HERE = listing(row("", size=None))
MISSING = Answer(404)


def digest(data: bytes) -> Digest:
    return digest_of(data)
