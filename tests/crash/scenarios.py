"""What is done while the machine dies: a world at rest before it, the deed, and what must hold after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.crash.reader import Reader
from tests.crash.world import PASSPHRASE, QUICK, Frozen, Killed, Steps, World, stepping
from webraid.jobs.base.settings import Settings
from webraid.pool import init_pool, open_pool, recover_pool

Tree = dict[bytes, bytes]
Deed = Callable[[World, "Scenario"], object]


@dataclass
class Scenario:
    """``base``: the world before the deed.  ``acknowledged``: snapshot id -> files, that were promised before it.
    ``tree``: the files that a put stores (None: the deed puts nothing).  ``down``: disks that do not answer."""

    name: str
    base: Frozen
    deed: Deed
    source: Path
    reader: Reader | None
    acknowledged: dict[bytes, Tree] = field(default_factory=dict)
    tree: Tree | None = None
    down: frozenset[str] = frozenset()
    promised: int = 2
    recovers: bool = False  # the deed is done on an empty machine
    rolled_back: bool = False  # a disk is, until the deed is done

    def machine(self, world: World) -> Settings:
        """The machine that does the deed."""
        return world.other_machine() if self.recovers else world.machine


def write(folder: Path, files: Tree) -> Tree:
    """The files on disk; under the names that a snapshot gives them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name.decode()).write_bytes(data)
    return {folder.name.encode() + b"/" + name: data for name, data in files.items()}


def some_files(rng: Random, count: int = 7, size: int = 2400) -> Tree:
    """Files that do not compress; one is empty, two are equal."""
    files = {b"f%d" % i: rng.randbytes(size + 7 * i) for i in range(count)}
    return {**files, b"empty": b"", b"twin": files[b"f1"]}


def make_pool(world: World, level: str, disks: int) -> None:
    """init, and as many disks."""
    init_pool(world.machine, name="home", level=level, passphrase=PASSPHRASE, kdf=QUICK)
    for number in range(1, disks + 1):
        add(world, f"d{number}")


def add(world: World, disk: str) -> None:
    """add-backend."""
    with open_pool(world.machine) as pool:
        pool.add_backend("local", disk, world.path(disk))


def put(world: World, scenario: Scenario) -> object:
    """put the source."""
    with open_pool(world.machine) as pool:
        return pool.put([str(scenario.source)])


def recover(world: World, scenario: Scenario) -> object:
    """recover on the other machine, from the third disk."""
    recovered, pool = recover_pool(
        world.other_machine(), kind="local", options=world.path("d3"), secret=PASSPHRASE
    )  # fmt: skip
    pool.close()
    return recovered


def adding(disk: str) -> Deed:
    """add-backend as a deed."""
    return lambda world, scenario: add(world, disk)


def with_snapshot(folder: Path, level: str, disks: int, seed: int) -> tuple[World, Path, dict[bytes, Tree], Random]:
    """A pool with one acknowledged snapshot."""
    rng = Random(seed)
    world, source = World(folder / "base", seed), folder / "home"
    make_pool(world, level, disks)
    tree = write(source, some_files(rng))
    with open_pool(world.machine) as pool:
        pool.put([str(source)])
        (shot,) = pool.snapshots()
    return world, source, {shot.id: tree}, rng


def changed(source: Path, rng: Random) -> Tree:
    """Some files of the source are changed, one is gone, one is new; what a put will store now."""
    for name in ("f2", "f4"):
        (source / name).write_bytes(rng.randbytes(2300))
    (source / "f0").unlink()
    (source / "new").write_bytes(rng.randbytes(5000))
    return {b"home/" + path.name.encode(): path.read_bytes() for path in source.iterdir()}


def first_put(folder: Path, seed: int) -> Scenario:
    rng, world = Random(seed), World(folder / "base", seed)
    make_pool(world, "raid6", 4)
    tree = write(folder / "home", some_files(rng))
    return _done("first put", world, put, folder / "home", {}, tree)


def second_put(folder: Path, seed: int) -> Scenario:
    world, source, acknowledged, rng = with_snapshot(folder, "raid6", 4, seed)
    return _done("second put", world, put, source, acknowledged, changed(source, rng))


def put_while_a_disk_is_down(folder: Path, seed: int) -> Scenario:
    scenario = second_put(folder, seed)
    scenario.name, scenario.down, scenario.promised = "put while a disk is down", frozenset({"d2"}), 1
    return scenario


def put_after_an_interrupted_one(folder: Path, seed: int, at: float) -> Scenario:
    """``at``: how far the first attempt came."""
    return after_an_interruption(second_put(folder, seed), at, seed)


def first_disk(folder: Path, seed: int) -> Scenario:
    world = World(folder / "base", seed)
    make_pool(world, "raid6", 0)
    return Scenario("first disk", world.freeze(), adding("d1"), folder / "home", None, promised=-1)


def fourth_disk(folder: Path, seed: int) -> Scenario:
    world, source, acknowledged, _ = with_snapshot(folder, "raid5", 3, seed)
    return _done("fourth disk", world, adding("d4"), source, acknowledged, None, promised=1)


def disk_added_again(folder: Path, seed: int, at: float) -> Scenario:
    return after_an_interruption(fourth_disk(folder, seed), at, seed)


def repair_of_a_disk_rolled_back(folder: Path, seed: int) -> Scenario:
    """The third disk is as it was before the second snapshot; the deed mends it."""
    world, source, acknowledged, rng = with_snapshot(folder, "raid6", 4, seed)
    older = world.stores["d3"].snapshot()
    tree = changed(source, rng)
    with open_pool(world.machine) as pool:
        pool.put([str(source)])
        acknowledged[pool.snapshots()[-1].id] = tree
    world.stores["d3"].restore(older)
    scenario = _done("repair", world, repair, source, acknowledged, None)
    scenario.rolled_back = True
    return scenario


def repair(world: World, scenario: Scenario) -> object:
    """repair."""
    with open_pool(world.machine) as pool:
        return pool.repair()


def empty_machine(folder: Path, seed: int) -> Scenario:
    world, source, acknowledged, _ = with_snapshot(folder, "raid6", 4, seed)
    return _done("recover", world, recover, source, acknowledged, None, recovers=True)


def recovered_again(folder: Path, seed: int, at: float) -> Scenario:
    return after_an_interruption(empty_machine(folder, seed), at, seed)


def _done(
    name: str, world: World, deed: Deed, source: Path, acknowledged: dict[bytes, Tree], tree: Tree | None,
    promised: int = 2, recovers: bool = False,
) -> Scenario:  # fmt: skip
    reader = Reader(world.objects(), PASSPHRASE)
    frozen = world.freeze()
    world.discard()
    return Scenario(
        name, frozen, deed, source, reader, acknowledged, tree, promised=promised, recovers=recovers
    )  # fmt: skip


def trace(scenario: Scenario, folder: Path, seed: int) -> Steps:
    """The deed, undisturbed: its steps."""
    world = World.thaw(folder, scenario.base, seed + 777_001)
    world.down = set(scenario.down)
    with stepping(world) as steps:
        scenario.deed(world, scenario)
    world.discard()
    return steps


def after_an_interruption(scenario: Scenario, at: float, seed: int) -> Scenario:
    """The same deed again, after it was interrupted ``at`` (0 to 1) of its way."""
    folder = scenario.source.parent / "interrupted"
    journal = trace(scenario, folder, seed).journal
    thread, number, what = journal[int(at * len(journal))]
    world = World.thaw(folder, scenario.base, seed + 888_001)
    world.down = set(scenario.down)
    with stepping(world, (thread, number, "after"), Random(seed)) as steps:
        scenario.deed(world, scenario)
    assert steps.dead
    scenario.base = world.freeze()
    scenario.name += f" after it was interrupted at {thread} {number} ({what})"
    world.discard()
    return scenario


__all__ = ["Killed", "Scenario", "trace"]
