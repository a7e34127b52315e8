"""A pool without room: nothing names what could not be stored, and what was stored whole is used later."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pool.copies import copy_of
from tests.pool.machine import PASSPHRASE, QUICK, Home
from webraid.array.tolerance import pack_tolerance
from webraid.backend.base import Backend, Bytes, Digest
from webraid.backend.wrapper import Wrapper
from webraid.errors import EXIT_OK, EXIT_QUOTA, EXIT_TEMPORARY, BackendError, QuotaExceeded, Unavailable
from webraid.files.compare import compare_trees
from webraid.jobs.storing.put import Pace, PutOptions, PutResult
from webraid.model import PackKind, Stored
from webraid.pool import Pool, init_pool, open_pool

MB = 1_000_000
PIECES = '[limits]\nmemory = "8MB"\n'  # packs of about 1 MB


class Bounded(Wrapper):
    """A disk that takes so many bytes of shards, and does not tell beforehand; or fails in another way."""

    def __init__(self, inner: Backend, room: int, error: Callable[[], BackendError]) -> None:
        super().__init__(inner)
        self.caps = replace(inner.caps, usage=False)
        self.room = room
        self.error = error

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        size = memoryview(data).nbytes
        if name.startswith("shards/"):
            if size > self.room:
                raise self.error()
            self.room -= size
        return self.inner.put(name, data, digest=digest)


def full() -> BackendError:
    return QuotaExceeded("it is full")


def bounded(machine: Home, room: int | dict[str, int], error: Callable[[], BackendError] = full) -> Pool:
    """The pool, opened; each disk, or each one named, takes ``room`` bytes of shards in this session."""
    where = machine.settings

    def wrap(name: str, opener: Callable[[], Backend]) -> Callable[[], Backend]:
        size = room.get(name, 1 << 40) if isinstance(room, dict) else room
        return lambda: Bounded(opener(), size, error)

    where.wrap = wrap
    return open_pool(where)


def pool_of(folder: Path, level: str, count: int, capacity: int | None = None) -> Home:
    machine = Home(folder)
    init_pool(machine.settings, name="home", level=level, passphrase=PASSPHRASE, kdf=QUICK)
    config = folder / "config.toml"
    config.write_text(config.read_text() + PIECES)
    with machine.open() as pool:
        for number in range(1, count + 1):
            pool.add_backend("local", f"d{number}", {"path": str(machine.disk(number))}, capacity=capacity)
    return machine


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Home]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "raid1": pool_of(folder / "raid1", "raid1", 2),
        "raid5": pool_of(folder / "raid5", "raid5", 4),
        "told": pool_of(folder / "told", "raid1", 2, capacity=3 * MB),
    }


def photos(folder: Path, count: int = 8, seed: int = 0) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(random.Random(seed + number).randbytes(MB))
    return folder


def unreadable(pool: Pool) -> int:
    """Packs in the index with fewer than k shards."""
    ctx = pool._ctx
    return sum(pack_tolerance(pack, ctx.domains()) < 0 for pack in ctx.index.packs(PackKind.DATA))


def nothing_unreadable_is_named(machine: Home) -> None:
    with machine.open() as pool:
        assert unreadable(pool) == 0
        assert pool.check(read_data=True).lost_packs == 0


def comes_back(machine: Home, tree: Path, out: Path) -> None:
    with machine.open() as pool:
        assert pool.get(to=out).exit_code == EXIT_OK
    assert compare_trees(tree, out / tree.name) == []


@pytest.mark.parametrize(("level", "room"), [("raid1", 3 * MB), ("raid5", 2 * MB), ("told", 0)])
def test_a_put_that_finds_no_room_makes_no_snapshot(
    models: dict[str, Home], tmp_path: Path, level: str, room: int
) -> None:
    machine, tree = copy_of(models[level], tmp_path / "home"), photos(tmp_path / "photos")
    for _ in range(2):  # nor does the next one take anything for stored
        with bounded(machine, room) if room else machine.open() as pool:
            with pytest.raises(QuotaExceeded, match=r"d1.* and d\d are full") as raised:
                pool.put([str(tree)])
            assert (raised.value.exit_code, pool.snapshots()) == (EXIT_QUOTA, [])
            assert "add-backend" in raised.value.hint and "prune" in raised.value.hint
            assert unreadable(pool) == 0
    nothing_unreadable_is_named(machine)


def test_what_was_stored_whole_is_not_sent_again_once_there_is_room(models: dict[str, Home], tmp_path: Path) -> None:
    machine, tree = copy_of(models["raid1"], tmp_path / "home"), photos(tmp_path / "photos")
    with bounded(machine, 4 * MB) as pool, pytest.raises(QuotaExceeded):
        pool.put([str(tree)])
    with machine.open() as pool:
        result = pool.put([str(tree)])
    assert (result.exit_code, result.files_unmodified, result.files) == (EXIT_OK, 0, 8)
    assert result.added < 6 * MB
    comes_back(machine, tree, tmp_path / "out")
    nothing_unreadable_is_named(machine)


def test_a_file_that_was_not_stored_is_not_noted_as_seen(models: dict[str, Home], tmp_path: Path) -> None:
    machine, file = copy_of(models["raid1"], tmp_path / "home"), tmp_path / "small"
    file.write_bytes(random.Random(1).randbytes(100_000))  # it is read to its end before its pack is sent
    with bounded(machine, 0) as pool, pytest.raises(QuotaExceeded):
        pool.put([str(file)])
    with machine.open() as pool:
        assert [seen.path for seen in pool._ctx.local.every_seen()] == []
        result = pool.put([str(file)])
        assert (result.exit_code, result.files_new, result.files_unmodified) == (EXIT_OK, 1, 0)


def test_enough_shards_but_not_all_is_a_snapshot_with_less_redundancy(models: dict[str, Home], tmp_path: Path) -> None:
    machine, tree = copy_of(models["raid1"], tmp_path / "home"), photos(tmp_path / "photos", 4)
    with bounded(machine, {"d2": MB // 2}) as pool:
        result = pool.put([str(tree)])
    assert result.exit_code == 20 and result.missing_shards > 0
    comes_back(machine, tree, tmp_path / "out")


def test_disks_that_cannot_be_reached_are_no_full_disks(models: dict[str, Home], tmp_path: Path) -> None:
    machine, tree = copy_of(models["raid1"], tmp_path / "home"), photos(tmp_path / "photos", 2)
    gone: Callable[[], BackendError] = lambda: Unavailable("it does not answer")  # noqa: E731
    with bounded(machine, 0, gone) as pool, pytest.raises(Unavailable, match="d1 and d2") as raised:
        pool.put([str(tree)])
    assert raised.value.exit_code == EXIT_TEMPORARY
    nothing_unreadable_is_named(machine)


def test_a_full_pool_keeps_the_partial_snapshots_made_before(models: dict[str, Home], tmp_path: Path) -> None:
    machine, tree = copy_of(models["raid1"], tmp_path / "home"), photos(tmp_path / "photos")
    with bounded(machine, 4 * MB) as pool:
        with pytest.raises(QuotaExceeded):
            pool.put([str(tree)], options=PutOptions(pace=Pace(bytes=MB)))
        shots = pool.snapshots()
        assert shots and all(shot.info.partial for shot in shots)
        assert pool.get(shots[-1].name, to=tmp_path / "out").exit_code == EXIT_OK
    nothing_unreadable_is_named(machine)


def test_a_source_without_room_does_not_keep_the_others_from_being_stored(
    models: dict[str, Home], tmp_path: Path
) -> None:
    machine = copy_of(models["raid1"], tmp_path / "home")
    large, small = photos(tmp_path / "large"), photos(tmp_path / "small", 1, seed=50)
    config = machine.folder / "config.toml"
    sources = "".join(f'\n[[source]]\nname = "{path.name}"\npaths = ["{path}"]\n' for path in (small, large))
    config.write_text(config.read_text() + sources)
    with bounded(machine, 4 * MB) as pool:
        results: list[PutResult] = pool.put_sources()
    assert [result.exit_code for result in results] == [EXIT_OK, EXIT_QUOTA]
    comes_back(machine, small, tmp_path / "out")
    nothing_unreadable_is_named(machine)


def test_repair_of_a_full_pool_counts_and_names_only_what_it_stored(models: dict[str, Home], tmp_path: Path) -> None:
    machine, tree = copy_of(models["raid1"], tmp_path / "home"), photos(tmp_path / "photos", 4)
    with machine.open() as pool:
        assert pool.put([str(tree)]).exit_code == EXIT_OK
        packs = {pack.id.hex() for pack in pool._ctx.index.packs(PackKind.DATA)}
    for number in (1, 2):
        for path in (machine.disk(number) / "shards").rglob("*.*"):
            if path.name.partition(".")[0] in packs:
                path.unlink()
    with machine.open() as pool:
        pool.check(sample=0.0)
    for _ in range(2):
        with bounded(machine, MB // 4) as pool:
            done = pool.repair()
            assert (done.saved, done.lost, done.saved_bytes) == (0, 0, 0)
            assert done.unsaved == len(packs) and isinstance(done.refused, QuotaExceeded)
            assert {pack.id.hex() for pack in pool._ctx.index.packs(PackKind.DATA)} == packs, "none was added"
    with machine.open() as pool:
        done = pool.repair()
        assert (done.lost, done.unsaved, done.refused) == (0, 0, None)
    comes_back(machine, tree, tmp_path / "out")


def test_a_full_pool_can_still_be_pruned(models: dict[str, Home], tmp_path: Path) -> None:
    machine, tree = copy_of(models["raid1"], tmp_path / "home"), tmp_path / "photos"
    tree.mkdir()
    for number in range(20):  # several lie in one pack
        (tree / f"{number:02}.jpg").write_bytes(random.Random(number).randbytes(MB // 5))
    with machine.open() as pool:
        pool.put([str(tree)])
    for number in range(20):
        if number % 4 and number < 16:
            (tree / f"{number:02}.jpg").unlink()
    with machine.open() as pool:
        pool.put([str(tree)])
        pool.forget([pool.snapshots()[0].name])
    with bounded(machine, 20_000) as pool:  # room for the table, none for a pack
        done = pool.prune(now=True, secret=PASSPHRASE)
    assert done.repacked == (0, 0)
    assert any("not packed anew" in str(event) for event in machine.events)
    comes_back(machine, tree, tmp_path / "out")
