"""A part of the index that no disk has any more: who still knows it keeps it, deletes nothing, and writes it anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pool.machine import PASSPHRASE, Home
from tests.pool.test_devices import context
from tests.pool.test_two_machines import second
from webraid.errors import EXIT_OK, EXIT_UNREADABLE, NotEnoughShards, NotInTable
from webraid.pool import Pool

Make = Callable[[str, int], Home]


@pytest.fixture
def worn(home: Make, tmp_path: Path) -> tuple[Home, str, str]:
    """A pool whose second machine was removed; what it had told of its packs is gone from all disks.  Its own snapshot,
    and one of the first machine that uses the same data."""
    made = home("raid5", 3)
    data = os.urandom(400_000)
    for name in ("theirs", "mine"):
        (tmp_path / name).write_bytes(data)
    with second(made, tmp_path / "other").open() as pool:
        theirs = pool.put([str(tmp_path / "theirs")]).snapshot
    with made.open() as pool:
        mine = pool.put([str(tmp_path / "mine")]).snapshot
    ctx = context(made)
    ctx.open_table()
    (gone,) = (id for id in ctx.table.state.devices if id != ctx.identity.key.id)
    told = [pack.id for record, commit in ctx.table.state.commits if record.device == gone for pack in commit.packs]
    ctx.close()
    with made.open() as pool:
        pool.remove_device(PASSPHRASE, gone.hex())
    for number in (1, 2, 3):
        for pack in told:
            (made.disk(number) / f"shards/{pack.hex()[:2]}/{pack.hex()}.0").unlink()
    return made, theirs, mine


def code(pool: Pool, shot: str, out: Path) -> int:
    return pool.get(shot, to=out).exit_code


def test_a_prune_that_is_refused_takes_nothing_from_what_this_machine_knows(
    worn: tuple[Home, str, str], tmp_path: Path
) -> None:
    home, theirs, mine = worn
    for number, dry_run in enumerate((True, False)):
        with home.open() as pool, pytest.raises(NotEnoughShards):  # the tree of their snapshot lay there, too
            pool.prune(now=True, secret=PASSPHRASE, dry_run=dry_run)
        with home.open() as pool:
            assert code(pool, mine, tmp_path / f"out{number}") == EXIT_OK
    with home.open() as pool:
        pool.forget([theirs])
    with home.open() as pool, pytest.raises(NotInTable, match="in this machine's cache") as raised:
        pool.prune(now=True, secret=PASSPHRASE)
    assert "webraid repair" in raised.value.hint
    with home.open() as pool:
        assert code(pool, mine, tmp_path / "out2") == EXIT_OK


def test_repair_writes_the_index_anew_that_only_this_machine_knows(
    worn: tuple[Home, str, str], tmp_path: Path
) -> None:  # fmt: skip
    home, theirs, mine = worn
    with second(home, tmp_path / "third").open() as pool:
        assert code(pool, mine, tmp_path / "out3") == EXIT_UNREADABLE
    with home.open() as pool:
        pool.check()
        pool.repair()
    with second(home, tmp_path / "fourth").open() as pool:
        assert code(pool, mine, tmp_path / "out4") == EXIT_OK
    written = len(list((home.disk(1) / "log").rglob("*-*")))
    with home.open() as pool:
        pool.repair()
    assert len(list((home.disk(1) / "log").rglob("*-*"))) == written, "once is enough"
    with home.open() as pool:
        pool.forget([theirs])
    with home.open() as pool:
        assert pool.prune(now=True, secret=PASSPHRASE).exit_code == EXIT_OK
        assert pool.check(read_data=True).exit_code == EXIT_OK
        assert code(pool, mine, tmp_path / "out5") == EXIT_OK


def test_what_nobody_needs_of_it_is_forgotten(worn: tuple[Home, str, str]) -> None:
    home, theirs, mine = worn
    with home.open() as pool:
        pool.forget([theirs, mine])
    with home.open() as pool:
        assert pool.prune(now=True, secret=PASSPHRASE).freed > 400_000
    with home.open() as pool:
        assert pool.check(read_data=True).exit_code == EXIT_OK
