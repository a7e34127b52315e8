"""prune, killed before and after its steps: condemning, sweeping, repacking."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.conftest import DEEP
from tests.crash import pruning
from tests.crash.pruning import Pruning
from tests.crash.scenarios import trace
from tests.crash.sweep import Point, points
from tests.crash.world import small_and_threadless

SHARE = 0.06
pytestmark = pytest.mark.timeout(1800 if DEEP else 180)


def wanted(point: Point, share: float) -> bool:
    """A share of the points; of what records and deletes a larger one."""
    grave = " delete " in point.what or " put log/" in point.what
    return DEEP or Random(f"{point}").random() < share * (3 if grave else 1)


def sweep(make: Callable[[Path, int], Pruning], folder: Path, seed: int, share: float, down: str = "") -> set[str]:
    """Kill it at many points.  What it was about to do at these."""
    kinds: set[str] = set()
    count = reached = 0
    with small_and_threadless():
        case = make(folder, seed)
        case.scenario.down = frozenset({down} if down else ())
        chosen = points(case.scenario, folder / "trace", seed, 1.0)
        for count, point in enumerate(point for point in chosen if wanted(point, share)):
            kinds.add(point.what.split()[1] if point.what.startswith("d") else "local")
            try:
                reached += pruning.kill_at(case, folder / f"world{count}", point, count)
            except BaseException as error:
                error.add_note(f"killed {point} (point {count})")
                raise
    assert reached > 0.8 * count
    return kinds


def test_a_prune_may_die_anywhere(quick_folder: Path) -> None:
    assert {"put", "delete", "get", "local"} <= sweep(pruning.forgotten, quick_folder, 61, SHARE)


def test_a_prune_may_die_anywhere_while_a_disk_is_down(quick_folder: Path) -> None:
    assert "delete" in sweep(pruning.forgotten, quick_folder, 62, SHARE, down="d2")


def test_a_prune_beside_an_interrupted_put_may_die_anywhere(quick_folder: Path) -> None:
    assert "delete" in sweep(pruning.beside_an_interrupted_put, quick_folder, 63, SHARE)


@pytest.mark.parametrize("seed", [64, 65])
def test_a_prune_undisturbed_leaves_nothing_behind(quick_folder: Path, seed: int) -> None:
    with small_and_threadless():
        case = pruning.forgotten(quick_folder, seed)
        journal = trace(case.scenario, quick_folder / "trace", seed).journal
        assert any(" delete " in what for _, _, what in journal)
