"""A raid6 pool on six folders with a snapshot of everything a file system has; copied where a test changes it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.pool.machine import Home
from webraid.env import Env
from webraid.jobs.browsing.browse import Browser
from webraid.pool import Pool, open_pool

BIG = 24_000_000
HOLES = 9_000_000


class Clock:
    """The true time, and whatever a test adds to it."""

    def __init__(self) -> None:
        self.later = 0.0

    def open(self, home: Home) -> Pool:
        where = home.settings
        where.env = Env(monotonic=lambda: time.monotonic() + self.later)
        return open_pool(where)


@dataclass
class World:
    """A machine with a pool, and the folder that was put into it."""

    home: Home
    source: Path

    def content(self, name: str) -> bytes:
        return (self.source / name).read_bytes()


def plant(folder: Path) -> None:
    """A big file, one with holes, small ones, links, odd names and attributes."""
    random = Random(7)
    (folder / "album").mkdir(parents=True)
    (folder / "big.bin").write_bytes(random.randbytes(BIG))
    with (folder / "holes.img").open("wb") as file:
        file.write(random.randbytes(300_000))
        file.seek(4_000_000)
        file.write(random.randbytes(1_500_000))
        file.truncate(HOLES)
    with (folder / "void.img").open("wb") as file:
        file.truncate(1_000_000)
    (folder / "empty").touch()
    for number in range(40):
        (folder / "album" / f"{number:03}.txt").write_bytes(random.randbytes(2000 + number))
    (folder / "link").symlink_to("album/000.txt")
    os.link(folder / "album" / "001.txt", folder / "zz-same")
    Path(os.fsdecode(os.fsencode(folder) + b"/odd\xff\x1b name")).write_text("odd")
    os.setxattr(folder / "album" / "002.txt", "user.note", b"a\0b\xff")
    os.chmod(folder / "album" / "003.txt", 0o640)
    os.utime(folder / "album" / "004.txt", ns=(1_500_000_000_123_456_789, 1_600_000_000_987_654_321))
    os.mkfifo(folder / "pipe")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Nobody changes this one."""
    root = tmp_path_factory.mktemp("world")
    source = root / "photos"
    plant(source)
    home = Home(root / "home").make("raid6", 6)
    with home.open() as pool:
        pool.put([str(source)], tags=["first", "a/b"])
    return World(home, source)


@pytest.fixture
def pool(world: World) -> Iterator[Pool]:
    with world.home.open() as opened:
        yield opened


@pytest.fixture
def browser(pool: Pool) -> Iterator[Browser]:
    with pool.browse() as opened:
        yield opened


@pytest.fixture
def own(world: World, tmp_path: Path) -> World:
    """A copy to be broken: its disks are found where the copy has them."""
    shutil.copytree(world.home.folder, tmp_path / "home")
    home = Home(tmp_path / "home")
    config = home.folder / "config.toml"
    config.write_text(config.read_text().replace(str(world.home.folder), str(home.folder)))
    return World(home, world.source)
