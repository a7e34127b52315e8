"""put --time: snapshots that are dated back stand where their time belongs, and none can be of the future."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.pool.shots import NOW, Dated, add, copy, one_file
from webraid.errors import ConfigError
from webraid.jobs.base.retention import Policy
from webraid.jobs.storing.put import PutOptions
from webraid.pool import Pool

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Dated:
    folder = tmp_path_factory.mktemp("dated")
    made = Dated(folder / "home")
    made.make("raid1", 2)
    with made.open() as pool:
        pool.put([str(one_file(folder / "photos"))])
    return made


@pytest.fixture
def machine(model: Dated, tmp_path: Path) -> Dated:
    return copy(model.folder, tmp_path / "home")


def dated(days: float) -> PutOptions:
    return PutOptions(time_ms=int((NOW + days * DAY).timestamp() * 1000))


def times(pool: Pool) -> list[float]:
    """Days before now, in the order that snapshots are listed."""
    return [round((shot.info.time_ms / 1000 - NOW.timestamp()) / 86400, 1) for shot in pool.snapshots()]


def test_a_snapshot_dated_back_stands_where_its_time_belongs(machine: Dated, model: Dated) -> None:
    photos = str(model.folder.parent / "photos")
    with machine.open() as pool:
        newest = pool.snapshot("latest")
        for days in (-30, -300, -100):
            assert pool.put([photos], options=dated(days)).exit_code == 0
        assert times(pool) == [-300, -100, -30, 0]
        assert pool.snapshot("latest") == newest
        assert pool.snapshot("latest~1").info.time_ms == dated(-30).time_ms
        assert [shot.info.time_ms for shot in pool.snapshots(latest=2)] == [dated(-30).time_ms, dated(0).time_ms]
        assert pool.status().last_snapshot == newest.name
        pool.put([photos])
        assert times(pool)[-2:] == [0, 0] and pool.snapshot("latest") != newest


def test_a_clock_that_was_a_little_off_changes_no_order(machine: Dated) -> None:
    with machine.open() as pool:
        add(pool, NOW + timedelta(hours=3), NOW - timedelta(hours=20), NOW)
        assert times(pool) == [0, 0.1, -0.8, 0]


def test_no_rule_can_be_fooled_by_a_snapshot_of_the_future(machine: Dated, model: Dated) -> None:
    photos = str(model.folder.parent / "photos")
    with machine.open() as pool:
        for days in (1.5, 400):
            for dry_run in (False, True):
                options = PutOptions(time_ms=dated(days).time_ms, dry_run=dry_run)
                with pytest.raises(ConfigError, match="cannot be of the future"):
                    pool.put([photos], options=options)
        with pytest.raises(ConfigError, match="older than 1970"):
            pool.put([photos], options=PutOptions(time_ms=-1))
        assert times(pool) == [0]


def test_rules_count_by_the_time_that_was_given_and_the_lock_by_when_it_was_stored(
    machine: Dated, model: Dated
) -> None:
    photos = str(model.folder.parent / "photos")
    with machine.open() as pool:
        old, older = (pool.put([photos], options=dated(days)).snapshot for days in (-100, -100.2))
        assert [shot.name for shot in pool.forget(policy=Policy({"daily": 2})).removed] == [older]
        pool.drill(1)
        assert pool.prune(dry_run=True).young == [older], "it was stored just now, whatever it says of itself"
        assert old in [shot.name for shot in pool.snapshots()]
