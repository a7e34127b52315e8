"""A real mount by the real kernel: everything as it was, in parallel, read-only, and gone when it ends."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import stat
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from tests.mount.conftest import BIG, World
from tests.mount.mounted import PATIENCE, Mounted, is_mounted, mount, require_fuse, start
from tests.pool.machine import Home

FILES = 5000


@pytest.fixture(scope="module")
def mounted(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    """One mount for all tests that only look."""
    with mount(world.home, tmp_path_factory.mktemp("mount")) as there:
        yield there


@pytest.fixture
def photos(mounted: Mounted) -> Path:
    return mounted.folder / "snapshots" / "latest" / "photos"


def test_diff_finds_no_difference_between_a_snapshot_of_5000_files_and_their_source(tmp_path: Path) -> None:
    random, source = Random(2), tmp_path / "many"
    for album in range(FILES // 100):
        folder = source / f"album-{album:02}"
        folder.mkdir(parents=True)
        for number in range(100):
            (folder / f"{number:03}.txt").write_bytes(random.randbytes(random.randrange(2000)))
    home = Home(tmp_path / "home").make("raid6", 6)
    with home.open() as pool:
        assert pool.put([str(source)]).files == FILES
    with mount(home, tmp_path / "mount") as there:
        command = ["diff", "-r", str(source), str(there.folder / "snapshots" / "latest" / "many")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        (source / "album-07" / "007.txt").write_bytes(b"changed")
        assert subprocess.run(command, capture_output=True, timeout=120).returncode == 1


def test_ten_read_ten_files_at_once(photos: Path, world: World) -> None:
    names = ["big.bin", "holes.img", *(f"album/{number:03}.txt" for number in range(8))]
    at_once = threading.Barrier(10, timeout=PATIENCE)

    def read(name: str) -> bool:
        with (photos / name).open("rb") as file:
            at_once.wait()
            return file.read() == world.content(name)

    with ThreadPoolExecutor(10) as readers:
        assert all(readers.map(read, names))


def test_random_ranges_are_right_with_two_of_six_disks_gone(own: World, tmp_path: Path) -> None:
    for number in (1, 4):
        own.home.disk(number).rename(own.home.folder / f"gone{number}")
    wanted, random = own.content("big.bin"), Random(9)
    with mount(own.home, tmp_path / "mount", "--cache", "8MiB") as there:
        file = os.open(there.folder / "snapshots/latest/photos/big.bin", os.O_RDONLY)
        try:
            for _ in range(40):
                offset, size = random.randrange(BIG), random.randrange(1, 500_000)
                assert os.pread(file, size, offset) == wanted[offset : offset + size]
        finally:
            os.close(file)
    assert any("d1" in line for line in there.complaints)


def test_what_cannot_be_read_is_an_error_that_names_the_disks_and_never_wrong_bytes(own: World, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        own.home.disk(number).rename(own.home.folder / f"gone{number}")
    with mount(own.home, tmp_path / "mount") as there:
        photos = there.folder / "snapshots" / "latest" / "photos"
        assert "big.bin" in os.listdir(photos)  # the table is on every disk
        with pytest.raises(OSError, match=os.strerror(errno.EIO)) as caught:
            (photos / "big.bin").read_bytes()
        assert caught.value.errno == errno.EIO
    told = "\n".join(there.complaints)
    assert "photos/big.bin" in told
    assert all(f"d{number}" in told for number in (1, 2, 3))


def test_everything_that_stat_tells_is_as_it_was(photos: Path, world: World) -> None:
    for path in [world.source, *world.source.rglob("*")]:
        was = path.lstat()
        now = (photos / path.relative_to(world.source)).lstat()
        for name in ("st_mode", "st_uid", "st_gid", "st_mtime_ns", "st_ctime_ns", "st_rdev"):
            assert getattr(now, name) == getattr(was, name), (path, name)
        if not path.is_dir():
            assert now.st_size == was.st_size
            assert now.st_nlink == was.st_nlink
    assert (photos / "zz-same").stat().st_ino == (photos / "album" / "001.txt").stat().st_ino
    assert (photos / "holes.img").stat().st_blocks * 512 < 3_000_000


def test_links_attributes_and_odd_names_are_there(photos: Path, world: World) -> None:
    assert os.readlink(photos / "link") == "album/000.txt"
    assert (photos / "link").read_bytes() == world.content("album/000.txt")
    assert os.getxattr(photos / "album" / "002.txt", "user.note") == b"a\0b\xff"
    assert os.listxattr(photos / "album" / "002.txt") == ["user.note"]
    assert os.listxattr(photos / "album" / "003.txt") == []
    with pytest.raises(OSError, match=os.strerror(errno.ENODATA)):
        os.getxattr(photos / "album" / "003.txt", "user.note")
    assert stat.S_ISFIFO((photos / "pipe").lstat().st_mode)
    assert sorted(os.listdir(os.fsencode(photos))) == sorted(os.listdir(os.fsencode(world.source)))
    assert Path(os.fsdecode(os.fsencode(photos) + b"/odd\xff\x1b name")).read_text() == "odd"
    assert (photos / "holes.img").read_bytes() == world.content("holes.img")
    assert (photos / "void.img").read_bytes() == world.content("void.img")


def test_nothing_can_be_written(photos: Path) -> None:
    attempts = (
        lambda: (photos / "new").write_text("x"),
        lambda: (photos / "big.bin").open("r+b"),
        (photos / "big.bin").unlink,
        (photos / "folder").mkdir,
        lambda: os.chmod(photos / "empty", 0o600),
        lambda: os.rename(photos / "empty", photos / "full"),
        lambda: os.setxattr(photos / "empty", "user.x", b"y"),
        lambda: os.symlink("a", photos / "b"),
        lambda: os.utime(photos / "empty"),
    )
    for attempt in attempts:
        with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
            attempt()


def test_the_top_has_the_folders_that_one_expects(mounted: Mounted, world: World) -> None:
    top = mounted.folder
    assert sorted(os.listdir(top)) == ["hosts", "ids", "snapshots", "tags"]
    (snapshot,) = os.listdir(top / "ids")
    same = [top / "ids" / snapshot, top / "snapshots" / "latest", top / "tags" / "a_b" / "latest"]
    same += [next((top / "hosts").iterdir()) / "latest"]
    assert len({(folder / "photos" / "zz-same").stat().st_ino for folder in same}) == 1
    room = os.statvfs(top)
    assert room.f_blocks * room.f_frsize > BIG
    assert (room.f_bavail, room.f_namemax) == (0, 255)
    with pytest.raises(FileNotFoundError):
        os.listdir(top / "snapshots" / "none")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_unmounts_and_that_is_no_error(world: World, tmp_path: Path, number: int) -> None:
    with mount(world.home, tmp_path / "mount") as there:
        assert there.said[0].endswith("read-only.")
        assert str(there.folder) in there.said[1]
        assert is_mounted(there.folder)
        assert there.end(number) == 0
        assert not is_mounted(there.folder)
        assert os.listdir(there.folder) == []
    assert there.complaints == []


def test_it_ends_when_it_is_unmounted_from_elsewhere_and_says_so_to_programs(world: World, tmp_path: Path) -> None:
    with mount(world.home, tmp_path / "mount", "--json", "--owner-root") as there:
        subprocess.run(["fusermount3", "-u", str(there.folder)], check=True)
        assert there.wait() == 0
    begun, ended = (json.loads(line) for line in there.said)
    assert begun == {"message_type": "mounted", "mountpoint": str(there.folder), "snapshots": 1}
    assert (ended["command"], ended["open_files"]) == ("mount", 0)


def test_a_process_that_is_killed_leaves_no_dead_mount(world: World, tmp_path: Path) -> None:
    with mount(world.home, tmp_path / "mount") as there:
        there.end(signal.SIGKILL)
        pause = threading.Event()
        for _ in range(1000):
            if not is_mounted(there.folder):
                break
            pause.wait(0.02)
        assert os.listdir(there.folder) == []


def test_who_has_a_file_open_hears_of_the_end(world: World, tmp_path: Path) -> None:
    with mount(world.home, tmp_path / "mount") as there:
        file = os.open(there.folder / "snapshots/latest/photos/big.bin", os.O_RDONLY)
        try:
            os.pread(file, 10, 0)
            assert there.end() == 0
            with pytest.raises(OSError, match=os.strerror(errno.ENOTCONN)):
                os.pread(file, 10, BIG // 2)
        finally:
            with contextlib.suppress(OSError):
                os.close(file)
    assert any("still open" in line for line in there.said)


def test_a_second_mount_on_the_same_folder_is_refused(mounted: Mounted, world: World) -> None:
    require_fuse()
    with pytest.raises(pytest.fail.Exception, match=r"already.*fusermount3 -u"):
        start(world.home, mounted.folder)
    assert os.listdir(mounted.folder)
