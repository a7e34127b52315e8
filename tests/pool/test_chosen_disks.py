"""--backend: the disks that get, check and scrub may use."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pool.flagged import home, models, run, tree
from tests.pool.machine import Home
from webraid.cli.flags import Flags
from webraid.errors import EXIT_OK, EXIT_UNREADABLE, ConfigError
from webraid.files.compare import compare_trees
from webraid.jobs.base.events import DiskNotice
from webraid.pool import Pool

__all__ = ["home", "models", "tree"]  # fixtures


def asked(pool: Pool) -> dict[str, int]:
    return {disk.name: disk.meter.total().requests for disk in pool._ctx.disks.values()}


@pytest.mark.parametrize("cache", [True, False])
def test_a_get_asks_only_the_disks_that_it_may(home: Callable[[str, int], Home], tree: Path, cache: bool) -> None:
    machine = home("raid6", 4)
    with machine.open() as pool:
        pool.put([str(tree)])
    flags = Flags(no_cache=not cache)
    with run(machine, flags, only=("d2", "d4")) as pool:
        assert pool.get(to=machine.folder / "out").exit_code == EXIT_OK
        assert {name for name, count in asked(pool).items() if count} == {"d2", "d4"}
    assert compare_trees(tree, machine.folder / "out" / "tree") == []
    assert not [event for event in machine.events if isinstance(event, DiskNotice)]  # the others are no trouble
    with run(machine, flags, only=("d1",)) as pool:
        result = pool.get(to=machine.folder / "few")
        assert result.exit_code == EXIT_UNREADABLE and result.narrowed
    if cache:  # else not even the index is within reach
        assert "d3 (left out)" in result.unreadable[0].reason
    with pytest.raises(ConfigError, match="there is no disk 'd9'"), run(machine, flags, only=("d1", "d9")):
        pass


@pytest.mark.parametrize("job", ["check", "scrub"])
def test_check_and_scrub_look_at_the_disks_that_they_are_told_to(
    home: Callable[[str, int], Home], tree: Path, job: str
) -> None:
    machine = home("raid5", 3)
    with machine.open() as pool:
        pool.put([str(tree)])
    for number in (1, 2):
        victim = max((machine.disk(number) / "shards").rglob("*"), key=lambda path: path.stat().st_size)
        victim.write_bytes(os.urandom(victim.stat().st_size))
    with machine.open() as pool:
        result = getattr(pool, job)(disks=["d1", "d3"])
        assert [(disk.name, disk.corrupt) for disk in result.disks] == [("d1", 1), ("d3", 0)]
        assert result.among == 3
        assert all(disk.read for disk in result.disks)
        with pytest.raises(ConfigError, match="there is no disk 'd9'"):
            getattr(pool, job)(disks=["d9"])
    with machine.open() as pool:
        assert [disk.corrupt for disk in pool.scrub().disks] == [1, 1, 0]


def test_a_scrub_of_some_disks_leaves_the_usual_ones_alone(home: Callable[[str, int], Home], tree: Path) -> None:
    machine = home("raid5", 3)
    with machine.open() as pool:
        pool.put([str(tree)])
        part = pool.scrub("full", disks=["d1"])
        assert not part.resumed and 0.2 < part.covered < 0.5
        assert pool.status().last_scrub is None
        whole = pool.scrub("full")
        assert not whole.resumed and whole.covered == 1.0
        assert pool.status().last_scrub is not None
