"""webraid_local: what a folder does when it is full, read-only, unplugged or cut off in the middle."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from webraid.backend.base import Backend, map_error
from webraid.backend.conformance import Subject
from webraid.backend.conformance.subject import all_together, digest_of, put
from webraid.errors import (
    BackendError,
    ConfigError,
    Misconfigured,
    ObjectNotFound,
    ObjectTooLarge,
    PermissionDenied,
    ProtocolError,
    QuotaExceeded,
    Unavailable,
)
from webraid.model import MIB
from webraid_local import LocalBackend, LocalOptions
from webraid_local.errors import ERRNOS, ERRORS

REPOSITORY = Path(__file__).resolve().parents[2]
DAY = 86400


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "disk"


@pytest.fixture
def disk(root: Path) -> LocalBackend:
    backend = LocalBackend.connect(LocalOptions(str(root)), {})
    backend.prepare()
    return backend


@contextlib.contextmanager
def tmpfs(path: Path, options: str) -> Iterator[bool]:
    """A small file system at ``path``; False where we may not mount one."""
    path.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "webraid-test", str(path)], capture_output=True)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", str(path)], check=False, capture_output=True)


def operations(disk: LocalBackend):
    return {
        "put": lambda: put(disk, "shards/ab/x.0", b"1"),
        "get": lambda: disk.get("log/a"),
        "stat": lambda: disk.stat("log/a"),
        "list": lambda: list(disk.list("")),
        "delete": lambda: disk.delete("log/a"),
        "usage": disk.usage,
    }


# ------------------------------------------------------------------------------------------------- full and read-only
def test_a_full_file_system_is_quota_exceeded_and_nothing_is_left_of_the_put(
    root: Path, disk: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tmpfs(root, "size=1m") as mounted:
        disk = LocalBackend.connect(LocalOptions(str(root)), {})
        put(disk, "log/a", b"before")
        if not mounted:  # then the kernel's answer is made here
            monkeypatch.setattr(os, "write", _full_after(MIB))
        with pytest.raises(QuotaExceeded) as caught:
            put(disk, "log/a", bytes(4 * MIB))
        assert caught.value.what == "space"
        assert disk.get("log/a") == b"before"
        assert os.listdir(root / "log") == ["a"]
        put(disk, "log/a", b"after")
        if mounted:
            assert disk.usage().total == MIB


def _full_after(room: int):
    real, left = os.write, [room]

    def write(fd: int, data: memoryview) -> int:
        if not left[0]:
            left[0] = room
            raise OSError(errno.ENOSPC, "full")
        count = real(fd, data[: left[0]])
        left[0] -= count
        return count

    return write


def test_a_read_only_file_system_is_permission_denied_and_can_be_read(
    root: Path, disk: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tmpfs(root, "size=1m") as mounted:
        disk = LocalBackend.connect(LocalOptions(str(root)), {})
        put(disk, "log/a", b"1")
        if mounted:
            subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
        else:
            monkeypatch.setattr(os, "fsync", _raises(errno.EROFS))
        with pytest.raises(PermissionDenied, match="read-only"):
            put(disk, "log/b", b"2")
        assert disk.get("log/a") == b"1"
        assert [stored.name for stored in disk.list("")] == ["log/a"]


def _raises(number: int):
    def call(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        *dict.fromkeys(("ENOSPC", "EDQUOT"), QuotaExceeded).items(),
        *dict.fromkeys(("EROFS", "EACCES", "EPERM"), PermissionDenied).items(),
        *dict.fromkeys(
            ("EIO", "ENODEV", "ENXIO", "ESTALE", "ENOMEDIUM", "EHOSTDOWN", "ETIMEDOUT", "EBUSY"), Unavailable
        ).items(),
        *dict.fromkeys(("ENAMETOOLONG", "ELOOP", "EINVAL", "ENOTSUP"), Misconfigured).items(),
        ("EFBIG", ObjectTooLarge),
    ],
)
def test_every_way_a_write_fails_is_its_own_error_and_leaves_nothing(
    name: str, wanted: type[BackendError], root: Path, disk: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(disk, "log/a", b"before")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", _raises(getattr(errno, name)))
        with pytest.raises(wanted) as caught:
            put(disk, "log/a", b"after")
    assert name in (caught.value.provider_code, "ENOTSUP")  # which has two names
    assert str(root) not in str(caught.value)
    assert disk.get("log/a") == b"before"
    assert os.listdir(root / "log") == ["a"]


def test_every_error_of_the_system_is_mapped_and_only_what_means_it_is_missing() -> None:
    for number in errno.errorcode:
        found = map_error(ERRORS, OSError(number, os.strerror(number)))
        assert isinstance(found, BackendError)
        assert isinstance(found, ObjectNotFound) == (number in (errno.ENOENT, errno.ENOTDIR))
        assert isinstance(found, ProtocolError) == (number not in ERRNOS)
    assert isinstance(map_error(ERRORS, OSError("no number")), ProtocolError)
    assert isinstance(map_error(ERRORS, NotImplementedError()), Misconfigured)


# ---------------------------------------------------------------------------------------------------------- unplugged
@pytest.mark.parametrize("durability", ["object", "batch"])
def test_a_missing_folder_is_unavailable_never_remade_and_welcome_back(root: Path, durability: str) -> None:
    disk = LocalBackend.connect(LocalOptions(str(root), durability), {})  # type: ignore[arg-type]
    disk.prepare()
    put(disk, "log/a", b"1")
    away = root.with_name("away")
    for backend in (disk, LocalBackend.connect(LocalOptions(str(root)), {})):
        root.rename(away)
        for name, operation in operations(backend).items():
            with pytest.raises(Unavailable, match="plugged in"):
                operation()
            assert not root.exists(), name
        away.rename(root)
        assert backend.get("log/a") == b"1"


def test_a_stick_pulled_out_leaves_its_mount_point_and_that_is_not_the_disk(root: Path) -> None:
    with tmpfs(root, "size=1m") as mounted:
        disk = LocalBackend.connect(LocalOptions(str(root)), {})
        put(disk, "log/a", b"1")
        if mounted:
            subprocess.run(["umount", str(root)], check=True)
        else:
            disk._device = -1
        for operation in operations(disk).values():
            with pytest.raises(Unavailable, match="another file system"):
                operation()
        if mounted:
            assert os.listdir(root) == []


def test_a_folder_that_goes_in_the_middle_of_a_get_is_not_a_missing_object(
    root: Path, disk: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(disk, "log/a", b"1")
    real = os.open

    def unplug(path: str, *more: int, **named: int) -> int:
        root.rename(root.with_name("away"))
        return real(path, *more, **named)

    monkeypatch.setattr(os, "open", unplug)
    with pytest.raises(Unavailable):
        disk.get("log/a")


def test_a_listing_that_fails_half_way_is_an_error_not_a_shorter_list(
    root: Path, disk: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(disk, "a/1", b"1")
    put(disk, "b/2", b"2")
    real = os.scandir

    def scandir(path: str):
        if path.endswith("/b"):
            raise OSError(errno.EIO, "worn out")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    listing = disk.list("")
    assert next(listing).name == "a/1"
    with pytest.raises(Unavailable):
        next(listing)


# ------------------------------------------------------------------------------------------------------------- crashes
CRASH = """
import os, signal, sys
from webraid_local import LocalBackend, LocalOptions
from webraid.backend.base import Digest
disk = LocalBackend.connect(LocalOptions(sys.argv[1]), {})
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
setattr(os, sys.argv[2], die)
disk.put("shards/ab/x.0", bytes(3_000_000), digest=Digest("0" * 64))
"""


@pytest.mark.parametrize("point", ["write", "fsync", "replace"])
def test_a_put_that_dies_leaves_no_visible_object_and_is_swept_a_day_later(
    point: str, root: Path, disk: LocalBackend
) -> None:
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'backends'}"}
    put(disk, "shards/ab/y.0", b"kept")
    done = subprocess.run([sys.executable, "-c", CRASH, str(root), point], env=environment)
    assert done.returncode == -signal.SIGKILL
    left = [path for path in (root / "shards/ab").iterdir() if path.name != "y.0"]
    assert len(left) == 1
    assert [stored.name for stored in disk.list("")] == ["shards/ab/y.0"]
    with pytest.raises(ObjectNotFound):
        disk.get("shards/ab/x.0")
    disk.prepare()
    assert left[0].exists(), "it might be another run's that still writes"
    yesterday = left[0].stat().st_mtime - DAY - 60
    os.utime(left[0], (yesterday, yesterday))
    disk.prepare()
    assert [path.name for path in (root / "shards/ab").iterdir()] == ["y.0"]
    assert [path.name for path in root.iterdir()] == ["shards"]


def test_an_object_is_synced_before_its_name_and_its_folder_once_it_has_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = LocalBackend.connect(LocalOptions(str(root)), {})
    disk.prepare()
    steps = _journal(monkeypatch, root)
    put(disk, "shards/ab/x.0", b"1")
    made, steps[:] = list(steps), []
    put(disk, "shards/ab/y.0", b"1")
    assert made == ["sync .", "sync shards", "sync a file", "rename", "sync shards/ab"]
    assert steps == ["sync a file", "rename", "sync shards/ab"], "the parents are durable already"


def test_a_batch_syncs_shards_only_when_a_record_comes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = LocalBackend.connect(LocalOptions(str(root), "batch"), {})
    disk.prepare()
    put(disk, "shards/ab/x.0", b"1")
    put(disk, "log/a", b"1")
    steps = _journal(monkeypatch, root)
    put(disk, "shards/ab/y.0", b"1")
    put(disk, "log/b", b"1")
    assert steps == ["rename", "sync everything", "sync a file", "rename", "sync log"]


def _journal(monkeypatch: pytest.MonkeyPatch, root: Path) -> list[str]:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_sync(fd: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(fd).st_mode)
        steps.append(
            f"sync {os.path.relpath(os.readlink(f'/proc/self/fd/{fd}'), root)}" if is_folder else "sync a file"
        )
        fsync(fd)

    def note_replace(source: str, target: str) -> None:
        steps.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(os, "replace", note_replace)
    monkeypatch.setattr(os, "sync", lambda: steps.append("sync everything"))
    return steps


# --------------------------------------------------------------------------------------------------- bytes and folders
@pytest.mark.parametrize("shape", [bytes, bytearray, lambda data: memoryview(bytearray(data))[1:]])
def test_many_mib_are_written_without_a_copy_and_read_with_one_buffer(shape, disk: LocalBackend) -> None:
    data = shape(bytes(32 * MIB))
    digest = digest_of(data)
    tracemalloc.start()
    try:
        disk.put("shards/ab/x.0", data, digest=digest)
        written = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        body = disk.get("shards/ab/x.0")
        read = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert body == data
    assert written < MIB
    assert read < 33 * MIB


def test_a_write_taken_in_pieces_is_whole(disk: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write, real_read = os.write, os.pread
    monkeypatch.setattr(os, "write", lambda fd, data: real_write(fd, data[:7]))
    monkeypatch.setattr(os, "pread", lambda fd, size, offset: real_read(fd, min(size, 11), offset))
    data = bytes(range(256))
    put(disk, "log/a", data)
    assert disk.get("log/a") == data
    assert disk.get("log/a", offset=3, size=100) == data[3:103]


def test_a_file_that_shrinks_while_it_is_read_is_unavailable(
    disk: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(disk, "log/a", b"0123456789")
    monkeypatch.setattr(os, "pread", lambda fd, size, offset: b"")
    with pytest.raises(Unavailable, match="shorter"):
        disk.get("log/a")


def test_files_are_for_the_owner_alone(root: Path, disk: LocalBackend) -> None:
    before = os.umask(0)
    try:
        put(disk, "shards/ab/x.0", b"1")
    finally:
        os.umask(before)
    for path, mode in ((root, 0o700), (root / "shards", 0o700), (root / "shards/ab/x.0", 0o600)):
        assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize(
    "name", ["..", "../x", "a/../../x", "/etc/passwd", "", "a//b", ".", "a/", "A", "a\0b", "./a", "..."]
)
def test_no_name_leads_out_of_the_folder(name: str, root: Path, disk: LocalBackend) -> None:
    (root.parent / "x").write_bytes(b"not yours")
    for action in (
        lambda: put(disk, name, b"1"),
        lambda: disk.get(name),
        lambda: disk.stat(name),
        lambda: disk.delete(name),
    ):
        with pytest.raises(ProtocolError):
            action()
    assert (root.parent / "x").read_bytes() == b"not yours"


def test_what_others_leave_in_the_folder_is_not_listed(root: Path, disk: LocalBackend) -> None:
    put(disk, "log/a", b"1")
    for name in (".DS_Store", "Thumbs.db", "log/.tmp_1_2", "log/a~", "log/\udcff"):
        (root / name).write_bytes(b"?")
    os.mkfifo(root / "log/pipe")
    (root / "log/dangling").symlink_to("nowhere")
    assert [stored.name for stored in disk.list("")] == ["log/a"]
    with pytest.raises(ObjectNotFound):
        disk.get("log/pipe")
    with pytest.raises(ObjectNotFound):
        disk.stat("log/pipe")


def test_delete_takes_emptied_folders_along_but_never_the_disk(root: Path, disk: LocalBackend) -> None:
    put(disk, "a/b/c", b"1")
    put(disk, "a/d", b"2")
    disk.delete("a/b/c")
    assert sorted(os.listdir(root / "a")) == ["d"]
    disk.delete("a/d")
    assert os.listdir(root) == []
    put(disk, "a/b/c", b"3")
    assert disk.get("a/b/c") == b"3"


def test_puts_and_deletes_that_fight_over_a_folder_both_succeed(root: Path) -> None:
    def work(disk: Backend, number: int) -> None:
        for turn in range(150):
            put(disk, f"shards/a/{number}", bytes([turn]))
            assert disk.get(f"shards/a/{number}") == bytes([turn])
            disk.delete(f"shards/a/{number}")

    options = LocalOptions(str(root), "batch")
    LocalBackend.connect(options, {}).prepare()
    all_together(Subject(lambda: LocalBackend.connect(options, {}), LocalBackend.caps, ""), 4, work)


def test_a_folder_that_another_process_removes_is_made_again_and_at_last_unavailable(
    root: Path, disk: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(disk, "log/a", b"1")
    shutil.rmtree(root / "log")
    put(disk, "log/a", b"2")
    assert disk.get("log/a") == b"2"
    real = os.replace

    def race(source: str, target: str) -> None:
        os.unlink(source)
        real(source, target)

    monkeypatch.setattr(os, "replace", race)
    with pytest.raises(Unavailable, match="somebody removes"):
        put(disk, "log/b", b"3")


# --------------------------------------------------------------------------------------------------- place and options
def test_prepare_makes_missing_folders_and_says_so_when_a_file_is_in_the_way(tmp_path: Path) -> None:
    deep = tmp_path / "not/there/yet"
    LocalBackend.connect(LocalOptions(str(deep)), {}).prepare()
    assert deep.is_dir()
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file/below"):
        disk = LocalBackend.connect(LocalOptions(str(path)), {})
        with pytest.raises(Misconfigured):
            disk.prepare()
    with pytest.raises(Misconfigured):
        LocalBackend.connect(LocalOptions(str(tmp_path / "file")), {}).get("log/a")


def test_identity_is_the_place_not_its_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    spellings = {str(tmp_path / "disk"), "disk", "~/disk", "link", f"{tmp_path}/./x/../disk/"}
    assert len({LocalBackend.identity(LocalOptions(path)) for path in spellings}) == 1
    assert LocalBackend.identity(LocalOptions("other")) == f"local|{tmp_path}/other"
    assert LocalBackend.identity(LocalOptions("disk")) != LocalBackend.identity(LocalOptions("other"))
    assert LocalOptions("~/disk").path == str(tmp_path / "disk")
    assert LocalBackend.default_domain(LocalOptions("disk"), "usb") == "usb"


@pytest.mark.parametrize("bad", [{"path": ""}, {"path": "a\0b"}, {"path": "x", "durability": "never"}])
def test_options_that_mean_nothing_are_refused(bad: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        LocalOptions(**bad)  # type: ignore[arg-type]
