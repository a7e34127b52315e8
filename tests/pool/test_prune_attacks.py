"""prune against what goes wrong around it: machines that were away for months, that prune or take disks away at the
same time, whose clock or cache is wrong, or that lie."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pool.machine import PASSPHRASE, Home
from tests.pool.test_devices import join
from tests.pool.test_prune import (
    Make,
    _Before,
    forget,
    home,
    objects,
    prune,
    prune_now,
    put,
    restores,
    say,
    shards,
    two,
    write,
)
from tests.pool.test_two_machines import second
from webraid.backend.base import Backend, Bytes, Digest
from webraid.errors import IntegrityError, NotInTable, QuorumLost, Unavailable, WebRAIDError
from webraid.jobs.base.pages import load_index
from webraid.jobs.runs.run import Run
from webraid.model import Stored, shard_name
from webraid.pool import open_pool
from webraid.table.records import Condemn, Prepare, Swept

__all__ = ["home", "two"]  # fixtures


@contextlib.contextmanager
def index_of(home: Home) -> Iterator[sqlite3.Connection]:
    """A machine's local cache, to be spoiled."""
    database = sqlite3.connect(home.folder / "state" / "table.sqlite")
    yield database
    database.commit()
    database.close()


def data_packs(home: Home) -> list[bytes]:
    """Ids of the data packs that a machine knows."""
    with index_of(home) as database:
        return [row[0] for row in database.execute("SELECT id FROM packs WHERE kind='data' ORDER BY id")]


def left_on(home: Home, number: int) -> list[Path]:
    """Shards on a disk."""
    return [path for path in (home.disk(number) / "shards").rglob("*") if path.is_file()]


def _size(path: Path) -> int:
    return path.stat().st_size


# ----------------------------------------------------------------------------------------------- who was away for long
class _Cut:
    """The line is cut: no record reaches a disk any more."""

    cut = False

    def wrap(self, name: str, opener: Callable[[], Backend]) -> Callable[[], Backend]:
        def opened() -> Backend:
            backend = opener()
            put = backend.put

            def maybe(name: str, data: Bytes, *, digest: Digest) -> Stored:
                if self.cut and name.startswith("log/"):
                    raise Unavailable("the line is cut")
                return put(name, data, digest=digest)

            backend.put = maybe  # type: ignore[method-assign]
            return backend

        return opened


def stopped(home: Home, source: Path, monkeypatch: pytest.MonkeyPatch, *, committed: bool) -> None:
    """A put that stores everything, and stops right before its commit is written, or sent."""
    line, segments = _Cut(), Run._segments

    def last(run: Run, **more: bool) -> object:
        if not committed:
            raise WebRAIDError("the machine went off")
        line.cut = True
        return segments(run, **more)

    settings = home.settings
    settings.wrap = line.wrap
    with monkeypatch.context() as patched:
        patched.setattr(Run, "_segments", last)
        with open_pool(settings) as pool, pytest.raises(WebRAIDError):
            pool.put([str(source)])


@pytest.mark.parametrize("committed", [False, True], ids=["before its commit", "before its commit was sent"])
def test_a_machine_that_stopped_and_comes_back_after_months_loses_nothing_and_brings_nothing_back(
    home: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    away = home("raid6", 4)
    source = write(tmp_path / "source", 8)
    old = put(away, source)
    stays = second(away, tmp_path / "stays")
    theirs = write(tmp_path / "theirs", 4)
    kept = put(stays, theirs)
    write(source, 2)  # f0 and f1 are new; f2 to f7 are what 'old' stored
    write(tmp_path / "gone", 3)
    gone = put(away, tmp_path / "gone")
    stopped(away, source, monkeypatch, committed=committed)
    forget(stays, old, gone)  # months pass
    result = prune_now(stays)
    assert result.swept[0] >= 1 and result.unfinished
    write(theirs, 1, first=9)
    kept_too = put(stays, theirs)
    prune_now(stays)
    # its cache is as it was, and it believes that no file but the new ones has changed
    fresh = put(away, source)
    again = put(away, tmp_path / "gone")
    for shot, folder in ((fresh, source), (again, tmp_path / "gone"), (kept_too, theirs)):
        restores(stays, shot, folder, tmp_path / f"out{shot}")
    assert prune_now(stays).unfinished == []
    assert prune_now(away).unfinished == []
    third = second(away, tmp_path / "third", disk=3)
    for shot, folder in ((fresh, source), (again, tmp_path / "gone"), (kept_too, theirs)):
        restores(third, shot, folder, tmp_path / f"third{shot}")
    with third.open() as pool:
        names = {shot.name for shot in pool.snapshots()}
        assert not names & {old, gone} and {kept, kept_too, fresh, again} <= names
        assert len(names) == 4 + committed, "a commit that was written is carried through, whenever that is"
        assert pool.check(read_data=True).exit_code == 0
        for name in names:
            assert pool.get(name, to=tmp_path / f"each{name}").exit_code == 0


# ------------------------------------------------------------------------------------------------- at the same time
class _AtDeletion:
    """Something else happens when a machine deletes for the first time."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.meanwhile: Callable[[], None] | None = meanwhile

    def wrap(self, name: str, opener: Callable[[], Backend]) -> Callable[[], Backend]:
        def opened() -> Backend:
            backend = opener()
            delete = backend.delete

            def first(gone: str, *, locator: str = "") -> None:
                meanwhile, self.meanwhile = self.meanwhile, None
                if meanwhile is not None:
                    meanwhile()
                delete(gone, locator=locator)

            backend.delete = first  # type: ignore[method-assign]
            return backend

        return opened


def test_two_machines_that_delete_at_once_do_not_accuse_the_disks(
    two: tuple[Home, Path, str, str], tmp_path: Path
) -> None:
    home, kept, shot, _ = two
    more = put(home, write(tmp_path / "more", 5))
    other = second(home, tmp_path / "other")

    def also() -> None:
        forget(other, more)
        assert prune_now(other).swept[0] >= 1

    at, settings = _AtDeletion(also), home.settings
    settings.wrap = at.wrap
    with open_pool(settings) as pool:
        assert pool.prune(now=True, secret=PASSPHRASE).exit_code == 0
    assert at.meanwhile is None
    restores(home, shot, kept, tmp_path / "out")


def test_what_is_used_again_while_it_is_being_condemned_is_spared(
    two: tuple[Home, Path, str, str], tmp_path: Path
) -> None:
    home, *_ = two
    other, again = second(home, tmp_path / "other"), list[str]()
    before, settings = _Before(lambda: again.append(put(other, tmp_path / "gone"))), home.settings
    settings.wrap = before.wrap  # the put is acknowledged before any disk has the CONDEMN
    with open_pool(settings) as pool:
        assert pool.prune(now=True, secret=PASSPHRASE, repack=False).condemned[0] >= 1
    (shot,) = again
    restores(second(home, tmp_path / "third"), shot, tmp_path / "gone", tmp_path / "out")
    assert prune_now(home).repacked[0] == 1, "what is condemned and used is stored anew"
    restores(home, shot, tmp_path / "gone", tmp_path / "out2")


def test_a_disk_that_is_taken_out_of_the_pool_meanwhile_is_left_alone(
    two: tuple[Home, Path, str, str], tmp_path: Path
) -> None:
    home, kept, shot, _ = two
    other = second(home, tmp_path / "other")
    before = shards(home, 4)

    def removed() -> None:
        with other.open() as pool:
            pool.remove_backend("d4", force=True)

    at, settings = _Before(removed), home.settings
    settings.wrap = at.wrap
    with open_pool(settings) as pool:
        result = pool.prune(now=True, secret=PASSPHRASE)
    assert at.meanwhile is None and result.swept[0] >= 1 and result.freed
    assert shards(home, 4) == before
    restores(home, shot, kept, tmp_path / "out")


# ------------------------------------------------------------------------------------------------------ damaged disks
def test_a_shard_that_was_missing_before_does_not_stop_the_deletion(
    two: tuple[Home, Path, str, str], tmp_path: Path
) -> None:
    home, kept, shot, _ = two
    with home.open() as pool:
        pool.ls(shot)
        live = {place for entry in pool.ls(shot) for place in entry.chunk_ids()}
    with index_of(home) as database:
        rows = database.execute("SELECT id, pack FROM chunks WHERE kind=1")
        pack = next(pack for id, pack in rows if id in live)
    for number in (3, 4):
        for index in range(4):
            (home.disk(number) / shard_name(pack, index)).unlink(missing_ok=True)
    assert prune_now(home).swept[0] >= 1
    restores(home, shot, kept, tmp_path / "out")


def test_a_disk_that_serves_wrong_bytes_is_found_before_the_others_are_touched(
    two: tuple[Home, Path, str, str], tmp_path: Path
) -> None:
    home, kept, shot, _ = two
    told = {disk.name: disk.freed for disk in prune(home, dry_run=True, now=True).disks}
    first = max(range(1, 5), key=lambda number: (told[f"d{number}"] > 100_000, number))
    for path in left_on(home, first):
        path.write_bytes(bytes(_size(path)))
    before = {number: shards(home, number) for number in range(1, 5) if number != first}
    with pytest.raises(IntegrityError, match=f"d{first} serves wrong bytes"):
        prune_now(home)
    assert {number: shards(home, number) for number in before} == before
    with home.open() as pool:
        assert pool.check(read_data=True).exit_code
        pool.repair()
    assert prune_now(home).freed
    restores(home, shot, kept, tmp_path / "out")


def test_a_duplicate_that_was_cut_short_does_not_stand_in_for_the_other(home: Make, tmp_path: Path) -> None:
    made = home("raid6", 4)
    source = write(tmp_path / "source", 4)
    old = put(made, source)
    (pack,) = data_packs(made)
    with made.open() as pool:
        pool.snapshots()
        pool._ctx.table.append(Condemn(packs=(pack,)))
    (tmp_path / "late").write_bytes(os.urandom(1000))
    shot = put(made, source, tmp_path / "late")
    forget(made, old)
    (other,) = set(data_packs(made)) - {pack}
    assert prune(made, dry_run=True, now=True).spared == 0, "it lies in both"
    cut = next(path for number in (1, 2) for path in made.disk(number).rglob(f"{other.hex()}.*"))
    cut.write_bytes(b"")
    assert prune(made, dry_run=True, now=True).spared == 1
    prune_now(made, repack=False)
    assert pack in data_packs(made)
    with made.open() as pool:
        assert pool.get(shot, to=tmp_path / "out").exit_code == 0


# --------------------------------------------------------------------------------------------------- caches and liars
def test_a_corrected_cache_knows_every_home_that_any_segment_names(home: Make, tmp_path: Path) -> None:
    made = home("raid5:3", 4)
    source = write(tmp_path / "source", 6)
    shot = put(made, source)
    (pack,) = data_packs(made)
    lost = next(number for number in (4, 3, 2, 1) if any(made.disk(number).rglob(f"{pack.hex()}.*")))
    with index_of(made) as database:
        first = set(database.execute("SELECT idx, disk FROM homes WHERE pack=?", (pack,)))
    with made.open() as pool:
        pool.remove_backend(f"d{lost}", force=True)
    with made.open() as pool:
        assert pool.repair().shards
    with index_of(made) as database:
        homes = set(database.execute("SELECT idx, disk FROM homes WHERE pack=?", (pack,)))
        assert homes > first, "the old one on the disk that went, and the new one"
        database.execute("UPDATE chunks SET number=number+1 WHERE pack=?", (pack,))
    prune(made, dry_run=True, now=True)
    with index_of(made) as database:
        assert set(database.execute("SELECT idx, disk FROM homes WHERE pack=?", (pack,))) == homes
    restores(made, shot, source, tmp_path / "out")


def test_a_machine_that_says_that_a_pack_holds_what_it_does_not_makes_nothing_go(home: Make, tmp_path: Path) -> None:
    made = home("raid6", 4)
    kept, more = write(tmp_path / "kept", 5), write(tmp_path / "more", 7)
    shots = put(made, kept), put(made, more)
    cron = join(made, tmp_path / "cron", "nas", "append")
    with cron.open() as pool:
        pool.snapshots()
        ctx = pool._ctx
        one, other = (pack.id for pack in ctx.index.packs() if pack.kind == "data")
    with index_of(cron) as database:
        database.execute(
            "INSERT INTO chunks SELECT id, ?, kind, number+100, offset, stored, plain, compressed FROM chunks"
            " WHERE pack=?",
            (other, one),
        )
        database.execute("UPDATE homes SET fresh=1 WHERE pack=?", (other,))
    with cron.open() as pool:
        ctx = pool._ctx
        ctx.open_table()
        load_index(ctx)
        Run(ctx, b"r" * 16).commit(None)
    with pytest.raises(NotInTable, match="different things"):
        prune_now(made)
    for shot, folder in zip(shots, (kept, more), strict=True):
        restores(made, shot, folder, tmp_path / shot)


def test_what_is_said_to_be_deleted_and_is_needed_stays_until_it_is_stored_anew(
    two: tuple[Home, Path, str, str], tmp_path: Path
) -> None:
    home, kept, *_ = two
    other = second(home, tmp_path / "other")
    say(other, Swept(packs=tuple(data_packs(home))))
    before = objects(home)
    with pytest.raises(NotInTable, match="nothing is deleted"):
        prune_now(home)
    assert {name: data for name, data in objects(home).items() if name in before and "/shards/" in name} == {
        name: data for name, data in before.items() if "/shards/" in name
    }
    shot = put(home, kept)
    assert prune_now(home).freed
    restores(home, shot, kept, tmp_path / "out")


def test_a_machine_that_pins_everything_is_named_and_ends_with_its_removal(
    two: tuple[Home, Path, str, str], tmp_path: Path
) -> None:
    home, *_ = two
    cron = join(home, tmp_path / "cron", "nas", "append")
    say(cron, Prepare(run=b"a" * 16, reuses=tuple(data_packs(home))))
    result = prune_now(home)
    assert (result.swept[0], result.unfinished) == (0, ["nas"]) and result.pinned[0] == 1
    with home.open() as pool:
        pool.remove_device(PASSPHRASE, "nas")
    assert prune_now(home).swept[0] >= 1


def test_nothing_is_deleted_while_too_few_disks_know_what_is_condemned(home: Make, tmp_path: Path) -> None:
    made = home("raid1", 3)  # a majority is two, and what is to survive two losses must be on three
    forget(made, put(made, write(tmp_path / "gone", 3)))
    before = {number: shards(made, number) for number in (1, 2)}
    made.disk(3).rename(made.folder / "away")
    with pytest.raises(QuorumLost, match="is condemned: nothing was deleted"):
        prune_now(made)
    assert {number: shards(made, number) for number in (1, 2)} == before
    (made.folder / "away").rename(made.disk(3))
    assert prune_now(made).swept[0] >= 1
