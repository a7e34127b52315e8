"""repair: what is read for it, what is written, where it goes, and that what no disk has comes from local files."""

from __future__ import annotations

import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pool.machine import Home
from webraid.backend.base import Backend, Bytes, Digest
from webraid.backend.wrapper import Wrapper
from webraid.errors import EXIT_ALARM, EXIT_OK, QuotaExceeded
from webraid.files.compare import compare_trees
from webraid.jobs.base.settings import Settings
from webraid.jobs.care import putback
from webraid.jobs.care.targets import Targets, ready_spares
from webraid.jobs.storing.put import PutOptions
from webraid.model import PackKind, Stored
from webraid.pool import Pool, open_pool
from webraid.table.records import ACTIVE, SPARE, Dropped, SetRole

Make = Callable[[str, int], Home]


class Counted(Wrapper):
    """Notes every shard that is fetched or stored, by (pack, operation)."""

    def __init__(self, inner: Backend, seen: list[tuple[str, str, str]], disk: str) -> None:
        super().__init__(inner)
        self.seen = seen
        self.disk = disk

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        self.seen.append(("get", self.disk, name))
        return self.inner.get(name, locator=locator, offset=offset, size=size)

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        self.seen.append(("put", self.disk, name))
        return self.inner.put(name, data, digest=digest)


class Refusing(Wrapper):
    """A disk that is full where shards are concerned."""

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        if name.startswith("shards/"):
            raise QuotaExceeded("it is full")
        return self.inner.put(name, data, digest=digest)


class Watch:
    """A machine whose requests are counted."""

    def __init__(self, machine: Home) -> None:
        self.machine = machine
        self.seen: list[tuple[str, str, str]] = []

    def open(self) -> Pool:
        self.seen.clear()
        where: Settings = self.machine.settings
        where.wrap = lambda name, opener: lambda: Counted(opener(), self.seen, name)
        return open_pool(where)

    def shards(self, op: str) -> Counter[str]:
        """How often shards of each pack were fetched or stored.  A folder tells no hash, so that what was just put
        there is read again: that is not counted."""
        found, put = Counter[str](), set[tuple[str, str]]()
        for what, disk, name in self.seen:
            if what == op and name.startswith("shards/") and not (what == "get" and (disk, name) in put):
                found[name.rpartition("/")[2].partition(".")[0]] += 1
            if what == "put":
                put.add((disk, name))
        return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.jpg").write_bytes(os.urandom(1_700_000))
    (folder / "text").write_text("a line that compresses well\n" * 40_000)
    with (folder / "holes").open("wb") as file:
        file.seek(3 << 20)
        file.write(os.urandom(400_000))
    return folder


def stored(machine: Home, tree: Path, level: str = "") -> None:
    with machine.open() as pool:
        assert pool.put([str(tree)], level=level).exit_code == EXIT_OK


def data_packs(pool: Pool) -> set[str]:
    return {pack.id.hex() for pack in pool._ctx.index.packs(PackKind.DATA)}


def data_shards(machine: Home, pool_packs: set[str], *numbers: int) -> Iterator[Path]:
    for number in numbers:
        for path in sorted((machine.disk(number) / "shards").rglob("*.*")):
            if path.name.partition(".")[0] in pool_packs:
                yield path


def comes_back(machine: Home, tree: Path, out: Path) -> None:
    with machine.open() as pool:
        got = pool.get(to=out)
        assert (got.exit_code, got.unreadable) == (EXIT_OK, [])
    assert compare_trees(tree, out / tree.name) == []


def test_k_shards_are_read_and_what_is_missing_is_written(home: Make, tree: Path, tmp_path: Path) -> None:
    machine = home("raid6", 6)
    stored(machine, tree)
    watch = Watch(machine)
    with watch.open() as pool:
        packs = data_packs(pool)
    for path in data_shards(machine, packs, 2, 5):
        path.unlink()
    shutil.rmtree(tree.rename(tmp_path / "gone"))
    with watch.open() as pool:
        found = pool.check(sample=0.0)
    assert found.missing_shards == 2 * len(packs)
    with watch.open() as pool:
        result = pool.repair()
    assert (result.shards, result.waiting, result.lost, result.from_files) == (2 * len(packs), 0, 0, 0)
    reads, writes = watch.shards("get"), watch.shards("put")
    assert {pack: reads[pack] for pack in packs} == dict.fromkeys(packs, 4), "k = 4, however many are missing"
    assert {pack: writes[pack] for pack in packs} == dict.fromkeys(packs, 2)
    assert {disk for op, disk, name in watch.seen if op == "put" and name[10:42] in packs} == {"d2", "d5"}
    with watch.open() as pool:
        assert pool.check(read_data=True).exit_code == EXIT_OK


def test_unchanged_local_files_give_the_shards_without_a_download(home: Make, tree: Path) -> None:
    machine = home("raid6", 6)
    stored(machine, tree)
    watch = Watch(machine)
    with watch.open() as pool:
        packs = data_packs(pool)
    for path in data_shards(machine, packs, 1, 3):
        path.unlink()
    with watch.open() as pool:
        pool.check(sample=0.0)
    with watch.open() as pool:
        result = pool.repair()
    assert (result.shards, result.from_files, result.read) == (2 * len(packs), 2 * len(packs), 0)
    assert sum(count for pack, count in watch.shards("get").items() if pack in packs) == 0
    with watch.open() as pool:
        assert pool.check(read_data=True).exit_code == EXIT_OK


@pytest.mark.parametrize("compression", ["off", "max"])
def test_however_it_was_compressed_local_files_give_the_same_bytes(home: Make, tree: Path, compression: str) -> None:
    machine = home("raid5", 3)
    with machine.open() as pool:
        assert pool.put([str(tree)], options=PutOptions(compression=compression)).exit_code == EXIT_OK
        packs = data_packs(pool)
    for path in data_shards(machine, packs, 2):
        path.unlink()
    with machine.open() as pool:
        pool.check(sample=0.0)
        result = pool.repair()
    assert (result.shards, result.from_files, result.read) == (len(packs), len(packs), 0)


def test_a_changed_file_is_not_believed(home: Make, tree: Path) -> None:
    machine = home("raid6", 6)
    stored(machine, tree)
    keep = {path: path.read_bytes() for path in tree.iterdir()}
    with machine.open() as pool:
        packs = data_packs(pool)
    for path in data_shards(machine, packs, 1, 3):
        path.unlink()
    for path, data in keep.items():  # as long as before, with the times of before, and one byte another one
        times = path.stat()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with machine.open() as pool:
        pool.check(sample=0.0)
        result = pool.repair()
    assert result.lost == result.waiting == result.from_files == 0
    assert result.shards == 2 * len(packs)
    with machine.open() as pool:
        assert pool.check(read_data=True).exit_code == EXIT_OK


@pytest.mark.parametrize("level", ["raid6", "raid1:2", "raid0"])
def test_what_no_disk_has_any_more_comes_back_from_local_files(
    level: str, home: Make, tree: Path, tmp_path: Path
) -> None:
    machine = home("raid6", 6)
    stored(machine, tree, level)
    watch = Watch(machine)
    with watch.open() as pool:
        packs = data_packs(pool)
    for path in data_shards(machine, packs, 1, 2, 3, 4, 5):
        path.unlink()
    with watch.open() as pool:
        assert pool.check(sample=0.0).unreadable_packs
    with watch.open() as pool:
        result = pool.repair()
    assert (result.lost, result.waiting, result.read) == (0, 0, 0)
    assert sum(count for pack, count in watch.shards("get").items() if pack in packs) == 0
    comes_back(machine, tree, tmp_path / "out")
    with watch.open() as pool:
        found = pool.check(read_data=True)
        assert (found.missing_shards, found.unreadable_packs, found.lost_chunks, found.alarms) == (0, 0, 0, [])


def test_files_that_are_still_there_are_saved_into_new_packs(home: Make, tree: Path, tmp_path: Path) -> None:
    machine = home("raid6", 6)
    stored(machine, tree)
    with machine.open() as pool:
        packs = data_packs(pool)
    for path in data_shards(machine, packs, 1, 2, 3, 4, 5, 6):
        path.unlink()
    (tree / "0.jpg").rename(tmp_path / "0.jpg")
    with machine.open() as pool:
        pool.check(sample=0.0)
        result = pool.repair()
    assert result.saved > 0
    assert result.lost > 0, "one file's content is nowhere"
    (tmp_path / "0.jpg").rename(tree / "0.jpg")
    with machine.open() as pool:
        assert pool.get(paths=["photos/1.jpg", "photos/holes"], to=tmp_path / "some").exit_code == EXIT_OK
        assert pool.repair().lost == 0, "the file is back, and with it the rest"
    comes_back(machine, tree, tmp_path / "out")
    with machine.open() as pool:
        assert pool.status().survives == 2, "packs that nothing depends on any more do not count"


def flip(path: Path) -> None:
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize("lose", [Path.unlink, flip])
def test_a_lost_pack_that_nothing_depends_on_does_not_count(
    home: Make, tree: Path, tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    machine = home("raid6", 6)
    stored(machine, tree)
    with machine.open() as pool:
        packs = data_packs(pool)
    for path in data_shards(machine, packs, 1, 2, 3, 4, 5, 6):
        lose(path)
    (tmp_path / "more").mkdir()
    for path in list(tree.iterdir())[:3]:  # these come by another way, the others from where they were
        path.rename(tmp_path / "more" / path.name)
    with machine.open() as pool:
        pool.check(sample=0.0)
        assert pool.repair().lost > 0
        assert pool.status().survives == -1
    with machine.open() as pool:
        assert pool.put([str(tmp_path / "more")]).exit_code == (EXIT_ALARM if lose is flip else EXIT_OK)
    shutil.rmtree(tmp_path / "more")
    shutil.rmtree(tree)
    with machine.open() as pool:
        result = pool.repair()
        assert (result.lost, result.shards) == (0, 0)
        assert pool.status().survives == 2
        assert pool.check(read_data=True).exit_code == EXIT_OK
        assert pool.get("latest~1", to=tmp_path / "out").unreadable == []
    with machine.open() as pool:
        assert pool.put([str(tmp_path / "out")]).exit_code == EXIT_OK, "no disk is accused any more"


def test_a_chunk_in_a_shard_that_is_left_is_saved_though_its_stripe_is_lost(home: Make, tmp_path: Path) -> None:
    machine = home("raid6", 6)
    small = tmp_path / "small"
    small.mkdir()
    for number in range(30):  # a pack of more than one unit of 1 MiB: small files lie in one shard each
        (small / f"{number:02}").write_bytes(os.urandom(200_000))
    stored(machine, small)
    with machine.open() as pool:
        packs = data_packs(pool)
    for path in data_shards(machine, packs, 1, 2, 3):
        path.unlink()
    shutil.rmtree(small)
    with machine.open() as pool:
        pool.check(sample=0.0)
        before = pool.check(sample=0.0).lost_chunks
        result = pool.repair()
        after = pool.check(sample=0.0).lost_chunks
    assert result.saved > 0
    assert after == before - result.saved


def test_a_spare_takes_the_place_of_a_disk_that_was_taken_out(home: Make, tree: Path, tmp_path: Path) -> None:
    machine = home("raid6", 5)
    with machine.open() as pool:
        pool.add_backend("local", "d6", {"path": str(machine.disk(6))})
        spare = next(info.id for info in pool._ctx.table.state.joined() if info.name == "d6")
        pool._ctx.table.append(SetRole(disk=spare, role=SPARE))
    stored(machine, tree)
    shutil.rmtree(machine.disk(2))
    with machine.open() as pool:
        pool.remove_backend("d2", lost=True)
    with machine.open() as pool:
        result = pool.repair()
        assert result.shards > 0
        assert result.waiting == 0
        assert pool._ctx.table.state.disks[spare].role == ACTIVE, "it is no spare any more"
        assert pool.status().survives == 2
    comes_back(machine, tree, tmp_path / "out")


def test_a_spare_takes_over_from_an_emptied_disk_but_not_from_one_that_is_silent(home: Make, tree: Path) -> None:
    machine = home("raid6", 6)
    with machine.open() as pool:
        pool.status()
        spare = next(info.id for info in pool._ctx.table.state.joined() if info.name == "d6")
        pool._ctx.table.append(SetRole(disk=spare, role=SPARE))
    stored(machine, tree)
    shutil.rmtree(machine.disk(2))
    with machine.open() as pool:
        assert pool.repair().shards == 0, "a drive that is not plugged in comes back"
    machine.disk(2).mkdir()
    with machine.open() as pool:
        result = pool.repair()
        assert result.shards > 0
    with machine.open() as pool:
        pool._ctx.open_table()
        assert ready_spares(pool._ctx) == set(), "it is an active disk now"


def test_a_disk_that_was_away_gets_what_it_missed_and_nothing_else(home: Make, tree: Path, tmp_path: Path) -> None:
    machine = home("raid6", 6)
    stored(machine, tree)
    away = tmp_path / "away"
    machine.disk(4).rename(away)
    more = tmp_path / "more"
    more.mkdir()
    (more / "file").write_bytes(os.urandom(2_500_000))
    with machine.open() as pool:
        pool.put([str(more)])
    before = {path.relative_to(away) for path in away.rglob("*") if path.is_file()}
    away.rename(machine.disk(4))
    watch = Watch(machine)
    with watch.open() as pool:
        result = pool.repair()
    assert result.waiting == result.lost == 0
    sent = [name for op, disk, name in watch.seen if op == "put" and disk == "d4" and not name.startswith("hint/")]
    there = {path.relative_to(machine.disk(4)) for path in machine.disk(4).rglob("*") if path.is_file()}
    new = {str(path) for path in there - before if not str(path).startswith("hint/")}
    assert new
    assert Counter(sent) == Counter(new), "everything it missed once, and nothing that it had"
    for other in (1, 2, 3, 5, 6):
        disk = f"d{other}"
        assert not [
            name
            for op, at, name in watch.seen
            if op == "put"
            and at == disk
            and name.startswith("shards/")
            and (machine.disk(4) / name).exists()
            and name[10:42] in data_packs_of(machine)
        ]
    with machine.open() as pool:
        assert pool.check(read_data=True).exit_code == EXIT_OK


def data_packs_of(machine: Home) -> set[str]:
    with machine.open() as pool:
        return data_packs(pool)


def test_a_shard_never_returns_to_a_disk_that_it_has_left(home: Make, tree: Path) -> None:
    machine = home("rs:2+1", 4)
    stored(machine, tree)
    with machine.open() as pool:
        pool.status()
        pack = next(iter(pool._ctx.index.packs(PackKind.DATA)))
        home_of = pack.homes[0]
        assert Targets(pool._ctx).choose(pack, home_of.index, 1000, [h.disk for h in pack.homes[1:]]) == home_of.disk
        pool._ctx.table.append(Dropped(disk=home_of.disk, shards=pack.id + bytes((home_of.index,))))
        other = Targets(pool._ctx).choose(pack, home_of.index, 1000, [h.disk for h in pack.homes[1:]])
        assert other not in (None, *(h.disk for h in pack.homes))


def test_a_disk_that_refuses_is_replaced_by_another_legal_one(home: Make, tree: Path) -> None:
    machine = home("rs:2+1", 4)
    stored(machine, tree)
    with machine.open() as pool:
        packs = data_packs(pool)
    lost = [path for number in (1, 2, 3, 4) for path in data_shards(machine, packs, number)][:1]
    disk = int(lost[0].relative_to(machine.folder).parts[0][1:])
    lost[0].unlink()
    with machine.open() as pool:
        assert pool.check(sample=0.0).missing_shards == 1
    where = machine.settings
    where.wrap = lambda name, opener: (lambda: Refusing(opener())) if name == f"d{disk}" else opener
    with open_pool(where) as pool:
        result = pool.repair()
    assert (result.shards, result.waiting) == (1, 0)
    with machine.open() as pool:
        pool.repair()  # the table's own pack of that run, which the disk refused, too
        assert pool.check(read_data=True).exit_code == EXIT_OK


class Hanging(Wrapper):
    """Where it ``hangs`` it takes no shard until a record of the log is written somewhere."""

    def __init__(self, inner: Backend, end: threading.Event, *, hangs: bool) -> None:
        super().__init__(inner)
        self.end = end
        self.hangs = hangs

    def put(self, name: str, data: Bytes, *, digest: Digest) -> Stored:
        if name.startswith("log/"):
            self.end.set()
        elif self.hangs and name.startswith("shards/"):
            self.end.wait()
        return self.inner.put(name, data, digest=digest)


def test_a_disk_that_hangs_is_waited_for_once(home: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = home("rs:2+1", 4)
    for number in range(6):
        (tmp_path / f"t{number}").mkdir()
        (tmp_path / f"t{number}" / "file").write_bytes(os.urandom(1_100_000))  # a shard on three of the four disks
        stored(machine, tmp_path / f"t{number}")
    with machine.open() as pool:
        packs = data_packs(pool)
    number, lost = max(((n, list(data_shards(machine, packs, n))) for n in range(1, 5)), key=lambda one: len(one[1]))
    assert len(lost) >= 4
    for path in lost:
        path.unlink()
    with machine.open() as pool:
        pool.check(sample=0.0)
    end, where = threading.Event(), machine.settings
    where.wrap = lambda name, opener: lambda: Hanging(opener(), end, hangs=name == f"d{number}")
    monkeypatch.setattr(putback, "PATIENCE", 0.05)
    try:
        with open_pool(where) as pool:
            result = pool.repair()
    finally:
        end.set()
    told = [event for event in machine.events if "could not be put back" in str(event) and f"d{number}" in str(event)]
    assert len(told) == 1
    assert (result.shards, result.waiting) == (len(lost), 0)


def test_the_stripes_with_the_least_margin_come_first(home: Make, tmp_path: Path) -> None:
    machine = home("raid6", 5)
    order: list[set[str]] = []
    for number in range(3):
        folder = tmp_path / f"tree{number}"
        folder.mkdir()
        (folder / "file").write_bytes(os.urandom(900_000))
        before = data_packs_of(machine)
        stored(machine, folder)
        order.append(data_packs_of(machine) - before)
        shutil.rmtree(folder)
    for which, count in ((0, 1), (1, 2), (2, 1)):
        for path in list(data_shards(machine, order[which], 1, 2, 3, 4, 5))[:count]:
            path.unlink()
    with machine.open() as pool:
        pool.check(sample=0.0)
    watch = Watch(machine)
    with watch.open() as pool:
        assert pool.repair().shards == 4
    put = [name[10:42] for op, _, name in watch.seen if op == "put" and name.startswith("shards/")]
    data = [pack for pack in put if any(pack in packs for packs in order)]
    assert data[:2] == [next(iter(order[1]))] * 2, "the one that lost two goes before those that lost one"


def test_nothing_is_done_where_nothing_is_missing(home: Make, tree: Path) -> None:
    machine = home("raid6", 4)
    stored(machine, tree)
    watch = Watch(machine)
    with watch.open() as pool:
        result = pool.repair()
    assert (result.shards, result.bytes, result.read) == (0, 0, 0)
    assert watch.shards("get") == watch.shards("put") == Counter()


# ------------------------------------------------------------------------------------------------------------- dry run
def objects(machine: Home) -> list[Path]:
    return sorted(path for number in range(1, 7) for path in machine.disk(number).rglob("*") if path.is_file())


def test_a_dry_run_foretells_what_repair_does_and_changes_nothing(small: Make, tree: Path) -> None:
    machine = small("raid6", 6)
    stored(machine, tree)
    with machine.open() as pool:
        nothing = pool.repair_plan()
        packs = data_packs(pool)
    assert (nothing.shards, nothing.waiting, nothing.lost, nothing.planned, nothing.exit_code) == (0, 0, 0, {}, EXIT_OK)
    lost = list(data_shards(machine, packs, 1, 2))
    size = sum(path.stat().st_size for path in lost)
    for path in lost:
        path.unlink()
    with machine.open() as pool:
        pool.scrub("list")
    before = objects(machine)
    with machine.open() as pool:
        foreseen = pool.repair_plan()
    assert objects(machine) == before
    assert (foreseen.shards, foreseen.size, foreseen.planned.keys()) == (len(lost), size, {"d1", "d2"})
    assert foreseen.read > size / 2
    shutil.rmtree(tree)  # so that it must really read
    with machine.open() as pool:
        done = pool.repair()
        assert pool.repair_plan().shards == 0
    assert (done.shards, done.bytes, done.waiting) == (foreseen.shards, foreseen.size, 0)


def test_disks_that_do_not_answer_are_named_as_nothing_is_made_again(small: Make, tree: Path) -> None:
    machine = small("raid6", 6)
    stored(machine, tree)
    shutil.rmtree(machine.disk(3))
    with machine.open() as pool:
        foreseen, done = pool.repair_plan(), pool.repair()
    assert (foreseen.shards, foreseen.silent) == (0, ["d3"])
    assert (done.shards, done.silent) == (0, ["d3"])


def test_more_lost_than_the_level_bears_is_foreseen(small: Make, tree: Path) -> None:
    machine = small("raid5", 3)
    stored(machine, tree)
    with machine.open() as pool:
        packs = data_packs(pool)
    for path in data_shards(machine, packs, 1, 2):
        path.unlink()
    with machine.open() as pool:
        pool.scrub("list")
        foreseen = pool.repair_plan()
    assert foreseen.lost and foreseen.exit_code == 21
