"""The journal tells shapes and nothing that is anybody's; the recorder changes nothing for whoever is recorded."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import urllib3

from tests.conformance.subjects import KINDS
from tests.live.journal import Journal, Shape, template
from tests.live.recorder import recording
from webraid.backend.conformance.subject import put
from webraid.errors import ObjectNotFound

MINE = ("geheim.txt", "Ordner-von-Anna", "sk-TOKEN-123", "the very bytes", "anna@example.org")
SECRET_FILE, FOLDER, TOKEN, BODY, MAIL = MINE


# ------------------------------------------------------------------------------------------------------------- shapes
@pytest.mark.parametrize(
    ("kind", "target", "path", "query"),
    [
        ("s3", "/my-bucket/files/2/x", "/{}", ()),
        ("s3", "/my-bucket?list-type=2&prefix=geheim", "/{}", ("list-type=2", "prefix")),
        ("gdrive", "/drive/v3/files/1AbC?alt=media", "/drive/v3/files/{}", ("alt=media",)),
        ("gdrive", "/drive/v3/files?q=name%3D'geheim'&pageSize=5", "/drive/v3/files", ("pageSize", "q")),
        ("gdrive", "/upload/drive/v3/files?uploadType=multipart", "/upload/drive/v3/files", ("uploadType=multipart",)),
        ("dropbox", "https://content.dropboxapi.com/2/files/upload", "/2/files/upload", ()),
        ("webdav", "/remote.php/dav/files/anna/x", "/{}", ()),
        ("webdav", "/", "/", ()),
        ("s3", "/b?anna%40example.org=1", "/{}", ("{}",)),
    ],
)
def test_a_path_keeps_the_words_of_the_interface_alone(
    kind: str, target: str, path: str, query: tuple[str, ...]
) -> None:
    assert template(kind, target) == (path, query)


def add(journal: Journal, status: int, content: str, body: bytes, **headers: str) -> Shape:
    told = {"content-type": content, **{name.replace("_", "-"): value for name, value in headers.items()}}
    before = set(journal.shapes)
    journal.add(
        method="GET", target="/2/files/download", sent=["Authorization"], status=status, headers=told, body=body
    )
    (shape,) = set(journal.shapes) - before
    return shape


@pytest.mark.parametrize(
    ("status", "content", "body", "reason"),
    [
        (403, "application/json", b'{"error": {"errors": [{"reason": "quotaExceeded"}]}}', "quotaExceeded"),
        (400, "application/json", b'{"error": "invalid_grant"}', "invalid_grant"),
        (409, "application/json", b'{"error": {".tag": "path", "path": {".tag": "not_found"}}}', "path/not_found"),
        (429, "application/json", b'{"error": {"reason": {".tag": "too_many_requests"}}}', "too_many_requests"),
        (404, "application/xml", b"<Error><Code>NoSuchKey</Code><Key>geheim.txt</Key></Error>", "NoSuchKey"),
        (409, "application/xml", b'<d:error xmlns:d="DAV:"><s:exception xmlns:s="s">Conflict</s:exception></d:error>',
         "Conflict"),
        (400, "application/json", b'{"error": "for anna@example.org: no"}', ""),
        (404, "text/html", b"<p>geheim.txt", ""),
        (500, "application/json", b"{", ""),
        (200, "application/json", b'{"error": "not one"}', ""),
    ],
)  # fmt: skip
def test_an_errors_reason_is_kept_where_it_is_a_word(status: int, content: str, body: bytes, reason: str) -> None:
    assert add(Journal("dropbox"), status, content, body).reason == reason


def test_fields_are_told_by_name_without_values_and_without_the_users_own() -> None:
    journal = Journal("gdrive")
    answer = {
        "files": [{"id": TOKEN, "name": SECRET_FILE, "appProperties": {FOLDER: "1"}, "a b": 1}, {"size": "4"}],
        MAIL: 1,
    }
    shape = add(journal, 200, "application/json; charset=utf-8", gzip.compress(json.dumps(answer).encode()),
                content_encoding="gzip")  # fmt: skip
    assert journal.shapes[shape].fields == {
        "files", "files[].id", "files[].name", "files[].appProperties", "files[].size", "files[].{}", ".{}",
    }  # fmt: skip
    assert journal.shapes[shape].came == {"content-type", "content-encoding"}


def test_a_journal_that_was_saved_is_the_same_when_it_is_loaded(tmp_path: Path) -> None:
    journal = Journal("s3")
    add(journal, 404, "application/xml", b"<Error><Code>NoSuchKey</Code></Error>")
    add(journal, 200, "text/plain", b"")
    journal.save(tmp_path / "sub" / "s3.jsonl")
    loaded = Journal.load(tmp_path / "sub" / "s3.jsonl")
    assert (loaded.kind, loaded.shapes) == ("s3", journal.shapes)


# ----------------------------------------------------------------------------------------------------------- recorder
class _Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({"name": SECRET_FILE}).encode()
        self.send_response(200)
        if self.path.startswith("/zip"):
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", "text/plain" if self.path.startswith("/plain") else "application/json")
        if self.path.startswith("/chunked"):
            self.send_header("Transfer-Encoding", "chunked")
            body = b"".join(b"%x\r\n%s\r\n" % (1, body[place : place + 1]) for place in range(len(body))) + b"0\r\n\r\n"
        elif self.path.startswith("/close"):
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815  http.server's name

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/chunked", "/plain", "/json", "/close", "/zip"])
@pytest.mark.parametrize("whole", [True, False])
def test_who_is_recorded_reads_the_same_bytes(path: str, whole: bool, port: int) -> None:
    journal = Journal("s3")
    with recording(journal), urllib3.PoolManager() as pool:
        for _ in range(2):  # the connection is still good for another request
            answer = pool.request("GET", f"http://127.0.0.1:{port}{path}", preload_content=False)
            body = answer.read() if whole else b"".join(answer.stream(3))
            assert json.loads(body) == {"name": SECRET_FILE}
            answer.release_conn()
        assert pool.request("HEAD", f"http://127.0.0.1:{port}{path}").data == b""
    ((got, seen), (head, _)) = sorted(journal.shapes.items(), key=lambda item: item[0].method)
    assert (got.method, got.status, head.method) == ("GET", 200, "HEAD")
    assert seen.fields == (set() if path == "/plain" else {"name"})


def test_outside_of_a_recording_http_is_as_it_was() -> None:
    before = http.client.HTTPConnection.getresponse
    with recording(Journal("s3")):
        assert http.client.HTTPConnection.getresponse is not before
    assert http.client.HTTPConnection.getresponse is before


@pytest.mark.parametrize("name", ["s3-lab", "webdav-wsgidav", "gdrive", "dropbox-fake"])
def test_no_name_no_secret_and_no_byte_gets_into_a_journal(name: str, tmp_path: Path) -> None:
    journal = Journal(KINDS[name].backend)
    with contextlib.ExitStack() as stack:
        subject = stack.enter_context(KINDS[name].make(tmp_path))
        stack.enter_context(recording(journal))
        backend = stack.enter_context(subject.opened())
        put(backend, subject.at("anna-und-otto/geheim"), BODY.encode())
        assert backend.get(subject.at("anna-und-otto/geheim")) == BODY.encode()
        assert len(list(backend.list(subject.at("anna-und-otto/")))) == 1
        backend.stat(subject.at("anna-und-otto/geheim"))
        backend.delete(subject.at("anna-und-otto/geheim"))
        with pytest.raises(ObjectNotFound):
            backend.get(subject.at("anna-und-otto/geheim"))
    journal.save(tmp_path / "journal")
    text = (tmp_path / "journal").read_text()
    assert len(journal.shapes) >= 4
    for word in (*subject.secrets, "anna", "geheim", BODY, "scratch", "conformance", "127.0.0.1"):
        assert word not in text, word
