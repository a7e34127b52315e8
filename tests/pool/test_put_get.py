"""What a demanding user expects of put and get, on folders."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pool.machine import Home
from webraid.errors import (
    EXIT_ALARM,
    EXIT_DEGRADED,
    EXIT_OK,
    EXIT_PARTIAL,
    ConfigError,
    NotEnoughDisks,
    NotInTable,
    PoolBusy,
    SourcesUnreadable,
)
from webraid.files.compare import compare_trees
from webraid.jobs.base.context import locked
from webraid.jobs.restoring.get import GetResult
from webraid.jobs.storing.put import PutResult

Make = Callable[[str, int], Home]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for number in range(12):
        part = folder / f"album {number % 3}"
        part.mkdir(parents=True, exist_ok=True)
        (part / f"{number}.jpg").write_bytes(os.urandom(1 + number * 90_000))
    return folder


def put(machine: Home, *paths: Path, level: str = "") -> PutResult:
    with machine.open() as pool:
        return pool.put([str(path) for path in paths], level=level)


def get(machine: Home, out: str, snapshot: str = "latest", *paths: str, overwrite: bool = False) -> GetResult:
    with machine.open() as pool:
        return pool.get(snapshot, list(paths), to=machine.folder / out, overwrite=overwrite)


def shard_bytes(machine: Home) -> int:
    return sum(path.stat().st_size for path in machine.folder.glob("d?/shards/**/*.*"))


# ---------------------------------------------------------------------------------------------------------------- put
def test_an_unchanged_tree_adds_nothing_and_reads_nothing(home: Make, tree: Path) -> None:
    machine = home("raid6", 6)
    first = put(machine, tree)
    atimes = {path: path.stat().st_atime_ns for path in tree.rglob("*.jpg")}
    before = shard_bytes(machine)
    second = put(machine, tree)
    assert (first.files_new, second.files_new, second.files_unmodified) == (12, 0, 12)
    assert (second.added, second.packed) == (0, 0)
    assert shard_bytes(machine) == before
    assert {path: path.stat().st_atime_ns for path in tree.rglob("*.jpg")} == atimes
    assert get(machine, "out").exit_code == EXIT_OK
    assert compare_trees(tree, machine.folder / "out" / "photos") == []


def test_only_what_changed_is_stored(home: Make, tree: Path) -> None:
    machine = home("raid5", 4)
    put(machine, tree)
    (tree / "album 0" / "3.jpg").write_bytes(os.urandom(50_000))
    (tree / "album 1" / "new.jpg").write_bytes((tree / "album 2" / "11.jpg").read_bytes())  # known content
    (tree / "album 2" / "2.jpg").unlink()
    result = put(machine, tree)
    assert (result.files_new, result.files_changed, result.files_unmodified) == (1, 1, 10)
    assert result.added == 50_000
    get(machine, "out")
    assert compare_trees(tree, machine.folder / "out" / "photos") == []


def test_every_snapshot_stays_as_it_was(home: Make, tree: Path) -> None:
    machine = home("raid6", 4)
    kept = {}
    for number in range(4):
        (tree / "album 0" / f"step {number}").write_bytes(os.urandom(100_000))
        (tree / "album 1" / "1.jpg").write_bytes(os.urandom(200_000))
        kept[put(machine, tree).snapshot] = machine.folder / f"copy {number}" / "photos"
        shutil.copytree(tree, machine.folder / f"copy {number}" / "photos", symlinks=True)
    for snapshot, copy in kept.items():
        get(machine, snapshot, snapshot)
        assert compare_trees(copy, machine.folder / snapshot / "photos") == []


def test_the_local_cache_can_be_deleted_at_any_time(home: Make, tree: Path) -> None:
    machine = home("raid6", 5)
    put(machine, tree)
    for path in (machine.folder / "state").glob("table.sqlite*"):
        path.unlink()
    get(machine, "out")
    assert compare_trees(tree, machine.folder / "out" / "photos") == []
    for path in (machine.folder / "state").glob("table.sqlite*"):
        path.unlink()
    result = put(machine, tree)
    assert (result.exit_code, result.added) == (EXIT_OK, 0)


def test_a_safer_level_stores_anew_and_a_weaker_one_reuses(home: Make, tree: Path) -> None:
    machine = home("raid6", 6)
    assert put(machine, tree, level="raid5").added > 0
    assert put(machine, tree, level="raid5").added == 0
    assert put(machine, tree, level="raid6").added > 0
    assert put(machine, tree, level="raid5").added == 0
    assert put(machine, tree, level="rs:3+3").survives == 3


def test_several_paths_are_stored_under_their_base_names(home: Make, tree: Path, tmp_path: Path) -> None:
    machine = home("raid1", 2)
    single = tmp_path / "single file"
    single.write_text("alone")
    put(machine, tree, single)
    get(machine, "out")
    assert (machine.folder / "out" / "single file").read_text() == "alone"
    assert compare_trees(tree, machine.folder / "out" / "photos") == []
    with machine.open() as pool:
        origins = {root.origin for shot in pool.snapshots() for root in shot.info.roots}
    assert origins == {os.fsencode(tree), os.fsencode(single)}


def test_two_paths_of_one_name_are_refused(home: Make, tree: Path, tmp_path: Path) -> None:
    machine = home("raid1", 2)
    (tmp_path / "elsewhere" / "photos").mkdir(parents=True)
    with pytest.raises(ConfigError):
        put(machine, tree, tmp_path / "elsewhere" / "photos")


def test_a_path_that_is_not_there_is_reported_and_the_others_are_stored(home: Make, tree: Path) -> None:
    machine = home("raid1", 2)
    result = put(machine, tree, tree.with_name("no such"))
    assert result.exit_code == EXIT_PARTIAL
    assert len(result.problems) == 1
    assert result.files == 12
    with pytest.raises(SourcesUnreadable):
        put(machine, tree.with_name("no such"))


def test_a_file_that_grows_while_it_is_read_is_reported(home: Make, tmp_path: Path) -> None:
    machine = home("raid1", 2)
    folder = tmp_path / "busy"
    folder.mkdir()
    growing = folder / "log"
    growing.write_bytes(os.urandom(40 << 20))
    stop = threading.Event()

    def grow() -> None:
        with growing.open("ab") as file:
            while not stop.is_set():
                file.write(b"line\n")
                file.flush()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        result = put(machine, folder)
    finally:
        stop.set()
        writer.join()
    assert result.exit_code == EXIT_PARTIAL
    get(machine, "out")
    restored = (machine.folder / "out" / "busy" / "log").read_bytes()
    assert growing.read_bytes().startswith(restored[: 40 << 20])


def test_too_few_disks_for_the_level_is_said_before_anything_is_read(home: Make, tree: Path) -> None:
    machine = home("raid6", 3)
    with pytest.raises(NotEnoughDisks):
        put(machine, tree)


def test_another_run_on_this_machine_is_not_disturbed(home: Make, tree: Path) -> None:
    machine = home("raid1", 2)
    with locked(machine.settings.places), pytest.raises(PoolBusy):
        put(machine, tree)
    assert put(machine, tree).exit_code == EXIT_OK


def test_at_most_m_shards_lie_in_one_failure_domain(tmp_path: Path, tree: Path) -> None:
    machine = Home(tmp_path / "home").make("rs:2+1", 0)
    with machine.open() as pool:
        for number, domain in enumerate(["cloud", "cloud", "cloud", "home", "friend"], start=1):
            pool.add_backend("local", f"d{number}", {"path": str(machine.disk(number))}, domain=domain)
    result = put(machine, tree)
    assert (result.exit_code, result.survives) == (EXIT_OK, 1)
    for number in (1, 2, 3):
        shutil.rmtree(machine.disk(number))
    assert get(machine, "out").exit_code == EXIT_OK
    assert compare_trees(tree, machine.folder / "out" / "photos") == []


def test_a_full_disk_means_the_shard_goes_elsewhere(tmp_path: Path, tree: Path) -> None:
    machine = Home(tmp_path / "home").make("rs:2+1", 0)
    with machine.open() as pool:
        for number in range(1, 6):
            capacity = 300_000 if number == 1 else None
            pool.add_backend("local", f"d{number}", {"path": str(machine.disk(number))}, capacity=capacity)
    result = put(machine, tree)
    assert (result.exit_code, result.survives, result.missing_shards) == (EXIT_OK, 1, 0)
    stored = sum(path.stat().st_size for path in machine.disk(1).rglob("*") if path.is_file())
    assert stored < 400_000


# ---------------------------------------------------------------------------------------------------------------- get
def test_existing_files_are_left_alone_unless_told_otherwise(home: Make, tree: Path) -> None:
    machine = home("raid6", 4)
    put(machine, tree)
    get(machine, "out")
    victim = machine.folder / "out" / "photos" / "album 0" / "3.jpg"
    victim.write_text("mine")
    result = get(machine, "out")
    assert (result.exit_code, result.skipped, len(result.problems)) == (EXIT_PARTIAL, 11, 1)
    assert victim.read_text() == "mine"
    assert get(machine, "out", overwrite=True).exit_code == EXIT_OK
    assert compare_trees(tree, machine.folder / "out" / "photos") == []


def test_a_second_get_finishes_what_the_first_left(home: Make, tree: Path) -> None:
    machine = home("raid6", 4)
    put(machine, tree)
    get(machine, "out")
    for path in itertools.islice((machine.folder / "out").rglob("*.jpg"), 5):
        path.unlink()
    result = get(machine, "out")
    assert (result.exit_code, result.skipped) == (EXIT_OK, 7)
    for path in tree.rglob("*.jpg"):
        assert (machine.folder / "out" / "photos" / path.relative_to(tree)).read_bytes() == path.read_bytes()


def test_a_part_of_a_snapshot_comes_back_alone(home: Make, tree: Path) -> None:
    machine = home("raid6", 4)
    put(machine, tree)
    get(machine, "one", "latest", "photos/album 1/4.jpg")
    assert [path.name for path in (machine.folder / "one").rglob("*") if path.is_file()] == ["4.jpg"]
    get(machine, "sub", "latest:photos/album 2")
    assert compare_trees(tree / "album 2", machine.folder / "sub") == [] or sorted(
        path.name for path in (machine.folder / "sub").iterdir()
    ) == sorted(path.name for path in (tree / "album 2").iterdir())
    get(machine, "file", "latest:photos/album 2/5.jpg")
    assert (machine.folder / "file" / "5.jpg").read_bytes() == (tree / "album 2" / "5.jpg").read_bytes()
    with pytest.raises(NotInTable):
        get(machine, "none", "latest", "photos/nothing")
    with pytest.raises(NotInTable):
        get(machine, "none", "deadbeef")


def test_cat_gives_a_file_with_its_holes(home: Make, tmp_path: Path) -> None:
    machine = home("raid6", 5)
    folder = tmp_path / "holes"
    folder.mkdir()
    with (folder / "sparse").open("wb") as file:
        file.seek(3 << 20)
        file.write(os.urandom(2_000_000))
        file.seek(9 << 20)
        file.write(b"x")
        file.truncate(12 << 20)
    put(machine, folder)
    with machine.open() as pool:
        assert b"".join(pool.cat("latest:holes/sparse")) == (folder / "sparse").read_bytes()
        with pytest.raises(NotInTable):
            list(pool.cat("latest:holes"))


# ------------------------------------------------------------------------------------------------------ check, repair
def test_damage_is_found_named_and_repaired(home: Make, tree: Path) -> None:
    machine = home("raid6", 6)
    put(machine, tree)
    shards = sorted(machine.disk(3).glob("shards/*/*"), key=lambda path: path.stat().st_size)
    damaged, gone = shards[-1], sorted(machine.disk(5).glob("shards/*/*"))[0]
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.chmod(0o600)
    damaged.write_bytes(data)
    gone.unlink()
    with machine.open() as pool:
        checked = pool.check()
    found = {disk.name: (disk.missing, disk.corrupt) for disk in checked.disks}
    assert (found["d3"], found["d5"], checked.exit_code) == ((0, 1), (1, 0), EXIT_ALARM)
    with machine.open() as pool:
        assert pool.repair().shards == 2
    with machine.open() as pool:
        assert pool.check(read_data=True).exit_code == EXIT_OK


def test_the_next_put_repairs_what_the_last_one_could_not_place(home: Make, tree: Path) -> None:
    machine = home("raid6", 6)
    machine.disk(2).rename(machine.folder / "unplugged")
    first = put(machine, tree)
    assert (first.exit_code, first.survives) == (EXIT_DEGRADED, 1)
    (machine.folder / "unplugged").rename(machine.disk(2))
    second = put(machine, tree)
    assert (second.exit_code, second.survives) == (EXIT_OK, 2)
    assert second.repaired > 0
    with machine.open() as pool:
        assert pool.check(read_data=True).exit_code == EXIT_OK
    for number in (4, 6):
        shutil.rmtree(machine.disk(number))
    get(machine, "out")
    assert compare_trees(tree, machine.folder / "out" / "photos") == []


def test_an_unplugged_folder_is_never_written_to(home: Make, tree: Path) -> None:
    machine = home("raid6", 6)
    machine.disk(2).rename(machine.folder / "unplugged")
    put(machine, tree)
    assert not machine.disk(2).exists()
    machine.disk(2).mkdir()  # an empty mount point is not the disk
    result = put(machine, tree)
    assert result.exit_code == EXIT_DEGRADED
    assert list(machine.disk(2).iterdir()) == []


def test_a_disk_is_removed_only_if_nothing_becomes_unreadable(home: Make, tree: Path) -> None:
    from webraid.errors import RedundancyError

    machine = home("raid5", 4)
    put(machine, tree)
    with machine.open() as pool:
        with pytest.raises(RedundancyError, match="d2 is needed"):
            pool.remove_backend("d2")
        assert pool.remove_backend("d2", force=True) == 0
    with machine.open() as pool, pytest.raises(RedundancyError):
        pool.remove_backend("d3")
    shutil.rmtree(machine.disk(2))
    assert get(machine, "out").exit_code == EXIT_OK
    with machine.open() as pool:
        pool.add_backend("local", "d9", {"path": str(machine.disk(9))})
        assert pool.repair().shards > 0
        assert pool.status().survives == 1
