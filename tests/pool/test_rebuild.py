"""rebuild: a lost disk's shards are made again from exactly k others, where they may legally lie."""

from __future__ import annotations

import shutil

import pytest

from tests.pool.moving import Interrupting, Make, comes_back, filled, join, legal, lying, objects, packs, weakest
from webraid.array.layout import payload_lengths
from webraid.errors import EXIT_DEGRADED, EXIT_OK, ConfigError, NotInTable
from webraid.jobs.base.events import DiskBytes, Notice
from webraid.pool import open_pool


def test_what_a_lost_disk_had_is_made_again_on_the_named_one_from_exactly_k_others(small: Make) -> None:
    machine = small("rs:3+2", 5)
    source = filled(machine)
    with machine.open() as pool:
        join(pool, machine, 6)
        pool.status()
        before = lying(pool)["d1"]
        lost = [pack for pack in packs(pool) if "d1" in {pool._ctx.disk_name(home.disk) for home in pack.homes}]
    shutil.rmtree(machine.disk(1))
    with machine.open() as pool:
        machine.events.clear()
        result = pool.rebuild("d1", onto="d6")
        read = sum(event.down for event in machine.events if isinstance(event, DiskBytes))
        assert (result.exit_code, result.carried.rebuilt, result.carried.copied) == (EXIT_OK, before, 0)
        assert result.removed and result.left == 0
        assert result.carried.read == 3 * before
        assert read <= sum(3 * payload_lengths(pack)[0] for pack in lost)
        assert lying(pool) == {f"d{number}": before for number in range(2, 7)}
        assert weakest(pool) == 2 and legal(pool)
        assert [disk.name for disk in pool.status().disks] == ["d2", "d3", "d4", "d5", "d6"]
    for number in (2, 3):
        shutil.rmtree(machine.disk(number))
    assert comes_back(machine, source)


def test_a_shard_that_may_not_lie_on_the_named_disk_goes_to_another_and_is_told_of(small: Make) -> None:
    machine = small("rs:2+2", 6)
    filled(machine)
    with machine.open() as pool:
        pool.status()
        beside = [{pool._ctx.disk_name(home.disk) for home in pack.homes} for pack in packs(pool)]
    beside = [names for names in beside if "d1" in names]
    named = next(
        name for name in ("d6", "d5", "d4", "d3", "d2") if 0 < sum(name in one for one in beside) < len(beside)
    )
    shutil.rmtree(machine.disk(1))
    with machine.open() as pool:
        result = pool.rebuild("d1", onto=named)
        assert result.exit_code == EXIT_OK and result.removed
        assert result.elsewhere and result.planned[named]
        assert any(f"cannot go to {named}" in event.text for event in machine.events if isinstance(event, Notice))
        assert weakest(pool) == 2 and legal(pool)


def test_without_a_named_disk_it_is_spread_over_all_others(small: Make) -> None:
    machine = small("rs:2+1", 6)
    filled(machine)
    shutil.rmtree(machine.disk(1))
    with machine.open() as pool:
        result = pool.rebuild("d1")
        assert result.removed and len(result.planned) >= 2
        assert weakest(pool) == 1 and legal(pool)


def test_an_interrupted_rebuild_goes_on_and_sends_nothing_twice(small: Make) -> None:
    machine = small("rs:3+2", 5)
    source = filled(machine)
    with machine.open() as pool:
        join(pool, machine, 6)
        pool.status()
        lost = lying(pool)["d1"]
    shutil.rmtree(machine.disk(1))
    begin = objects(machine, 6)
    with open_pool(machine.settings, on_event=Interrupting(1)) as pool, pytest.raises(KeyboardInterrupt):
        pool.rebuild("d1", onto="d6")
    there = {path: path.stat().st_ino for path in objects(machine, 6) - begin}
    with machine.open() as pool:
        result = pool.rebuild("d1", onto="d6")
        assert 1 <= lost - result.carried.rebuilt < lost
        assert result.removed and weakest(pool) == 2
    kept = sum(path.stat().st_ino == inode for path, inode in there.items() if "shards" in path.parts)
    assert kept >= lost - result.carried.rebuilt  # what was there and verified was not sent again
    assert comes_back(machine, source)


def test_with_a_limit_it_ends_early_and_the_disk_stays_until_the_last_run(small: Make) -> None:
    machine = small("rs:3+2", 5)
    filled(machine)
    with machine.open() as pool:
        join(pool, machine, 6)
    shutil.rmtree(machine.disk(1))
    runs = 0
    while True:
        with machine.open() as pool:
            result = pool.rebuild("d1", onto="d6", limit=2 << 20)
        runs += 1
        assert result.carried.size <= 2 << 20
        if result.removed:
            break
        assert result.left
    assert runs > 2


def test_what_is_needed_most_comes_first(small: Make) -> None:
    """A stripe that lost two of its shards is made whole before one that lost a single one."""
    machine = small("rs:2+2", 6)
    filled(machine)
    shutil.rmtree(machine.disk(1))
    with machine.open() as pool:
        pool.status()
        ctx = pool._ctx
        (one,) = (info.id for info in ctx.table.state.joined() if info.name == "d1")
        weak = next(p for p in reversed(packs(pool)) if any(home.disk == one for home in p.homes))
        other = next(home for home in weak.homes if home.disk != one)
        ctx.index.mark_bad(weak.id, other.index, other.disk, "missing")
        result = pool.rebuild("d1", limit=1)
        assert result.carried.rebuilt == 1
        now = next(p for p in packs(pool) if p.id == weak.id)
        index = next(home.index for home in weak.homes if home.disk == one)
        assert any(home.index == index and home.disk != one for home in now.homes)


def test_a_disk_that_was_taken_out_can_still_be_rebuilt(small: Make) -> None:
    machine = small("rs:3+2", 6)
    filled(machine)
    shutil.rmtree(machine.disk(1))
    with machine.open() as pool:
        pool.remove_backend("d1", lost=True)
    with machine.open() as pool:
        result = pool.rebuild("d1")
        assert result.exit_code == EXIT_OK and weakest(pool) == 2
        assert pool.rebuild("d1").shards == 0


def test_where_too_few_disks_answer_the_lost_one_is_taken_out_first(small: Make) -> None:
    machine = small("raid6", 4)
    source = filled(machine, 10)
    for number in (1, 2):
        shutil.rmtree(machine.disk(number))
    with machine.open() as pool:
        result = pool.rebuild("d1")
        assert (result.exit_code, result.short > 0) == (EXIT_DEGRADED, True)
        pool.rebuild("d2")
        for number in (5, 6):
            join(pool, machine, number)
        assert pool.rebuild("d1").exit_code == EXIT_OK
        assert pool.rebuild("d2").exit_code == EXIT_OK
        assert weakest(pool) == 2 and legal(pool)
    assert comes_back(machine, source)


def test_a_dry_run_tells_and_changes_nothing(small: Make) -> None:
    machine = small("rs:3+2", 6)
    filled(machine)
    with machine.open() as pool:
        before = [objects(machine, number) for number in range(2, 7)]
        plan = pool.rebuild("d1", dry_run=True)
        assert plan.dry_run and plan.total == sum(plan.planned.values()) > 0
        assert [objects(machine, number) for number in range(2, 7)] == before
        assert "d1" in {disk.name for disk in pool.status().disks}


@pytest.mark.parametrize(("name", "onto", "wrong"), [("d9", "", NotInTable), ("d1", "d1", ConfigError)])
def test_a_name_that_is_wrong_is_refused(small: Make, name: str, onto: str, wrong: type[Exception]) -> None:
    machine = small("raid5", 3)
    with machine.open() as pool, pytest.raises(wrong):
        pool.rebuild(name, onto=onto)


def test_a_disk_that_answers_is_rebuilt_only_when_that_is_insisted_on(small: Make) -> None:
    machine = small("rs:2+1", 5)
    source = filled(machine)
    with machine.open() as pool:
        with pytest.raises(ConfigError, match="d1 is not lost") as raised:
            pool.rebuild("d1")
        assert "webraid replace d1" in raised.value.hint
        result = pool.rebuild("d1", force=True)
        assert result.removed and result.carried.rebuilt and not result.carried.copied
        assert weakest(pool) == 1 and legal(pool)
    assert comes_back(machine, source)
