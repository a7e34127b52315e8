"""Nights on a full pool: what was forgotten before is deleted all the same, so that there is room again."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.pool.machine import PASSPHRASE
from tests.unattended.conftest import Night
from webraid.backend.base import Backend, Bytes, Digest
from webraid.backend.wrapper import Wrapper
from webraid.errors import EXIT_OK, EXIT_QUOTA, QuotaExceeded
from webraid.model import Stored
from webraid.pool import open_pool
from webraid.unattended.run import run_schedule


class Full(Wrapper):
    """Takes records and the table, and no data."""

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        if name.startswith("shards/") and memoryview(data).nbytes > 30_000:
            raise QuotaExceeded("it is full")
        return self.inner.put(name, data, digest=digest)


def full(name: str, opener: Callable[[], Backend]) -> Callable[[], Backend]:
    return lambda: Full(opener())


@pytest.fixture
def trash(night: Night) -> Night:
    """A night whose pool has condemned a forgotten snapshot's data a week ago."""
    (night.root / "old").write_bytes(os.urandom(200_000))
    with open_pool(night.settings) as pool:
        pool.put([str(night.photos)])
        pool.forget([pool.put([str(night.root / "old")]).snapshot])
        assert pool.prune(secret=PASSPHRASE).condemned[0]
        pool.drill(1)
    night.clock.at(0, 8)
    (night.photos / "new.jpg").write_bytes(os.urandom(400_000))
    return night


def test_a_put_that_finds_no_room_does_not_keep_the_trash(trash: Night) -> None:
    finished = run_schedule(replace(trash.settings, wrap=full), jobs=("put", "forget", "prune"))
    assert finished.code == EXIT_QUOTA
    assert [(job.job, job.left_out) for job in trash.last.jobs] == [("put", False), ("forget", True), ("prune", False)]
    assert "freed" in trash.last.jobs[2].summary and not trash.last.jobs[2].summary.startswith("0 B")
    assert trash.run("put", "forget", "prune").code == EXIT_OK


def test_a_put_that_failed_for_another_reason_as_well_keeps_it(trash: Night) -> None:
    (trash.root / "docs").write_bytes(b"these find room")
    others = "".join(f'[[source]]\nname = "{name}"\npaths = ["{trash.root / name}"]\n' for name in ("docs", "mail"))
    config = trash.config.read_text()
    trash.config.write_text(config.replace("[[source]]", others + "[[source]]"))
    finished = run_schedule(replace(trash.settings, wrap=full), jobs=("put", "prune"))
    assert finished.code == EXIT_QUOTA
    assert [job.left_out for job in trash.last.jobs] == [False, True]
    assert trash.snapshots() == 2
