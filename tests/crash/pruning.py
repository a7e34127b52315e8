"""prune as a deed: what it starts from, and what must hold when it was killed anywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.crash.reader import Found, Reader
from tests.crash.scenarios import Scenario, Tree, changed, make_pool, some_files, trace, write
from tests.crash.sweep import Point
from tests.crash.world import PASSPHRASE, World, stepping
from webraid.pool import open_pool, recover_pool

Deed = Callable[[World, Scenario], object]
LOSSES = 2  # raid6


@dataclass
class Pruning:
    """``kept``: snapshot id -> its files; all others were forgotten."""

    scenario: Scenario
    kept: dict[bytes, Tree] = field(default_factory=dict)


def prune_now(world: World, scenario: Scenario) -> object:
    """prune --now."""
    with open_pool(world.machine) as pool:
        return pool.prune(now=True, secret=PASSPHRASE)


def _put(world: World, source: Path) -> bytes:
    with open_pool(world.machine) as pool:
        pool.put([str(source)])
        return pool.snapshots()[-1].id


def forgotten(folder: Path, seed: int) -> Pruning:
    """Four snapshots of a folder, the first and the third one forgotten; one of another folder, forgotten, too."""
    rng, world, source = Random(seed), World(folder / "base", seed), folder / "home"
    make_pool(world, "raid6", 4)
    write(folder / "other", some_files(rng, 5))
    other = _put(world, folder / "other")
    trees = [write(source, some_files(rng, 9))]
    shots = [_put(world, source)]
    for _ in range(3):
        trees.append(_more(source, rng))
        shots.append(_put(world, source))
    with open_pool(world.machine) as pool:
        pool.forget([shot.hex() for shot in (other, shots[0], shots[2])])
    return _pruning(world, source, {shots[1]: trees[1], shots[3]: trees[3]})


def _more(source: Path, rng: Random) -> Tree:
    tree = changed(source, rng) if (source / "f0").exists() else None
    if tree is None:
        for name in rng.sample(["f1", "f3", "f5", "f6", "f7"], 3):
            (source / name).write_bytes(rng.randbytes(2500))
        tree = {b"home/" + path.name.encode(): path.read_bytes() for path in source.iterdir()}
    return tree


def beside_an_interrupted_put(folder: Path, seed: int) -> Pruning:
    """The same, and the machine died in the middle of another put."""
    pruning = forgotten(folder, seed)
    scenario = pruning.scenario
    rng = Random(seed + 1)

    def put(world: World, scenario: Scenario) -> object:
        with open_pool(world.machine) as pool:
            return pool.put([str(scenario.source)])

    _more(scenario.source, rng)
    before, scenario.deed = scenario.deed, put
    journal = trace(scenario, folder / "traced", seed).journal
    thread, number, _ = journal[int(len(journal) * rng.uniform(0.4, 0.75))]
    world = World.thaw(folder / "interrupted", scenario.base, seed + 5)
    with stepping(world, (thread, number, "after"), None) as steps:
        put(world, scenario)
    assert steps.dead
    scenario.base, scenario.deed = world.freeze(), before
    world.discard()
    return pruning


def _pruning(world: World, source: Path, kept: dict[bytes, Tree]) -> Pruning:
    reader, frozen = Reader(world.objects(), PASSPHRASE), world.freeze()
    world.discard()
    return Pruning(Scenario("prune", frozen, prune_now, source, reader, kept), kept)


# ---------------------------------------------------------------------------------------------------------- promises
def kill_at(pruning: Pruning, folder: Path, point: Point, number: int) -> bool:
    """Killed there; then by itself, run again, and from an empty machine.  AssertionError says what was broken.
    False: it never came to that step, and ended well."""
    scenario = pruning.scenario
    world = World.thaw(folder, scenario.base, point.seed * 1_000 + number)
    world.down = set(scenario.down)
    ghosts = Random(point.seed * 1_000_003 + number) if number % 2 else None
    with stepping(world, (point.thread, point.number, point.when), ghosts) as steps:
        scenario.deed(world, scenario)
    reached = steps.dead  # who reads what from which disk depends on how quick they were
    promises(pruning, world, weakest=LOSSES - len(world.down))
    world.down = set()
    if number % 3 == 2:
        _elsewhere(pruning, world)
    again = prune_now(world, scenario)
    found = promises(pruning, world)
    assert not again.exit_code, again  # type: ignore[attr-defined]
    nothing_is_left(world, found)
    if number % 3 == 1:
        _elsewhere(pruning, world)
    _goes_on(pruning, world, number)
    world.discard()
    return reached


def promises(pruning: Pruning, world: World, weakest: int = LOSSES) -> Found:
    """I1 to I6 by somebody who trusts nothing but the disks."""
    objects, reader = world.objects(), pruning.scenario.reader
    assert reader is not None
    found = reader.read(objects)
    assert not found.problems, "; ".join(found.problems)
    assert found.weakest >= weakest, f"survives {found.weakest}"
    assert found.snapshots.keys() == pruning.kept.keys()
    for shot, tree in pruning.kept.items():
        files = {path: data for path, data in found.snapshots[shot].items() if data is not None}
        assert files == tree, f"snapshot {shot.hex()} is not what was stored"
    return found


def nothing_is_left(world: World, found: Found) -> None:
    """Of what nobody needs nothing lies on any disk, and a dry run agrees."""
    named = {pack.hex() for pack in found.whole}
    state = found.state
    pins = {pack.hex() for pack in state.pins()}
    for disk, held in world.objects().items():
        left = {name.rpartition("/")[2].partition(".")[0] for name in held if name.startswith("shards/")}
        assert left <= named | pins, f"{disk} still has {left - named - pins}"
    assert not named & {pack.hex() for pack in state.swept}
    with open_pool(world.machine) as pool:
        told = pool.prune(dry_run=True, now=True)
    assert (told.condemned[0], told.swept[0], told.freed) == (0, 0, 0), told


def _elsewhere(pruning: Pruning, world: World) -> None:
    """An empty machine has it all from any disk, and its prune finds what to do as well."""
    recovered, pool = recover_pool(
        world.other_machine("third"), kind="local", options=world.path("d3"), secret=PASSPHRASE
    )  # fmt: skip
    with pool:
        assert not recovered.alarms
        for shot, tree in pruning.kept.items():
            path = max(tree)
            assert b"".join(pool.cat(f"{shot.hex()}:{path.decode()}")) == tree[path]
        assert not pool.prune(now=True, secret=PASSPHRASE).exit_code
    promises(pruning, world)


def _goes_on(pruning: Pruning, world: World, number: int) -> None:
    """Backups go on, and what they re-use is there."""
    if number % 5:
        return
    source = pruning.scenario.source
    shot = _put(world, source)
    found = pruning.scenario.reader.read(world.objects())  # type: ignore[union-attr]
    assert not found.problems
    files = {path: data for path, data in found.snapshots[shot].items() if data is not None}
    assert files == {b"home/" + path.name.encode(): path.read_bytes() for path in source.iterdir()}
