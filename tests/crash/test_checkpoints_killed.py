"""A put that makes checkpoints, killed before and after its steps: what a checkpoint has shown stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.crash import scenarios
from tests.crash.least import LEAST
from tests.crash.scenarios import Scenario, Tree
from tests.crash.world import World
from webraid.jobs.storing.put import Pace, PutOptions
from webraid.pool import open_pool

Sweep = Callable[..., int]
OFTEN = PutOptions(pace=Pace(bytes=6000))


def put_often(world: World, scenario: Scenario) -> object:
    """put the source, with a checkpoint every few files."""
    with open_pool(world.machine) as pool:
        return pool.put([str(scenario.source)], options=OFTEN)


def put_with_checkpoints(folder: Path, seed: int) -> Scenario:
    """Eight files, three checkpoints."""
    scenario = scenarios.second_put(folder, seed)
    rng = Random(seed)
    files: Tree = {b"f%d" % i: rng.randbytes(3000) for i in range(8)}
    scenario.tree = {**(scenario.tree or {}), **scenarios.write(scenario.source, files)}
    scenario.name, scenario.deed = "put with checkpoints", put_often
    return scenario


def put_with_checkpoints_again(folder: Path, seed: int, at: float) -> Scenario:
    """``at``: how far the first attempt came.  What its checkpoints had shown is a promise."""
    return scenarios.after_an_interruption(put_with_checkpoints(folder, seed), at, seed)


def test_a_put_with_checkpoints_may_die_anywhere(sweep: Sweep) -> None:
    assert sweep(put_with_checkpoints, 61, 0.09) >= LEAST["put with checkpoints"]


def test_a_put_with_checkpoints_that_is_run_again_may_die_anywhere(sweep: Sweep) -> None:
    assert sweep(put_with_checkpoints_again, 62, 0.09, at=0.6) >= LEAST["put with checkpoints, again"]
