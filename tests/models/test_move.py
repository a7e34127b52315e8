"""Moving a shard away from a disk, explored to the last state.  W and R are those of webraid/table/quorum.py."""

from __future__ import annotations

import pytest

from tests.models.move import Dropping
from webraid.table.quorum import majority, read_quorum, write_quorum


@pytest.mark.parametrize(("n", "m"), [(2, 1), (3, 1), (4, 1), (4, 2)])
def test_two_machines_that_drop_each_others_copy_never_delete_both(n: int, m: int) -> None:
    w, r = write_quorum(n, m), read_quorum(n)
    assert Dropping(n, w, r, losses=min(m, n - majority(n))).check().holds


WRONG = {
    "nobody looks again": Dropping(3, 2, 2, looks=False),
    "the look comes before the record": Dropping(3, 2, 2, looks_first=True),
    "W too small": Dropping(3, 1, 2),
    "R too small": Dropping(3, 2, 1),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_wrong_ways_to_drop_are_caught(wrong: Dropping) -> None:
    found = wrong.check()
    assert not found.holds and found.trace
