"""Long puts: what is stored so far can be restored, wherever they end; and nothing is sent twice."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pool.machine import PASSPHRASE, Home
from webraid.env import Env
from webraid.files.listed import ListKind
from webraid.files.select import Rules, lines
from webraid.jobs.base.events import Notice
from webraid.jobs.storing.put import Pace, PutOptions, PutResult
from webraid.pool import Pool, open_pool, recover_pool
from webraid.table.fold import Shot

SIZE = 300_000
OFTEN = PutOptions(pace=Pace(bytes=700_000))


def put(machine: Home, *paths: Path, options: PutOptions = OFTEN) -> PutResult:
    with machine.open() as pool:
        return pool.put([str(path) for path in paths], options=options)


def shots(machine: Home) -> list[Shot]:
    with machine.open() as pool:
        return pool.snapshots()


def interrupted(machine: Home, *paths: Path, after: int = 2, options: PutOptions = OFTEN) -> None:
    """Ctrl-C, right behind a checkpoint."""
    seen = 0

    def stop(event: object) -> None:
        nonlocal seen
        seen += isinstance(event, Notice) and "partial snapshot" in event.text
        if seen == after:
            raise KeyboardInterrupt

    with open_pool(machine.settings, on_event=stop) as pool, pytest.raises(KeyboardInterrupt):
        pool.put([str(path) for path in paths], options=options)


def restored(pool: Pool, snapshot: str, to: Path) -> dict[str, bytes]:
    assert pool.get(snapshot, to=to).exit_code == 0
    return {str(path.relative_to(to)): path.read_bytes() for path in to.rglob("*") if path.is_file()}


def content(albums: Path) -> dict[str, bytes]:
    return {str(path.relative_to(albums.parent)): path.read_bytes() for path in albums.rglob("*") if path.is_file()}


# ------------------------------------------------------------------------------------------------------------ partial
def test_a_long_put_ends_with_one_snapshot_and_no_open_run(machine: Home, albums: Path, tmp_path: Path) -> None:
    result = put(machine, albums)
    assert result.checkpoints == 4
    assert (result.added, result.survives) == (12 * SIZE, 2)
    with machine.open() as pool:
        (shot,) = pool.snapshots()
        assert not shot.info.partial
        assert len(shot.info.replaces) == 4
        assert [run for run in pool._ctx.table.state.runs.values() if not run.settled] == []
        assert restored(pool, "latest", tmp_path / "out") == content(albums)


def test_what_an_interrupted_put_has_stored_can_be_restored(machine: Home, albums: Path, tmp_path: Path) -> None:
    interrupted(machine, albums)
    with machine.open() as pool:
        (late,) = pool.snapshots()  # the one before holds less, and is not shown any more
        assert late.info.partial and len(late.info.replaces) == 1
        there = restored(pool, late.name, tmp_path / "out")
        assert pool.check(read_data=True).exit_code == 0
    assert 0 < len(there) < 12
    assert there.items() <= content(albums).items()
    assert sorted(there) == sorted(content(albums))[: len(there)]


def test_a_lost_machine_loses_only_what_came_after_the_last_checkpoint(albums: Path, tmp_path: Path) -> None:
    machine = Home(tmp_path / "home").make("raid6", 4)
    interrupted(machine, albums)
    other = Home(tmp_path / "other")
    where = {"path": str(machine.disk(3))}
    _, pool = recover_pool(other.settings, kind="local", options=where, secret=PASSPHRASE)
    with pool:
        (*_, late) = pool.snapshots()
        there = restored(pool, late.name, tmp_path / "out")
        assert there and there.items() <= content(albums).items()
        result = pool.put([str(albums)])
    assert result.files_unmodified == len(there)
    assert result.added == result.read == (12 - len(there)) * SIZE


def test_a_put_that_is_run_again_sends_nothing_twice_though_its_cache_is_gone(machine: Home, albums: Path) -> None:
    interrupted(machine, albums)
    (*_, late) = shots(machine)
    machine.settings.places.database.unlink()
    result = put(machine, albums)
    assert result.added == 12 * SIZE - late.info.size
    assert result.read == 12 * SIZE - late.info.size
    (shot,) = shots(machine)
    assert shot.info.files == 12


def test_the_next_whole_snapshot_replaces_what_interrupted_puts_left(machine: Home, albums: Path) -> None:
    interrupted(machine, albums, after=1)
    interrupted(machine, albums, after=1)
    assert [shot.info.partial for shot in shots(machine)] == [True, True]
    put(machine, albums, options=PutOptions())
    assert [shot.info.partial for shot in shots(machine)] == [False]


def test_partial_snapshots_of_other_folders_stay(machine: Home, albums: Path, tmp_path: Path) -> None:
    interrupted(machine, albums, after=1)
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "a").write_bytes(b"a")
    put(machine, tmp_path / "mail")
    assert [shot.info.partial for shot in shots(machine)] == [True, False]


def test_a_list_of_other_files_replaces_nothing(
    machine: Home, albums: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(albums)
    interrupted(machine, tmp_path / "photos", after=1)
    for number, names in enumerate((["album 0", "album 1"], ["album 2"])):
        (tmp_path / "list").write_text("\n".join(names))
        with machine.open() as pool:
            result = pool.put([], options=OFTEN, lists=[(str(tmp_path / "list"), ListKind.VERBATIM)])
        assert (result.files, [shot.info.partial for shot in shots(machine)]) == (
            (8, [True, False]), (4, [True, False, False]),
        )[number]  # fmt: skip


def test_a_partial_snapshot_does_not_let_the_next_put_be_skipped(machine: Home, albums: Path) -> None:
    put(machine, albums)
    (albums / "album 0" / "new.jpg").write_bytes(os.urandom(800_000))
    interrupted(machine, albums, after=1)
    (albums / "album 0" / "new.jpg").unlink()
    result = put(machine, albums, options=replace(OFTEN, skip_if_unchanged=True))
    assert not result.skipped
    assert not any(shot.info.partial for shot in shots(machine))


# ------------------------------------------------------------------------------------------------------------- pace
def test_a_large_file_is_no_reason_to_wait(machine: Home, tmp_path: Path) -> None:
    data = random.Random(5).randbytes(9_000_000)
    (tmp_path / "disk.img").write_bytes(data)
    interrupted(machine, tmp_path / "disk.img", options=PutOptions(pace=Pace(bytes=5_000_000)), after=1)
    with machine.open() as pool:
        (shot,) = pool.snapshots()
        there = restored(pool, shot.name, tmp_path / "out")
    assert list(there) == ["disk.img.part"]
    assert data.startswith(there["disk.img.part"]) and len(there["disk.img.part"]) >= 5_000_000
    result = put(machine, tmp_path / "disk.img", options=PutOptions())
    assert result.added < 5_000_000
    with machine.open() as pool:
        assert restored(pool, "latest", tmp_path / "whole") == {"disk.img": data}


def test_a_slow_put_makes_a_checkpoint_every_so_many_seconds(machine: Home, albums: Path) -> None:
    where = machine.settings
    ticks = iter(range(10**9))
    where.env = Env(monotonic=lambda: next(ticks) / 100)  # every look at the clock takes ten milliseconds
    with open_pool(where) as pool:
        assert pool.put([str(albums)], options=PutOptions(pace=Pace(seconds=3600))).checkpoints == 0
        for path in albums.rglob("*.jpg"):
            path.write_bytes(os.urandom(SIZE))
        assert pool.put([str(albums)], options=PutOptions(pace=Pace(seconds=0.2))).checkpoints > 1


def test_a_put_without_new_content_makes_no_checkpoint(machine: Home, albums: Path) -> None:
    put(machine, albums)
    assert put(machine, albums, options=PutOptions(pace=Pace(0, 0))).checkpoints == 0


def test_links_across_a_checkpoint_are_whole(machine: Home, albums: Path, tmp_path: Path) -> None:
    (albums / "zz").hardlink_to(albums / "album 0" / "00.jpg")
    (albums / "zz twin").write_bytes((albums / "album 0" / "01.jpg").read_bytes())
    result = put(machine, albums)
    assert result.checkpoints >= 4
    assert result.added == 12 * SIZE
    with machine.open() as pool:
        assert restored(pool, "latest", tmp_path / "out") == content(albums)


def test_rules_hold_in_partial_snapshots_too(machine: Home, albums: Path, tmp_path: Path) -> None:
    rules = Rules(lines(["00.jpg"]))
    interrupted(machine, albums, options=replace(OFTEN, rules=rules), after=1)
    with machine.open() as pool:
        (shot,) = pool.snapshots()
        assert "photos/album 0/00.jpg" not in restored(pool, shot.name, tmp_path / "out")


def test_a_disk_that_is_down_does_not_keep_checkpoints_from_being_made(
    machine: Home, albums: Path, tmp_path: Path
) -> None:
    machine.disk(2).rename(tmp_path / "unplugged")
    result = put(machine, albums)
    assert (result.checkpoints, result.survives) == (4, 2)
    assert result.added == 12 * SIZE
    (tmp_path / "unplugged").rename(machine.disk(2))
    assert put(machine, albums).survives == 2
