"""What the tests of moving data share: a pool with random files, and looking at where shards lie."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.pool.machine import Home
from webraid.array.tolerance import pack_tolerance
from webraid.files.compare import compare_trees
from webraid.jobs.base.events import Progress
from webraid.jobs.base.reading import with_good_homes
from webraid.jobs.base.seats import object_sizes
from webraid.model import Pack, PackKind
from webraid.pool import Pool


class Small(Home):
    """A machine whose packs are so small (3 MiB) that a few megabytes are many stripes."""

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, "WEBRAID_LIMITS_MEMORY": "24 MiB"}


Make = Callable[[str, int], Home]


def filled(machine: Home, megabytes: int = 18, seed: int = 1) -> Path:
    """Random files in the pool; where they are."""
    source = plant(machine.folder / "source", megabytes, seed)
    with machine.open() as pool:
        assert pool.put([str(source)]).exit_code == 0
    return source


def plant(folder: Path, megabytes: int, seed: int) -> Path:
    """Random files of a megabyte."""
    rng = random.Random(seed)
    folder.mkdir()
    for number in range(megabytes):
        (folder / f"f{number}").write_bytes(rng.randbytes(1 << 20))
    return folder


def join(pool: Pool, machine: Home, number: int, domain: str = "", capacity: int | None = None) -> None:
    """A further folder."""
    path = {"path": str(machine.disk(number))}
    pool.add_backend("local", f"d{number}", path, domain=domain, capacity=capacity)


def packs(pool: Pool) -> list[Pack]:
    """All data packs with the homes that count."""
    ctx = pool._ctx
    bad = ctx.index.bad()
    return [with_good_homes(ctx, pack, bad) for pack in ctx.index.packs(PackKind.DATA)]


def lying(pool: Pool) -> Counter[str]:
    """Data shards by the name of the disk."""
    return Counter(pool._ctx.disk_name(home.disk) for pack in packs(pool) for home in pack.homes)


def bytes_on(pool: Pool) -> Counter[str]:
    """Bytes of data shards by the name of the disk."""
    found: Counter[str] = Counter()
    for pack in packs(pool):
        for home in pack.homes:
            found[pool._ctx.disk_name(home.disk)] += object_sizes(pack)[home.index]
    return found


def weakest(pool: Pool) -> int:
    """Losses that the worst stripe survives."""
    return min(pack_tolerance(pack, pool._ctx.domains()) for pack in packs(pool))


def legal(pool: Pool) -> bool:
    """I14: at most m shards of a stripe in a domain, and never two on a disk."""
    domains = pool._ctx.domains()
    return all(
        max(Counter(domains[home.disk] for home in pack.homes).values()) <= max(1, pack.geometry.m)
        and len({home.disk for home in pack.homes}) == len(pack.homes)
        for pack in packs(pool)
    )


def comes_back(machine: Home, source: Path) -> bool:
    """Whether the newest snapshot is what was stored."""
    out = machine.folder / f"out{random.random()}"
    with machine.open() as pool:
        got = pool.get(to=out)
    return got.exit_code == 0 and compare_trees(source, out / source.name) == []


class Interrupting:
    """An event handler like somebody who presses Ctrl-C once so many shards have moved."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.events: list[object] = []

    def __call__(self, event: object) -> None:
        self.events.append(event)
        if isinstance(event, Progress) and event.files >= self.after:
            raise KeyboardInterrupt


def objects(machine: Home, number: int) -> set[Path]:
    """Files of a folder."""
    return {path for path in machine.disk(number).rglob("*") if path.is_file()}
