"""What a run cost, and what the budgets have left, on every page and in every document that ends a run."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest

from tests.cli.conftest import Machine
from webraid.backend.budget import Allowance, Balance, Period, Resource
from webraid.cli import verdict
from webraid.jobs.standing.status import DiskStatus

COSTS = {"name", "bytes_up", "bytes_down", "requests", "retries", "errors", "seconds_throttled"}


@pytest.fixture
def frugal(home: Machine) -> Machine:
    """d2 has a budget, and all disks together a limit that is felt."""
    config = home.root / "config.toml"
    budget = 'egress-per-month = "10 GiB"\nwrites-per-day = 500\nname = "d2"'
    text = config.read_text().replace('name = "d2"', budget)
    config.write_text(text.replace("[[disk]]", '[limits]\nupload = "2 MB/s"\n\n[[disk]]', 1))
    (home.root / "photos" / "more").write_bytes(random.Random(3).randbytes(1_500_000))
    return home


def balance(resource: Resource, period: Period, limit: int, spent: int) -> Balance:
    return Balance(Allowance(resource, period, limit), limit, spent, 1_796_083_200.0)


def test_every_run_that_moves_bytes_tells_what_it_cost(frugal: Machine) -> None:
    words: list[list[Any]] = [
        ["put", frugal.root / "photos"],
        ["get", "-t", frugal.root / "out"],
        ["check"],
        ["repair"],
    ]
    for command in words:
        document = frugal("--json", *command).document
        disks = {disk["name"]: disk for disk in document["backends"]}
        assert set(disks) == {"d1", "d2", "d3", "d4"}
        assert all(set(disk) >= COSTS for disk in disks.values()), command
        assert [(item["resource"], item["period"], item["limit"]) for item in disks["d2"]["budgets"]] == [
            ("writes", "day", 500), ("egress", "month", 10 << 30)
        ]  # fmt: skip
        assert all(item["left"] == item["limit"] - item["spent"] for item in disks["d2"]["budgets"])
        assert "budgets" not in disks["d1"]


@pytest.mark.parametrize("command", ["put", "get", "check", "repair"])
def test_the_page_has_a_line_a_disk_and_what_is_left(frugal: Machine, command: str) -> None:
    more = {"put": [frugal.root / "photos"], "get": ["-t", frugal.root / "out"]}.get(command, [])
    run = frugal(command, *more)
    lines = run.out.splitlines()
    head = next(line for line in lines if line.startswith("Disk") and "Requests" in line)
    assert head.split()[:5] == ["Disk", "Sent", "Received", "Requests", "Retries"]
    assert all(any(line.startswith(f"d{number} ") for line in lines) for number in range(1, 5))
    (left,) = [line for line in lines if line.strip().startswith("d2  left ")]
    assert "today: " in left
    assert "write requests; this month: " in left
    assert left.endswith("of downloads")


def test_what_was_held_up_has_a_column_only_when_something_was(frugal: Machine) -> None:
    held = frugal("put", frugal.root / "photos")
    calm = frugal("get", "-t", frugal.root / "out")
    assert ("Held up" in held.out, "Held up" in calm.out) == (True, False)


def test_status_tells_when_every_disk_was_written_to_and_what_is_left(frugal: Machine) -> None:
    frugal("put", frugal.root / "photos")
    page = frugal("status").out
    assert page.count("just now") >= 4
    document = frugal("status", "--json").document
    disks = {disk["name"]: disk for disk in document["backends"]}
    assert all(disk["last_written"] and disk["overdue"] is False for disk in disks.values())
    assert [item["resource"] for item in disks["d2"]["budgets"]] == ["writes", "egress"]


def test_what_is_left_is_told_by_period_and_nothing_as_no() -> None:
    balances = [
        balance(Resource.WRITES, Period.MONTH, 1_000_000, 1234),
        balance(Resource.EGRESS, Period.MONTH, 30 << 30, 31 << 30),
        balance(Resource.UPLOAD, Period.DAY, 750 << 30, 10 << 30),
    ]
    words = "left this month: 998,766 write requests, no downloads; today: 740.0 GiB of uploads"
    assert verdict.of_budgets(balances) == words


def test_accounts_that_rest_are_named() -> None:
    disk = DiskStatus("b2", "s3", "b2", "online", "", 0, None, None, overdue=True)
    assert verdict.of_resting([dataclasses.replace(disk, overdue=False)]) == ""
    assert verdict.of_resting([disk]).startswith("b2 has not been written to for a long time")
    both = [disk, dataclasses.replace(disk, name="r2")]
    assert verdict.of_resting(both).startswith("b2 and r2 have not been written to")
