"""What a put does with files it knows; dry runs, streams, compression."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pool.machine import PASSPHRASE, Home
from tests.pool.watching import files_opened, plant, put, sources
from webraid.entry import Entry, EntryType
from webraid.env import seeded
from webraid.errors import EXIT_OK, ConfigError, SourcesUnreadable
from webraid.jobs.base.events import FileStored, Progress
from webraid.jobs.storing.before import TICK, UNSURE, unsettled
from webraid.jobs.storing.put import Compression, PutOptions
from webraid.pool import open_pool, recover_pool


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Thirty small files."""
    return plant(tmp_path / "photos", 30)


# ------------------------------------------------------------------------------------------------------------ unchanged
def test_unchanged_files_are_not_opened(machine: Home, photos: Path) -> None:
    with files_opened(photos) as opened:
        put(machine, photos)
    assert len(set(opened)) == 30
    (photos / "0" / "000.jpg").write_bytes(b"another")
    with files_opened(photos) as opened:
        result = put(machine, photos)
    assert opened == [str(photos / "0" / "000.jpg")]
    assert (result.files_changed, result.files_unmodified) == (1, 29)


def test_the_second_name_of_a_file_is_new_only_once(machine: Home, photos: Path) -> None:
    put(machine, photos)
    (photos / "zz second name").hardlink_to(photos / "0" / "000.jpg")
    assert put(machine, photos).files_new == 1
    result = put(machine, photos)
    assert (result.files_new, result.files_changed, result.files_unmodified) == (0, 0, 31)


def test_a_file_written_this_very_moment_is_read_only_when_a_change_of_it_would_show(
    machine: Home, photos: Path
) -> None:
    slept: list[float] = []
    last = max(path.stat().st_ctime_ns for path in photos.rglob("*.jpg")) / 1e9
    machine_settings = machine.settings
    machine_settings.env = replace(seeded(1), now=lambda: last, sleep=slept.append)
    with open_pool(machine_settings) as pool:
        pool.put([str(photos)])
    assert any(0 < seconds <= TICK for seconds in slept)


def test_times_without_fractions_are_trusted_only_when_they_are_old() -> None:
    fine = Entry(path=b"a", type=EntryType.FILE, ctime_ns=1_000_000_000_123)
    whole = Entry(path=b"a", type=EntryType.FILE, ctime_ns=1_000_000_000_000)
    assert [unsettled(fine, 1000.0 + seconds) > 0 for seconds in (-3600, 0, 0.005, 0.02)] == [False, True, True, False]
    assert [unsettled(whole, 1000.0 + seconds) > 0 for seconds in (-3600, 0, 1.9, 2.1)] == [False, True, True, False]


def test_a_file_that_may_have_changed_since_is_read_again_and_counts_as_unchanged(machine: Home, photos: Path) -> None:
    put(machine, photos)
    with machine.open() as pool:
        local = pool._ctx.local
        local.set_seen([replace(seen, mtime_ns=UNSURE) for seen in local.every_seen()])
    with files_opened(photos) as opened:
        result = put(machine, photos)
    assert len(opened) == 30
    assert (result.files_changed, result.files_new, result.files_unmodified, result.added) == (0, 0, 30, 0)


def test_another_device_number_is_no_change(machine: Home, photos: Path) -> None:
    put(machine, photos)
    with machine.open() as pool, pool._ctx.database.transaction() as notes:  # as after many a restart
        notes.execute("UPDATE seen SET device=device+1")
    with files_opened(photos) as opened:
        assert put(machine, photos).files_unmodified == 30
    assert opened == []


def test_a_lost_cache_does_not_mean_that_everything_is_read(machine: Home, photos: Path) -> None:
    put(machine, photos)
    machine.settings.places.database.unlink()
    (photos / "1" / "new.jpg").write_bytes(b"new")
    (photos / "2" / "002.jpg").write_bytes(b"another")
    (photos / "0" / "000.jpg").unlink()
    with files_opened(photos) as opened:
        result = put(machine, photos)
    assert sorted(opened) == [str(photos / "1" / "new.jpg"), str(photos / "2" / "002.jpg")]
    assert (result.files_new, result.files_changed, result.files_unmodified, result.read) == (1, 1, 28, 10)
    with files_opened(photos) as opened:  # and this machine's notes are whole again
        assert put(machine, photos).files_unmodified == 30
    assert opened == []


def test_after_a_recovery_on_this_machine_nothing_is_read(photos: Path, tmp_path: Path) -> None:
    machine = Home(tmp_path / "home").make("raid6", 4)
    put(machine, photos)
    other = Home(tmp_path / "other")
    where = {"path": str(machine.disk(1))}
    _, pool = recover_pool(other.settings, kind="local", options=where, secret=PASSPHRASE)
    with pool, files_opened(photos) as opened:
        assert pool.put([str(photos)]).files_unmodified == 30
    assert opened == []


def test_files_that_were_moved_to_another_machine_need_two_flags(machine: Home, photos: Path, tmp_path: Path) -> None:
    put(machine, photos)
    machine.settings.places.database.unlink()
    for path in photos.rglob("*.jpg"):  # as a restore leaves them: another inode, another ctime, the same mtime
        data, times = path.read_bytes(), path.stat()
        path.unlink()
        path.write_bytes(data)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    with files_opened(photos) as opened:
        assert put(machine, photos, dry_run=True).files_changed == 30
    assert len(opened) == 30
    with files_opened(photos) as opened:
        assert put(machine, photos, ignore_inode=True, ignore_ctime=True).files_unmodified == 30
    assert opened == []
    assert put(machine, photos).files_unmodified == 30  # they are noted as they are now


def test_the_snapshot_to_compare_with_can_be_named(machine: Home, photos: Path) -> None:
    first = put(machine, photos).snapshot
    (photos / "0" / "000.jpg").write_bytes(b"another")
    put(machine, photos)
    assert put(machine, photos, parent=first).files_changed == 1
    assert put(machine, photos, parent="latest").files_changed == 0


def test_force_reads_everything_and_stores_nothing_twice(machine: Home, photos: Path) -> None:
    put(machine, photos)
    with files_opened(photos) as opened:
        result = put(machine, photos, force=True)
    assert len(opened) == 30
    assert (result.read, result.added, result.files_unmodified) == (60_000, 0, 30)


def test_a_file_that_was_changed_behind_its_times_is_found_by_force(machine: Home, photos: Path) -> None:
    path = photos / "0" / "000.jpg"
    put(machine, photos)
    times = path.stat()
    path.write_bytes(random.Random(77).randbytes(2000))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert put(machine, photos, ignore_ctime=True).files_changed == 0
    assert put(machine, photos, ignore_ctime=True, force=True).files_changed == 1


def test_no_snapshot_is_made_when_nothing_has_changed(machine: Home, photos: Path) -> None:
    first = put(machine, photos)
    again = put(machine, photos, skip_if_unchanged=True)
    assert (again.skipped, again.snapshot, again.survives, again.exit_code) == (True, first.snapshot, 2, EXIT_OK)
    with machine.open() as pool:
        assert len(pool.snapshots()) == 1
        assert [run for run in pool._ctx.table.state.runs.values() if not run.settled] == []
    assert not put(machine, photos, skip_if_unchanged=True, tags=("other",)).skipped
    (photos / "0" / "000.jpg").chmod(0o600)
    assert not put(machine, photos, skip_if_unchanged=True, tags=("other",)).skipped
    assert not put(machine, photos / "0", skip_if_unchanged=True).skipped


def test_what_is_mended_on_the_way_is_noted_though_no_snapshot_is_made(
    machine: Home, photos: Path, tmp_path: Path
) -> None:
    put(machine, photos)
    machine.disk(1).rename(tmp_path / "unplugged")
    (photos / "new").write_bytes(os.urandom(5_000_000))
    put(machine, photos)
    (tmp_path / "unplugged").rename(machine.disk(1))
    result = put(machine, photos, skip_if_unchanged=True)
    assert (result.skipped, result.survives) == (True, 2)
    assert put(machine, photos).repaired == 0
    with machine.open() as pool:
        assert pool.check(read_data=True).exit_code == EXIT_OK


# -------------------------------------------------------------------------------------------------------------- dry run
def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and "state" not in path.parts}


def test_a_dry_run_says_what_would_be_stored_and_writes_nothing(machine: Home, photos: Path) -> None:
    put(machine, photos)
    (photos / "0" / "000.jpg").write_bytes(b"x" * 5000)
    (photos / "new").write_bytes(b"x" * 5000)
    (photos / "1" / "twin").write_bytes((photos / "0" / "003.jpg").read_bytes())
    before = everything(machine.folder)
    found: list[FileStored] = []
    with open_pool(machine.settings, on_event=lambda e: found.append(e) if isinstance(e, FileStored) else None) as pool:
        result = pool.put([str(photos)], options=PutOptions(dry_run=True, list_files=True))
    assert everything(machine.folder) == before
    assert (result.files_new, result.files_changed, result.files_unmodified) == (2, 1, 29)
    assert (result.added, result.snapshot, result.exit_code) == (5000, "", EXIT_OK)
    told = {event.path: event.action for event in found}
    assert (told["photos/new"], told["photos/0/000.jpg"], told["photos/0/003.jpg"]) == ("new", "changed", "unchanged")
    real = put(machine, photos)
    assert (real.files_new, real.files_changed, real.added) == (2, 1, 5000)


def test_a_dry_run_of_the_sources_is_one_for_each(machine: Home, photos: Path) -> None:
    sources(machine, a=f'paths = ["{photos}"]', b=f'paths = ["{photos}/0"]')
    with machine.open() as pool:
        assert [result.files for result in pool.put_sources(options=PutOptions(dry_run=True))] == [30, 10]
        assert pool.snapshots() == []


# -------------------------------------------------------------------------------------------------------------- streams
def test_what_a_command_prints_is_a_file(machine: Home) -> None:
    with machine.open() as pool:
        result = pool.put_stream("numbers.txt", ["seq", "1", "100000"])
        text = b"".join(pool.cat("latest:numbers.txt"))
    assert text == b"".join(b"%d\n" % number for number in range(1, 100_001))
    assert (result.files_new, result.bytes) == (1, len(text))
    with machine.open() as pool:
        assert pool.put_stream("numbers.txt", ["seq", "1", "100000"]).added == 0


def test_a_command_that_fails_makes_no_snapshot(machine: Home) -> None:
    with machine.open() as pool, pytest.raises(SourcesUnreadable, match="'sh' ended with exit code 3"):
        pool.put_stream("dump", ["sh", "-c", "seq 1 1000; exit 3"])
    with machine.open() as pool, pytest.raises(SourcesUnreadable, match="signal 9"):
        pool.put_stream("dump", ["sh", "-c", "seq 1 1000; kill -9 $$"])
    with machine.open() as pool, pytest.raises(ConfigError, match="cannot be started"):
        pool.put_stream("dump", ["/no/such/program"])
    with machine.open() as pool:
        assert pool.snapshots() == []
        pool.put_stream("dump", ["seq", "1", "1000"])
        assert [run for run in pool._ctx.table.state.runs.values() if not run.settled] == []


def test_a_stream_has_no_place_to_go_back_to(machine: Home) -> None:
    with machine.open() as pool:
        pool.put_stream("dump", ["echo", "data"])
        with pytest.raises(ConfigError, match="has no place to go back to"):
            pool.get(in_place=True, dry_run=True)


def test_standard_input_that_is_closed_is_told(machine: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with machine.open() as pool, pytest.raises(SourcesUnreadable, match="no standard input"):
        pool.put_stream("dump")


def test_a_stream_that_is_suddenly_empty_is_no_deletion(machine: Home) -> None:
    with machine.open() as pool:
        pool.put_stream("dump", ["echo", "data"])
    with machine.open() as pool, pytest.raises(SourcesUnreadable, match="5 bytes"):
        pool.put_stream("dump", ["true"])
    with machine.open() as pool:
        assert pool.put_stream("dump", ["true"], options=PutOptions(allow_empty=True)).bytes == 0


def test_a_command_ends_when_the_put_does(machine: Home, tmp_path: Path) -> None:
    def stop(event: object) -> None:
        if isinstance(event, Progress):  # the first part of the stream is read
            raise KeyboardInterrupt

    script = f"echo $$ > {tmp_path}/pid; head -c 20000000 /dev/zero; exec sleep 600"
    with open_pool(machine.settings, on_event=stop) as pool, pytest.raises(KeyboardInterrupt):
        pool.put_stream("dump", ["sh", "-c", script])
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


# ---------------------------------------------------------------------------------------------------------- compression
def test_how_hard_content_is_compressed_can_be_chosen(machine: Home, tmp_path: Path) -> None:
    packed = {}
    for number, how in enumerate(Compression):
        text = "".join(f"{number} line {line % 997} of a text that repeats itself\n" for line in range(20_000))
        (tmp_path / how).write_text(text)
        packed[how] = put(machine, tmp_path / how, compression=how).packed
    assert packed[Compression.MAX] < packed[Compression.AUTO] < packed[Compression.OFF] / 5
    for how in Compression:
        with machine.open() as pool:
            (shot,) = [shot for shot in pool.snapshots() if shot.info.roots[0].name == how.encode()]
            assert b"".join(pool.cat(f"{shot.name}:{how}")) == (tmp_path / how).read_bytes()
