"""webraid_webdav at real servers: what only they can show."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance import servers_webdav as dav
from webraid.backend.conformance import Subject
from webraid.backend.conformance.subject import put
from webraid.backend.probe import probe
from webraid.env import Env
from webraid.errors import AuthExpired, Misconfigured, ObjectNotFound, ObjectTooLarge, Unavailable, Unsupported
from webraid_webdav import WebdavBackend, WebdavOptions
from webraid_webdav.upload import TEMPORARY

SubjectOf = Callable[[str], Subject]
SERVERS = [
    pytest.param(dav.wsgidav, id="wsgidav"),
    pytest.param(dav.rclone, id="rclone"),
    pytest.param(dav.nginx, id="nginx", marks=pytest.mark.deep),
]
KINDS = ["webdav-wsgidav", "webdav-rclone", pytest.param("webdav-nginx", marks=pytest.mark.deep)]


def connect(server: dav.DavServer, path: str = "disk", password: str = "") -> WebdavBackend:
    options = WebdavOptions(f"{server.url}{path}", server.user, timeout=10.0)
    return WebdavBackend.connect(options, {"password": password or server.password})


def files_of(folder: Path) -> Path:
    """Where the server of ``folder`` keeps its files."""
    return folder / "files" if (folder / "files").is_dir() else folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_password_is_a_matter_for_the_user(kind: str, subject_of: SubjectOf) -> None:
    options = subject_of(kind).shown[0]
    assert isinstance(options, WebdavOptions)
    with contextlib.closing(WebdavBackend.connect(options, {"password": "wrong"})) as backend:
        for action in (
            backend.prepare,
            backend.usage,
            lambda: backend.get("a"),
            lambda: backend.stat("a"),
            lambda: list(backend.list("")),
            lambda: put(backend, "a", bytes(5_000_000)),
            lambda: backend.delete("a"),
        ):
            with pytest.raises(AuthExpired):
                action()


def test_a_server_that_offers_only_digest_is_told_so(tmp_path: Path) -> None:
    with dav.wsgidav(tmp_path, login="digest") as server, contextlib.closing(connect(server)) as backend:
        with pytest.raises(Unsupported) as caught:
            backend.prepare()
        assert "Basic" in caught.value.hint


@pytest.mark.parametrize("serve", SERVERS)
def test_nothing_of_a_put_is_left_but_the_object(serve: Callable[..., object], tmp_path: Path) -> None:
    with serve(tmp_path) as server, contextlib.closing(connect(server)) as backend:  # type: ignore[attr-defined]
        backend.prepare()
        for body in (b"1", b"1", b"2"):
            put(backend, "log/a", body)
        there = files_of(tmp_path) / "disk"
        left = {path.relative_to(there).as_posix() for path in there.rglob("*") if path.is_file()}
        assert left == {"log/a"}
        assert (there / TEMPORARY).is_dir()


@pytest.mark.parametrize("serve", SERVERS[::2])  # rclone's view of a folder lags behind what others do in it
def test_folders_that_somebody_took_away_are_made_again(serve: Callable[..., object], tmp_path: Path) -> None:
    with serve(tmp_path) as server, contextlib.closing(connect(server)) as backend:  # type: ignore[attr-defined]
        backend.prepare()
        put(backend, "log/a", b"1")
        there = files_of(tmp_path) / "disk"
        for folder in ("log", TEMPORARY):
            shutil.rmtree(there / folder)
        with contextlib.suppress(Unavailable):  # nginx cannot say why; then the next put mends it
            put(backend, "log/b", b"2")
        put(backend, "log/b", b"2")
        assert [stored.name for stored in backend.list("")] == ["log/b"]


@pytest.mark.parametrize("serve", SERVERS[::2])
def test_a_lost_folder_is_never_an_empty_disk(serve: Callable[..., object], tmp_path: Path) -> None:
    with serve(tmp_path) as server, contextlib.closing(connect(server)) as backend:  # type: ignore[attr-defined]
        backend.prepare()
        put(backend, "a", b"1")
        with pytest.raises(ObjectNotFound):
            backend.get("b")
        shutil.rmtree(files_of(tmp_path) / "disk")
        for action in (
            lambda: backend.get("a"),
            lambda: backend.stat("a"),
            lambda: list(backend.list("")),
            lambda: list(backend.list("log/")),
            lambda: backend.delete("a"),
            backend.usage,
        ):
            with pytest.raises(Misconfigured, match="no such folder"):
                action()


@pytest.mark.parametrize("kind", KINDS)
def test_no_folder_is_ever_deleted(kind: str, subject_of: SubjectOf) -> None:
    with subject_of(kind).opened() as backend:
        put(backend, "scratch/kept/below/a", b"1")
        for name in ("scratch/kept", "scratch/kept/below", "scratch/kept/below/"):
            backend.delete(name)
        assert backend.get("scratch/kept/below/a") == b"1"


@pytest.mark.parametrize("kind", KINDS)
def test_a_probe_finds_what_the_kind_says(kind: str, subject_of: SubjectOf) -> None:
    with subject_of(kind).opened() as backend:
        found = probe(backend, Env(), "scratch-probe/")
        assert found.caps == backend.caps
        assert not found.notes
        assert not list(backend.list("scratch-probe/"))


@pytest.mark.deep
def test_a_body_that_nginx_refuses_is_too_large(tmp_path: Path) -> None:
    with dav.nginx(tmp_path, limit="1m") as server, contextlib.closing(connect(server)) as backend:
        backend.prepare()
        put(backend, "small", bytes(1 << 20))
        with pytest.raises(ObjectTooLarge) as caught:
            put(backend, "large", bytes(6 << 20))
        assert "client_max_body_size" in caught.value.hint
        assert backend.stat("small").size == 1 << 20
