"""webraid_webdav at servers that say one thing and do another: pages for answers, packed bodies, a folder that goes."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.fakes.nextcloud import Answering, Nextcloud
from tests.unit.webdav.scripted import MISSING, Answer, Scripted, digest, listing, row
from webraid.errors import Misconfigured, ProtocolError
from webraid_webdav import WebdavBackend, WebdavOptions, client
from webraid_webdav.place import place
from webraid_webdav.upload import TEMPORARY

PAGE = Answer(200, b"<html>This account is suspended.</html>", {"Content-Type": "text/html; charset=utf-8"})
OBJECT = listing(row("a", size=4))
MADE = Answer(201)


@pytest.mark.parametrize("method", ["MKCOL", "PUT", "MOVE"])
def test_a_put_that_is_answered_with_a_page_was_not_done(method: str, script: Scripted, disk: WebdavBackend) -> None:
    script.says(**{"MKCOL": MADE, "PROPFIND": MISSING, "PUT": MADE, "MOVE": MADE} | {method: PAGE})
    with pytest.raises(Misconfigured):
        disk.put("a/b", b"0123", digest=digest(b"0123"))


def test_a_delete_that_is_answered_with_a_page_was_not_done(script: Scripted, disk: WebdavBackend) -> None:
    script.says(PROPFIND=OBJECT, DELETE=PAGE)
    with pytest.raises(Misconfigured):
        disk.delete("a")


def test_a_page_in_the_place_of_an_object_that_is_there_is_not_the_object(
    script: Scripted, disk: WebdavBackend
) -> None:
    script.says(GET=PAGE, PROPFIND=OBJECT)
    for size in (None, 4):
        with pytest.raises(Misconfigured):
            disk.get("a", size=size)
    script.says(GET=Answer(body=PAGE.body, headers=PAGE.headers, length="chunked"), PROPFIND=OBJECT)
    with pytest.raises(Misconfigured):
        disk.get("a")


@pytest.mark.parametrize("packed", [{"Content-Encoding": "gzip"}, {"Content-Encoding": "br"}])
def test_a_body_that_comes_packed_is_not_the_object(
    packed: dict[str, str], script: Scripted, disk: WebdavBackend
) -> None:
    script.says(GET=Answer(body=gzip.compress(b"0123"), headers=packed))
    with pytest.raises(ProtocolError, match="packed"):
        disk.get("a")
    script.says(GET=Answer(body=b"0123", headers={"Content-Encoding": "identity"}))
    assert disk.get("a") == b"0123"


def test_a_body_that_claims_to_be_endless_is_not_read(script: Scripted, disk: WebdavBackend) -> None:
    script.says(GET=Answer(body=b"0123", length=str(10**15)))
    with pytest.raises(ProtocolError, match="without end"):
        disk.get("a")


def test_a_listing_during_which_all_goes_is_no_listing(script: Scripted, disk: WebdavBackend) -> None:
    script.says(PROPFIND=[listing(row("", size=None), row("a/", size=None), row("b/", size=None)), MISSING])
    with pytest.raises(Misconfigured):
        list(disk.list(""))


def test_bytes_that_were_damaged_while_they_replaced_others_do_not_stay(
    cloud: Nextcloud, files: WebdavBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.put("a", b"old", digest=digest(b"old"))
    store = Answering.store

    def damage(self: Answering, path: str, data: bytes, *, tell: bool) -> tuple[int, dict[str, str], bytes]:
        return store(self, path, data[:-1] + b"X" if path.endswith("/webraid/a") else data, tell=tell)

    monkeypatch.setattr(Answering, "store", damage)
    assert files.put("a", b"new", digest=digest(b"new")).verified
    assert files.get("a") == b"new"
    assert not any(TEMPORARY in path for path in cloud.files)


# -------------------------------------------------------------------------------------------------------------- a line
@contextlib.contextmanager
def answering(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that does ``serve`` with its first connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        connection, _ = listener.accept()
        with connection:
            serve(connection)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/dav/"
    finally:
        thread.join()
        listener.close()


def test_a_line_that_stands_still_during_an_upload_has_as_long_as_the_timeout_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "CONNECT_TIMEOUT", 0.01)
    data = bytes(16 << 20)  # more than the buffers on the way hold

    def slow(connection: socket.socket) -> None:
        with connection.makefile("rb") as body:
            for method in (b"PUT", b"MOVE"):
                assert body.readline().startswith(method)
                while body.readline() != b"\r\n":
                    pass
                if method == b"PUT":
                    threading.Event().wait(0.04)
                    body.read(len(data))
                connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")

    with answering(slow) as url:
        options = WebdavOptions(url, timeout=10.0)
        place(WebdavBackend.identity(options)).known(TEMPORARY)
        with contextlib.closing(WebdavBackend.connect(options, {})) as disk:
            assert disk.put("a", data, digest=digest(data)).size == len(data)
