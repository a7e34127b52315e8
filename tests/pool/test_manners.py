"""Pools on real folders under limits and budgets: kept to, counted from run to run, and never at the data's cost."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from tests.pool.machine import Home
from webraid.backend.base import Backend, Caps
from webraid.backend.budget import LEAST
from webraid.backend.capped import Capped, Room
from webraid.backend.wrapper import Op
from webraid.cli.traffic import Traffic, traffic
from webraid.config import DiskSection
from webraid.env import Env
from webraid.errors import EXIT_DEGRADED, EXIT_OK, ConfigError
from webraid.files.compare import compare_trees
from webraid.jobs.base.events import DiskNotice
from webraid.jobs.base.idle import ALIVE, CLOSED_AFTER, keep_alive, overdue
from webraid.jobs.base.manners import minute_of_day
from webraid.jobs.base.seats import HEADROOM, TABLE_ROOM, reserve_of
from webraid.model import Usage
from webraid.pool import Pool, open_pool
from webraid.table.survey import AT_ONCE

DAY = 86400.0


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files that make a few stripes when the memory is small."""
    folder = tmp_path / "tree"
    folder.mkdir()
    for number in range(12):
        (folder / f"file {number}").write_bytes(os.urandom(1_200_000))
    return folder


def configure(machine: Home, section: str, **values: Any) -> None:
    """Set options of a section of the config file, or of a disk."""
    path = machine.folder / "config.toml"
    document: Any = tomlkit.parse(path.read_text())
    if section.startswith("d"):
        target = next(disk for disk in document["disk"] if disk["name"] == section)
    else:
        target = document.setdefault(section, {})
    for key, value in values.items():
        target[key.replace("_", "-")] = value
    path.write_text(tomlkit.dumps(document))


@contextmanager
def opened(machine: Home, *, later: float = 0.0, wrap: Any = None) -> Any:
    """The pool, ``later`` seconds from now on the calendar."""
    where = machine.settings
    real = Env()
    where.env = dataclasses.replace(real, now=lambda: real.now() + later)
    if wrap is not None:
        where.wrap = wrap
    machine.events.clear()
    with open_pool(where) as pool:
        yield pool


def flows(pool: Pool) -> dict[str, Traffic]:
    return {flow.disk: flow for flow in traffic(pool)}


def notices(machine: Home, disk: str) -> list[str]:
    return [event.text for event in machine.events if isinstance(event, DiskNotice) and event.disk == disk]


def shards_read(pool: Pool, name: str) -> int:
    disk = next(disk for disk in pool._ctx.disks.values() if disk.name == name)
    return disk.meter.counts()[Op.GET].requests if Op.GET in disk.meter.counts() else 0


# ------------------------------------------------------------------------------------------------------------- budgets
def test_what_is_spent_is_counted_from_run_to_run_and_comes_anew_with_the_month(
    home: Callable[[str, int], Home], tree: Path
) -> None:
    machine = home("raid5", 3)
    configure(machine, "d1", writes_per_month=1000, upload_per_day="1 GB", egress_per_month="3x")
    with opened(machine) as pool:
        assert pool.put([str(tree)]).exit_code == EXIT_OK
        first = {str(balance.allowance.resource): balance for balance in flows(pool)["d1"].budgets}
        assert flows(pool)["d2"].budgets == []
    assert first["writes"].spent > 3
    assert first["upload"].spent > 2_000_000
    assert first["egress"].limit == LEAST  # three times next to nothing
    with opened(machine) as pool:
        (status,) = [disk for disk in pool.status().disks if disk.name == "d1"]
    again = {str(balance.allowance.resource): balance for balance in status.budgets}
    assert again["upload"].spent == first["upload"].spent
    assert again["writes"].spent > first["writes"].spent  # a listing or two
    with opened(machine, later=32 * DAY) as pool:
        (status,) = [disk for disk in pool.status().disks if disk.name == "d1"]
    assert {str(b.allowance.resource): b.spent for b in status.budgets}["upload"] == 0


def test_a_process_that_is_not_closed_loses_no_more_than_its_last_seconds(
    home: Callable[[str, int], Home], tree: Path
) -> None:
    machine = home("raid5", 3)
    configure(machine, "d1", writes_per_month=1000)
    with opened(machine) as pool:
        pool.put([str(tree)])
        manners = pool._ctx.manners
        manners._saved_at -= 6  # so much time has passed
        pool._ctx.disks[next(d.id for d in pool._ctx.disks.values() if d.name == "d1")].list("log/").result(10)
        with opened(machine) as other:
            mine, seen = flows(pool)["d1"].budgets[0].spent, flows(other)["d1"].budgets[0].spent
    assert mine == seen > 3


def test_a_disk_whose_downloads_are_spent_is_left_alone_while_the_others_suffice(
    home: Callable[[str, int], Home], tree: Path
) -> None:
    machine = home("raid6", 5)
    with opened(machine) as pool:
        pool.put([str(tree)])
    configure(machine, "d1", egress_per_month="1 B")
    with opened(machine) as pool:
        result = pool.get(to=machine.folder / "out")
        assert result.exit_code == EXIT_OK
        assert flows(pool)["d1"].down < 100_000  # the log's records alone
        assert flows(pool)["d2"].down > 500_000
    assert compare_trees(tree, machine.folder / "out" / "tree") == []
    assert notices(machine, "d1") == []


def test_downloads_that_are_spent_make_nothing_unreadable(home: Callable[[str, int], Home], tree: Path) -> None:
    machine = home("raid6", 5)
    with opened(machine) as pool:
        pool.put([str(tree)])
    for name in ("d1", "d2"):
        configure(machine, name, egress_per_month="1 B")
    machine.disk(4).rename(machine.folder / "gone")
    with opened(machine) as pool:
        result = pool.get(to=machine.folder / "out")
    assert (result.exit_code, result.unreadable) == (EXIT_OK, [])
    assert compare_trees(tree, machine.folder / "out" / "tree") == []
    told = notices(machine, "d1") + notices(machine, "d2")
    assert any("downloads are spent until" in text and "read beyond that" in text for text in told)
    assert len(told) <= 2


def test_a_check_keeps_to_what_is_spent_and_says_so(home: Callable[[str, int], Home], tree: Path) -> None:
    machine = home("raid5", 3)
    with opened(machine) as pool:
        pool.put([str(tree)])
    configure(machine, "d1", egress_per_month="1 B")
    with opened(machine) as pool:
        checked = pool.check(read_data=True)
        assert flows(pool)["d1"].down < 100_000
    by_name = {disk.name: disk for disk in checked.disks}
    assert "its downloads are spent until" in by_name["d1"].error
    assert (by_name["d2"].error, by_name["d2"].missing, by_name["d2"].corrupt) == ("", 0, 0)
    with opened(machine) as pool:
        (disk,) = [disk for disk in pool.status().disks if disk.name == "d1"]
    assert (disk.state, disk.detail.startswith("its downloads are spent until")) == ("online", True)


@pytest.mark.parametrize("budget", [{"writes_per_day": 4}, {"upload_per_day": "4 MB"}])
def test_a_disk_whose_writes_are_spent_gets_no_more_and_the_rest_goes_elsewhere(
    home: Callable[[str, int], Home], tree: Path, budget: Mapping[str, Any]
) -> None:
    machine = home("raid5", 4)
    configure(machine, "pool", level="raid5:3")
    configure(machine, "limits", memory="24 MiB")
    configure(machine, "d1", **budget)
    with opened(machine) as pool:
        result = pool.put([str(tree)])
        spent = flows(pool)["d1"].budgets[0]
        assert result.exit_code in (EXIT_OK, EXIT_DEGRADED)
        assert result.missing_shards == 0  # another disk took what this one did not
        assert spent.spent <= spent.limit + 100_000 + 30  # the log goes on
        assert flows(pool)["d1"].up < flows(pool)["d2"].up
    with opened(machine) as pool:
        assert pool.get(to=machine.folder / "out").exit_code == EXIT_OK
        assert next(disk for disk in pool.status().disks if disk.name == "d1").state == "online"
    assert compare_trees(tree, machine.folder / "out" / "tree") == []


@pytest.mark.parametrize(
    ("where", "values"),
    [("d1", {"writes_per_day": "many"}), ("d1", {"tps": "fast"}), ("d1", {"tps": 0}), ("d1", {"upload": "brisk"}),
     ("d1", {"egress_per_month": "0x"}), ("limits", {"download": "08:00-10:00"})],
)  # fmt: skip
def test_what_the_config_gets_wrong_is_told_with_whose_it_is(
    home: Callable[[str, int], Home], where: str, values: Mapping[str, Any]
) -> None:
    machine = home("raid5", 3)
    configure(machine, where, **values)
    with pytest.raises(ConfigError) as caught, opened(machine):
        pass
    option = next(iter(values)).replace("_", "-")
    assert where == "limits" or f"{option} of disk d1" in str(caught.value)


# -------------------------------------------------------------------------------------------------------------- limits
def test_a_limit_holds_for_all_disks_together_and_the_summary_tells_of_the_wait(
    home: Callable[[str, int], Home], tree: Path
) -> None:
    machine = home("raid5", 3)
    configure(machine, "limits", upload="00:00-24:00 20 MB/s", memory="24 MiB")
    configure(machine, "d2", tps=200)
    with opened(machine) as pool:
        lines = pool._ctx.manners.lines
        assert all(lines.up in disk._throttle._up for disk in pool._ctx.disks.values())
        result = pool.put([str(tree)])
        waited = sum(flow.throttled for flow in flows(pool).values())
    assert result.exit_code == EXIT_OK
    assert waited > 0


def test_a_slow_line_makes_everybody_patient(home: Callable[[str, int], Home]) -> None:
    machine = home("raid5", 3)
    with opened(machine) as pool:
        assert pool._ctx.config.limits.patience == 30
    configure(machine, "limits", upload="08:00-23:00 1 MiB/s, else 0", memory="96 MiB")
    with opened(machine) as pool:
        assert pool._ctx.config.limits.patience == 30 + 32 + 3 * 8
        assert pool._ctx.table.patience == pool._ctx.config.limits.patience
    configure(machine, "limits", upload="0")
    configure(machine, "d1", download="512 KiB")
    with opened(machine) as pool:
        assert pool._ctx.config.limits.patience == pytest.approx(30 + 2 * (32 / 3 + 8))
    configure(machine, "d1", download="0", tps=2)
    with opened(machine) as pool:  # else a long log would be read in part, and the rest count as not there
        assert pool._ctx.table.patience == pytest.approx(30 + AT_ONCE / 3 / 2)


def test_windows_are_those_of_the_clock_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    noon = 1_795_262_400.0  # 2026-11-21 12:00 UTC
    try:
        for zone, minute in (("UTC", 720), ("CET-1CEST,M3.5.0,M10.5.0/3", 780), ("XXX-05:30", 1050), ("YYY13", 1380)):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert minute_of_day(noon) == minute
    finally:
        monkeypatch.undo()
        time.tzset()


# ---------------------------------------------------------------------------------------------------------- full disks
def full(names: Mapping[str, int]) -> Callable[[str, Callable[[], Backend]], Callable[[], Backend]]:
    """Some disks have room for so many bytes only, and tell nobody."""
    rooms = {name: Room(capacity=size) for name, size in names.items()}

    class Silent(Capped):
        def usage(self) -> Usage:
            return Usage()

    def wrap(name: str, opener: Callable[[], Backend]) -> Callable[[], Backend]:
        return (lambda: Silent(opener(), rooms[name])) if name in rooms else opener

    return wrap


@pytest.mark.parametrize(("level", "code"), [("raid5:3", EXIT_OK), ("raid5", EXIT_DEGRADED)])
def test_a_disk_that_fills_up_in_the_middle_of_a_put_costs_nothing(
    home: Callable[[str, int], Home], tree: Path, level: str, code: int
) -> None:
    machine = home("raid5", 4)
    configure(machine, "pool", level=level)
    configure(machine, "limits", memory="24 MiB")
    with opened(machine, wrap=full({"d3": 3_000_000})) as pool:
        result = pool.put([str(tree)])
        disk = next(disk for disk in pool._ctx.disks.values() if disk.name == "d3")
        assert (disk.health.state, disk.health.usable) == ("online", True)
        assert disk.meter.total().errors["QuotaExceeded"] > 0
    assert result.exit_code in (code, EXIT_DEGRADED)
    assert (result.missing_shards == 0) == (level == "raid5:3")
    assert sum(path.stat().st_size for path in machine.disk(3).rglob("*") if path.is_file()) <= 3_000_000
    machine.disk(3).rename(machine.folder / "gone")  # whatever it has: the others suffice
    with opened(machine) as pool:
        assert pool.get(to=machine.folder / "out").exit_code == EXIT_OK
    assert compare_trees(tree, machine.folder / "out" / "tree") == []
    (machine.folder / "gone").rename(machine.disk(3))
    with opened(machine) as pool:  # somebody has made room
        assert pool.repair().lost == 0
        assert pool.check(read_data=True).exit_code == EXIT_OK


@pytest.mark.parametrize(
    ("given", "caps", "usage", "reserve"),
    [
        (None, Caps(usage=True), Usage(used=1 << 30, free=14 << 30, total=15 << 30), HEADROOM),
        (None, Caps(usage=True), Usage(used=0, free=2_000_000_000), 200_000_000),
        (None, Caps(usage=True), Usage(), 0),
        (None, Caps(usage=True, local=True), Usage(used=0, free=1 << 40, total=1 << 40), TABLE_ROOM),
        (None, Caps(usage=True, local=True), Usage(used=0, free=1_000_000_000), 10_000_000),
        (0, Caps(usage=True), Usage(used=1 << 30, free=14 << 30, total=15 << 30), 0),
        (7, Caps(usage=True, local=True), Usage(free=14 << 30), 7),
    ],
)
def test_a_little_of_a_quota_that_others_share_is_left_free(
    given: int | None, caps: Caps, usage: Usage, reserve: int
) -> None:
    assert reserve_of(DiskSection("a", "gdrive", reserve=given), caps, usage) == reserve


# ------------------------------------------------------------------------------------------------------- idle accounts
def written(pool: Pool) -> dict[str, int | None]:
    return {disk.name: disk.written_ms for disk in pool.status().disks}


def test_status_tells_when_a_disk_was_last_written_to(home: Callable[[str, int], Home], tree: Path) -> None:
    machine = home("raid5", 3)
    with opened(machine, later=DAY) as pool:
        put_at = pool._ctx.env.now() * 1000
        pool.put([str(tree)])
    with opened(machine, later=4 * DAY) as pool:
        pool.get(to=machine.folder / "out")
    with opened(machine, later=5 * DAY) as pool:
        times = written(pool)
        assert all(time is not None and abs(time - put_at) < 60_000 for time in times.values())
        assert not any(disk.overdue for disk in pool.status().disks)


def test_a_disk_that_rests_too_long_gets_a_small_write_and_only_then(
    home: Callable[[str, int], Home], tree: Path
) -> None:
    machine = home("raid5", 3)
    with opened(machine) as pool:
        pool.put([str(tree)])
        assert keep_alive(pool._ctx) == []
    with opened(machine, later=6 * DAY) as pool:
        pool.status()
        assert keep_alive(pool._ctx) == []
    assert not any((machine.disk(n) / ALIVE).exists() for n in (1, 2, 3))
    contents = set()
    for later in (7, 14):
        with opened(machine, later=later * DAY) as pool:
            pool.status()
            assert len(keep_alive(pool._ctx)) == 3
            assert keep_alive(pool._ctx) == []  # this run has written
        contents |= {(machine.disk(n) / ALIVE).read_bytes() for n in (1, 2, 3)}
    assert len(contents) == 2
    assert all(len(data) == 16 for data in contents)
    with opened(machine, later=15 * DAY) as pool:
        assert all(time is not None for time in written(pool).values())
        assert pool.check(read_data=True).exit_code == EXIT_OK
        assert pool.put([str(tree)]).exit_code == EXIT_OK


def test_a_run_whose_clock_was_ahead_does_not_put_the_guard_to_sleep(home: Callable[[str, int], Home]) -> None:
    machine = home("raid5", 3)
    with opened(machine, later=3000 * DAY) as pool:
        pool.status()
        assert len(keep_alive(pool._ctx)) == 3
    with opened(machine) as pool:
        pool.status()
        assert len(keep_alive(pool._ctx)) == 3
    with opened(machine) as pool:
        pool.status()
        assert keep_alive(pool._ctx) == []


def test_the_guard_can_be_switched_off(home: Callable[[str, int], Home], tree: Path) -> None:
    machine = home("raid5", 3)
    configure(machine, "idle", every="0")
    with opened(machine, later=100 * DAY) as pool:
        pool.status()
        assert keep_alive(pool._ctx) == []


def test_a_disk_that_refuses_the_small_write_is_told_of_and_nothing_fails(
    home: Callable[[str, int], Home], tree: Path
) -> None:
    machine = home("raid5", 3)
    with opened(machine, later=8 * DAY, wrap=full({"d2": 0})) as pool:
        pool.status()
        assert len(keep_alive(pool._ctx)) == 2
    assert any("could not be written to" in text for text in notices(machine, "d2"))


@pytest.mark.parametrize(
    ("kind", "local", "days", "period", "late"),
    [("s3", False, 13, 7, False), ("s3", False, 15, 7, True), ("local", True, 500, 7, False),
     ("s3", False, 500, 0, False), ("dropbox", False, 180, 0, False), ("dropbox", False, 190, 0, True),
     ("gdrive", False, 364, 0, False), ("gdrive", False, 366, 0, True)],
)  # fmt: skip
def test_an_account_is_overdue_after_two_periods_or_half_of_what_its_provider_allows(
    kind: str, local: bool, days: float, period: float, late: bool
) -> None:
    assert overdue(kind, local, days * DAY, period * DAY) is late
    assert not overdue(kind, local, None, period * DAY)
    assert all(limit >= 365 * DAY for limit in CLOSED_AFTER.values())
