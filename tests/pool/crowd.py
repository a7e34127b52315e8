"""Machines that share disks in memory, each behind faults of its own, and write and prune at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.pool.machine import PASSPHRASE, QUICK
from webraid.backend.base import Backend
from webraid.backend.faulty import Fault, Faults
from webraid.backend.memory import Memory, Store
from webraid.env import Env, seeded
from webraid.errors import WebRAIDError
from webraid.jobs.base.settings import Settings
from webraid.pool import Pool, init_pool, open_pool, recover_pool, settings

Tree = dict[str, bytes]
DISKS = ("d1", "d2", "d3", "d4", "d5")
CONTENTS = 24  # different contents of files: machines store the same ones again and again
RATES = {Fault.BEFORE: 0.004, Fault.AFTER: 0.004, Fault.LATE: 0.1}


def hurried(seed: int) -> Env:
    """Nobody waits long before he tries again."""
    env = seeded(seed)
    return Env(random=env.random, rng=env.rng, sleep=lambda seconds: time.sleep(min(seconds, 0.002)))


@dataclass
class Machine:
    """``acknowledged``: snapshot id -> files, of what was promised and is not forgotten."""

    folder: Path
    stores: dict[str, Store]
    seed: int
    rates: dict[Fault, float] = field(default_factory=dict)
    acknowledged: dict[str, Tree] = field(default_factory=dict)
    done: int = 0
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.folder.mkdir(parents=True)
        self.source = self.folder / f"home{self.seed}"
        self.runs = 0
        self.faults = {disk: Faults(self.seed * 100 + number) for number, disk in enumerate(DISKS)}

    def settings(self) -> Settings:
        self.runs += 1
        environ = {
            "WEBRAID_CONFIG": str(self.folder / "config.toml"),
            "WEBRAID_STATE_DIR": str(self.folder / "state"),
            "WEBRAID_LIMITS_MEMORY": "1 MiB",
        }
        made = settings(environ=environ, env=hurried(self.seed * 10_000 + self.runs))
        made.wrap = self._wrap
        return made

    def _wrap(self, name: str, opener: Callable[[], Backend]) -> Callable[[], Backend]:
        disk = Path(opener.options["path"]).name  # type: ignore[attr-defined]
        faults = self.faults[disk]
        faults.rates.update(self.rates)
        return faults.opener(lambda: Memory(self.stores.setdefault(disk, Store())))

    def open(self) -> Pool:
        return open_pool(self.settings())

    def calm(self) -> None:
        """No faults any more."""
        self.rates = dict.fromkeys(RATES, 0.0)

    # -- what it does ------------------------------------------------------------------------------------------------
    def write(self, rounds: int, contents: list[bytes]) -> None:
        """Change files, put, and now and then forget."""
        self.source.mkdir(exist_ok=True)
        for _ in range(rounds):
            for number in self.rng.sample(range(8), 4):
                (self.source / f"f{number}").write_bytes(self.rng.choice(contents) + bytes([number]) * (number % 2))
            tree = {path.name: path.read_bytes() for path in self.source.iterdir()}
            try:
                with self.open() as pool:
                    result = pool.put([str(self.source)])
                self.acknowledged[result.snapshot] = tree
                self.done += 1
                if self.rng.random() < 0.6:
                    self._forget()
            except WebRAIDError as error:
                self.failed.append(f"{type(error).__name__}: {error}")

    def _forget(self) -> None:
        shot = self.rng.choice(sorted(self.acknowledged))
        del self.acknowledged[shot]  # from here on nobody promises anything
        with self.open() as pool:
            pool.forget([shot])

    def prune(self, over: threading.Event) -> None:
        """Prune at once, again and again."""
        while not over.is_set():
            try:
                with self.open() as pool:
                    result = pool.prune(now=True, secret=PASSPHRASE)
                self.done += result.objects
            except WebRAIDError as error:
                self.failed.append(f"{type(error).__name__}: {error}")


def crowd(folder: Path, seed: int, writers: int) -> tuple[list[Machine], Machine, dict[str, Store]]:
    """A raid6 pool over five disks, ``writers`` machines, and one more that prunes."""
    stores: dict[str, Store] = {}
    first = Machine(folder / "m0", stores, seed)
    init_pool(first.settings(), name="home", level="raid6", passphrase=PASSPHRASE, kdf=QUICK)
    with first.open() as pool:
        for disk in DISKS:
            pool.add_backend("local", disk, {"path": f"/nowhere/{disk}"})
    machines = [first, *(join(folder / f"m{i}", stores, seed + i) for i in range(1, writers + 1))]
    for machine in machines:
        machine.rates = dict(RATES)
    return machines[:writers], machines[-1], stores


def join(folder: Path, stores: dict[str, Store], seed: int) -> Machine:
    """A machine that recovered the pool from one of its disks."""
    machine = Machine(folder, stores, seed)
    _, pool = recover_pool(machine.settings(), kind="local", options={"path": "/nowhere/d2"}, secret=PASSPHRASE)
    pool.close()
    return machine
