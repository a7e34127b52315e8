"""prune on real folders: what goes, what stays, and what holds it up."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pool.machine import PASSPHRASE, Home
from tests.pool.test_two_machines import second
from webraid.backend.base import Backend, Bytes, Digest
from webraid.errors import IntegrityError, NotInTable, QuorumLost, RightMissing, WebRAIDError, WrongPassphrase
from webraid.files.compare import compare_trees
from webraid.jobs.base.settings import Settings
from webraid.jobs.space.pruned import Pruned
from webraid.model import Stored, shard_name
from webraid.pool import Pool, open_pool
from webraid.table.records import Abort, Condemn, Drilled, Prepare

DAY = 86_400.0
Make = Callable[[str, int], Home]


class Later(Home):
    """A home whose clock is set by hand."""

    day = 0.0
    config = ""

    @property
    def settings(self) -> Settings:
        settings = super().settings
        settings.env = replace(settings.env, now=lambda: 1_800_000_000.0 + self.day * DAY)
        return settings


@pytest.fixture
def home(tmp_path: Path) -> Make:
    def make(level: str, count: int) -> Home:
        made = Later(tmp_path / "home")
        made.make(level, count)
        return made

    return make


def write(folder: Path, count: int, size: int = 20_000, first: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(first, first + count):
        (folder / f"f{number}").write_bytes(os.urandom(size))
    return folder


def put(home: Home, *paths: Path) -> str:
    with home.open() as pool:
        return pool.put([str(path) for path in paths]).snapshot


def forget(home: Home, *shots: str) -> None:
    with home.open() as pool:
        pool.forget(shots)


def prune(home: Home, **options: object) -> Pruned:
    with home.open() as pool:
        return pool.prune(**options)  # type: ignore[arg-type]


def prune_now(home: Home, **options: object) -> Pruned:
    return prune(home, now=True, secret=PASSPHRASE, **options)


def say(home: Home, *ops: object) -> None:
    """Write a record as this machine."""
    with home.open() as pool:
        ctx = pool._ctx
        ctx.open_table()
        ctx.table.append(*ops)  # type: ignore[arg-type]


def drilled(home: Home) -> None:
    say(home, Drilled(time_ms=0, files=5, size=5))


def objects(home: Home, count: int = 4) -> dict[str, bytes]:
    found = {}
    for number in range(1, count + 1):
        for path in home.disk(number).rglob("*"):
            if path.is_file():
                found[str(path.relative_to(home.folder))] = path.read_bytes()
    return found


def shards(home: Home, number: int) -> set[str]:
    folder = home.disk(number)
    return {str(path.relative_to(folder)) for path in (folder / "shards").rglob("*") if path.is_file()}


def restores(home: Home, shot: str, source: Path, out: Path) -> None:
    with home.open() as pool:
        assert pool.get(shot, to=out).exit_code == 0
    assert compare_trees(source, out / source.name) == []


@pytest.fixture
def two(home: Make, tmp_path: Path) -> tuple[Home, Path, str, str]:
    """A pool of four disks with a kept snapshot of one folder and one of another folder, which was forgotten."""
    made = home("raid6", 4)
    kept, gone = write(tmp_path / "kept", 6), write(tmp_path / "gone", 6)
    shots = put(made, kept), put(made, gone)
    forget(made, shots[1])
    return made, kept, *shots


# ---------------------------------------------------------------------------------------------------------- deleting
def test_what_was_forgotten_goes_and_what_is_kept_comes_back(
    two: tuple[Home, Path, str, str], tmp_path: Path
) -> None:  # fmt: skip
    home, kept, shot, _ = two
    before = sum(map(len, objects(home).values()))
    told = prune(home, dry_run=True, now=True)
    result = prune_now(home)
    assert result.exit_code == 0 and result.swept == told.swept and result.swept[0] >= 1
    assert [disk.freed for disk in result.disks] == [disk.freed for disk in told.disks]
    assert before - sum(map(len, objects(home).values())) > 200_000
    restores(home, shot, kept, tmp_path / "out")
    with home.open() as pool:
        assert pool.check(read_data=True).exit_code == 0
    prune_now(home)  # what the index said of what is gone is tidied up
    assert prune_now(home).objects == 0, "there is nothing left to do"


def test_a_dry_run_changes_nothing_and_needs_nobody(two: tuple[Home, Path, str, str]) -> None:
    home, _, _, gone = two
    before = objects(home)
    told = prune(home, dry_run=True, now=True)
    assert told.freed > 200_000 and told.forgotten == [gone]
    assert objects(home) == before


def test_a_pack_that_is_used_in_part_is_packed_anew(home: Make, tmp_path: Path) -> None:
    made = home("raid6", 4)
    source = write(tmp_path / "source", 10)
    old = put(made, source)
    write(source, 8)
    shot = put(made, source)
    forget(made, old)
    assert prune_now(made, repack=False).swept[0] == 0
    result = prune_now(made)
    assert result.repacked[0] == 1 and result.swept[0] >= 1
    assert result.freed > 8 * 20_000
    restores(made, shot, source, tmp_path / "out")
    assert prune(made, dry_run=True, now=True).unused < 20_000


def test_many_small_table_packs_become_few_and_an_empty_machine_reads_them(home: Make, tmp_path: Path) -> None:
    made = home("raid5", 3)
    source = tmp_path / "source"
    shots = [put(made, write(source, 1, 500, first=number)) for number in range(18)]
    forget(made, *shots[:-1])
    before = len(shards(made, 1))
    prune_now(made)
    assert len(shards(made, 1)) < before / 2
    other = second(made, tmp_path / "other")
    restores(other, shots[-1], source, tmp_path / "out")
    write(source, 1, 500, first=30)
    restores(other, put(other, source), source, tmp_path / "again")


# ------------------------------------------------------------------------------------------------- what holds it up
def test_without_a_drill_nothing_is_deleted_but_by_the_owner(two: tuple[Home, Path, str, str]) -> None:
    home, *_ = two
    with pytest.raises(RightMissing, match="drill"):
        prune(home)
    assert "drill" in prune(home, dry_run=True).held[0]
    with pytest.raises(RightMissing, match="owner"):
        prune(home, now=True)
    before = objects(home)
    with pytest.raises(WrongPassphrase):
        prune(home, now=True, secret="something else entirely")
    assert objects(home) == before


def test_condemned_packs_lie_in_the_trash_for_a_week(two: tuple[Home, Path, str, str], tmp_path: Path) -> None:
    home, kept, shot, _ = two
    drilled(home)
    result = prune(home, secret=PASSPHRASE)
    assert result.condemned[0] >= 1 and result.objects == 0
    assert isinstance(home, Later)
    home.day = 6.9
    result = prune(home)
    assert (result.condemned[0], result.objects) == (0, 0) and result.waiting[0] >= 1
    home.day = 7.1
    result = prune(home)
    assert result.swept[0] >= 1 and result.objects >= 3
    restores(home, shot, kept, tmp_path / "out")


def test_what_is_stored_again_while_it_lies_in_the_trash_is_not_taken_from_there(
    two: tuple[Home, Path, str, str], tmp_path: Path
) -> None:
    home, *_ = two
    drilled(home)
    prune(home, secret=PASSPHRASE)
    again = put(home, tmp_path / "gone")
    assert isinstance(home, Later)
    home.day = 8
    assert prune(home).swept[0] >= 1
    restores(home, again, tmp_path / "gone", tmp_path / "out")


def test_young_snapshots_keep_their_data_though_forgotten(two: tuple[Home, Path, str, str]) -> None:
    home, _, _, gone = two
    drilled(home)
    result = prune(home)
    assert result.condemned[0] == 0 and result.young == [gone] and result.locked[1] > 200_000
    assert isinstance(home, Later)
    home.day = 31
    assert prune(home, dry_run=True).condemned[0] >= 1


def test_the_brake_holds_a_large_deletion_until_the_owner_agrees(two: tuple[Home, Path, str, str]) -> None:
    home, *_ = two
    drilled(home)
    assert isinstance(home, Later)
    home.day = 31
    result = prune(home)
    assert result.exit_code == 1 and "brake" in result.held[0] and result.condemned[0] == 0
    assert prune(home, secret=PASSPHRASE).condemned[0] >= 1
    assert prune(home).held == [], "what the owner agreed to does not count"


def test_a_surge_of_changed_files_stops_all_deleting(home: Make, tmp_path: Path, monkeypatch: object) -> None:
    made = home("raid6", 4)
    assert isinstance(made, Later)
    assert isinstance(monkeypatch, pytest.MonkeyPatch)
    monkeypatch.setenv("WEBRAID_PRUNE_BRAKE", "100%")
    source = write(tmp_path / "source", 25, 100)
    old = put(made, source)
    drilled(made)
    forget(made, put(made, write(tmp_path / "other", 2)))
    made.day = 40
    write(source, 20, 100)
    put(made, source)
    forget(made, old)
    result = prune(made)
    assert result.exit_code == 1 and "20 of 25 files" in result.held[0] and result.condemned[0] == 0
    made.day = 48
    assert prune(made).held == []


def nights(made: Later, source: Path, days: range) -> list[str]:
    shots = []
    for day in days:
        made.day = day
        write(source, 25, 100)
        shots.append(put(made, source))
    return shots


def test_a_source_that_changes_completely_every_night_is_held_up_for_a_week_and_not_for_ever(
    home: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = home("raid6", 4)
    assert isinstance(made, Later)
    monkeypatch.setenv("WEBRAID_PRUNE_BRAKE", "100%")
    monkeypatch.setenv("WEBRAID_PRUNE_RETENTION_LOCK", "0")
    source = tmp_path / "source"
    shots = nights(made, source, range(1, 6))
    drilled(made)
    calm = prune(made)
    assert calm.exit_code == 0 and calm.held == [], "there is nothing to delete"
    forget(made, shots[0])
    held = prune(made)
    assert held.exit_code == 1 and held.condemned == held.swept == (0, 0)
    assert held.held == [f"25 of 25 files are changed or gone in snapshot {shots[-1]}, and 3 more such this week"]
    nights(made, source, range(6, 13))
    done = prune(made)
    assert done.held == [] and done.exit_code == 0 and done.condemned[0] > 0
    assert sum(disk.later for disk in held.disks) == 0 < sum(disk.later for disk in done.disks) == done.waiting[1]


def test_a_machine_without_the_right_deletes_nothing(two: tuple[Home, Path, str, str]) -> None:
    home, *_ = two
    with home.open() as pool:
        ctx = pool._ctx
        ctx.open_table()
        me = ctx.table.state.devices[ctx.identity.key.id]
        ctx.table.state.devices[me.id] = replace(me, rights=("append",))
        with pytest.raises(RightMissing):
            ctx.table.append(Condemn(packs=(bytes(16),)))


def test_nothing_is_deleted_while_a_disk_shows_an_older_state(two: tuple[Home, Path, str, str]) -> None:
    home, *_ = two
    for path in sorted((home.disk(2) / "log").rglob("*"))[-3:]:
        path.unlink()
    with pytest.raises(IntegrityError, match="d2"):
        prune_now(home)


def test_nothing_is_deleted_without_a_quorum(two: tuple[Home, Path, str, str]) -> None:
    home, *_ = two
    for number in (1, 2):
        home.disk(number).rename(home.folder / f"away{number}")
    with pytest.raises(QuorumLost):
        prune_now(home)


def test_nothing_is_deleted_while_a_kept_snapshot_is_not_whole(two: tuple[Home, Path, str, str]) -> None:
    home, _, shot, _ = two
    with home.open() as pool:
        ctx = pool._ctx
        ctx.open_table()
        live = next(found for found in ctx.table.state.shots if found.name == shot)
        ctx.table.state.shots.append(replace(live, info=_elsewhere(live.info)))
        from webraid.jobs.base.pages import load_index
        from webraid.jobs.space.live import Liveness

        load_index(ctx)
        with pytest.raises(NotInTable, match="nothing is deleted"):
            Liveness(ctx).update(0)


def _elsewhere(info: object) -> object:
    import msgspec

    return msgspec.structs.replace(info, root=bytes(16))  # type: ignore[type-var]


# ------------------------------------------------------------------------------------------------------ cache and disks
def test_a_wrong_cache_does_not_decide_what_goes(two: tuple[Home, Path, str, str], tmp_path: Path) -> None:
    home, kept, shot, _ = two
    database = sqlite3.connect(home.folder / "state" / "table.sqlite")
    packs = [row[0] for row in database.execute("SELECT id FROM packs WHERE kind='data' ORDER BY id")]
    assert len(packs) == 2
    one, other = packs  # the cache claims that the chunks of each lie in the other one
    for there, here in ((one, b"x" * 16), (other, one), (b"x" * 16, other)):
        database.execute("UPDATE chunks SET pack=? WHERE pack=?", (here, there))
    database.execute(  # and that there is one more pack, which has them all
        "INSERT INTO packs SELECT ?, kind, code, k, n, rotates, length, shards, run FROM packs WHERE id=?",
        (b"y" * 16, one),
    )
    database.execute(
        "INSERT INTO chunks SELECT id, ?, kind, number, offset, stored, plain, compressed FROM chunks"
        " WHERE pack IN (?, ?) GROUP BY id",
        (b"y" * 16, one, other),
    )
    database.commit()
    database.close()
    result = prune_now(home)
    assert result.swept[0] >= 1
    restores(home, shot, kept, tmp_path / "out")
    third = second(home, tmp_path / "third")
    restores(third, shot, kept, tmp_path / "out3")


def test_a_machine_with_an_empty_cache_prunes_the_same(two: tuple[Home, Path, str, str], tmp_path: Path) -> None:
    home, kept, shot, _ = two
    other = second(home, tmp_path / "other")
    assert prune(home, dry_run=True, now=True).swept == prune_now(other).swept
    restores(home, shot, kept, tmp_path / "out")


def test_a_disk_that_was_away_loses_its_shards_when_it_is_back(
    two: tuple[Home, Path, str, str], tmp_path: Path
) -> None:  # fmt: skip
    home, kept, shot, _ = two
    before = shards(home, 2)
    away = home.folder / "away"
    home.disk(2).rename(away)
    result = prune_now(home)
    assert result.objects and [bool(disk.problem) for disk in result.disks] == [False, True, False, False]
    away.rename(home.disk(2))
    assert shards(home, 2) == before
    other = second(home, tmp_path / "other", disk=3)
    assert prune_now(other).disks[1].freed > 0, "any machine finds what is left"
    assert len(shards(home, 2)) < len(before)
    restores(home, shot, kept, tmp_path / "out")


def test_strange_objects_are_left_alone_and_orphans_of_a_finished_run_go(two: tuple[Home, Path, str, str]) -> None:
    home, *_ = two
    orphan, running, strange = (bytes([number]) * 16 for number in (1, 2, 3))
    say(home, Prepare(run=b"a" * 16, creates=(orphan,)), Prepare(run=b"b" * 16, creates=(running,)))
    names = {pack: home.disk(1) / shard_name(pack, 0) for pack in (orphan, running, strange)}
    for path in names.values():
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(b"something")
    with home.open() as pool:
        ctx = pool._ctx
        ctx.open_table()
        ctx.table.append(Abort(run=b"a" * 16))
    result = prune_now(second(home, home.folder / "other"))
    assert result.orphans == 1
    assert [names[pack].exists() for pack in (orphan, running, strange)] == [False, True, True]


def test_what_another_machine_is_about_to_use_is_spared(two: tuple[Home, Path, str, str], tmp_path: Path) -> None:
    home, *_ = two
    other = second(home, tmp_path / "other")
    with other.open() as pool:
        ctx = pool._ctx
        pool.snapshots()
        used = tuple(pack.id for pack in ctx.index.packs())
        ctx.open_table()
        ctx.table.append(Prepare(run=b"a" * 16, reuses=used))
    result = prune_now(home)
    assert result.swept[0] == 0 and result.pinned[0] >= 1
    with other.open() as pool:
        ctx = pool._ctx
        ctx.open_table()
        ctx.table.append(Abort(run=b"a" * 16))
    assert prune_now(home).swept[0] >= 1


def test_a_put_that_meets_a_condemned_pack_stores_it_anew(home: Make, tmp_path: Path) -> None:
    made = home("raid6", 4)
    source = write(tmp_path / "source", 4)
    put(made, source)
    with made.open() as pool:
        ctx = pool._ctx
        pool.snapshots()
        ctx.table.append(Condemn(packs=tuple(pack.id for pack in ctx.index.packs())))
    write(source, 1, first=9)
    shot = put(made, source)
    result = prune_now(made)
    assert result.swept[0] >= 1 or result.repacked[0] >= 1
    restores(made, shot, source, tmp_path / "out")
    with made.open() as pool:
        assert all(pool.get(found.name, to=tmp_path / found.name).exit_code == 0 for found in pool.snapshots())


class _Before:
    """Something else happens before a machine's first record goes out."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.meanwhile: Callable[[], None] | None = meanwhile
        self.lock = threading.Lock()

    def wrap(self, name: str, opener: Callable[[], Backend]) -> Callable[[], Backend]:
        def opened() -> Backend:
            backend = opener()
            put = backend.put

            def late(name: str, data: Bytes, *, digest: Digest) -> Stored:
                with self.lock:
                    if name.startswith("log/") and self.meanwhile is not None:
                        meanwhile, self.meanwhile = self.meanwhile, None
                        meanwhile()
                return put(name, data, digest=digest)

            backend.put = late  # type: ignore[method-assign]
            return backend

        return opened


def test_a_pin_that_comes_after_the_deletion_does_not_go_unnoticed(home: Make, tmp_path: Path) -> None:
    made = home("raid6", 4)
    source = write(tmp_path / "source", 4)
    old = put(made, source)
    other = second(made, tmp_path / "other")

    def deleted() -> None:
        forget(other, old)
        assert prune_now(other).swept[0] >= 1

    write(source, 1, first=9)
    settings = made.settings
    before = _Before(deleted)
    settings.wrap = before.wrap
    with open_pool(settings) as pool, contextlib.suppress(WebRAIDError):  # either it says so, or it stores it anew
        pool.put([str(source)])
    assert before.meanwhile is None
    with made.open() as pool:
        for found in pool.snapshots():
            restores(made, found.name, source, tmp_path / found.name)
    restores(made, put(made, source), source, tmp_path / "out")


class _Greedy:
    """Deletes a neighbour along with what it is told to."""

    def __init__(self, disk: str) -> None:
        self.disk = disk
        self.deleted: set[str] = set()

    def wrap(self, name: str, opener: Callable[[], Backend]) -> Callable[[], Backend]:
        def opened() -> Backend:
            backend = opener()
            delete = backend.delete

            def greedy(gone: str, *, locator: str = "") -> None:
                self.deleted.add(name)
                delete(gone, locator=locator)
                if name == self.disk:
                    for stored in list(backend.list("shards/")):
                        delete(stored.name)

            backend.delete = greedy  # type: ignore[method-assign]
            return backend

        return opened


def test_a_disk_that_deletes_too_much_is_caught_before_the_others_are_touched(
    two: tuple[Home, Path, str, str], tmp_path: Path
) -> None:
    home, kept, shot, _ = two
    told = {disk.name: disk.freed for disk in prune(home, dry_run=True, now=True).disks}
    first = max(range(1, 5), key=lambda number: (told[f"d{number}"] > 100_000, number))
    greedy = _Greedy(f"d{first}")
    settings = home.settings
    settings.wrap = greedy.wrap

    def delete(pool: Pool) -> None:
        with pool:
            pool.prune(now=True, secret=PASSPHRASE)

    with pytest.raises(IntegrityError, match=f"d{first}"):
        delete(open_pool(settings))
    assert greedy.deleted == {f"d{first}"}
    with home.open() as pool:
        pool.check()
        pool.repair()
    restores(home, shot, kept, tmp_path / "out")
    prune_now(home)
    with home.open() as pool:
        assert pool.check(read_data=True).exit_code == 0
