"""Changes of the disks, explored: alone, beside one another, and on top of one that stopped half way, while a writer
commits.  What counts is decided by webraid/table/quorum.py and standing.py."""

from __future__ import annotations

from random import Random

import pytest

from tests.models.changes import Changing

ALONE = [
    (1, "add"),
    (2, "add"),
    (2, "remove 0"),
    (3, "remove 0"),
    (2, "lost 0"),
    (3, "lost 0"),
    pytest.param(3, "add", marks=pytest.mark.deep),
]


@pytest.mark.parametrize(("n", "change"), ALONE)
def test_a_change_hides_no_commit_wherever_it_stops(n: int, change: str) -> None:
    assert Changing(n, (change,)).check().holds


TOGETHER = [
    (1, "add", "remove 0"),
    (2, "lost 0", "add"),
    pytest.param(2, "remove 0", "remove 1", marks=pytest.mark.deep),
    pytest.param(3, "lost 0", "remove 1", marks=pytest.mark.deep),
    pytest.param(1, "add", "add", marks=pytest.mark.deep),
    pytest.param(2, "add", "remove 0", marks=pytest.mark.deep),
]


@pytest.mark.parametrize(("n", "first", "second"), TOGETHER)
def test_two_changes_at_once_hide_no_commit_wherever_they_stop(n: int, first: str, second: str) -> None:
    assert Changing(n, (first, second), haste=True).check().holds


THREE = [
    (3, ("add", "add", "remove 0")),
    (2, ("remove 0", "add", "add")),
    (4, ("remove 0", "remove 1", "add")),
    (4, ("lost 0", "remove 1", "add")),
]


@pytest.mark.parametrize(("n", "changes"), THREE)
def test_three_changes_at_once_hide_no_commit_on_many_ways(n: int, changes: tuple[str, ...]) -> None:
    assert Changing(n, changes).wander(Random(7), 40).holds


WRONG = {
    "who knows of a join counts the disk at once, though others may not": Changing(2, ("add",), undecided_count=False),
    "the same, for two that are added together": Changing(1, ("add", "add"), undecided_count=False, haste=True),
    "the same, with an announced removal": Changing(2, ("add", "remove 0"), undecided_count=False, haste=True),
    "a removal is not announced": Changing(3, ("remove 0",), announces=False),
    "nobody looks after announcing a removal": Changing(3, ("remove 0",), looks_after_announcing=False),
    "nobody looks after announcing a disk": Changing(1, ("add",), looks_after_announcing=False),
    "the writer does not look at the membership again": Changing(1, ("add",), writer_looks=False),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_wrong_ways_to_change_the_disks_are_caught(wrong: Changing) -> None:
    found = wrong.check()
    assert not found.holds and found.trace


def test_wandering_finds_what_is_wrong_as_well() -> None:
    assert not Changing(3, ("remove 0", "remove 1", "add"), looks_after_announcing=False).wander(Random(7), 999).holds
