"""Puts, forgets, prunes and repairs of two machines in any order, with disks that fill up or are cut off, runs that are
killed, caches that are lost or old: whatever was seen once and not forgotten comes back, to the last byte."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest

from tests.conftest import DEEP
from tests.pool.machine import PASSPHRASE, QUICK, Home
from tests.pool.test_two_machines import second
from webraid.backend.base import Backend, Bytes, Digest
from webraid.backend.wrapper import Wrapper
from webraid.errors import QuotaExceeded, Unavailable, WebRAIDError
from webraid.jobs.base.events import Notice, Progress, Started
from webraid.jobs.storing.put import Pace, PutOptions
from webraid.model import Stored
from webraid.pool import Pool, init_pool, open_pool
from webraid.table.fold import Shot

LEVELS = (("raid5", 4), ("raid1", 3), ("raid6", 5), ("raid5:3", 4))
SMALL = '[limits]\nmemory = "2MB"\npatience = 2.0\n'  # packs of some 250 kB
STEPS, SEEDS = (70, range(60)) if DEEP else (18, range(1))
Files = dict[str, bytes]


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Fault:
    """``left``: puts, records, bytes or deletions until it strikes, on all disks together."""

    kind: str = ""
    left: int = 1 << 40

    def strikes(self, kind: str, count: int = 1) -> bool:
        if kind != self.kind:
            return False
        self.left -= count
        return self.left < 0


class Faulty(Wrapper):
    """A disk with a fault."""

    def __init__(self, inner: Backend, fault: Fault) -> None:
        super().__init__(inner)
        self.caps = replace(inner.caps, usage=False)
        self.fault = fault

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        size, fault = memoryview(data).nbytes, self.fault
        if fault.strikes("cut") or (name.startswith("log/") and fault.strikes("log")):
            raise Unavailable("the line is cut")
        if fault.strikes("full", size) or (name.startswith("shards/") and fault.strikes("shards", size)):
            raise QuotaExceeded("it is full")
        return self.inner.put(name, data, digest=digest)

    def delete(self, name: str, *, locator: str = "") -> None:
        if self.fault.strikes("delete"):
            raise Unavailable("the line is cut")
        self.inner.delete(name, locator=locator)


MOST = {"cut": 60, "log": 14, "full": 500_000, "shards": 400_000, "delete": 20, "kill": 40}


@dataclass
class Machine:
    home: Home
    source: Path
    tried: list[Files] = field(default_factory=list)  # what its last puts were to store
    older: bytes = b""  # its cache, as it was once

    def files(self) -> Files:
        return {path.name: path.read_bytes() for path in self.source.iterdir()}

    @property
    def cache(self) -> Path:
        return self.home.folder / "state" / "table.sqlite"


class World:
    """One pool, two machines, and what must be there: ``kept``: snapshot -> (root, files, whether it is partial)."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.chance, self.now = folder, Random(seed), 1_800_000_000.0
        level, self.disks = self.chance.choice(LEVELS)
        self.first = Home(folder / "a")
        init_pool(self.first.settings, name="home", level=level, passphrase=PASSPHRASE, kdf=QUICK)
        with self.first.open() as pool:
            for number in range(1, self.disks + 1):
                pool.add_backend("local", f"d{number}", {"path": str(self.first.disk(number))})
        self.machines = [self._machine(self.first), self._machine(second(self.first, folder / "b"))]
        self.kept: dict[str, tuple[str, Files, bool]] = {}
        self.forgotten: set[str] = set()
        self.log: list[str] = []
        self.contents = [self._bytes() for _ in range(60)]

    def _machine(self, home: Home) -> Machine:
        config = home.folder / "config.toml"
        config.write_text(config.read_text() + SMALL)
        source = self.folder / f"source {home.folder.name}"
        source.mkdir()
        return Machine(home, source)

    def _bytes(self) -> bytes:
        return self.chance.randbytes(self.chance.randrange(500, 120_000))

    # -- what happens ------------------------------------------------------------------------------------------------
    def open(self, home: Home, fault: Fault | None = None) -> Pool:
        where, fault = home.settings, fault or Fault()
        where.env = replace(where.env, now=lambda: self.now)
        where.wrap = lambda name, opener: lambda: Faulty(opener(), fault)

        def on_event(event: object) -> None:
            if isinstance(event, Progress | Started | Notice) and fault.strikes("kill"):
                raise Killed

        return open_pool(where, on_event=on_event)

    def attempt(self, machine: Machine, what: str, work: Callable[[Pool], object], *, faults: bool = True) -> bool:
        """Whether it went well; about every other time something is wrong."""
        kind = self.chance.choice([*MOST]) if faults and self.chance.random() < 0.5 else ""
        fault = Fault(kind, self.chance.randint(0, MOST[kind])) if kind else Fault()
        told = f"{what} on {machine.home.folder.name}, {kind} {fault.left}"
        away = self.chance.randint(1, self.disks) if faults and self.chance.random() < 0.12 else 0
        if away:
            self.first.disk(away).rename(self.folder / "away")
        try:
            with self.open(machine.home, fault) as pool:
                work(pool)
            self.log.append(told)
            return True
        except (WebRAIDError, Killed) as error:
            self.log.append(f"{told}: {error!r}")
            return False
        finally:
            if away:
                (self.folder / "away").rename(self.first.disk(away))

    def step(self) -> None:
        machine = self.chance.choice(self.machines)
        self.now += self.chance.choice([60, 3600, 86_400, 3 * 86_400])
        doing = self.chance.choices(
            [self.put, self.forget, self.prune, self.repair, self.lose_cache, self.note_cache, self.old_cache],
            [40, 15, 30, 5, 3, 3, 4],
        )[0]
        doing(machine)

    def put(self, machine: Machine) -> None:
        chance = self.chance
        for _ in range(chance.randint(1, 8)):
            path = machine.source / f"f{chance.randrange(25):02}"
            if path.exists() and chance.random() < 0.3:
                path.unlink()
                continue
            if chance.random() < 0.5:
                self.contents[chance.randrange(60)] = self._bytes()
            path.write_bytes(chance.choice(self.contents))
        if not machine.files():
            return
        machine.tried = [*machine.tried[-8:], machine.files()]
        options = PutOptions(pace=Pace(bytes=chance.choice([150_000, 400_000, 1 << 40])))
        self.attempt(machine, "put", lambda pool: pool.put([str(machine.source)], options=options))
        self.look(machine)

    def forget(self, machine: Machine) -> None:
        names = [name for name in sorted(self.kept) if self.chance.random() < 0.4]
        if names and self.attempt(machine, "forget", lambda pool: pool.forget(names), faults=False):
            self.forgotten.update(names)
            for name in names:
                del self.kept[name]

    def prune(self, machine: Machine) -> None:
        now, repack, unused = (self.chance.random() < share for share in (0.6, 0.8, 0.3))
        most = 0.0 if unused else None
        self.attempt(
            machine, "prune", lambda pool: pool.prune(now=now, secret=PASSPHRASE, repack=repack, max_unused=most)
        )  # fmt: skip

    def repair(self, machine: Machine) -> None:
        self.attempt(machine, "repair", lambda pool: pool.repair())

    def lose_cache(self, machine: Machine) -> None:
        machine.cache.unlink(missing_ok=True)

    def note_cache(self, machine: Machine) -> None:
        with sqlite3.connect(machine.cache) as database:
            machine.older = database.serialize()
        database.close()

    def old_cache(self, machine: Machine) -> None:
        if machine.older:
            for part in machine.cache.parent.glob("table.sqlite*"):
                part.unlink()
            machine.cache.write_bytes(machine.older)

    # -- what must be ------------------------------------------------------------------------------------------------
    def look(self, machine: Machine) -> None:
        """Take note of the snapshots that the other machine sees now, which hold what somebody had."""
        (other,) = (one for one in self.machines if one is not machine)
        with self.open(other.home) as pool:
            shots = {shot.name: shot for shot in pool.snapshots()}
            for name in shots.keys() - self.kept.keys() - self.forgotten:
                self.kept[name] = self.taken(pool, shots[name])
        gone = self.kept.keys() - shots.keys()
        assert all(self.kept[name][2] for name in gone), "only partial snapshots give way, to whole ones"
        for name in gone:
            del self.kept[name]

    def taken(self, pool: Pool, shot: Shot) -> tuple[str, Files, bool]:
        """A new snapshot."""
        root = shot.info.roots[0].name.decode()
        (owner,) = (one for one in self.machines if one.source.name == root)
        files = self.restored(pool, shot.name, root)

        def fits(tried: Files) -> bool:
            if not shot.info.partial:
                return tried == files
            parts = {name for name in files if name.endswith(".part")}
            begun = all(tried.get(name.removesuffix(".part"), b"").startswith(files[name]) for name in parts)
            return begun and all(tried.get(name) == files[name] for name in files.keys() - parts)

        assert any(fits(tried) for tried in owner.tried), shot.name
        return root, files, shot.info.partial

    def restored(self, pool: Pool, name: str, root: str) -> Files:
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        result = pool.get(name, to=out)
        assert (result.problems, result.unreadable) == ([], []), name
        return {path.name: path.read_bytes() for path in (out / root).iterdir()}

    def all_is_there(self, home: Home) -> None:
        with self.open(home) as pool:
            assert self.kept.keys() <= {shot.name for shot in pool.snapshots()}
            for name, (root, files, _) in self.kept.items():
                assert self.restored(pool, name, root) == files, name

    def calm(self) -> None:
        """Nothing goes wrong any more: nothing is missing, and nothing but what is needed stays."""
        for machine in self.machines:
            self.put(machine)
            with self.open(machine.home) as pool:
                pool.put([str(machine.source)])
            self.look(machine)
            with self.open(machine.home) as pool:
                pool.check()
                pool.repair()
        for machine in (*self.machines, *self.machines):
            with self.open(machine.home) as pool:
                assert pool.prune(now=True, secret=PASSPHRASE).exit_code == 0
        for machine in self.machines:
            with self.open(machine.home) as pool:
                assert pool.check(read_data=True).exit_code == 0
                assert pool.prune(now=True, secret=PASSPHRASE, dry_run=True).pinned == (0, 0)
            self.all_is_there(machine.home)
        self.all_is_there(second(self.first, self.folder / "new", disk=self.chance.randint(1, self.disks)))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_was_seen_and_not_forgotten_comes_back(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path, seed)
    try:
        for _ in range(STEPS):
            world.step()
        for machine in world.machines:
            world.all_is_there(machine.home)
        world.calm()
    except BaseException as error:
        error.add_note("\n".join(world.log))
        raise
