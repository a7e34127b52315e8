"""Kill a deed at one step, then hold the pool to its promises: read by somebody else, run again, and recovered."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.conftest import DEEP
from tests.crash.reader import Found, Objects, Reader
from tests.crash.scenarios import Scenario, trace
from tests.crash.world import PASSPHRASE, Steps, World, stepping
from webraid.errors import ConfigError, NotAPool
from webraid.pool import open_pool, recover_pool

MUTABLE = ("pool", "hint/", "scratch/")  # the marker is written anew where a place was claimed but never announced


@dataclass(frozen=True)
class Point:
    """Where a machine dies."""

    thread: str
    number: int
    when: str
    what: str
    seed: int

    def __str__(self) -> str:
        return f"{self.when} step {self.number} of {self.thread} ({self.what}), seed {self.seed}"


def points(scenario: Scenario, folder: Path, seed: int, share: float) -> Iterator[Point]:
    """Before and after every step; a ``share`` of these, chosen by the seed, unless the run is deep."""
    journal = trace(scenario, folder, seed).journal
    rng = Random(seed)
    for thread, number, what in journal:
        for when in ("before", "after"):
            if DEEP or rng.random() < share:
                yield Point(thread, number, when, what, seed)


def kill_at(scenario: Scenario, folder: Path, point: Point, number: int) -> None:
    """One point of the sweep.  AssertionError says what was broken."""
    world = World.thaw(folder, scenario.base, point.seed * 1_000 + number)
    world.down = set(scenario.down)
    ghosts = Random(point.seed * 1_000_003 + number) if number % 2 else None
    with stepping(world, (point.thread, point.number, point.when), ghosts) as steps:
        scenario.deed(world, scenario)
    assert steps.dead, "the step was not reached"
    _nothing_was_changed(scenario.base.disks, world.objects())
    _no_name_was_used_twice(steps)
    _lock_is_free(world)
    crashed = world.objects()
    _promises(scenario, crashed)
    if number % 4 == 3 and not scenario.recovers and not scenario.rolled_back:
        _from_an_empty_machine(scenario, world, "before the deed was done again")
        crashed = world.objects()
    _again(scenario, world, crashed)
    if number % 4 == 1:
        _from_an_empty_machine(scenario, world, "after the deed was done again")
    world.discard()


def _again(scenario: Scenario, world: World, crashed: Objects) -> None:
    """The deed is done again and comes to its end, and nothing that is there is sent again."""
    with stepping(world) as steps:
        try:
            scenario.deed(world, scenario)
        except ConfigError as error:
            assert "already" in str(error)  # it had come to its end, and only the answer was lost
    _no_name_was_used_twice(steps)
    repeated = [name for _, name in steps.repeated if name.startswith(("shards/", "log/", "slots/"))]
    in_flight = 1 if scenario.rolled_back else 0  # a shard put back is noted as good only when it is there
    assert len(repeated) <= in_flight, f"sent again though it was there: {repeated}"
    _nothing_was_changed(crashed, world.objects())
    found = _promises(scenario, world.objects())
    if found is None:
        return
    mine = [run for run in found.state.runs.values() if not run.settled]
    assert not mine, f"runs are left open: {mine}"
    if scenario.rolled_back:
        assert found.weakest >= scenario.promised, f"survives {found.weakest}, not {scenario.promised}"
    if scenario.tree is not None:
        new = [files for shot, files in found.snapshots.items() if shot not in scenario.acknowledged]
        assert scenario.tree in [_contents(files) for files in new], "the snapshot is not there"
        partial = [shot.name for shot in found.shots.values() if shot.info.partial]
        assert not partial, f"what the snapshot made superfluous is still shown: {partial}"
        assert found.weakest >= scenario.promised, f"survives {found.weakest}, not {scenario.promised}"
        assert scenario.reader is not None
        _nothing_was_stored_twice(scenario.reader, crashed, world.objects())
    _opens_without_alarms(scenario, world, steps)


def _nothing_was_stored_twice(reader: Reader, before: Objects, after: Objects) -> None:
    had = reader.stored_chunks(before)
    known = set().union(*had.values()) if had else set()
    for pack, chunks in reader.stored_chunks(after).items():
        assert pack in had or not chunks & known, f"pack {pack.hex()} repeats what was there with k shards"


def _contents(files: dict[bytes, bytes | None]) -> dict[bytes, bytes]:
    return {path: data for path, data in files.items() if data is not None}


def _promises(scenario: Scenario, objects: Objects) -> Found | None:
    """I1 to I6, told from the disks alone."""
    if not any("pool" in disk and any(name.startswith("slots/") for name in disk) for disk in objects.values()):
        return None  # the first disk is not filled yet: there is nothing to be read, and nothing was promised
    reader = scenario.reader = scenario.reader or Reader(objects, PASSPHRASE)
    found = reader.read(objects)
    assert not found.problems, "; ".join(found.problems)
    for shot, tree in scenario.acknowledged.items():
        assert shot in found.snapshots, f"snapshot {shot.hex()} is gone"
        assert _contents(found.snapshots[shot]) == tree, f"snapshot {shot.hex()} is not what was stored"
    for shot, files in found.snapshots.items():
        wanted = scenario.acknowledged.get(shot, scenario.tree)
        if found.shots[shot].info.partial:
            assert wanted is not None
            _is_a_beginning(_contents(files), wanted)
        else:
            assert _contents(files) == wanted, f"half a snapshot is visible: {shot.hex()}"
    return found


def _is_a_beginning(files: dict[bytes, bytes], whole: dict[bytes, bytes]) -> None:
    """What a checkpoint must show: the first files of the tree, and perhaps the beginning of the next one."""
    begun = [path for path in files if path not in whole]
    for path in begun:
        assert whole[path.removesuffix(b".part")].startswith(files[path]), f"{path!r} is not how its file begins"
    there = sorted(files.keys() - set(begun))
    assert there == sorted(whole)[: len(there)], f"a partial snapshot has holes: {there}"
    assert all(files[path] == whole[path] for path in there)


def _nothing_was_changed(before: Objects, after: Objects) -> None:
    for disk, held in before.items():
        for name, data in held.items():
            if not name.startswith(MUTABLE):
                assert after[disk].get(name) == data, f"{disk} has lost or changed {name}"


def _no_name_was_used_twice(steps: Steps) -> None:
    replaced = [name for _, name in steps.replaced if not name.startswith(MUTABLE)]
    assert not replaced, f"other bytes under a name used before: {replaced}"


def _lock_is_free(world: World) -> None:
    for lock in world.folder.glob("*/state/lock"):
        descriptor = os.open(lock, os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises BlockingIOError
        os.close(descriptor)


def _opens_without_alarms(scenario: Scenario, world: World, steps: Steps) -> None:
    try:
        with open_pool(scenario.machine(world)) as pool:
            view = pool._ctx.open_table(spot=True)
    except NotAPool:
        raise AssertionError("the pool does not open") from None
    assert not view.alarms(), {disk.hex(): answer for disk, answer in view.alarms().items()}
    assert view.fresh and not view.forks and not view.gaps


def _from_an_empty_machine(scenario: Scenario, world: World, when: str) -> None:
    stores = world.objects()
    disk = next((d for d in sorted(stores) if d not in world.down and _filled(stores[d])), None)
    if disk is None:
        return
    other = world.other_machine("third")
    recovered, pool = recover_pool(other, kind="local", options=world.path(disk), secret=PASSPHRASE)
    with pool:
        shots = {shot.id for shot in pool.snapshots()}
        assert not recovered.alarms, f"{recovered.alarms} {when}"
        assert scenario.acknowledged.keys() <= shots, when
        for shot, tree in scenario.acknowledged.items():
            path = max(tree)
            content = b"".join(pool.cat(f"{shot.hex()}:{path.decode()}"))
            assert content == tree[path], when
    _promises(scenario, world.objects())


def _filled(held: dict[str, bytes]) -> bool:
    slots = sum(name.startswith("slots/") for name in held)
    first = any(
        name.startswith("log/") and "/0000000001-" in name for name in held
    )  # a late request may have outrun it
    return "pool" in held and slots == 2 and first
