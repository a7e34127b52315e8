"""A simulated year of nights: files change, disks die, rot, stay away and are replaced; old snapshots go and their
space comes back.  Every snapshot that is kept comes back bit for bit."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pool.machine import Home
from tests.tools.test_webraid_recover import recover
from webraid.env import Env
from webraid.errors import EXIT_ALARM, EXIT_DEGRADED, EXIT_OK
from webraid.jobs.base.retention import Policy
from webraid.jobs.base.settings import Settings
from webraid.pool import settings

DAY = 86_400.0
NIGHTS = 365
BEGIN = 1_767_225_600.0  # 2026-01-01
FILES = 24
KEEP = Policy(keep={"daily": 7, "weekly": 5, "monthly": 12})
Files = dict[str, bytes]


class Nightly(Home):
    """A machine whose calendar the test turns, and the pool's year in its memory."""

    def __init__(self, folder: Path, seed: int) -> None:
        super().__init__(folder)
        self.now = BEGIN
        self.chance = random.Random(seed)
        self.source = folder / "photos"
        self.source.mkdir()
        self.files: Files = {}
        self.kept: dict[str, Files] = {}
        self.disks = 0
        self.peak = 0

    @property
    def settings(self) -> Settings:
        env = Env(now=lambda: self.now)
        return settings(environ=self.environ, on_event=self.events.append, env=env)

    def change(self) -> None:
        """What a day leaves behind: some files are new, some other, some gone, some called otherwise."""
        for _ in range(self.chance.randint(0, 3)):
            name = f"{self.chance.randrange(FILES)}.jpg"
            match self.chance.randrange(5 if name in self.files else 1):
                case 3:
                    del self.files[name]
                    (self.source / name).unlink()
                case 4:
                    other = f"renamed {self.chance.randrange(99)}.jpg"
                    self.files[other] = self.files.pop(name)
                    (self.source / name).rename(self.source / other)
                case _:
                    self.write(name, self.chance.randbytes(self.chance.randint(1, 120_000)))
        if len(self.files) < FILES // 2:
            self.write(f"{self.chance.randrange(FILES)}.jpg", self.chance.randbytes(50_000))

    def write(self, name: str, data: bytes) -> None:
        self.files[name] = data
        (self.source / name).write_bytes(data)

    def names(self) -> list[str]:
        """Disks of the pool."""
        with self.open() as pool:
            return sorted(disk.name for disk in pool.status().disks)

    def folder_of(self, name: str) -> Path:
        return self.folder / name

    def new_disk(self) -> str:
        self.disks += 1
        name = f"n{self.disks}"
        with self.open() as pool:
            pool.add_backend("local", name, {"path": str(self.folder_of(name))})
        return name

    def stored(self) -> int:
        return sum(path.stat().st_size for disk in self.names() for path in _objects(self.folder_of(disk)))

    def put(self) -> None:
        with self.open() as pool:
            result = pool.put([str(self.source)])
        assert result.exit_code in (EXIT_OK, EXIT_DEGRADED, EXIT_ALARM), result
        self.kept[result.snapshot] = dict(self.files)

    def comes_back(self, name: str) -> None:
        out = self.folder / "out"
        with self.open() as pool:
            result = pool.get(name, to=out)
        assert (result.problems, result.unreadable) == ([], []), name
        assert _read(out / "photos") == self.kept[name], name
        shutil.rmtree(out)


def _objects(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("shards/*/*") if path.is_file())


def _read(folder: Path) -> Files:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# -------------------------------------------------------------------------------------------------- what may happen
def dies(home: Nightly) -> None:
    """A disk is gone for good; another one takes its place."""
    lost = home.chance.choice(home.names())
    shutil.rmtree(home.folder_of(lost))
    home.put()
    fresh = home.new_disk()
    with home.open() as pool:
        assert pool.rebuild(lost, onto=fresh).removed


def is_replaced(home: Nightly) -> None:
    """A disk that still works is exchanged."""
    old, fresh = home.chance.choice(home.names()), home.new_disk()
    with home.open() as pool:
        assert pool.replace(old, fresh).removed
    shutil.rmtree(home.folder_of(old))


def rots(home: Nightly) -> None:
    """A few objects of one disk are damaged or lost."""
    objects = sorted(_objects(home.folder_of(home.chance.choice(home.names()))))
    for path in home.chance.sample(objects, min(4, len(objects))):
        if home.chance.random() < 0.5:
            path.unlink()
        else:
            data = bytearray(path.read_bytes())
            data[home.chance.randrange(len(data))] ^= 1
            path.write_bytes(data)
    with home.open() as pool:
        assert pool.scrub("full").exit_code != EXIT_OK
    with home.open() as pool:
        assert pool.repair().lost == 0
    with home.open() as pool:
        assert pool.check(read_data=True).exit_code == EXIT_OK


def stays_away(home: Nightly) -> None:
    """Two disks are away for some nights, and come back."""
    away = home.chance.sample(home.names(), 2)
    for name in away:
        home.folder_of(name).rename(home.folder_of(name + ".away"))
    for _ in range(3):
        night(home)
    for name in away:
        shutil.rmtree(home.folder_of(name), ignore_errors=True)  # a folder that was not there is none of the pool's
        home.folder_of(name + ".away").rename(home.folder_of(name))


def night(home: Nightly) -> None:
    home.now += DAY
    home.change()
    home.put()


def weekend(home: Nightly) -> None:
    """Old snapshots go, and what only they needed; now and then one comes back as a proof."""
    with home.open() as pool:
        gone = {shot.name for shot in pool.forget(policy=KEEP).removed}
    home.kept = {name: files for name, files in home.kept.items() if name not in gone}
    with home.open() as pool:
        assert pool.prune().exit_code in (EXIT_OK, EXIT_DEGRADED)
    home.peak = max(home.peak, home.stored())
    home.comes_back(home.chance.choice(sorted(home.kept)))


@pytest.mark.timeout(600)
def test_every_snapshot_that_is_kept_through_a_year_of_nights_comes_back(quick_folder: Path) -> None:
    seed = int(os.environ.get("WEBRAID_SEED", "20261121"))
    home = Nightly(quick_folder / "home", seed)
    home.make("raid6", 6)
    with (home.folder / "config.toml").open("a") as config:
        config.write('\n[prune]\nbrake = "100%"\n')
    for number in range(FILES):
        home.write(f"{number}.jpg", home.chance.randbytes(60_000))
    night(home)
    with home.open() as pool:
        assert pool.drill(3).exit_code == EXIT_OK
    for number in range(1, NIGHTS):
        night(home)
        if number % 7 == 0:
            weekend(home)
        if number % 45 == 20:
            home.chance.choice([dies, is_replaced, rots, stays_away])(home)
    with home.open() as pool:
        assert {shot.name for shot in pool.snapshots()} == home.kept.keys(), f"seed {seed}"
    assert 15 <= len(home.kept) <= 40
    for name in home.kept:
        home.comes_back(name)
    assert home.stored() < 1.1 * home.peak
    for gone in home.chance.sample(home.names(), 2):
        shutil.rmtree(home.folder_of(gone))
    left = [path for path in home.folder.glob("[dn]*") if (path / "pool").exists()]
    for name in home.chance.sample(sorted(home.kept), 3):  # and without us, and without two of the six
        out = home.folder / f"alone {name}"
        done = recover("--snapshot", name, "--to", out, *left)
        assert (done.returncode, done.stderr) == (0, ""), f"seed {seed}"
        assert _read(out / "photos") == home.kept[name]
