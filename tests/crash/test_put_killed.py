"""put and repair, killed before and after their steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash import scenarios
from tests.crash.least import LEAST
from tests.crash.world import small_and_threadless

Sweep = Callable[..., int]
SHARE = 0.6


def test_a_first_put_takes_the_same_steps_however_quick_its_packer_is(quick_folder: Path) -> None:
    """A chunk that the run itself has stored before needs no pin, and so no further look at the disks' logs."""
    with small_and_threadless():
        scenario = scenarios.first_put(quick_folder, 1)
        for seed in range(5):
            steps = scenarios.trace(scenario, quick_folder / f"trace{seed}", seed)
            assert [what for _, _, what in steps.journal].count("d1 list log/") == 2


def test_a_first_put_may_die_anywhere(sweep: Sweep) -> None:
    assert sweep(scenarios.first_put, 1, SHARE) >= LEAST["first put"]


def test_a_second_put_may_die_anywhere(sweep: Sweep) -> None:
    assert sweep(scenarios.second_put, 2, SHARE) >= LEAST["second put"]


def test_a_put_with_a_disk_down_may_die_anywhere(sweep: Sweep) -> None:
    assert sweep(scenarios.put_while_a_disk_is_down, 3, SHARE) >= LEAST["put while a disk is down"]


@pytest.mark.parametrize(("name", "at"), [("put again, early", 0.4), ("put again", 0.6), ("put again, late", 0.8)])
def test_a_put_after_an_interrupted_one_may_die_anywhere(sweep: Sweep, name: str, at: float) -> None:
    assert sweep(scenarios.put_after_an_interrupted_one, 4 + int(at * 10), SHARE, at=at) >= LEAST[name]


def test_a_repair_may_die_anywhere(sweep: Sweep) -> None:
    assert sweep(scenarios.repair_of_a_disk_rolled_back, 51, SHARE) >= LEAST["repair"]


def test_the_sweeps_together_have_a_thousand_points() -> None:
    assert sum(LEAST.values()) >= 1000
