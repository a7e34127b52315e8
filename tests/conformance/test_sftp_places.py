"""The folder on the server: what lies about in it, what is missing, what a put leaves behind."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.servers import FaultyFront
from tests.conformance.servers_sftp import SftpServer, sftp_asyncssh
from webraid.backend.conformance.subject import put
from webraid.env import Env
from webraid.errors import Misconfigured, ObjectNotFound, ProtocolError, QuotaExceeded, Unavailable
from webraid_sftp import SftpBackend, SftpOptions


@pytest.fixture(scope="module", params=["new", "old"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    """As OpenSSH, and as servers were before it added to the protocol."""
    flags = ("--old",) if request.param == "old" else ()
    with sftp_asyncssh(tmp_path_factory.mktemp("sftp"), *flags) as started:
        yield started


def options(server: SftpServer, path: str) -> SftpOptions:
    return SftpOptions("127.0.0.1", server.user, path, port=server.port, known_host_key=server.keys.host)


@pytest.fixture
def files(server: SftpServer, tmp_path: Path) -> Path:
    """The folder as this machine sees it; not made yet."""
    return server.files.parent / tmp_path.name


@pytest.fixture
def disk(server: SftpServer, files: Path) -> Iterator[SftpBackend]:
    """A folder that is ready, at ``files``."""
    path = f"{Path(server.path).parent}/{files.name}"
    with contextlib.closing(SftpBackend.connect(options(server, path), {"key": server.keys.user})) as backend:
        backend.prepare()
        yield backend


def names(disk: SftpBackend, prefix: str = "") -> list[str]:
    return sorted(stored.name for stored in disk.list(prefix))


def held(files: Path) -> list[str]:
    """All files, as the server has them."""
    return sorted(str(path.relative_to(files)) for path in files.rglob("*") if not path.is_dir())


def settle(disk: SftpBackend) -> None:
    """What was sent without waiting for its answer has been done."""
    with contextlib.suppress(ObjectNotFound):
        disk.stat("settled")


def test_an_object_is_a_file_that_only_its_owner_reads(disk: SftpBackend, files: Path) -> None:
    put(disk, "a/b/c", b"1")
    assert held(files) == ["a/b/c"]
    assert (files / "a/b/c").stat().st_mode & 0o777 == 0o600
    assert (files / "a").stat().st_mode & 0o777 == 0o700


def test_folders_that_are_emptied_go_with_their_last_object(disk: SftpBackend, files: Path) -> None:
    put(disk, "a/b/c", b"1")
    put(disk, "a/d", b"1")
    disk.delete("a/b/c")
    assert not (files / "a/b").exists()
    assert (files / "a/d").exists()
    disk.delete("a/d")
    assert not (files / "a").exists()
    assert files.exists()


def test_a_folder_that_somebody_removed_is_made_again(disk: SftpBackend, files: Path) -> None:
    put(disk, "a/b", b"1")
    (files / "a/b").unlink()
    (files / "a").rmdir()
    (files / ".tmp_").rmdir()
    put(disk, "a/b", b"2")
    assert (files / "a/b").read_bytes() == b"2"


def test_what_is_not_ours_is_not_listed_and_not_followed(disk: SftpBackend, files: Path, tmp_path: Path) -> None:
    put(disk, "ours/a", b"1")
    (files / ".tmp_/left").write_bytes(b"x")
    (files / "Photo.JPG").write_bytes(b"x")
    (files / "ours/desktop_ini").write_bytes(b"x")
    outside = files.parent / f"outside-{files.name}"
    outside.mkdir()
    (outside / "b").write_bytes(b"x")
    (files / "link").symlink_to(outside)
    (files / "ours/link").symlink_to(outside / "b")
    os.mkfifo(files / "ours/pipe")
    assert names(disk) == ["ours/a"]
    with pytest.raises(ObjectNotFound):
        disk.stat("ours/link")
    with pytest.raises(ObjectNotFound):
        disk.stat("ours/pipe")


def test_a_link_where_an_object_belongs_is_replaced_and_not_followed(disk: SftpBackend, files: Path) -> None:
    victim = files.parent / f"victim-{files.name}"
    victim.write_bytes(b"keep")
    (files / "a").symlink_to(victim)
    put(disk, "a", b"1")
    assert victim.read_bytes() == b"keep"
    assert (files / "a").read_bytes() == b"1"
    assert not (files / "a").is_symlink()


@pytest.mark.parametrize("name", ["../a", "a/../b", "a//b", "/a", "a_b", "A", "a/.", ""])
def test_no_name_leads_out_of_the_folder(disk: SftpBackend, name: str) -> None:
    if name:
        with pytest.raises(ProtocolError):
            put(disk, name, b"1")
    with pytest.raises(ProtocolError):
        disk.get(name or "..")


def test_a_drive_that_is_not_mounted_is_no_empty_disk(disk: SftpBackend, files: Path) -> None:
    put(disk, "a/b", b"1")
    files.rename(files.with_name(f"{files.name}-away"))
    for action in (
        lambda: put(disk, "a/c", b"1"),
        lambda: put(disk, "top", b"1"),
        lambda: disk.get("a/b"),
        lambda: disk.stat("a/b"),
        lambda: list(disk.list("")),
        lambda: list(disk.list("a/")),
        lambda: disk.delete("a/b"),
    ):
        with pytest.raises(Unavailable, match="folder is missing"):
            action()
    assert not files.exists()
    files.with_name(f"{files.name}-away").rename(files)
    assert disk.get("a/b") == b"1"


def test_a_drive_that_goes_while_it_is_listed_is_told(disk: SftpBackend, files: Path) -> None:
    for name in ("a/b", "top", "z/b"):
        put(disk, name, b"1")
    listing = disk.list("")
    assert next(listing).name == "top"  # the root has been read, the folders have not
    files.rename(files.with_name(f"{files.name}-away"))
    with pytest.raises(Unavailable, match="folder is missing"):
        list(listing)


def test_a_file_where_the_folder_belongs_is_told(server: SftpServer, files: Path) -> None:
    files.parent.mkdir(exist_ok=True)
    files.write_bytes(b"x")
    path = f"{Path(server.path).parent}/{files.name}"
    with contextlib.closing(SftpBackend.connect(options(server, path), {"key": server.keys.user})) as backend:
        with pytest.raises(Misconfigured, match="a file"):
            backend.prepare()
        with pytest.raises(Misconfigured, match="a file"):
            list(backend.list(""))


def test_a_folder_where_an_object_belongs_is_told(disk: SftpBackend, files: Path) -> None:
    put(disk, "a/b", b"1")
    with pytest.raises(Misconfigured, match="folder lies where an object belongs"):
        put(disk, "a", b"2")
    with pytest.raises(Misconfigured, match="folder lies where an object belongs"):
        put(disk, "a/b/c", b"2")
    settle(disk)
    assert held(files) == ["a/b"]


def test_prepare_makes_all_folders_above_and_sweeps_what_is_a_day_old(server: SftpServer, tmp_path: Path) -> None:
    place = options(server, f"/deep/{tmp_path.name}/down")
    files = server.files.parent.parent / "deep" / tmp_path.name / "down"
    with contextlib.closing(SftpBackend.connect(place, {"key": server.keys.user})) as backend:
        backend.prepare()
        for name, age in (("old", 90_000), ("young", 80_000)):
            (files / ".tmp_" / name).write_bytes(b"x")
            os.utime(files / ".tmp_" / name, (time.time() - age,) * 2)
        (files / ".tmp_" / "folder").mkdir()
        backend.prepare()
        assert sorted(path.name for path in (files / ".tmp_").iterdir()) == ["folder", "young"]
        assert names(backend) == []


def test_the_first_put_of_a_run_sweeps_what_is_a_day_old(disk: SftpBackend, files: Path) -> None:
    for name, age in (("old", 90_000), ("young", 80_000)):
        (files / ".tmp_" / name).write_bytes(b"x")
        os.utime(files / ".tmp_" / name, (time.time() - age,) * 2)
    put(disk, "a", b"1")
    assert held(files) == [".tmp_/young", "a"]
    (files / ".tmp_/old").write_bytes(b"x")
    os.utime(files / ".tmp_/old", (1.0, 1.0))
    put(disk, "b", b"1")  # once is enough
    assert held(files) == [".tmp_/old", ".tmp_/young", "a", "b"]


def test_a_put_that_fails_leaves_nothing_behind(server: SftpServer, disk: SftpBackend, files: Path) -> None:
    put(disk, "a", b"before")
    with FaultyFront(server.port, server.process).fault("full"):
        # All that it says is 'Failure'; only a server that tells its room can be known to be full.
        with pytest.raises(QuotaExceeded if disk.usage().total else Unavailable):
            put(disk, "a", bytes(100_000))
        settle(disk)
    assert held(files) == ["a"]
    assert (files / "a").read_bytes() == b"before"


def test_two_machines_that_write_at_once_use_different_names(
    server: SftpServer, files: Path, disk: SftpBackend
) -> None:
    asked: list[int] = []

    def same(count: int) -> bytes:
        asked.append(count)
        return bytes(count)

    other = SftpBackend.connect(disk._options, {"key": server.keys.user}, env=Env(random=same))
    with contextlib.closing(other):
        put(other, "b", b"1")
    assert asked == [12]
