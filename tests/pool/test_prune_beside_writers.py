"""prune beside machines that write: what was acknowledged and not forgotten is there, to the last byte."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.conftest import DEEP
from tests.pool.crowd import CONTENTS, crowd, join
from tests.pool.machine import PASSPHRASE

WRITERS = 3
ROUNDS = 40 if DEEP else 6
SEEDS = range(1, 13) if DEEP else (1,)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_prune_in_a_loop_takes_nothing_from_three_machines_that_write(tmp_path: Path, seed: int) -> None:
    seed *= 1000
    writers, pruner, stores = crowd(tmp_path, seed, WRITERS)
    rng = Random(seed)
    contents = [rng.randbytes(rng.randrange(1, 60_000)) for _ in range(CONTENTS)]
    over, errors = threading.Event(), list[BaseException]()
    started = threading.Barrier(WRITERS + 1)
    threads = [
        _thread(errors, started, lambda machine=machine: machine.write(ROUNDS, contents))  # type: ignore[misc]
        for machine in writers
    ]
    last = _thread(errors, started, lambda: pruner.prune(over))
    for thread in threads:
        thread.join()
    over.set()
    last.join()
    assert not errors, (seed, errors)
    assert pruner.done, f"seed {seed}: nothing was deleted: {pruner.failed}"
    puts = sum(machine.done for machine in writers)
    assert puts >= WRITERS * ROUNDS // 2, (seed, [machine.failed for machine in writers])
    pruner.calm()
    with pruner.open() as pool:
        pool.repair()
    with pruner.open() as pool:
        pool.prune(now=True, secret=PASSPHRASE)
    reader = join(tmp_path / "reader", stores, seed + 99)
    kept = {shot: tree for machine in writers for shot, tree in machine.acknowledged.items()}
    with reader.open() as pool:
        shots = {shot.name: shot for shot in pool.snapshots()}
        assert kept.keys() <= shots.keys(), seed
        for shot, tree in kept.items():
            root = shots[shot].info.roots[0].name.decode()
            for name, content in tree.items():
                assert b"".join(pool.cat(f"{shot}:{root}/{name}")) == content, (seed, shot, name)
        checked = pool.check(read_data=True)
        assert not (checked.lost_chunks or checked.unreadable_packs or checked.alarms), (seed, checked)


def _thread(errors: list[BaseException], started: threading.Barrier, work: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        try:
            started.wait()
            work()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread
