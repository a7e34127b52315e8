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
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from webraid.backend.base import map_error
from webraid.backend.conformance.subject import put
from webraid.errors import (
    BackendError,
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


@contextlib.contextmanager
def tmpfs(path: Path, options: str) -> Iterator[bool]:
    """A small file system at ``path``; False where we may not mount one."""
    path.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "webraid-test", str(path)]
    mounted = bool(shutil.which("mount")) and subprocess.run(command, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
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


@pytest.mark.parametrize("listed", [LocalBackend.list, LocalBackend.list_names])
def test_a_folder_that_can_be_read_and_not_entered_is_an_error_not_a_listing(
    listed: Callable[[LocalBackend, str], Iterator[object]], root: Path, disk: LocalBackend
) -> None:
    put(disk, "log/a/1", b"1")
    folder, me = root / "log" / "a", os.geteuid()
    for above in (folder.parent, *folder.parent.parents):
        if above.stat().st_uid == me and above.name and not above.stat().st_mode & 0o001:
            above.chmod(above.stat().st_mode | 0o055)
    folder.chmod(0o444)
    try:
        os.seteuid(me or 65534)
        with pytest.raises(PermissionDenied):
            list(listed(disk, "log/"))
    finally:
        os.seteuid(me)
        folder.chmod(0o700)


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


@pytest.mark.parametrize(("name", "wanted"), [("EINVAL", None), ("ENOTSUP", None), ("EIO", Unavailable)])
def test_a_folder_that_cannot_be_synced_is_borne_one_that_fails_to_is_not(
    name: str, wanted: type[BackendError] | None, disk: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(getattr(errno, name), "no")
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(wanted) if wanted else contextlib.nullcontext():
        put(disk, "log/a", b"1")
    assert os.listdir(disk._root) == ([] if wanted else ["log"]), "a folder that is not durable must not look so"


def test_a_temporary_name_that_is_taken_is_left_to_its_owner(
    root: Path, disk: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = root / f".tmp_{os.getpid()}_7"
    taken.write_bytes(b"another machine's")
    monkeypatch.setattr("webraid_local.files._NUMBERS", iter([7, 8]))
    put(disk, "a", b"1")
    assert disk.get("a") == b"1"
    assert taken.read_bytes() == b"another machine's"


def test_prepare_does_not_pass_over_a_folder_it_cannot_read(
    root: Path, disk: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(disk, "a/1", b"1")
    real = os.scandir

    def scandir(path: str):
        if str(path).endswith("/a"):
            raise OSError(errno.EIO, "worn out")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(Unavailable):
        disk.prepare()


def test_a_folder_that_is_away_still_has_an_identity(root: Path) -> None:
    assert LocalBackend.identity(LocalOptions(str(root))) == f"local|{root}"
