"""Two machines add and take out disks at the same moment, or one stops half way: nobody who believes that his view is
fresh misses what was acknowledged.  The steps themselves are explored in tests/models/changes.py; these are real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import DEEP
from tests.crash.together import (
    ELSEWHERE,
    HERE,
    Deed,
    Together,
    adding,
    draining,
    founded,
    journal,
    losing,
    pausing,
    removing,
    thawed,
)
from tests.crash.world import Frozen, World, small_and_threadless
from webraid.errors import EXIT_DEGRADED, ConfigError, QuorumLost, RedundancyError, Unavailable
from webraid.pool import open_pool
from webraid.table.records import LEAVING, SetRole

Way = Callable[[World], Deed]
ADD: Way = lambda world: adding(world, "d8")  # noqa: E731
ADD_TOO: Way = lambda world: adding(world, "d9")  # noqa: E731
REMOVE: Way = lambda world: removing("d2")  # noqa: E731
REMOVE_TOO: Way = lambda world: removing("d3")  # noqa: E731
LOSE: Way = lambda world: losing("d2")  # noqa: E731


@pytest.fixture(autouse=True)
def small() -> Iterator[None]:
    with small_and_threadless():
        yield


def told(folder: Path, base: Frozen, deed: Way, down: tuple[str, ...] = (), every: int = 2) -> list[int]:
    """Numbers of the deed's steps that put a new record on a disk that was there before: in between the others cannot
    tell the difference."""
    old = {name for disk in base.disks.values() for name in disk}
    steps = journal(folder / "told", base, deed, down)
    found = [
        number
        for number, what in enumerate(steps, 1)
        if " put log/" in what and what.split()[0] in base.disks and what.split()[2] not in old
    ]
    return found if DEEP else found[len(found) % every :: every]


@pytest.mark.parametrize(
    ("disks", "way"),
    [(2, ADD), (3, ADD), (3, REMOVE), (4, REMOVE)],
    ids=["add to 2", "add to 3", "remove of 3", "remove of 4"],
)
def test_a_change_that_stops_anywhere_hides_no_commit_of_others(quick_folder: Path, disks: int, way: Way) -> None:
    base, tried = founded(quick_folder, 41, disks), 0
    for number in told(quick_folder, base, way):
        for down in sorted(base.disks) if DEEP or disks == 2 else [f"d{1 + number % disks}"]:
            with thawed(quick_folder / "world", base, number) as it:
                it.stopped(HERE, way, ("MainThread", number, "after"))
                error = it.put(ELSEWHERE, [down])
                assert error is None or isinstance(error, QuorumLost)
                assert it.nobody_misses_anything()
                assert it.put(ELSEWHERE) is None, "all disks answer"
                tried += 1
    assert tried >= disks


@pytest.mark.parametrize("way", [ADD, REMOVE], ids=["add", "remove"])
def test_a_change_that_stops_anywhere_is_done_again_by_the_other_machine(quick_folder: Path, way: Way) -> None:
    base = founded(quick_folder, 42, 3)
    for number in told(quick_folder, base, way):
        with thawed(quick_folder / "world", base, number) as it:
            it.stopped(HERE, way, ("MainThread", number, "after"))
            error = it.do(ELSEWHERE, way(it.world))
            assert error is None or "already" in str(error) or "no disk called" in str(error)
            assert it.put(ELSEWHERE, ["d1"] if way is ADD else []) is None
            assert it.nobody_misses_anything()
            wanted = {"d1", "d2", "d3", "d8"} if way is ADD else {"d1", "d3"}
            assert it.members(HERE) == dict.fromkeys(wanted, True)


@pytest.mark.parametrize(
    ("first", "then", "left"),
    [(ADD, ADD_TOO, "1 2 3 4 8 9"), (ADD, REMOVE, "1 3 4 8"), (REMOVE, ADD, "1 3 4 8"), (REMOVE, REMOVE_TOO, "1 4")],
    ids=["add, add", "add, remove", "remove, add", "remove, remove"],
)
def test_a_change_in_the_middle_of_another_machines_change(
    quick_folder: Path, first: Way, then: Way, left: str
) -> None:
    base = founded(quick_folder, 43, 4)
    for number in told(quick_folder, base, first, every=3):
        with thawed(quick_folder / "world", base, number) as it:
            found: list[object] = []

            def meanwhile(it: Together = it, found: list[object] = found) -> None:
                found.append(it.do(ELSEWHERE, then(it.world)))
                found.append(it.put(ELSEWHERE))

            with pausing(it.world, number, meanwhile), open_pool(it.world.other_machine(HERE)) as pool:
                first(it.world)(pool)
            assert found == [None, None]
            assert it.put(HERE) is None
            assert it.nobody_misses_anything()
            assert it.members(HERE) == it.members(ELSEWHERE) == {f"d{n}": True for n in left.split()}


@pytest.mark.parametrize(
    ("first", "then"),
    [(ADD, REMOVE), (REMOVE, REMOVE_TOO), (ADD, ADD_TOO)],
    ids=["add, remove", "remove, remove", "add, add"],
)
def test_a_change_goes_on_top_of_one_that_stopped(quick_folder: Path, first: Way, then: Way) -> None:
    base = founded(quick_folder, 44, 4)
    for number in told(quick_folder, base, first, every=3):
        with thawed(quick_folder / "world", base, number) as it:
            it.stopped(HERE, first, ("MainThread", number, "after"))
            assert it.do(ELSEWHERE, then(it.world)) is None
            error = it.put(ELSEWHERE, ["d4"])
            assert error is None or isinstance(error, QuorumLost)
            it.nobody_misses_anything()
            assert it.put(ELSEWHERE) is None


def test_a_lost_disk_is_taken_out_of_two_by_a_machine_that_stops_anywhere(quick_folder: Path) -> None:
    base = founded(quick_folder, 45, 2, "raid0")
    for number in told(quick_folder, base, LOSE, ("d2",)):
        with thawed(quick_folder / "world", base, number) as it:
            it.world.down = {"d2"}
            it.stopped(HERE, LOSE, ("MainThread", number, "after"))
            error = it.do(ELSEWHERE, LOSE(it.world), ["d2"])
            assert error is None or "no disk called" in str(error)
            del it.world.stores["d2"]
            assert it.put(ELSEWHERE) is None and it.put(HERE) is None
            assert it.nobody_misses_anything()


def same(world: World) -> Deed:
    return adding(world, "d8")


def namesake(world: World) -> Deed:
    return lambda pool: pool.add_backend("local", "d8", world.path("d9"))


@pytest.mark.parametrize("then", [same, namesake])
def test_of_two_machines_that_add_one_place_or_one_name_not_both_do(quick_folder: Path, then: Way) -> None:
    base = founded(quick_folder, 46, 3)
    steps = journal(quick_folder / "told", base, ADD)
    ends = []
    for number in range(1, len(steps) + 1, 1 if DEEP else 9):
        with thawed(quick_folder / "world", base, number) as it:
            found: list[object] = []
            with pausing(it.world, number, lambda it=it, found=found: found.append(it.do(ELSEWHERE, then(it.world)))):
                error = it.do(HERE, ADD(it.world))
            for one in (error, *found):
                assert one is None or isinstance(one, ConfigError | Unavailable), repr(one)
            ends.append((error is None, found[0] is None))
            assert it.named("d8") <= 1
            assert it.put(HERE) is None and it.put(ELSEWHERE) is None
    assert (True, False) in ends or (False, True) in ends


def test_a_put_does_not_count_on_a_disk_that_another_machine_is_taking_out(quick_folder: Path) -> None:
    base, results = founded(quick_folder, 48, 3, "raid1:3"), []
    source = quick_folder / "source"
    source.mkdir()
    (source / "file").write_bytes(b"here for good" * 1000)
    put: Way = lambda world: lambda pool: results.append(pool.put([str(source)]))  # noqa: E731
    steps = journal(quick_folder / "told", base, put)
    records = [number for number, what in enumerate(steps, 1) if what.startswith("d1 put log/")]
    commit = records[-2]  # the last one is CLOSE
    with thawed(quick_folder / "world", base, 1) as it, pausing(it.world, commit, lambda: announced(it.world)):
        assert it.do(HERE, put(it.world)) is None
    before, now = results
    assert (before.survives, now.survives, now.promised, now.exit_code) == (2, 1, 2, EXIT_DEGRADED)


def announced(world: World) -> None:
    """The other machine has announced that it takes d2 out, and stops."""
    with open_pool(world.other_machine(ELSEWHERE)) as pool:
        pool._ctx.open_table()
        gone = next(info.id for info in pool._ctx.table.state.members() if info.name == "d2")
        pool._ctx.table.append(SetRole(disk=gone, role=LEAVING))


def test_of_two_disks_that_are_drained_at_once_and_are_both_needed_one_stays(quick_folder: Path) -> None:
    """Each machine moves what it takes out to the other one's disk, as to any other."""
    base = founded(quick_folder, 47, 4, "raid1:2", files=40)
    steps = journal(quick_folder / "told", base, lambda world: draining("d2"))
    records = [number for number, what in enumerate(steps, 1) if what.startswith("d1 put log/")]
    errors = []
    for number in range(records[-4], records[-2] + 1, 1 if DEEP else 7):  # it looks for the last time, and announces
        with thawed(quick_folder / "world", base, number) as it:
            found: list[object] = []

            def meanwhile(it: Together = it, found: list[object] = found) -> None:
                found.append(it.do(ELSEWHERE, draining("d3")))

            with pausing(it.world, number, meanwhile):
                errors += [it.do(HERE, draining("d2")), *found]
            assert it.weakest() >= 1
            for machine, disk in ((HERE, "d2"), (ELSEWHERE, "d3")):
                if disk in it.members(machine):
                    assert it.do(machine, draining(disk)) is None
            assert it.weakest() >= 1 and set(it.members(HERE)) == {"d1", "d4"}
    assert any(isinstance(error, RedundancyError) for error in errors)
    assert all(error is None or isinstance(error, RedundancyError) for error in errors)
