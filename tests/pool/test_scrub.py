"""scrub: what it reads, what it finds, that it goes on where it stopped, and that everything is read in time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.dropbox import FakeDropbox, fake_dropbox
from tests.fakes.dropbox_words import content_hash
from tests.pool.copies import copy_of
from tests.pool.machine import Home
from webraid.backend.base import Backend
from webraid.backend.wrapper import Wrapper
from webraid.env import Env
from webraid.errors import (
    EXIT_ALARM,
    EXIT_DEGRADED,
    EXIT_OK,
    EXIT_TEMPORARY,
    EXIT_UNREADABLE,
    BackendError,
    ConfigError,
    PoolBusy,
    PoolError,
    QuotaExceeded,
    Unavailable,
)
from webraid.jobs.care import inspection
from webraid.jobs.care.ring import BUCKETS, Arc, Subset, bucket_of, parse_subset, phase
from webraid.jobs.care.scrub import ScrubResult, _alone
from webraid.jobs.care.scrub_record import unfinished
from webraid.model import PackKind
from webraid.pool import Pool, open_pool

DAY = 86400.0


class Paid(Wrapper):
    """A folder that is as dear to read as a cloud, and notes what is read."""

    def __init__(self, inner: Backend, read: list[str]) -> None:
        super().__init__(inner)
        self.caps = replace(inner.caps, egress_free=False, local=False)
        self.read = read

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        self.read.append(name)
        return self.inner.get(name, locator=locator, offset=offset, size=size)


class Clouds:
    """A pool whose disks cost something to read, on a clock of its own."""

    def __init__(self, machine: Home) -> None:
        self.machine = machine
        self.now = 1_900_000_000.0
        self.read: list[str] = []

    def open(self) -> Pool:
        self.read.clear()
        self.now += 1
        where = self.machine.settings
        where.env = Env(now=lambda: self.now)
        where.wrap = lambda name, opener: lambda: Paid(opener(), self.read)
        pool = open_pool(where)
        for disk in pool._ctx.disks.values():
            disk._caps = replace(disk.caps, egress_free=False, local=False)
        return pool

    def scrub(self, mode: str = "", **more: object) -> ScrubResult:
        with self.open() as pool:
            return pool.scrub(mode, **more)  # type: ignore[arg-type]

    @property
    def shards(self) -> list[str]:
        return [name for name in self.read if name.startswith("shards/")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A pool with some packs, made once."""
    folder = tmp_path_factory.mktemp("model") / "home"
    machine = Home(folder).make("raid5", 3)
    for number in range(10):
        tree = folder / f"tree{number}"
        tree.mkdir()
        (tree / "file").write_bytes(os.urandom(60_000))
        with machine.open() as pool:
            assert pool.put([str(tree)]).exit_code == EXIT_OK
    return machine


@pytest.fixture
def clouds(model: Home, tmp_path: Path) -> Clouds:
    """A copy of it, on folders of its own."""
    return Clouds(copy_of(model, tmp_path / "home"))


def everything(clouds: Clouds) -> set[str]:
    return {
        path.relative_to(clouds.machine.folder).as_posix().partition("/")[2]
        for path in clouds.machine.folder.glob("d?/shards/**/*.*")
    }


# ----------------------------------------------------------------------------------------------------------- findings
def shard_files(machine: Home, number: int, kind: PackKind = PackKind.DATA) -> list[Path]:
    with machine.open() as pool:
        names = {pack.id.hex() for pack in pool._ctx.index.packs(kind)}
    files = sorted((machine.disk(number) / "shards").rglob("*.*"))
    return [path for path in files if path.name.partition(".")[0] in names]


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A pool with one file, which is gone."""
    folder = tmp_path_factory.mktemp("little")
    machine = Home(folder / "home").make("raid6", 4)
    (folder / "photos").mkdir()
    (folder / "photos" / "file").write_bytes(os.urandom(3_000_000))
    with machine.open() as pool:
        assert pool.put([str(folder / "photos")]).exit_code == EXIT_OK
    (folder / "photos" / "file").unlink()
    return machine


@pytest.fixture
def stored(little: Home, tmp_path: Path) -> Home:
    return copy_of(little, tmp_path / "home")


def test_nothing_is_found_where_nothing_is_wrong(stored: Home) -> None:
    with stored.open() as pool:
        result = pool.scrub()
    assert (result.exit_code, result.mode, result.paused, result.covered) == (EXIT_OK, "list", False, 1.0)
    assert all(disk.read for disk in result.disks), "folders are read: that is free"


def test_a_missing_shard_gives_20_and_counts_no_more(stored: Home) -> None:
    shard_files(stored, 2)[0].unlink()
    with stored.open() as pool:
        result = pool.scrub()
        assert (result.exit_code, result.missing_shards, result.survives) == (EXIT_DEGRADED, 1, 1)
        assert pool.repair().shards == 1
        assert pool.scrub().exit_code == EXIT_OK


def test_a_damaged_shard_gives_24_and_is_mended(stored: Home) -> None:
    spoil(shard_files(stored, 3)[0])
    before = {path: path.read_bytes() for path in stored.folder.glob("d?/**/*") if path.is_file()}
    with stored.open() as pool:
        result = pool.scrub()
        assert result.exit_code == EXIT_ALARM
        assert [disk.corrupt for disk in result.disks] == [0, 0, 1, 0]
        assert {p: p.read_bytes() for p in stored.folder.glob("d?/**/*") if p.is_file()} == before, "scrub only looks"
        pool.repair()
        assert pool.scrub().exit_code == EXIT_OK


def test_too_few_shards_give_21(stored: Home) -> None:
    for number in (1, 2, 3):
        for path in shard_files(stored, number):
            path.unlink()
    with stored.open() as pool:
        result = pool.scrub()
    assert (result.exit_code, result.unreadable_packs) == (EXIT_UNREADABLE, 1)


def test_a_damaged_record_of_the_log_is_found_and_put_right(stored: Home) -> None:
    path = sorted((stored.disk(2) / "log").rglob("*-*"))[2]
    spoil(path)
    with stored.open() as pool:
        assert pool.scrub().exit_code == EXIT_ALARM
        pool.repair()
    with stored.open() as pool:
        assert pool.scrub().exit_code == EXIT_OK


# ------------------------------------------------------------------------------------------------------ what is read
@pytest.fixture
def dropbox(tmp_path: Path) -> Iterator[tuple[Home, FakeDropbox]]:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").write_bytes(os.urandom(3 << 20))
    with fake_dropbox() as service:
        machine = Home(tmp_path / "home").make("raid1:2", 1)
        with machine.open() as pool:
            options = {"app_key": service.app_key, "token": service.token_json(), "endpoint": service.url}
            pool.add_backend("dropbox", "x1", options)
            assert pool.put([str(tree)]).exit_code == EXIT_OK
        yield machine, service


def downloads(service: FakeDropbox) -> list[str]:
    fetched = [seen.told for seen in service.faults.journal if seen.route == "files/download" and seen.status < 300]
    ids = {node.id: name for name, node in service.store.nodes.items()}
    names = [ids.get(told["id"], str(told)) for told in fetched if isinstance(told, dict) and "id" in told]
    return [name for name in names if "/shards/" in name]


def test_a_list_scrub_of_a_cloud_downloads_no_shard_and_compares_every_hash(dropbox: tuple[Home, FakeDropbox]) -> None:
    machine, service = dropbox
    service.faults.journal.clear()
    with machine.open() as pool:
        result = pool.scrub("list")
    cloud = next(disk for disk in result.disks if disk.name == "x1")
    assert (cloud.read, cloud.hashed) == (0, cloud.listed)
    assert cloud.listed > 1
    assert downloads(service) == []
    service.faults.journal.clear()
    with machine.open() as pool:
        pool.scrub("full")
    assert len(downloads(service)) == cloud.listed


def test_damage_in_a_clouds_log_is_found_by_its_hash(dropbox: tuple[Home, FakeDropbox]) -> None:
    machine, service = dropbox
    node = next(node for name, node in sorted(service.store.nodes.items()) if "/log/" in name and node.data)
    assert node.data is not None
    node.data = node.data[:-1] + bytes([node.data[-1] ^ 1])
    node.hash = content_hash(node.data)
    with machine.open() as pool:
        result = pool.scrub("list")
        assert next(disk.corrupt for disk in result.disks if disk.name == "x1") == 1
        assert result.exit_code == EXIT_ALARM


class Spent(Paid):
    """Lets out two shards and no more."""

    error: BackendError

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        if name.startswith("shards/") and len(self.read) >= 2:
            raise self.error
        return super().get(name, locator=locator, offset=offset, size=size)


@pytest.mark.parametrize(("error", "code"), [
    (QuotaExceeded("the day's budget is spent", what="egress"), EXIT_OK), (Unavailable("gone"), EXIT_TEMPORARY),
])  # fmt: skip
def test_a_disk_that_lets_out_no_more_is_gone_on_with_next_time(clouds: Clouds, error: BackendError, code: int) -> None:
    total = sum(disk.listed for disk in clouds.scrub("list").disks)
    where, read = clouds.machine.settings, list[str]()
    where.env = Env(now=lambda: clouds.now, sleep=lambda seconds: None)

    def spent(opener: Callable[[], Backend]) -> Backend:
        made = Spent(opener(), read)
        made.error = error
        return made

    where.wrap = lambda name, opener: (lambda: spent(opener)) if name == "d2" else opener
    with open_pool(where) as pool:
        result = pool.scrub("full")
    assert (result.cut_short, result.exit_code) == (["d2"], code)
    rest = clouds.scrub()
    assert (rest.resumed, rest.mode, rest.cut_short, rest.covered) == (True, "full", [], 1.0)
    assert len(clouds.shards) < total


def test_a_full_scrub_reads_every_shard_once(clouds: Clouds) -> None:
    result = clouds.scrub("full")
    assert len(clouds.shards) == sum(disk.listed for disk in result.disks)
    assert set(clouds.shards) == everything(clouds)
    assert result.covered == 1.0


def test_the_parts_of_a_subset_are_apart_and_together_everything(clouds: Clouds) -> None:
    seen: list[str] = []
    for part in range(1, 8):
        clouds.scrub(subset=f"{part}/7", restart=True)
        seen += clouds.shards
    listed = sum(disk.listed for disk in clouds.scrub("list").disks)
    assert len(seen) == listed
    assert set(seen) == everything(clouds)


def test_a_share_goes_on_where_the_last_one_ended(clouds: Clouds) -> None:
    seen: list[str] = []
    for _ in range(5):
        result = clouds.scrub(subset="20%")
        assert result.exit_code == EXIT_OK
        seen += clouds.shards
    assert set(seen) == everything(clouds)
    assert 0 < result.covered <= 1


def test_a_size_reads_about_so_much(clouds: Clouds) -> None:
    most = max(path.stat().st_size for path in clouds.machine.folder.glob("d?/shards/**/*.*"))
    result = clouds.scrub(subset="300 kB")
    assert result.bytes_read > 0
    assert result.to_read <= 300_000 + 3 * most


def test_nightly_scrubs_read_everything_once_in_full_every(clouds: Clouds) -> None:
    config = clouds.machine.folder / "config.toml"
    config.write_text(config.read_text() + '\n[check]\nscrub = "full"\nfull-every = "10d"\n')
    seen: list[str] = []
    for _ in range(11):
        clouds.now += DAY / 2
        clouds.scrub("list")  # by hand, at noon: it reads nothing, so it moves nothing on
        clouds.now += DAY / 2
        result = clouds.scrub()
        assert result.mode == "round"
        assert len(clouds.shards) < sum(disk.listed for disk in result.disks) / 2
        seen += clouds.shards
    assert set(seen) == everything(clouds)
    assert result.covered == 1.0
    assert len(seen) <= 1.6 * sum(disk.listed for disk in result.disks)


def test_they_do_so_without_any_memory(clouds: Clouds) -> None:
    config = clouds.machine.folder / "config.toml"
    config.write_text(config.read_text() + '\n[check]\nscrub = "full"\nfull-every = "10d"\n')
    seen: list[str] = []
    for _ in range(10):
        clouds.now += DAY
        with clouds.open() as pool:
            for key in ("scrub:run", "scrub:last", "scrub:cursor", "scrub:round"):
                pool._ctx.local.set(key, b"")
            pool.scrub()
        seen += clouds.shards
    assert set(seen) == everything(clouds)


def rotating(clouds: Clouds) -> None:
    config = clouds.machine.folder / "config.toml"
    config.write_text(config.read_text() + '\n[check]\nscrub = "full"\nfull-every = "10d"\n')


def test_what_was_due_while_a_disk_was_away_is_read_when_it_is_back(clouds: Clouds) -> None:
    rotating(clouds)
    for _ in range(11):
        clouds.now += DAY
        clouds.scrub()
    away = clouds.machine.disk(2)
    away.rename(away.with_name("elsewhere"))
    for _ in range(5):
        clouds.now += DAY
        clouds.scrub()
    away.with_name("elsewhere").rename(away)
    for _ in range(6):  # less than a round
        clouds.now += DAY
        covered = clouds.scrub().covered
    assert covered == 1.0


def test_a_clock_that_was_wrong_hides_nothing(clouds: Clouds) -> None:
    clouds.now += 400 * DAY
    assert clouds.scrub("full").covered == 1.0
    clouds.now -= 400 * DAY
    assert clouds.scrub("list").covered == 0.0
    clouds.scrub("full")
    assert set(clouds.shards) == everything(clouds)


class Deaf(Wrapper):
    """Lists, and gives no shard."""

    def get(self, name: str, *, locator: str = "", offset: int = 0, size: int | None = None) -> bytes:
        if name.startswith("shards/"):
            raise Unavailable("nothing comes", key=name)
        return self.inner.get(name, locator=locator, offset=offset, size=size)


def test_a_disk_that_stopped_answering_is_left_for_the_next_time(
    clouds: Clouds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "IN_FLIGHT", 1)
    where = clouds.machine.settings
    where.wrap = lambda name, opener: (lambda: Deaf(opener())) if name == "d2" else opener
    with open_pool(where) as pool:
        result = pool.scrub("full")
    failed = [event for event in clouds.machine.events if "could not be read" in str(event)]
    listed = next(disk.listed for disk in result.disks if disk.name == "d2")
    assert len(failed) == inspection.GIVE_UP < listed
    assert (result.cut_short, result.exit_code) == (["d2"], EXIT_TEMPORARY)
    with clouds.machine.open() as pool:
        assert pool.scrub().covered == 1.0


# --------------------------------------------------------------------------------------------------------- interrupted
def interrupted(clouds: Clouds, after: int) -> list[str]:
    """A full scrub that is ended by Ctrl-C; what it read."""
    with clouds.open() as pool:
        read = clouds.read

        def stop(event: object) -> None:
            if len([name for name in read if name.startswith("shards/")]) >= after:
                raise KeyboardInterrupt

        pool._ctx.settings.on_event = stop
        with pytest.raises(KeyboardInterrupt):
            pool.scrub("full")
    return clouds.shards


def test_an_interrupted_scrub_goes_on_where_it_stopped(clouds: Clouds) -> None:
    total = sum(disk.listed for disk in clouds.scrub("list").disks)
    first = interrupted(clouds, total // 2)
    assert first
    with clouds.machine.open() as pool:
        assert unfinished(pool._ctx.local) is not None
        assert pool.status().scrub_unfinished
    result = clouds.scrub()
    assert (result.resumed, result.mode, result.exit_code, result.covered) == (True, "full", EXIT_OK, 1.0)
    assert 0 < len(clouds.shards) < total
    assert set(first) | set(clouds.shards) == everything(clouds)
    again = clouds.scrub("full")
    assert not again.resumed
    assert len(clouds.shards) == total


def test_restart_begins_anew(clouds: Clouds) -> None:
    total = sum(disk.listed for disk in clouds.scrub("list").disks)
    interrupted(clouds, total // 2)
    result = clouds.scrub("full", restart=True)
    assert not result.resumed
    assert len(clouds.shards) == total


def test_there_is_nothing_to_resume_after_the_end(clouds: Clouds) -> None:
    clouds.scrub("full")
    with pytest.raises(PoolError, match="no scrub to go on with"):
        clouds.scrub(resume=True)


def test_pause_stops_the_one_that_runs(clouds: Clouds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webraid.jobs.care.scrub.LOOK_EVERY", 0.0)
    with clouds.open() as other, pytest.raises(PoolError, match="no scrub is running"):
        other.pause_scrub()
    with clouds.open() as pool:
        asked = threading.Event()

        def pause(event: object) -> None:
            if clouds.shards and not asked.is_set():
                asked.set()
                pool.pause_scrub()

        pool._ctx.settings.on_event = pause
        result = pool.scrub("full")
        assert result.paused
        assert result.covered < 1
    rest = clouds.scrub(resume=True)
    assert (rest.resumed, rest.paused, rest.covered) == (True, False, 1.0)


def test_two_scrubs_at_once_are_one_too_many(clouds: Clouds) -> None:
    with clouds.open() as pool, _alone(pool._ctx.settings.places), pytest.raises(PoolBusy):
        pool.scrub()


def test_a_pack_that_is_deleted_meanwhile_is_no_finding(clouds: Clouds) -> None:
    """Its record comes after we looked, its shards go while we read."""
    with clouds.open() as pool:
        pool.status()
        victim = next(iter(pool._ctx.index.packs(PackKind.DATA)))
        gone = list(clouds.machine.folder.glob(f"d?/shards/*/{victim.id.hex()}.*"))
        done = threading.Event()

        def sweep(event: object) -> None:
            if clouds.shards and not done.is_set():
                done.set()
                from webraid.table.records import Condemn, Swept

                with clouds.machine.open() as other:
                    other.status()
                    other._ctx.table.append(Condemn(packs=(victim.id,)))
                    other._ctx.table.append(Swept(packs=(victim.id,)))
                for path in gone:
                    path.unlink(missing_ok=True)

        pool._ctx.settings.on_event = sweep
        result = pool.scrub("full")
    assert done.is_set()
    assert sum(disk.missing for disk in result.disks) == 0
    assert result.exit_code == EXIT_OK


# ---------------------------------------------------------------------------------------------------------------- ring
@pytest.mark.parametrize(("text", "subset"), [
    ("1/7", Subset(number=1, parts=7)), (" 7 / 7 ", Subset(number=7, parts=7)), ("5%", Subset(share=0.05)),
    ("2GiB", Subset(size=2 << 30)),
])  # fmt: skip
def test_subsets_are_understood(text: str, subset: Subset) -> None:
    assert parse_subset(text) == subset


@pytest.mark.parametrize("text", ["", "0/7", "8/7", "0%", "101%", "x", "0", "1/100000"])
def test_what_is_no_subset_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_subset(text)


def test_the_parts_of_the_ring_fit_together() -> None:
    for parts in (1, 3, 7, 100):
        arcs = [Subset(number=number, parts=parts).arc(0, ()) for number in range(1, parts + 1)]
        for bucket in range(BUCKETS):
            assert sum(bucket in arc for arc in arcs) == 1


def test_an_arc_goes_round_the_end() -> None:
    arc = Arc(BUCKETS - 2, 4)
    assert [bucket in arc for bucket in (BUCKETS - 3, BUCKETS - 2, BUCKETS - 1, 0, 1, 2)] == [
        False, True, True, True, True, False,
    ]  # fmt: skip
    assert arc.end == 2
    assert bucket_of(b"\xff\xf0" + bytes(14)) == BUCKETS - 1
    assert phase(5 * DAY, 10 * DAY) == BUCKETS // 2
