"""Full disks: the table keeps a little room, a prune goes as far as it can, and who lacks what is told."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pool.copies import copy_of
from tests.pool.machine import PASSPHRASE, Home
from tests.pool.test_full_pool import MB, pool_of
from webraid.backend.base import Backend, Bytes, Digest
from webraid.backend.wrapper import Wrapper
from webraid.errors import EXIT_OK, EXIT_QUOTA, NoRoomForTable, QuorumLost, QuotaExceeded, Unavailable
from webraid.files.compare import compare_trees
from webraid.jobs.base.events import Notice
from webraid.model import Stored, Usage
from webraid.pool import Pool, open_pool


class Drive(Wrapper):
    """A folder on a drive of ``size`` bytes, for the records too; what is deleted makes room."""

    def __init__(self, inner: Backend, size: int) -> None:
        super().__init__(inner)
        self.caps = replace(inner.caps, usage=True)
        self.size = size

    def _free(self) -> int:
        return self.size - sum(stored.size for stored in self.inner.list(""))

    def usage(self) -> Usage:
        return Usage(free=self._free(), total=self.size)

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        if memoryview(data).nbytes > self._free():
            raise QuotaExceeded("no space is left on it")
        return self.inner.put(name, data, digest=digest)


def on_drives(machine: Home, size: int | dict[str, int]) -> Pool:
    """The pool, with disks that hold so much."""
    machine.events.clear()
    where = machine.settings

    def wrap(name: str, opener: Callable[[], Backend]) -> Callable[[], Backend]:
        return lambda: Drive(opener(), size if isinstance(size, int) else size[name])

    where.wrap = wrap
    return open_pool(where)


def stored_on(machine: Home, number: int) -> int:
    return sum(path.stat().st_size for path in machine.disk(number).rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Ten packs of eight files each, of which every snapshot but a forgotten one needs three."""
    folder = tmp_path_factory.mktemp("model")
    machine, tree = pool_of(folder / "home", "raid1", 2), folder / "photos"
    tree.mkdir()
    for night in range(10):
        for number in range(8):
            (tree / f"{night}-{number}").write_bytes(random.Random(night * 8 + number).randbytes(130_000))
        with machine.open() as pool:
            pool.put([str(tree)])
    for path in tree.iterdir():
        if int(path.name[-1]) < 5:
            path.unlink()
    with machine.open() as pool:
        pool.put([str(tree)])
        pool.forget([shot.name for shot in pool.snapshots()[:-1]])
    return machine


def comes_back(machine: Home, tree: Path, out: Path) -> None:
    with machine.open() as pool:
        assert pool.get(to=out).exit_code == EXIT_OK
        assert pool.check(read_data=True).exit_code == EXIT_OK
    assert compare_trees(tree, out / "photos") == []


def notices(machine: Home) -> str:
    return "\n".join(event.text for event in machine.events if isinstance(event, Notice))


def test_a_prune_that_has_room_for_one_pack_goes_on_from_there(model: Home, tmp_path: Path) -> None:
    machine = copy_of(model, tmp_path / "home")
    full = stored_on(machine, 1)
    size = full + 1_400_000
    freed = []
    for _ in range(4):
        with on_drives(machine, size) as pool:
            freed.append(pool.prune(now=True, secret=PASSPHRASE).freed)
    assert freed[0] > 2 * MB < freed[1]
    assert stored_on(machine, 1) < full * 0.6
    comes_back(machine, model.folder.parent / "photos", tmp_path / "out")


def test_a_disk_that_is_full_alone_does_not_stop_a_prune(model: Home, tmp_path: Path) -> None:
    machine, gone = copy_of(model, tmp_path / "home"), tmp_path / "gone"
    gone.write_bytes(random.Random(7).randbytes(MB))
    with machine.open() as pool:
        pool.forget([pool.put([str(gone)]).snapshot])
    full = stored_on(machine, 1)
    with on_drives(machine, {"d1": 100 * MB, "d2": full + 100_000}) as pool:
        done = pool.prune(now=True, secret=PASSPHRASE)
    assert done.repacked == (0, 0) and done.freed > 2 * MB, "what nobody needs goes all the same"
    assert "not packed anew this time: no room for new data: d2 is full" in notices(machine)
    with machine.open() as pool:
        assert pool.status().missing_shards == 0
    comes_back(machine, model.folder.parent / "photos", tmp_path / "out")


def test_what_finds_no_room_in_the_table_is_told_as_a_full_disk(model: Home, tmp_path: Path) -> None:
    machine, tree = copy_of(model, tmp_path / "home"), tmp_path / "small"
    tree.write_bytes(b"small")
    with on_drives(machine, stored_on(machine, 1)) as pool:
        for job in (
            lambda: pool.put([str(tree)]),
            lambda: pool.forget(["latest"]),
            lambda: pool.prune(now=True, secret=PASSPHRASE),
        ):
            with pytest.raises(NoRoomForTable) as raised:
                job()
            assert raised.value.exit_code == EXIT_QUOTA and "free them" in raised.value.hint
    with machine.open() as pool:
        assert pool.put([str(tree)]).exit_code == EXIT_OK
    machine.disk(1).rename(tmp_path / "away")
    with machine.open() as pool, pytest.raises(QuorumLost) as lost:
        pool.put([str(tree)])
    assert not isinstance(lost.value, NoRoomForTable)


def test_data_leave_room_for_what_it_takes_to_delete_them(model: Home, tmp_path: Path) -> None:
    machine, tree = copy_of(model, tmp_path / "home"), tmp_path / "more"
    tree.mkdir()
    size = stored_on(machine, 1) + MB
    for number, part in enumerate((500, 300, 200, 100, 80, 60, 40, 30, 20, 10, 5)):  # so that any gap would be filled
        (tree / f"{number:02}").write_bytes(random.Random(number).randbytes(part * 1000))
    for path in sorted(tree.iterdir()):
        with on_drives(machine, size) as pool:
            try:
                pool.put([str(path)])
            except QuotaExceeded:
                continue
    assert 0.6 < (size - stored_on(machine, 1)) / (size * 0.01) < 1.2, "it is as full as can be"
    with on_drives(machine, size) as pool:
        pool.forget([shot.name for shot in pool.snapshots() if shot.info.roots[0].name != b"photos"])
        assert pool.prune(now=True, secret=PASSPHRASE).freed > MB
    comes_back(machine, model.folder.parent / "photos", tmp_path / "out")


def test_a_prune_tells_what_an_unfinished_put_holds(model: Home, tmp_path: Path) -> None:
    machine, tree = copy_of(model, tmp_path / "home"), tmp_path / "more"
    tree.mkdir()
    for number in range(5):
        (tree / f"{number}").write_bytes(random.Random(number).randbytes(MB))
    with on_drives(machine, stored_on(machine, 1) + 3 * MB) as pool:
        with pytest.raises(QuotaExceeded):
            pool.put([str(tree)])
        told = pool.prune(dry_run=True)
        assert pool.status().unfinished_packs == told.pinned[0] > 0
    assert told.pinned[1] > 2 * MB and len(told.unfinished) == 1
    with machine.open() as pool:
        pool.put([str(tree)])
        assert pool.prune(dry_run=True).pinned == (0, 0)


def test_a_prune_beside_a_disk_that_fails_goes_on_without_packing_anew(model: Home, tmp_path: Path) -> None:
    machine = copy_of(model, tmp_path / "home")
    where = machine.settings

    class Failing(Wrapper):
        def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
            if name.startswith("shards/") and memoryview(data).nbytes > 300_000:
                raise Unavailable("it does not answer")
            return self.inner.put(name, data, digest=digest)

    where.wrap = lambda name, opener: (lambda: Failing(opener())) if name == "d2" else opener
    with open_pool(where) as pool:
        done = pool.prune(now=True, secret=PASSPHRASE)
    assert (done.exit_code, done.repacked) == (EXIT_OK, (0, 0))
    assert "not packed anew this time" in notices(machine)
    with machine.open() as pool:
        assert pool.prune(now=True, secret=PASSPHRASE).repacked[0] >= 10
        assert pool.status().missing_shards == 0
    comes_back(machine, model.folder.parent / "photos", tmp_path / "out")


def test_a_source_without_room_in_the_table_does_not_hide_what_was_stored_of_others(
    model: Home, tmp_path: Path
) -> None:  # fmt: skip
    machine = copy_of(model, tmp_path / "home")
    config, room = machine.folder / "config.toml", stored_on(machine, 1)
    for name, count in (("few", 1), ("many", 600)):
        (tmp_path / name).mkdir()
        for number in range(count):  # empty files, of names that cannot be compressed: nothing but the table
            (tmp_path / name / random.Random(number).randbytes(60).hex()).touch()
    sources = "".join(f'\n[[source]]\nname = "{name}"\npaths = ["{tmp_path / name}"]\n' for name in ("few", "many"))
    config.write_text(config.read_text() + sources)
    with on_drives(machine, room + 14_000) as pool:
        few, many = pool.put_sources()
    assert few.exit_code == EXIT_OK and few.snapshot
    assert isinstance(many.failure, NoRoomForTable) and many.exit_code == EXIT_QUOTA
    with machine.open() as pool:
        assert few.snapshot in {shot.name for shot in pool.snapshots()}
