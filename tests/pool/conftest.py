"""Pools on real folders, and a tree of real files to put into them."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pool.copies import copy_of
from tests.pool.machine import Home
from tests.pool.mixed import Mixed, mixed, plant
from tests.pool.moving import Small
from webraid.errors import EXIT_OK

FILES, BYTES = 5200, 80 << 20
MEMORY = Path("/dev/shm")


@pytest.fixture
def home(tmp_path: Path) -> Callable[[str, int], Home]:
    """Make a pool: home(level, number of folders)."""
    return lambda level, count: Home(tmp_path / "home").make(level, count)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A pool on four folders: copied, never used."""
    return Home(tmp_path_factory.mktemp("model") / "home").make("raid6", 4)


@pytest.fixture
def machine(model: Home, tmp_path: Path) -> Home:
    """A copy of it."""
    return copy_of(model, tmp_path / "home")


@pytest.fixture
def albums(tmp_path: Path) -> Path:
    """Twelve files in three folders, 3.6 MB."""
    folder = tmp_path / "photos"
    for number in range(12):
        part = folder / f"album {number // 4}"
        part.mkdir(parents=True, exist_ok=True)
        (part / f"{number:02}.jpg").write_bytes(random.Random(number).randbytes(300_000))
    return folder


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """A folder in memory, where the machine has such a place: its syncs cost nothing."""
    folder = Path(tempfile.mkdtemp(prefix="webraid-", dir=MEMORY if MEMORY.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def small(quick_folder: Path) -> Callable[[str, int], Home]:
    """A pool in memory, with packs so small that a few megabytes are many stripes."""
    return lambda level, count: Small(quick_folder / "home").make(level, count)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """At least 5,000 real files: Python's own library and what is installed beside it, with everything odd added."""
    target = tmp_path_factory.mktemp("source") / "library"
    target.mkdir()
    count = size = 0
    for root in dict.fromkeys(sysconfig.get_paths()[name] for name in ("stdlib", "purelib")):
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(name for name in folders if name not in ("__pycache__", "site-packages"))
            for name in sorted(files):
                source = Path(folder) / name
                if count >= FILES or size >= BYTES or source.is_symlink() or source.stat().st_size > 1 << 20:
                    continue
                copy = target / Path(root).name / source.relative_to(root)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, copy)
                count, size = count + 1, size + copy.stat().st_size
    assert count >= 5000, f"only {count} files found on this machine"
    oddities(target / "odd")
    yield target
    shutil.rmtree(target)


def oddities(folder: Path) -> None:
    """What real trees have besides plain files."""
    folder.mkdir()
    (folder / "empty folder").mkdir()
    (folder / "empty file").touch()
    (folder / "many chunks").write_bytes(os.urandom(3 << 20) * 2)
    os.link(folder / "many chunks", folder / "second link")
    (folder / "link").symlink_to("many chunks")
    (folder / "dangling").symlink_to("/nowhere/at/all")
    os.mkfifo(folder / "fifo")
    with (folder / "sparse").open("wb") as file:
        file.seek(50 << 20)
        file.write(b"end")
    Path(os.fsdecode(os.fsencode(folder) + b"/not utf-8 \xff\xfe")).write_text("x")
    (folder / "new\nline").write_text("x")
    (folder / "-rf").write_text("x")
    (folder / ("n" * 255)).write_text("x")
    (folder / "private").write_text("x")
    (folder / "private").chmod(0o600)
    (folder / "setgid").mkdir()
    (folder / "setgid").chmod(0o2750)
    os.utime(folder / "empty file", ns=(1_000_000_001, 1_000_000_002_003_004_005))
    with contextlib.suppress(OSError):  # where this file system has none; the files' own tests make sure of xattrs
        os.setxattr(folder / "private", "user.colour", b"blue")


# ------------------------------------------------------------------------------------------------- many kinds of disk
@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mixed]:
    """A raid6 pool over seven kinds of disk."""
    with mixed(tmp_path_factory.mktemp("mixed")) as made:
        yield made


@pytest.fixture(scope="module")
def photos(clouds: Mixed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the tests on ``clouds`` read."""
    return plant(tmp_path_factory.mktemp("tree") / "photos")


@pytest.fixture
def stored(clouds: Mixed, photos: Path) -> Path:
    """The photos, with every shard in its place; theirs is the newest snapshot."""
    with clouds.pool() as opened:
        opened.repair()
    assert clouds.put(photos) == EXIT_OK, (clouds.said(), clouds.requests)
    return photos
