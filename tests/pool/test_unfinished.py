"""A put that runs, or was interrupted, is no loss of data: nobody says so, and the next put goes on."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.pool.machine import Home
from tests.pool.test_prune_attacks import stopped
from webraid.errors import EXIT_OK
from webraid.jobs.base.events import DiskBytes, Progress
from webraid.model import PackKind, PoolState
from webraid.pool import open_pool


def test_what_an_interrupted_put_has_stored_is_not_taken_for_a_loss(tmp_path: Path) -> None:
    machine, movies = Home(tmp_path / "home").make("raid5", 3), tmp_path / "movies"
    movies.mkdir()
    (movies / "old").write_bytes(b"there already")
    with machine.open() as pool:
        pool.put([str(movies)])
    for number in range(20):
        (movies / str(number)).write_bytes(random.Random(number).randbytes(4 << 20))
    sent = 0

    def stop(event: object) -> None:
        nonlocal sent
        sent += event.up if isinstance(event, DiskBytes) else 0
        if sent > 6 << 20 and isinstance(event, Progress):  # these come on the thread that Ctrl-C would stop
            raise KeyboardInterrupt

    with open_pool(machine.settings, on_event=stop) as pool, pytest.raises(KeyboardInterrupt):
        pool.put([str(movies)])
    with machine.open() as pool:
        now = pool.status()
        assert (now.state, now.survives, now.unreadable_packs) == (PoolState.ONLINE, 1, 0)
        assert now.unfinished_packs > 0
        assert (pool.durability().survives, [level.survives for level in pool.durability().levels]) == (1, [1])
        assert pool.check(read_data=True).exit_code == EXIT_OK
        assert pool.scrub("full").exit_code == EXIT_OK
    with machine.open() as pool:
        assert pool.put([str(movies)]).exit_code == EXIT_OK
        assert pool.status().unfinished_packs == 0


def test_what_an_interrupted_put_has_stored_anew_does_not_hide_a_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, movie = Home(tmp_path / "home").make("raid1", 2), tmp_path / "movie"
    movie.write_bytes(random.Random(1).randbytes(1 << 20))
    with machine.open() as pool:
        pool.put([str(movie)])
        (pack,) = (pack.id.hex() for pack in pool._ctx.index.packs(PackKind.DATA))
    for path in tmp_path.rglob(f"{pack}.*"):
        path.unlink()
    with machine.open() as pool:
        pool.check()
        assert pool.status().unreadable_packs == 1
    again = movie.rename(tmp_path / "the same")
    stopped(machine, again, monkeypatch, committed=False)
    with machine.open() as pool:  # if this machine went now nobody would find it
        now = pool.status()
        assert now.unfinished_packs and (now.state, now.unreadable_packs) == (PoolState.FAILED, 1)
    with machine.open() as pool:
        assert pool.put([str(again)]).exit_code == EXIT_OK
        assert pool.status().state == PoolState.ONLINE
