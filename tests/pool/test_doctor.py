"""doctor and durability on real pools: every finding is provoked once, and a healthy pool has none."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.fakes.dropbox import fake_dropbox
from tests.pool.copies import copy_of
from tests.pool.machine import Home
from webraid.backend.wrapper import Wrapper
from webraid.env import Env
from webraid.errors import EXIT_ALARM, EXIT_DEGRADED, EXIT_LOGIN, EXIT_OK, EXIT_QUOTA, PermissionDenied, worst
from webraid.jobs.standing.doctor import Diagnosis
from webraid.jobs.standing.doctor_canary import CANARY, Fate
from webraid.jobs.standing.durability import COMMON, LOST
from webraid.jobs.standing.growth import full_in, note_growth
from webraid.model import Usage
from webraid.pool import Pool, open_pool
from webraid.table.records import SPARE, SetRole

DAY = 86400.0


class Appending(Wrapper):
    """A disk whose keys may not delete."""

    def delete(self, name: str, *, locator: str = "") -> None:
        raise PermissionDenied("these keys may not delete")


class Locked(Wrapper):
    """A disk that says yes to a delete and keeps everything."""

    def delete(self, name: str, *, locator: str = "") -> None:
        return None


class Full(Wrapper):
    """A disk with hardly any room left."""

    def usage(self) -> Usage:
        return Usage(used=10**9, free=1000, total=10**9 + 1000)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A pool with a source in its config, made once."""
    folder = tmp_path_factory.mktemp("model")
    machine = Home(folder / "home").make("raid6", 4)
    tree = folder / "photos"
    tree.mkdir()
    (tree / "file").write_bytes(os.urandom(1_200_000))
    config = machine.folder / "config.toml"
    config.write_text(config.read_text() + f'\n[[source]]\nname = "photos"\npaths = ["{tree}"]\n')
    with machine.open() as pool:
        assert pool.put([str(tree)]).exit_code == EXIT_OK
    return machine


@pytest.fixture
def stored(model: Home, tmp_path: Path) -> Home:
    return copy_of(model, tmp_path / "home")


def about(found: Diagnosis, topic: str) -> list[str]:
    return [item.what for item in found.open if item.topic == topic]


def diagnosis(machine: Home, *, canary: bool = False, now: float = 0.0, **wraps: type[Wrapper]) -> Diagnosis:
    with opened(machine, now, **wraps) as pool:
        return pool.doctor(canary=canary)


def opened(machine: Home, now: float = 0.0, **wraps: type[Wrapper]) -> Pool:
    where = machine.settings
    if now:
        where.env = Env(now=lambda: now)
    where.wrap = lambda name, opener: (lambda: wraps[name](opener())) if name in wraps else opener
    return open_pool(where)


# -------------------------------------------------------------------------------------------------------------- doctor
def test_a_pool_that_is_looked_after_has_nothing_open(stored: Home) -> None:
    with stored.open() as pool:
        pool.scrub()
        pool.drill(1)
        found = pool.doctor(canary=False)
    assert (found.open, found.exit_code) == ([], EXIT_OK)


def test_folders_on_one_drive_that_count_as_separate_losses_are_told(stored: Home) -> None:
    with stored.open() as pool:
        (told,) = [item for item in pool.doctor().findings if item.topic == "one drive"]
    assert told.what.startswith("d1, d2, ") and told.what.endswith(" are folders on one drive")


def test_what_was_never_done_is_named_with_the_command(stored: Home) -> None:
    found = diagnosis(stored)
    todo = {item.topic: item.todo for item in found.open}
    assert todo["scrub"] == "webraid scrub"
    assert todo["drill"] == "webraid check --drill 5"
    assert found.exit_code == EXIT_DEGRADED
    assert all(item.why and item.todo for item in found.open)


def test_what_was_done_long_ago_is_named(stored: Home) -> None:
    with stored.open() as pool:
        pool.scrub()
        pool.drill(1)
        later = pool._ctx.env.now() + 100 * DAY
    found = diagnosis(stored, now=later)
    assert about(found, "scrub") == ["the last scrub was 100 days ago"]
    assert about(found, "drill") == ["the last restore drill was 100 days ago"]
    assert about(found, "snapshots") == ["the last snapshot of source photos is 100 days old"]


def test_a_clock_that_is_behind_is_seen_by_the_records(stored: Home) -> None:
    with stored.open() as pool:
        early = pool._ctx.env.now() - 7200
    found = diagnosis(stored, now=early)
    assert len(about(found, "clock")) == 1
    assert "2.0 hours in the future" in about(found, "clock")[0]
    assert about(diagnosis(stored), "clock") == []


def test_a_disk_that_is_away_and_what_to_do(stored: Home) -> None:
    shutil.rmtree(stored.disk(2))
    found = diagnosis(stored)
    (item,) = [item for item in found.open if item.topic == "disks"]
    assert item.disk == "d2"
    assert "webraid rebuild d2 --onto NEW" in item.todo
    assert about(found, "redundancy")
    assert found.exit_code != EXIT_OK


def test_a_disk_that_shows_an_older_state_is_an_alarm(stored: Home, tmp_path: Path) -> None:
    shutil.copytree(stored.disk(1), tmp_path / "old")
    with stored.open() as pool:
        pool.drill(1)
        pool._ctx.table.flush(5)
    shutil.rmtree(stored.disk(1))
    shutil.move(tmp_path / "old", stored.disk(1))
    found = diagnosis(stored)
    assert about(found, "integrity") == ["d1: rolled back"]
    assert found.exit_code == EXIT_ALARM
    assert found.findings[0].topic == "integrity", "the worst comes first"


def test_a_full_disk_and_one_that_will_be_full(stored: Home) -> None:
    found = diagnosis(stored, d3=Full)
    (item,) = [item for item in found.open if item.topic == "quotas"]
    assert (item.disk, item.code) == ("d3", EXIT_QUOTA)
    with stored.open() as pool:
        now = pool.status()
        local, time = pool._ctx.local, pool._ctx.env.now()
        free = next(disk.free for disk in now.disks if disk.name == "d1") or 0
        local.set("growth:d1", b"")
        note_growth(local, {"d1": 0}, time - 10 * DAY)
        note_growth(local, {"d1": free}, time)
        assert full_in(local, "d1", free, time) == pytest.approx(10)
        found = pool.doctor(canary=False)
    assert about(found, "quotas") == ["d1 will be full in about 10 days, at the pace of the last weeks"]


def test_growth_is_not_foretold_from_a_day_or_where_there_is_none(stored: Home) -> None:
    with stored.open() as pool:
        local = pool._ctx.local
        note_growth(local, {"x": 100}, 0.0)
        note_growth(local, {"x": 500}, DAY)
        assert full_in(local, "x", 1000, DAY) is None
        note_growth(local, {"x": 100}, 5 * DAY)
        assert full_in(local, "x", 1000, 5 * DAY) is None


def test_a_login_that_is_over_gives_23(tmp_path: Path) -> None:
    with fake_dropbox() as service:
        machine = Home(tmp_path / "home").make("raid1:2", 2)
        with machine.open() as pool:
            options = {"app_key": service.app_key, "token": service.token_json(), "endpoint": service.url}
            pool.add_backend("dropbox", "x1", options)
        service.unlink()
        with machine.open() as pool:
            found = pool.doctor(canary=False)
    (item,) = [item for item in found.open if item.topic == "logins"]
    assert (item.disk, item.code) == ("x1", EXIT_LOGIN)
    assert "webraid backend login x1" in item.todo
    assert worst(found.exit_code, EXIT_LOGIN) == EXIT_LOGIN
    tiers = [item for item in found.findings if item.topic == "free tiers"]
    assert [item.disk for item in tiers] == ["x1"]


def test_files_that_others_can_read_and_a_config_that_is_wrong(stored: Home) -> None:
    (stored.folder / "state").chmod(0o755)
    config = stored.folder / "config.toml"
    config.write_text(config.read_text() + '\n[[disk]]\nname = "ghost"\nkind = "local"\npath = "/nowhere"\n')
    found = diagnosis(stored)
    assert any("can be read by others" in what for what in about(found, "state"))
    assert about(found, "config") == ["the config names a disk ghost that is no part of the pool"]
    (item,) = [item for item in found.open if item.topic == "state"]
    assert item.todo == f"chmod 700 '{stored.folder / 'state'}'"


def test_disks_that_fail_together_are_named(tmp_path: Path) -> None:
    machine = Home(tmp_path / "home")
    machine.make("raid5", 2)
    with machine.open() as pool:
        for number in (3, 4):
            pool.add_backend("local", f"d{number}", {"path": str(machine.disk(number))}, domain="attic")
    found = diagnosis(machine)
    notes = [item for item in found.findings if item.topic == "domains"]
    assert [(item.what, item.why) for item in notes] == [
        ("d3, d4 are all in the domain attic", "losing attic loses 2 disks at once")
    ]


# -------------------------------------------------------------------------------------------------------- blast radius
def canaries(machine: Home) -> list[Path]:
    return [path for path in machine.folder.glob(f"d?/{CANARY}**/*") if path.is_file()]


def test_a_machine_that_can_erase_everything_is_told_so(stored: Home) -> None:
    found = diagnosis(stored, canary=True)
    assert found.blast is not None
    assert set(found.blast.fates.values()) == {Fate.ERASED}
    assert (found.blast.erasable, found.blast.survives) == (["d1", "d2", "d3", "d4"], False)
    assert about(found, "blast radius") == ["this machine's keys can erase 4 of 4 disks"]
    assert canaries(stored) == []


def test_disks_that_cannot_be_erased_are_told_apart(stored: Home) -> None:
    found = diagnosis(stored, canary=True, d1=Appending, d2=Locked)
    assert found.blast is not None
    assert found.blast.fates == {
        "d1": Fate.REFUSED, "d2": Fate.LOCKED, "d3": Fate.ERASED, "d4": Fate.ERASED,
    }  # fmt: skip
    assert found.blast.survives, "two of four are enough for raid6 of four"
    assert about(found, "blast radius") == []
    assert len(canaries(stored)) == 2
    again = diagnosis(stored, canary=True, d1=Appending, d2=Locked)
    assert again.blast is not None
    assert again.blast.fates == found.blast.fates
    assert len(canaries(stored)) == 2, "they do not gather where they cannot be deleted"
    diagnosis(stored, canary=True)
    assert canaries(stored) == []


def test_three_of_four_erased_is_more_than_raid6_survives(stored: Home) -> None:
    found = diagnosis(stored, canary=True, d1=Appending)
    assert found.blast is not None
    assert (len(found.blast.erasable), found.blast.survives) == (3, False)


def test_without_the_canary_nothing_is_written(stored: Home) -> None:
    before = sorted(path for path in stored.folder.glob("d?/**/*"))
    assert diagnosis(stored).blast is None
    assert sorted(path for path in stored.folder.glob("d?/**/*")) == before


# ---------------------------------------------------------------------------------------------------------- durability
def test_what_is_survived_by_level(stored: Home, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    (more / "file").write_bytes(os.urandom(700_000))
    with stored.open() as pool:
        pool.put([str(more)], level="raid1:2")
        found = pool.durability()
    assert {level.shape: (level.survives, level.promised) for level in found.levels} == {
        "2+2": (2, 2), "2 copies": (1, 1),
    }  # fmt: skip
    assert found.survives == 1, "as little as its weakest stripe"
    assert {rate.rate for rate in found.rates} == {LOST["local"]}
    assert 0 < found.loss < found.loss_never_repaired < 1
    assert found.total_years < 1 / COMMON, "what takes everything is always in it"


def test_before_anything_is_stored_no_more_is_promised_than_the_level_gives(tmp_path: Path) -> None:
    with Home(tmp_path / "home").make("raid6", 6).open() as pool:
        assert pool.durability().survives == pool.status().survives == pool.scrub().survives == 2


def test_a_lost_disk_makes_it_likelier_and_a_spare_less_likely(stored: Home) -> None:
    with stored.open() as pool:
        whole = pool.durability()
    shutil.rmtree(stored.disk(4))
    with stored.open() as pool:
        less = pool.durability()
    assert (less.survives, less.domains) == (1, 3)
    assert less.loss > whole.loss
    with stored.open() as pool:
        pool.status()
        spare = next(info.id for info in pool._ctx.table.state.joined() if info.name == "d3")
        pool._ctx.table.append(SetRole(disk=spare, role=SPARE))
        with_spare = pool.durability()
    assert with_spare.repair < less.repair
    assert with_spare.loss < less.loss


def test_what_is_lost_with_a_domain(tmp_path: Path) -> None:
    machine = Home(tmp_path / "home").make("rs:2+1", 2)
    with machine.open() as pool:
        for number in (3, 4):
            pool.add_backend("local", f"d{number}", {"path": str(machine.disk(number))}, domain="attic")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").write_bytes(os.urandom(400_000))
    with machine.open() as pool:
        assert pool.put([str(tree)]).exit_code == EXIT_OK
        found = pool.durability()
    (together,) = found.together
    assert (together.domain, together.disks) == ("attic", ("d3", "d4"))
    assert together.survives in (0, 1)
    attic = next(rate for rate in found.rates if rate.domain == "attic")
    assert attic.rate == pytest.approx(2 * LOST["local"])


# ------------------------------------------------------------------------------------------------------------- sources
def sources(machine: Home, text: str) -> Diagnosis:
    config = machine.folder / "config.toml"
    config.write_text(config.read_text().partition("[[source]]")[0] + f'[[source]]\nname = "all"\n{text}\n')
    return diagnosis(machine)


def told(found: Diagnosis) -> set[tuple[str, str]]:
    """What is said of sources: how severe, and of what."""
    items = [item for item in found.findings if item.topic == "sources"]
    places = ("disk d", "state folder", "logins", "config, too", "without")
    return {(item.severity.value, place) for item in items for place in places if place in item.what}


def test_a_source_that_holds_the_pools_own_disks_is_told_with_what_to_leave_out(stored: Home) -> None:
    found = sources(stored, f'paths = ["{stored.folder}"]')
    assert told(found) == {("warning", "disk d"), ("note", "state folder"), ("good", "config, too")}
    disks = [item for item in found.open if item.topic == "sources"]
    assert [item.disk for item in disks] == ["d1", "d2", "d3", "d4"]
    assert f'exclude = ["{stored.disk(1)}/"]' in disks[0].todo


def test_what_a_source_leaves_out_is_not_told(stored: Home) -> None:
    only_d1 = f'paths = ["{stored.folder}"]\nexclude = ["d*/", "!d1/", "{stored.folder}/state/", "*.toml"]'
    found = sources(stored, only_d1)
    assert told(found) == {("warning", "disk d")}
    assert [item.disk for item in found.open if item.topic == "sources"] == ["d1"]
    (stored.folder / "secrets.toml").touch(mode=0o600)
    (stored.folder / ".nobackup").touch()
    assert told(sources(stored, f'paths = ["{stored.folder}"]\nexclude-if-present = [".nobackup"]')) == {
        ("good", "without")
    }
    assert ("note", "logins") in told(sources(stored, f'paths = ["{stored.folder}"]'))


def test_a_source_behind_a_symlink_is_seen_for_what_it_is(stored: Home, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(stored.folder)
    assert ("warning", "disk d") in told(sources(stored, f'paths = ["{tmp_path}/link"]'))


def test_a_source_that_cannot_be_understood_is_told(stored: Home) -> None:
    found = sources(stored, 'paths = ["photos"]')
    (item,) = [item for item in found.open if item.topic == "sources"]
    assert "no absolute path" in item.what and item.todo
