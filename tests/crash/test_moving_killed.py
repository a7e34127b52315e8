"""rebuild, replace, drain, rebalance and relevel, killed before and after their steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.conftest import DEEP
from tests.crash import moving
from tests.crash.moving import Moving
from tests.crash.scenarios import trace
from tests.crash.sweep import Point, points
from tests.crash.world import small_and_threadless

SHARE = 0.03
DEEDS = [
    (moving.replacing, 71),
    (moving.rebuilding, 72),
    (moving.draining, 73),
    (moving.balancing, 74),
    (moving.widening, 75),
    (moving.restoring, 76),
]


def wanted(point: Point) -> bool:
    """A share of the points; of what records, deletes and stores a larger one."""
    grave = any(word in point.what for word in (" delete ", " put log/", " put shards/"))
    return DEEP or Random(f"{point}").random() < SHARE * (4 if grave else 1)


@pytest.mark.parametrize(("make", "seed"), DEEDS, ids=[make.__name__ for make, _ in DEEDS])
def test_data_on_the_move_are_safe_wherever_the_machine_dies(
    make: Callable[[Path, int], Moving], seed: int, quick_folder: Path
) -> None:
    count = reached = 0
    with small_and_threadless():
        case = make(quick_folder, seed)
        for count, point in enumerate(filter(wanted, points(case.scenario, quick_folder / "trace", seed, 1.0))):
            try:
                reached += moving.kill_at(case, quick_folder / f"world{count}", point, count)
            except BaseException as error:
                error.add_note(f"killed {point} (point {count})")
                raise
    assert count >= 5 and reached > 0.8 * count


def test_undisturbed_a_rebalance_moves_and_deletes(quick_folder: Path) -> None:
    with small_and_threadless():
        case = moving.balancing(quick_folder, 74)
        journal = [what for _, _, what in trace(case.scenario, quick_folder / "trace", 74).journal]
    assert any(what.startswith(("d5 put shards/", "d6 put shards/")) for what in journal)
    assert any(" delete shards/" in what for what in journal)
