"""The restore drill: really restored, without as many disks as may be lost, and only a good one is remembered."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pool.copies import copy_of
from tests.pool.machine import Home
from webraid.backend.base import Backend
from webraid.backend.wrapper import Wrapper
from webraid.env import Env
from webraid.errors import EXIT_ALARM, EXIT_OK, EXIT_UNREADABLE, NotInTable, PoolError
from webraid.jobs.restoring import drill as module
from webraid.jobs.restoring.drill import Drill, DrillResult, _choose, _judged
from webraid.model import PackKind
from webraid.pool import Pool, open_pool

Make = Callable[[str, int], Home]


class Watched(Wrapper):
    """Notes who is asked for shards."""

    def __init__(self, inner: Backend, asked: list[tuple[str, str]], disk: str) -> None:
        super().__init__(inner)
        self.asked = asked
        self.disk = disk

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        self.asked.append((self.disk, name))
        return self.inner.get(name, locator=locator, offset=offset, size=size)


def plant(folder: Path) -> None:
    for name in ("photos", "letters"):
        tree = folder / name
        tree.mkdir(parents=True)
        for number in range(8):
            (tree / f"{number}").write_bytes(os.urandom(150_000))
        with (tree / "holes").open("wb") as file:
            file.seek(1 << 20)
            file.write(os.urandom(90_000))
        (tree / "empty").touch()
        (tree / "link").symlink_to("0")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A pool with two sources, made once."""
    folder = tmp_path_factory.mktemp("model")
    plant(folder)
    machine = Home(folder / "home").make("raid6", 5)
    for name in ("photos", "letters"):
        with machine.open() as pool:
            assert pool.put([str(folder / name)]).exit_code == EXIT_OK
    return machine


@pytest.fixture
def stored(model: Home, tmp_path: Path) -> Home:
    return copy_of(model, tmp_path / "home")


def seeded_pool(machine: Home, seed: int, asked: list[tuple[str, str]]) -> Pool:
    where = machine.settings
    where.env = Env(rng=random.Random(seed))
    where.wrap = lambda name, opener: lambda: Watched(opener(), asked, name)
    return open_pool(where)


def drilled(machine: Home) -> int:
    with machine.open() as pool:
        return pool.status().last_drill_ms


def test_files_come_back_without_as_many_disks_as_may_be_lost(stored: Home) -> None:
    assert drilled(stored) == 0
    asked: list[tuple[str, str]] = []
    with seeded_pool(stored, 3, asked) as pool:
        pool.status()
        data = {pack.id.hex() for pack in pool._ctx.index.packs(PackKind.DATA)}
        result = pool.drill(6)
    assert (result.exit_code, result.recorded, len(result.files), result.failed) == (EXIT_OK, True, 6, [])
    assert len(result.without) == 2
    shards = {disk for disk, name in asked if name[10:42] in data}
    assert shards
    assert shards.isdisjoint(result.without)
    assert len({(file.snapshot, file.path) for file in result.files}) == 6
    assert {file.source for file in result.files} == {"same"}
    assert result.bytes == sum(file.size for file in result.files) > 0
    assert drilled(stored) > 0
    assert not list((stored.folder / "state").glob("drill-*")), "nothing readable is left behind"


def test_every_machine_hears_of_it(stored: Home) -> None:
    with stored.open() as pool:
        pool.drill(1)
    (stored.folder / "state" / "table.sqlite").unlink()
    with stored.open() as pool:
        now = pool.status()
    assert (now.last_drill_files, now.last_drill_ms > 0) == (1, True)


def test_all_sources_have_their_turn_and_what_cannot_be_restored_by_content_has_none(stored: Home) -> None:
    names = set()
    with seeded_pool(stored, 1, []) as pool:
        pool.status()
        for _ in range(12):
            for choice in _choose(pool._ctx, 3):
                assert choice.entry.size
                names.add(choice.entry.path)
    assert {name.partition(b"/")[0] for name in names} == {b"photos", b"letters"}
    assert b"photos/holes" in names
    assert not {b"photos/empty", b"photos/link"} & names


def test_a_file_that_cannot_be_read_gives_21_and_nothing_is_remembered(stored: Home) -> None:
    with stored.open() as pool:
        pool.status()
        data = {pack.id.hex() for pack in pool._ctx.index.packs(PackKind.DATA)}
    for path in stored.folder.glob("d?/shards/*/*.*"):
        if path.name.partition(".")[0] in data:
            path.unlink()
    with stored.open() as pool:
        result = pool.drill(3)
    assert (result.exit_code, result.recorded) == (EXIT_UNREADABLE, False)
    assert len(result.failed) == 3
    assert all("not in the pool" not in file.problem for file in result.failed)
    assert any(f"{name} (left out)" in result.failed[0].problem for name in result.without)
    assert drilled(stored) == 0


def test_wrong_bytes_give_24(stored: Home, tmp_path: Path) -> None:
    with stored.open() as pool:
        pool.status()
        (choice,) = _choose(pool._ctx, 1)
        out = tmp_path / "out"
        pool.get(choice.shot.id.hex(), [os.fsdecode(choice.entry.path)], to=out)
        path = out / os.fsdecode(choice.entry.path)
        assert _judged(pool._ctx, choice, out, {}).problem == ""
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        found = _judged(pool._ctx, choice, out, {})
        assert found.damaged
        path.write_bytes(data[:-1])
        assert _judged(pool._ctx, choice, out, {}).damaged
    assert DrillResult([found]).exit_code == EXIT_ALARM


def test_a_source_that_has_changed_is_told_apart_from_one_that_is_gone(home: Make, tmp_path: Path) -> None:
    machine = home("raid5", 3)
    plant(tmp_path / "tree")
    with machine.open() as pool:
        assert pool.put([str(tmp_path / "tree" / name) for name in ("photos", "letters")]).exit_code == EXIT_OK
    for path in (tmp_path / "tree" / "photos").iterdir():
        if path.is_file() and not path.is_symlink():
            path.write_bytes(b"something else")
    for path in (tmp_path / "tree" / "letters").iterdir():
        path.unlink()
    with seeded_pool(machine, 5, []) as pool:
        result = pool.drill(8)
    assert result.exit_code == EXIT_OK
    assert {(file.path.partition("/")[0], file.source) for file in result.files} == {
        ("photos", "changed"), ("letters", "gone"),
    }  # fmt: skip


def test_a_pool_that_may_lose_nothing_asks_every_disk(home: Make, tmp_path: Path) -> None:
    machine = home("raid0", 3)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_bytes(os.urandom(50_000))
    with machine.open() as pool:
        pool.put([str(tmp_path / "tree")])
        result = pool.drill(5)
    assert (result.exit_code, result.without, len(result.files)) == (EXIT_OK, [], 1)


def test_nothing_to_restore_is_no_success(home: Make) -> None:
    with home("raid5", 3).open() as pool, pytest.raises(NotInTable):
        pool.drill()


def only(machine: Home, folder: Path, name: str, data: bytes) -> None:
    folder.mkdir()
    (folder / name).write_bytes(data)
    with machine.open() as pool:
        assert pool.put([str(folder)]).exit_code == EXIT_OK


def test_where_all_files_are_large_the_smallest_is_restored(
    home: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = home("raid5", 3)
    only(machine, tmp_path / "films", "film", os.urandom(50_000))
    monkeypatch.setattr(module, "LARGEST", 1000)
    with machine.open() as pool:
        result = pool.drill(5)
    assert ([file.path for file in result.files], result.recorded) == (["films/film"], True)


def test_where_the_only_file_is_empty_it_is_restored(home: Make, tmp_path: Path) -> None:
    machine = home("raid5", 3)
    only(machine, tmp_path / "notes", "empty", b"")
    with machine.open() as pool:
        result = pool.drill(5)
        (choice,) = _choose(pool._ctx, 5)
        gone = _judged(pool._ctx, choice, tmp_path / "nowhere", {})
    assert ([file.path for file in result.files], result.recorded, result.exit_code) == (["notes/empty"], True, EXIT_OK)
    assert gone.problem


def test_no_room_for_a_trial_is_no_failed_trial(home: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = home("raid5", 3)
    only(machine, tmp_path / "photos", "photo", os.urandom(50_000))
    monkeypatch.setattr(module, "SPARED", 1 << 60)
    with machine.open() as pool, pytest.raises(PoolError, match="no room"):
        pool.drill(5)
    assert drilled(machine) == 0


def test_what_an_interrupted_drill_left_is_removed(stored: Home) -> None:
    left = stored.folder / "state" / "drill-left"
    left.mkdir()
    (left / "plain").write_text("somebody's file")
    with stored.open() as pool:
        pool.drill(1)
    assert not left.exists()


def test_a_result_tells_the_worst() -> None:
    fine = Drill("s", "a", 1)
    assert DrillResult([fine]).exit_code == EXIT_OK
    assert DrillResult([fine, replace(fine, problem="gone")]).exit_code == EXIT_UNREADABLE
