"""Data that move between disks as deeds: what they start from, and what must hold when the machine dies anywhere."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.crash.reader import Found, Reader
from tests.crash.scenarios import Scenario, Tree, add, changed, make_pool, some_files, write
from tests.crash.sweep import Point
from tests.crash.world import PASSPHRASE, Steps, World, stepping
from webraid.errors import NotInTable
from webraid.pool import Pool, open_pool, recover_pool

Work = Callable[[Pool], object]


@dataclass
class Moving:
    """``work``: what is done; ``losses``: that the data survive at every moment; ``gone``: the disk that has left at
    the end; ``after``: losses survived then."""

    scenario: Scenario
    work: Work
    losses: int
    gone: str = ""
    after: int = 2


def replacing(folder: Path, seed: int) -> Moving:
    """d5 takes over from d1."""
    return _moving("replace", folder, seed, "raid6", 4, ["d5"], lambda pool: pool.replace("d1", "d5"), gone="d1")


def rebuilding(folder: Path, seed: int) -> Moving:
    """d1 does not answer any more; d5 gets what it had."""
    made = _moving("rebuild", folder, seed, "raid6", 4, ["d5"], lambda pool: pool.rebuild("d1", onto="d5"), gone="d1")
    made.scenario.down = frozenset({"d1"})
    return made


def draining(folder: Path, seed: int) -> Moving:
    """d1 is emptied and taken out."""
    return _moving("drain", folder, seed, "rs:2+2", 5, ["d6"], lambda pool: pool.drain("d1", remove=True), gone="d1")


def balancing(folder: Path, seed: int) -> Moving:
    """Two disks are new; what moves is deleted at once."""
    return _moving("rebalance", folder, seed, "rs:2+2", 4, ["d5", "d6"], lambda pool: pool.rebalance(now=True))


def widening(folder: Path, seed: int) -> Moving:
    """The newest snapshot, and what it shares, gets a third parity."""
    made = _moving("relevel", folder, seed, "rs:2+2", 5, [], lambda pool: pool.relevel("latest", "rs:2+3"))
    made.after = 2  # the older snapshot's own packs stay as they are
    return made


def restoring(folder: Path, seed: int) -> Moving:
    """The newest snapshot is stored anew in another shape."""
    made = _moving("relevel anew", folder, seed, "raid5", 4, [], lambda pool: pool.relevel("latest", "raid6"))
    made.losses = made.after = 1
    return made


def _moving(
    name: str, folder: Path, seed: int, level: str, disks: int, more: list[str], work: Work, gone: str = ""
) -> Moving:  # fmt: skip
    rng, world, source = Random(seed), World(folder / "base", seed), folder / "home"
    make_pool(world, level, disks)
    kept: dict[bytes, Tree] = {}
    for tree in (write(source, some_files(rng, 9)), None):
        stored = changed(source, rng) if tree is None else tree
        with open_pool(world.machine) as pool:
            pool.put([str(source)])
            kept[pool.snapshots()[-1].id] = stored
    for disk in more:
        add(world, disk)
    reader, frozen = Reader(world.objects(), PASSPHRASE), world.freeze()
    world.discard()

    def deed(world: World, scenario: Scenario) -> object:
        with open_pool(world.machine) as pool, contextlib.suppress(NotInTable):  # it had left already
            return work(pool)
        return None

    return Moving(Scenario(name, frozen, deed, source, reader, kept), work, 2, gone)


# ---------------------------------------------------------------------------------------------------------- promises
def kill_at(moving: Moving, folder: Path, point: Point, number: int) -> bool:
    """Killed there; then by itself, done again, and from an empty machine.  AssertionError says what was broken.
    False: it never came to that step, and ended well."""
    scenario = moving.scenario
    world = World.thaw(folder, scenario.base, point.seed * 1_000 + number)
    world.down = set(scenario.down)
    ghosts = Random(point.seed * 1_000_003 + number) if number % 2 else None
    with stepping(world, (point.thread, point.number, point.when), ghosts) as first:
        scenario.deed(world, scenario)
    reached = first.dead  # who reads what from which disk depends on how quick they were
    promises(moving, world, moving.losses)
    if number % 3 == 2:
        _elsewhere(moving, world)
    with stepping(world) as second:
        scenario.deed(world, scenario)
    _names_are_used_once(first, second)
    found = promises(moving, world, moving.after)
    _is_done(moving, world, found)
    if number % 3 == 1:
        _elsewhere(moving, world)
    world.discard()
    return reached


def promises(moving: Moving, world: World, losses: int) -> Found:
    """I1 to I6 by somebody who trusts nothing but the disks."""
    objects, reader = world.objects(), moving.scenario.reader
    assert reader is not None
    found = reader.read(objects)
    assert not found.problems, "; ".join(found.problems)
    assert found.weakest >= losses, f"survives {found.weakest}, not {losses}"
    assert found.snapshots.keys() == moving.scenario.acknowledged.keys()
    for shot, tree in moving.scenario.acknowledged.items():
        files = {path: data for path, data in found.snapshots[shot].items() if data is not None}
        assert files == tree, f"snapshot {shot.hex()} is not what was stored"
    return found


def _names_are_used_once(first: Steps, second: Steps) -> None:
    """No object is ever changed, and none comes back once it was deleted; hardly anything is sent twice."""
    for steps in (first, second):
        assert not [name for _, name in steps.replaced if name.startswith(("shards/", "log/"))], steps.replaced
    deleted: Counter[str] = Counter()
    for _, _, what in (*first.journal, *second.journal):
        disk, _, rest = what.partition(" ")
        op, _, name = rest.partition(" ")
        if op == "delete":
            deleted[f"{disk} {name}"] += 1
        elif op == "put":
            assert f"{disk} {name}" not in deleted, f"{name} came back to {disk}"
    again = [name for _, name in second.repeated if name.startswith("shards/")]
    assert len(again) <= 1, f"sent again though it was there: {again}"  # the one that was on its way


def _is_done(moving: Moving, world: World, found: Found) -> None:
    names = {info.name for info in found.state.members()}
    assert moving.gone not in names
    assert not [run for run in found.state.runs.values() if not run.settled]
    objects = world.objects()
    ids = {info.id: info.name for info in found.state.disks.values()}
    for disk, refs in found.state.dropped.items():
        held = objects[ids[disk]]
        for ref in refs:
            pack = ref[:-1].hex()
            assert f"shards/{pack[:2]}/{pack}.{ref[-1]}" not in held, "what moved still lies where it was"
    with open_pool(world.machine) as pool:
        view = pool._ctx.open_table(spot=True)
    assert not view.alarms() and view.fresh and not view.forks and not view.gaps


def _elsewhere(moving: Moving, world: World) -> None:
    """An empty machine has it all from another disk."""
    recovered, pool = recover_pool(
        world.other_machine("third"), kind="local", options=world.path("d3"), secret=PASSPHRASE
    )  # fmt: skip
    with pool:
        assert not recovered.alarms
        for shot, tree in moving.scenario.acknowledged.items():
            path = max(tree)
            assert b"".join(pool.cat(f"{shot.hex()}:{path.decode()}")) == tree[path]
