"""add-backend and recover, killed before and after their steps."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.crash import scenarios
from tests.crash.least import LEAST

Sweep = Callable[..., int]
SHARE = 0.6


def test_the_first_disk_may_be_added_by_a_machine_that_dies_anywhere(sweep: Sweep) -> None:
    assert sweep(scenarios.first_disk, 11, 1.0) >= LEAST["first disk"]


def test_a_fourth_disk_may_be_added_by_a_machine_that_dies_anywhere(sweep: Sweep) -> None:
    assert sweep(scenarios.fourth_disk, 12, SHARE) >= LEAST["fourth disk"]


@pytest.mark.parametrize(
    ("name", "at"), [("fourth disk again, early", 0.3), ("fourth disk again", 0.6), ("fourth disk again, late", 0.9)]
)
def test_a_disk_may_be_added_again_by_a_machine_that_dies_anywhere(sweep: Sweep, name: str, at: float) -> None:
    assert sweep(scenarios.disk_added_again, 13 + int(at * 10), SHARE, at=at) >= LEAST[name]


def test_a_recovering_machine_may_die_anywhere(sweep: Sweep) -> None:
    assert sweep(scenarios.empty_machine, 31, SHARE) >= LEAST["recover"]


@pytest.mark.parametrize(("name", "at"), [("recover again, early", 0.4), ("recover again, late", 0.9)])
def test_a_machine_that_recovers_again_may_die_anywhere(sweep: Sweep, name: str, at: float) -> None:
    assert sweep(scenarios.recovered_again, 32 + int(at * 10), SHARE, at=at) >= LEAST[name]
