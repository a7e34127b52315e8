"""Two machines with one pool that change its disks: one stops, or pauses, anywhere; the other one goes on."""

from __future__ import annotations

import itertools
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeVar

from tests.conftest import DEEP
from tests.crash.localwrites import local_writes
from tests.crash.scenarios import make_pool, some_files, write
from tests.crash.world import PASSPHRASE, Frozen, Steps, World, stepping
from webraid.errors import EXIT_DEGRADED, EXIT_OK, WebRAIDError
from webraid.pool import Pool, open_pool, recover_pool

T = TypeVar("T")
Deed = Callable[[Pool], object]
ENOUGH = 7  # groups of disks that are tried at a time, unless the run is deep; all groups of three disks
HERE, ELSEWHERE, READER = "here", "elsewhere", "reader"


def adding(world: World, disk: str) -> Deed:
    """add-backend."""
    return lambda pool: pool.add_backend("local", disk, world.path(disk))


def removing(disk: str) -> Deed:
    """backend rm."""
    return lambda pool: pool.remove_backend(disk)


def losing(disk: str) -> Deed:
    """backend rm --lost."""
    return lambda pool: pool.remove_backend(disk, lost=True)


def draining(disk: str) -> Deed:
    """drain --remove."""
    return lambda pool: pool.drain(disk, remove=True)


def founded(folder: Path, seed: int, disks: int, level: str = "raid1", files: int = 0) -> Frozen:
    """A pool with a snapshot of so many files (0: none), and three machines that know it."""
    world = World(folder / "base", seed)
    make_pool(world, level, disks)
    if files:
        tree = write(folder / "stored", some_files(Random(seed), files))
        with open_pool(world.machine) as pool:
            assert pool.put([str(folder / "stored")]).files == len(tree)
    for machine in (ELSEWHERE, READER):
        _, pool = recover_pool(world.other_machine(machine), kind="local", options=world.path("d1"), secret=PASSPHRASE)
        pool.close()
    frozen = world.freeze()
    world.discard()
    return frozen


@dataclass
class Pausing(Steps):
    """At step ``at`` of the main thread something else happens first."""

    at: int = 0
    meanwhile: Callable[[], None] = lambda: None
    passed: int = 0

    def __call__(self, what: str, go: Callable[[], T], ghost: bool = False) -> T:
        if self.armed and threading.current_thread() is threading.main_thread():
            self.passed += 1
            if self.passed == self.at:
                self.armed = False
                self.meanwhile()
                self.armed = True
        return go()


@dataclass
class Together:
    """A world and what was acknowledged in it."""

    world: World
    rng: Random
    acknowledged: set[str] = field(default_factory=set)
    puts: int = 0

    def do(self, machine: str, deed: Deed, down: Sequence[str] = ()) -> WebRAIDError | None:
        """The deed, or the error that it ended in."""
        self.world.down = set(down)
        try:
            with open_pool(self.world.other_machine(machine)) as pool:
                deed(pool)
        except WebRAIDError as error:
            return error
        finally:
            self.world.down = set()
        return None

    def put(self, machine: str, down: Sequence[str] = ()) -> WebRAIDError | None:
        """A put; what it acknowledged is remembered."""
        self.puts += 1
        source = self.world.folder / f"source{self.puts}"
        source.mkdir()
        (source / "file").write_bytes(self.rng.randbytes(500))
        return self.do(machine, lambda pool: self.acknowledged.add(pool.put([str(source)]).snapshot), down)

    def stopped(self, machine: str, deed: Callable[[World], Deed], kill: tuple[str, int, str]) -> None:
        """The machine stops for ever at that step of the deed."""
        with stepping(self.world, kill) as steps, open_pool(self.world.other_machine(machine)) as pool:
            deed(self.world)(pool)
        assert steps.dead

    def nobody_misses_anything(self) -> int:
        """Whichever disks answer, whoever then believes that his view is fresh sees what was acknowledged: a machine
        that knows only the pool as it was, and the one that was stopped.  How often one believed so."""
        names, count = sorted(self.world.stores), 0
        groups = [some for size in range(1, len(names) + 1) for some in itertools.combinations(names, size)]
        for machine in (READER, HERE):
            for some in groups if DEEP or len(groups) <= ENOUGH else self.rng.sample(groups, ENOUGH):
                seen = self._seen(machine, set(names) - set(some))
                count += seen is not None
                missed = self.acknowledged - (self.acknowledged if seen is None else seen)
                assert not missed, f"{machine} reads {some}, believes that it sees everything, and misses {missed}"
        return count

    def _seen(self, machine: str, down: set[str]) -> set[str] | None:
        """Snapshots that the machine sees, as it is now; None: it knows that it may miss some.  It forgets them."""
        folder, kept = self.world.folder / machine, self.world.folder / "kept"
        shutil.copytree(folder, kept)
        self.world.down = down
        try:
            with open_pool(self.world.other_machine(machine)) as pool:
                view = pool._ctx.open_table()
                enough = view.fresh and pool._ctx.table.state.joined()
                return {shot.name for shot in pool._ctx.table.state.shots} if enough else None
        finally:
            self.world.down = set()
            shutil.rmtree(folder)
            kept.rename(folder)

    def members(self, machine: str) -> dict[str, bool]:
        """Name -> whether it has joined."""
        with open_pool(self.world.other_machine(machine)) as pool:
            pool._ctx.open_table()
            return {info.name: info.joined for info in pool._ctx.table.state.members()}

    def weakest(self) -> int:
        """What everything that is stored survives, by a check of every byte; -1: not even all disks give it back."""
        with open_pool(self.world.other_machine(READER)) as pool:
            found = pool.check(read_data=True)
            assert found.exit_code in (EXIT_OK, EXIT_DEGRADED), found
            survives = pool.status().survives
            return -1 if survives is None else survives

    def named(self, name: str) -> int:
        """How many members have that name."""
        with open_pool(self.world.other_machine(HERE)) as pool:
            pool._ctx.open_table()
            return sum(info.name == name for info in pool._ctx.table.state.members())


@contextmanager
def thawed(folder: Path, base: Frozen, seed: int) -> Iterator[Together]:
    """A copy of the world, for one trial."""
    world = World.thaw(folder, base, seed)
    try:
        yield Together(world, Random(seed))
    finally:
        world.discard()


def journal(folder: Path, base: Frozen, deed: Callable[[World], Deed], down: Sequence[str] = ()) -> list[str]:
    """The steps of a deed of HERE that nobody disturbs, those of the main thread."""
    with thawed(folder, base, 1) as it:
        it.world.down = set(down)
        with stepping(it.world) as steps, open_pool(it.world.other_machine(HERE)) as pool:
            deed(it.world)(pool)
        return [what for thread, _, what in steps.journal if thread == "MainThread"]


@contextmanager
def pausing(world: World, at: int, meanwhile: Callable[[], None]) -> Iterator[Pausing]:
    """Before step ``at`` of what is done in here ``meanwhile`` happens."""
    steps = world.steps = Pausing(armed=True, at=at, meanwhile=meanwhile)
    try:
        with local_writes(steps):
            yield steps
    finally:
        steps.armed = False
