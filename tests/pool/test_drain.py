"""drain: a disk is emptied over any number of runs, with a plan, a forecast and alarms in time."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from tests.pool.machine import Home
from tests.pool.moving import Make, bytes_on, comes_back, filled, join, legal, lying, plant, weakest
from webraid.env import Env
from webraid.errors import EXIT_DEGRADED, EXIT_OK, ConfigError, NotEnoughDisks
from webraid.jobs.base.events import Notice
from webraid.jobs.base.settings import Settings
from webraid.pool import Pool, open_pool
from webraid.table.records import ACTIVE, DRAINING

DAY = 86_400.0


def at(machine: Home, days: float) -> Pool:
    """The pool, so many days from now."""
    clock = Env()
    settings: Settings = replace(machine.settings, env=replace(clock, now=lambda: clock.now() + days * DAY))
    return open_pool(settings)


def role(pool: Pool, name: str) -> str:
    pool.status()
    return next(info.role for info in pool._ctx.table.state.members() if info.name == name)


def test_a_drained_disk_gets_nothing_new_and_what_it_has_goes_elsewhere(small: Make) -> None:
    machine = small("rs:3+2", 6)
    source = filled(machine)
    with machine.open() as pool:
        plan = pool.drain("d1", dry_run=True)
        assert role(pool, "d1") == ACTIVE
        assert sum(plan.planned.values()) == plan.total == bytes_on(pool)["d1"]
        result = pool.drain("d1")
        assert (result.exit_code, result.left, result.removed) == (EXIT_OK, 0, False)
        assert result.carried.copied == plan.shards and result.carried.size == plan.total
        assert role(pool, "d1") == DRAINING
        before = lying(pool)["d1"]
        pool.put([str(plant(machine.folder / "more", 4, seed=9))])
        assert lying(pool)["d1"] == before
        progress = pool.drain_progress("d1")
        assert (progress.left, progress.gone, progress.share) == (0, plan.total, 1.0)
        pool.remove_backend("d1")
        assert weakest(pool) == 2 and legal(pool)
        out = machine.folder / "back"
        assert pool.get("latest", to=out).exit_code == EXIT_OK
    shutil.rmtree(machine.disk(1))
    with machine.open() as pool:
        assert pool.get(pool.snapshots()[0].name, to=machine.folder / "first").exit_code == EXIT_OK
    assert source.exists()


def test_it_goes_on_night_after_night_and_tells_when_it_ends(small: Make) -> None:
    machine = small("rs:3+2", 6)
    source = filled(machine)
    limit, nights = 1 << 20, []
    deadline = int((Env().now() + 300 * DAY) * 1000)
    with at(machine, 0) as pool:
        nights.append(pool.drain("d1", deadline_ms=deadline, limit=limit))
        assert nights[0].carried.shards and nights[0].left and not nights[0].late
    with at(machine, 1) as pool:
        (second,) = pool.drain_on(limit=limit)
        assert second.deadline_ms == deadline and second.left < nights[0].left
        per_day = nights[0].total - second.left
        wanted = (Env().now() + DAY + second.left / per_day * DAY) * 1000
        assert second.ends_ms == pytest.approx(wanted, abs=3600_000)
    with at(machine, 2) as pool:
        (third,) = pool.drain_on()
        assert third.left == 0 and third.exit_code == EXIT_OK
        result = pool.drain("d1", remove=True)
        assert result.removed and weakest(pool) == 2
        assert pool.drain_on() == []
    assert comes_back(machine, source)


def test_a_deadline_that_will_be_missed_is_an_alarm(small: Make) -> None:
    machine = small("rs:3+2", 6)
    filled(machine)
    with at(machine, 0) as pool:
        result = pool.drain("d1", deadline_ms=int((Env().now() + 1.2 * DAY) * 1000), limit=1)
        assert (result.late, result.exit_code) == (False, EXIT_OK)
    with at(machine, 1) as pool:
        result = pool.drain("d1", limit=1)
        assert result.ends_ms is not None and result.ends_ms > result.deadline_ms
        assert (result.late, result.exit_code) == (True, EXIT_DEGRADED)
        result = pool.drain("d1", deadline_ms=0, limit=1)
        assert (result.late, result.exit_code) == (False, EXIT_OK)


def test_a_deadline_in_the_past_is_refused(small: Make) -> None:
    machine = small("raid5", 4)
    with machine.open() as pool:
        with pytest.raises(ConfigError, match="over already"):
            pool.drain("d1", deadline_ms=int((Env().now() - 60) * 1000))
        assert role(pool, "d1") == ACTIVE


def test_too_little_room_is_told_with_the_bytes_that_find_none(small: Make) -> None:
    machine = small("rs:3+2", 4)
    with machine.open() as pool:
        join(pool, machine, 5)
        join(pool, machine, 6, capacity=1)
    filled(machine)
    with machine.open() as pool:
        plan = pool.drain("d1", dry_run=True)
        assert plan.short == plan.total == bytes_on(pool)["d1"]
        assert plan.exit_code == EXIT_DEGRADED and plan.ends_ms is None
        result = pool.drain("d1", remove=True)
        assert (result.exit_code, result.removed, result.short) == (EXIT_DEGRADED, False, plan.total)
        assert weakest(pool) == 2


def test_where_too_few_disks_are_left_for_the_level_it_warns(small: Make) -> None:
    machine = small("raid6", 4)
    filled(machine, 1)
    with machine.open() as pool:
        pool.drain("d1")
        warned = [event.text for event in machine.events if isinstance(event, Notice) and event.warning]
        assert any("nothing new can be stored" in text for text in warned)
        with pytest.raises(NotEnoughDisks):
            pool.put([str(plant(machine.folder / "more", 1, seed=2))])


def test_a_disk_that_does_not_answer_is_drained_from_the_others(small: Make) -> None:
    machine = small("rs:3+2", 6)
    source = filled(machine, 9)
    shutil.rmtree(machine.disk(1))
    with machine.open() as pool:
        result = pool.drain("d1", remove=True)
        assert result.carried.rebuilt and not result.carried.copied and result.removed
        assert weakest(pool) == 2
    assert comes_back(machine, source)


def test_a_drain_can_be_stopped(small: Make) -> None:
    machine = small("rs:3+2", 6)
    filled(machine)
    with machine.open() as pool:
        pool.drain("d1", deadline_ms=1 << 50, limit=1)
        pool.stop_drain("d1")
        assert role(pool, "d1") == ACTIVE
        assert pool.drain_progress("d1").deadline_ms == 0
        with pytest.raises(ConfigError, match="not being drained"):
            pool.stop_drain("d1")
