"""Worlds live in memory where the machine has such a folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.scenarios import Scenario
from tests.crash.sweep import kill_at, points
from tests.crash.world import small_and_threadless

MEMORY = Path("/dev/shm")


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """A folder in memory: its syncs cost nothing."""
    folder = Path(tempfile.mkdtemp(prefix="webraid-", dir=MEMORY if MEMORY.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def sweep(quick_folder: Path) -> Callable[[Callable[..., Scenario], int, float], int]:
    """Kill a deed at many points; the number of points."""

    def run(make: Callable[..., Scenario], seed: int, share: float, **more: float) -> int:
        count = 0
        with small_and_threadless():
            scenario = make(quick_folder, seed, **more)
            for point in points(scenario, quick_folder / "trace", seed, share):
                try:
                    kill_at(scenario, quick_folder / f"world{count}", point, count)
                except BaseException as error:
                    error.add_note(f"{scenario.name}: killed {point} (point {count})")
                    raise
                count += 1
        return count

    return run
