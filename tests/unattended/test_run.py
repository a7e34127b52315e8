"""Scheduled runs on a real pool: what they do, in which order, what they tell, and what they never do."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pool.machine import PASSPHRASE
from tests.unattended.conftest import MIDNIGHT, Clock, Night
from webraid.errors import (
    EXIT_ALARM,
    EXIT_BUSY,
    EXIT_ERROR,
    EXIT_INTERRUPTED,
    EXIT_NO_POOL,
    EXIT_OK,
    EXIT_PARTIAL,
    EXIT_TEMPORARY,
    ConfigError,
    NotAPool,
)
from webraid.jobs.base.context import locked
from webraid.pool import open_pool
from webraid.table.records import DRAINING, SetRole
from webraid.unattended import due, install, installed
from webraid.unattended.cron import parse_cron
from webraid.unattended.record import last_run
from webraid.unattended.steps import survival


def test_a_run_stores_every_source_checks_and_says_nothing(night: Night, capfd: pytest.CaptureFixture[str]) -> None:
    (night.root / "mail").mkdir()
    (night.root / "mail" / "inbox").write_text("x" * 5000)
    night.says(f'[[source]]\nname = "mail"\npaths = ["{night.root / "mail"}"]\ntags = ["m"]')
    finished = night.run("put", "check")
    assert (finished.code, finished.quiet) == (EXIT_OK, True)
    assert capfd.readouterr() == ("", "")
    last = night.last
    assert [job.job for job in last.jobs] == ["put", "check"]
    assert {name: (source.files, source.bytes) for name, source in last.sources.items()} == {
        "photos": (2, 40_000), "mail": (1, 5000),
    }  # fmt: skip
    assert (last.survives, last.promised, len(last.snapshots)) == (2, 2, 2)
    assert last.ended is not None
    assert last.last_success == last.ended
    assert night.snapshots() == 2


def test_the_log_and_the_status_file_are_private_and_name_no_file(night: Night) -> None:
    night.run("put")
    for file in ("webraid.log", "last-run.json"):
        assert stat.S_IMODE((night.state / file).stat().st_mode) == 0o600
        assert "a.jpg" not in (night.state / file).read_text()
    assert "source photos: snapshot" in night.log
    assert "disk d1:" in night.log
    assert "exit code 0: ok" in night.log


def test_a_file_that_cannot_be_read_is_named_in_the_log_alone(night: Night) -> None:
    (night.photos / "a.jpg").unlink()
    os.mkfifo(night.photos / "pipe")
    (night.photos / "loop").symlink_to("loop")
    night.says(f'[[source]]\nname = "gone"\npaths = ["{night.root / "gone"}", "{night.photos}"]')
    finished = night.run("put")
    assert finished.code == EXIT_PARTIAL
    assert not finished.quiet
    told = finished.headline + "\n".join(finished.details) + (night.state / "last-run.json").read_text()
    assert str(night.root / "gone") not in told
    assert str(night.root / "gone") in night.log


def test_the_jobs_of_the_config_are_done_in_their_order(night: Night) -> None:
    night.says('[schedule]\njobs = ["check", "put"]')
    night.run()
    assert [job.job for job in night.last.jobs] == ["check", "put"]


def test_a_job_that_nobody_knows_is_refused_before_anything_begins(night: Night) -> None:
    with pytest.raises(ConfigError, match="frob"):
        night.run("put", "frob")
    assert not (night.state / "webraid.log").exists()


def test_a_job_that_fails_does_not_stop_the_next_one(night: Night) -> None:
    night.lose("d1", "d2", "d3")
    finished = night.run("put", "check")
    assert finished.code != EXIT_OK
    put, check = night.last.jobs
    assert put.exit_code == EXIT_TEMPORARY
    assert check.exit_code != EXIT_OK
    assert not check.left_out


def test_a_month_of_nights_keeps_what_the_retention_says(night: Night) -> None:
    """The jobs of the default config, and a rule: the first night drills, so that prune may delete at all."""
    night.says("[retention]\nkeep-last = 2")
    outcomes = []
    for day in range(4):
        night.clock.at(3, day)
        (night.photos / "new.jpg").write_bytes(os.urandom(5000))
        assert night.run(timer=True).code == EXIT_OK, night.log
        outcomes.append({job.job: job.left_out for job in night.last.jobs})
    assert list(outcomes[0]) == ["put", "drain", "drill", "forget", "prune", "check"]
    assert [outcome["drill"] for outcome in outcomes] == [False, True, True, True]
    assert night.snapshots() == 2
    night.clock.at(3, 40)
    night.run(timer=True)
    assert [job.job for job in night.last.jobs if job.left_out] == ["drain"]


def test_a_disk_that_is_being_emptied_goes_on_every_night(night: Night) -> None:
    night.run("put")
    with open_pool(night.settings) as pool:
        stored = {disk.name: disk.stored for disk in pool.status().disks}
        name = max(stored, key=lambda disk: stored[disk])
        disk = next(info.id for info in pool._ctx.table.state.members() if info.name == name)
        pool._ctx.table.append(SetRole(disk=disk, role=DRAINING))
        assert pool.drain_progress(name).left
    night.run("drain")
    (job,) = night.last.jobs
    assert not job.left_out and f"disk {name}:" in job.summary
    with open_pool(night.settings) as pool:
        assert not pool.drain_progress(name).left


def test_a_prune_that_is_held_says_how_it_goes_on_and_is_no_success(night: Night) -> None:
    night.says('[retention]\nkeep-last = 1\n[prune]\nretention-lock = "0"\nbrake = "0.01%"')
    (night.photos / "b.jpg").unlink()
    for day in range(2):
        night.clock.at(3, day)
        (night.photos / "a.jpg").write_bytes(os.urandom(500_000))
        night.run()
    prune = next(job for job in night.last.jobs if job.job == "prune")
    assert prune.exit_code == EXIT_ERROR and "with 'webraid prune --owner'" in prune.summary
    assert night.last.done["prune"].timestamp() < MIDNIGHT + 86400 < night.last.done["put"].timestamp()


def test_what_is_survived_beyond_the_promise_is_no_fraction_of_it() -> None:
    assert survival(2, 2) == "survives the loss of 2 disks"
    assert survival(3, 2) == "survives the loss of 3 disks (2 promised)"
    assert survival(1, 2) == "survives the loss of 1 disk (2 promised)"
    assert survival(-1, 2) == "some data cannot be read now"


def test_without_a_rule_nothing_is_forgotten(night: Night) -> None:
    for _ in range(3):
        night.run("put", "forget")
    assert night.snapshots() == 3
    assert "no rule" in night.last.jobs[1].summary


def test_what_a_scrub_finds_is_the_runs_exit_code(night: Night) -> None:
    night.run("put")
    assert night.run("scrub").code == EXIT_OK
    for shard in (night.root / "d1" / "shards").rglob("*.*"):
        shard.write_bytes(bytes(shard.stat().st_size))
    assert night.run("scrub").code == EXIT_ALARM
    assert "corrupt" in night.last.jobs[0].summary
    night.says('[check]\nscrub = "off"')
    assert night.run("scrub").code == EXIT_OK
    assert night.last.jobs[0].left_out


def test_a_machine_that_may_only_append_leaves_deleting_to_another(night: Night) -> None:
    night.says("[retention]\nkeep-last = 1")
    night.run("put", "drill")
    with open_pool(night.settings) as pool:
        (machine,) = pool.devices()
        pool.set_rights(PASSPHRASE, machine.id, ["append"])
    assert night.run("put", "forget", "prune").code == EXIT_OK
    put, forget, prune = night.last.jobs
    assert not put.left_out
    assert "left out: another machine does it" in forget.summary
    assert "left out: another machine does it" in prune.summary
    assert night.snapshots() == 2


def test_nothing_is_deleted_after_a_put_that_failed(night: Night) -> None:
    night.lose("d1", "d2", "d3")
    night.run("put", "forget", "prune", "check")
    assert [(job.job, job.left_out) for job in night.last.jobs] == [
        ("put", False), ("forget", True), ("prune", True), ("check", False),
    ]  # fmt: skip
    assert "nothing is deleted until put has worked" in night.last.jobs[1].summary


def test_nothing_is_deleted_when_a_source_is_gone(night: Night) -> None:
    night.run("put")
    for file in night.photos.iterdir():
        file.unlink()
    night.photos.rmdir()
    night.run("put", "forget", "prune")
    put, forget, prune = night.last.jobs
    assert put.exit_code != EXIT_OK
    assert forget.left_out
    assert prune.left_out
    night.run("forget", "prune")  # a run of its own does not, either: the last backup did not work
    assert all("until put has worked" in job.summary for job in night.last.jobs)


def test_nothing_is_deleted_before_the_put_of_the_same_run(night: Night) -> None:
    night.run("forget", "put")
    assert "until put has worked" in night.last.jobs[0].summary


def test_one_source_that_is_gone_does_not_keep_the_others_from_being_stored(night: Night) -> None:
    config = night.config.read_text()
    night.config.write_text(config.replace("[[source]]", '[[source]]\nname = "lost"\npaths = ["/no/such"]\n[[source]]'))
    finished = night.run("put")
    assert finished.code != EXIT_OK
    assert set(night.last.sources) == {"photos"}
    assert night.snapshots() == 1


def test_without_a_source_a_put_fails_and_stops_the_run(night: Night) -> None:
    night.config.write_text(night.config.read_text().split("[[source]]")[0])
    night.run("put", "check")
    put, check = night.last.jobs
    assert "[[source]]" in put.summary
    assert check.left_out


def test_without_a_pool_there_is_one_clear_error(night: Night) -> None:
    night.config.unlink()
    with pytest.raises(NotAPool):
        night.run("put")


def test_a_config_that_is_broken_is_told_in_the_log_too(night: Night) -> None:
    night.says("[frob]")
    with pytest.raises(ConfigError, match="frob"):
        night.run("put")
    assert "no run:" in night.log


def test_a_schedule_without_jobs_is_an_error(night: Night) -> None:
    night.says("[schedule]\njobs = []")
    with pytest.raises(ConfigError, match="nothing to do"):
        night.run()


def test_a_lost_key_stops_the_run(night: Night) -> None:
    (night.state / "device" / "card.json").unlink()
    finished = night.run("put", "check")
    assert finished.code == EXIT_NO_POOL
    assert night.last.jobs[1].left_out


# --------------------------------------------------------------------------------------------------- one at a time
def test_a_run_beside_a_scheduled_one_ends_quietly_and_tells_the_log(night: Night) -> None:
    holder = os.open(night.state / "schedule.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    finished = night.run("put")
    os.close(holder)
    assert (finished.code, finished.quiet) == (EXIT_BUSY, True)
    assert "no run: another scheduled run is at work" in night.log
    assert last_run(night.settings.places) is None


def test_a_run_beside_a_put_by_hand_ends_quietly_and_tells_the_log(night: Night) -> None:
    with locked(night.settings.places):
        finished = night.run("put")
    assert (finished.code, finished.quiet) == (EXIT_BUSY, True)
    assert "another webraid run on this machine is changing the pool" in night.log


def test_a_pool_that_is_busy_for_days_is_told(night: Night) -> None:
    night.run("put")
    with locked(night.settings.places):
        night.clock.at(0, day=2)
        assert night.run("put").quiet
        night.clock.at(0, day=4)
        finished = night.run("put")
    assert not finished.quiet
    assert "days ago" in finished.details[0]


# ----------------------------------------------------------------------------------------------------- the timer's
def power(folder: Path, *, mains: str = "0", status: str = "Discharging") -> Path:
    """/sys/class/power_supply of a laptop, with a mouse beside it."""
    supplies = {
        "AC": {"type": "Mains", "online": mains},
        "BAT0": {"type": "Battery", "status": status},
        "hid-mouse": {"type": "Battery", "scope": "Device", "status": "Discharging"},
    }
    for name, files in supplies.items():
        (folder / name).mkdir(parents=True)
        for file, text in files.items():
            (folder / name / file).write_text(text + "\n")
    return folder


def test_the_timer_waits_a_random_while_and_only_the_timer(night: Night) -> None:
    night.says('[schedule]\njitter = "15m"')
    night.run("check", jitter=True)
    assert night.clock.naps == []
    night.clock.at(3.5)
    night.run("check", timer=True, jitter=True)
    (nap,) = night.clock.naps
    assert 0 < nap <= 900


def test_on_battery_the_timer_does_nothing_and_comes_back(night: Night, tmp_path: Path) -> None:
    night.clock.at(3.5)
    finished = night.run("put", timer=True, power=power(tmp_path / "power"))
    assert (finished.code, finished.quiet, finished.skipped) == (EXIT_OK, True, "this machine is on battery")
    assert "on battery" in night.log
    assert night.snapshots() == 0
    night.run("put", timer=True, power=power(tmp_path / "mains", mains="1", status="Charging"))
    assert night.snapshots() == 1


@pytest.mark.parametrize("case", ["allowed", "by hand", "mouse only", "no such folder"])
def test_a_battery_does_not_matter_when(night: Night, tmp_path: Path, case: str) -> None:
    night.clock.at(3.5)
    folder = power(tmp_path / "power", status="Full" if case == "mouse only" else "Discharging")
    if case == "allowed":
        night.says("[schedule]\non-battery = true")
    found = night.run("check", timer=case != "by hand", power=tmp_path / "none" if case == "no such folder" else folder)
    assert not found.skipped


def test_a_missed_run_is_made_up_for_once(night: Night) -> None:
    """The machine was off at three; cron asks every hour."""
    night.clock.at(2)
    assert not night.run("check", timer=True).skipped  # the first one of all: nothing ran since yesterday's three
    for hour, day, expected in [
        (2.5, 0, False), (9, 0, True), (10, 0, False), (23, 0, False), (2.99, 1, False), (3.01, 1, True),
        (4, 1, False), (17, 4, True), (18, 4, False),
    ]:  # fmt: skip
        night.clock.at(hour, day)
        assert (not night.run("check", timer=True).skipped) is expected, (hour, day)


@pytest.mark.parametrize("ran_before", [False, True])
def test_what_was_scheduled_before_the_schedule_was_installed_is_not_made_up_for(
    night: Night, ran_before: bool
) -> None:
    if ran_before:
        night.clock.at(14, day=-2)
        night.run("check")
    night.clock.at(14)
    installed.note(night.settings.places, night.clock.env, "cron", "0 3 * * *")
    assert night.run("check", timer=True).skipped
    night.clock.at(3, day=1)
    assert not night.run("check", timer=True).skipped


def test_a_run_that_failed_for_the_moment_is_tried_again_and_told_once(night: Night) -> None:
    night.clock.at(3)
    night.lose("d1", "d2", "d3")
    first = night.run("put", timer=True)
    assert (first.code, first.quiet) == (EXIT_TEMPORARY, False)
    night.clock.at(4)
    second = night.run("put", timer=True)
    assert (second.code, second.quiet) == (EXIT_TEMPORARY, True)
    night.bring_back("d1", "d2", "d3")
    night.clock.at(5)
    assert night.run("put", timer=True).code == EXIT_OK
    night.clock.at(6)
    assert night.run("put", timer=True).skipped


def test_a_run_that_needs_somebody_is_not_repeated_every_hour(night: Night) -> None:
    night.clock.at(3)
    night.says('[hooks]\nbefore = ["false"]')
    assert not night.run("put", timer=True).quiet
    night.clock.at(4)
    assert night.run("put", timer=True).skipped


def test_a_run_that_was_killed_is_made_up_for(night: Night) -> None:
    night.clock.at(3)
    pid = os.fork()
    if not pid:
        night.says('[hooks]\nbefore = ["kill -9 $PPID"]')
        night.run("put", timer=True)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9
    assert night.last.ended is None
    night.config.write_text(night.config.read_text().split("[hooks]")[0])
    night.clock.at(4)
    assert not night.run("put", timer=True).skipped


def test_without_catch_up_the_timer_is_obeyed(night: Night) -> None:
    night.says("[schedule]\ncatch-up = false")
    assert not night.run("check", timer=True).skipped
    assert not night.run("check", timer=True).skipped


def test_a_clock_that_was_wrong_once_does_not_stop_the_backups(night: Night) -> None:
    night.clock.at(3, day=400)
    night.run("check", timer=True)
    night.clock.at(3, day=1)
    assert not night.run("check", timer=True).skipped


def test_an_hour_that_comes_twice_or_never_makes_no_run_twice(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """Berlin: on 28 March 2027 two o'clock is three, on 31 October three o'clock comes twice."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    night.says('[schedule]\ncron = "30 2 * * *"')
    for first, spring in ((1806192000.0, True), (1824940800.0, False)):  # noon UTC, the day before
        night.clock.at((first - MIDNIGHT) / 3600)
        night.run("check", timer=True)
        ran = []
        for quarter in range(1, 96):
            night.clock.at((first - MIDNIGHT) / 3600 + quarter / 4)
            if not night.run("check", timer=True).skipped:
                ran.append(quarter / 4)
        assert len(ran) == 1, (spring, ran)


# --------------------------------------------------------------------------------------------------------- the rest
def test_a_run_stands_back_for_other_programs(night: Night) -> None:
    pid = os.fork()
    if not pid:
        night.says("[schedule]\nnice = 15").run("check")
        os._exit(os.getpriority(os.PRIO_PROCESS, 0))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 15


def test_the_log_is_rotated_and_old_ones_go(night: Night) -> None:
    night.says("[log]\nkeep = 2")
    for _ in range(5):
        night.run("check")
    names = sorted(path.name for path in night.state.glob("webraid.log*"))
    assert names == ["webraid.log", "webraid.log.1", "webraid.log.2"]
    assert night.log.count("run of pool home") == 1


class Breaking(Clock):
    """Fails once, in a way that nobody expects of a clock, when a file is there."""

    armed = Path()

    def monotonic(self) -> float:
        if self.armed.is_file():
            self.armed.unlink()
            raise RuntimeError("a bug")
        return super().monotonic()


def test_an_error_that_nobody_foresaw_is_recorded_and_not_swallowed(night: Night) -> None:
    night.clock = clock = Breaking()
    clock.armed = night.root / "armed"
    night.says(f'[hooks]\nbefore = ["touch {clock.armed}"]\nfinally = ["echo finally-ran"]')
    with pytest.raises(RuntimeError, match="a bug"):
        night.run("check")
    assert night.last.exit_code == 1
    assert night.last.ended is not None
    assert "nobody foresaw" in night.last.error
    assert "finally-ran" in night.log


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Ctrl-C is heard, also where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_a_run_with_everything_told(night: Night) -> None:
    ready = f"echo ready; until grep -q ready {night.state}/webraid.log; do :; done"  # then we wait for it
    night.says(f'[hooks]\nbefore = ["{ready}; kill -INT $PPID; sleep 60"]\nfailed = ["echo $WEBRAID_EXIT_CODE"]')
    finished = night.run("put")
    assert finished.code == EXIT_INTERRUPTED
    assert "hook failed: 130" in night.log
    assert night.last.exit_code == EXIT_INTERRUPTED


def test_the_next_run_is_computed_from_the_config(night: Night) -> None:
    night.clock.at(12)
    shown = install.show(night.settings, install.Host(night.environ, root=False, running=night.root / "none"))
    assert shown.installed == []
    assert shown.next_run is None


@pytest.mark.parametrize("bad", [b'{"pool": "\xff"}', b"", b"null", b"[" * 100_000, b'{"version": 1}'])
def test_what_is_remembered_of_the_last_run_may_be_damaged(night: Night, bad: bytes) -> None:
    (night.state / "last-run.json").write_bytes(bad)
    (night.state / "schedule.json").write_bytes(bad)
    assert installed.mark(night.settings.places) is None
    assert night.run("check").code == EXIT_OK
    assert night.last.exit_code == EXIT_OK


def test_in_the_hour_that_comes_twice_the_next_run_is_still_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        second = 1_792_891_800.0  # 25 October 2026, 2:30 in summer time is an hour before
        assert due.wall(second).hour == 2
        assert due.next_time(parse_cron("50 2 * * *"), second) == second + 20 * 60
    finally:
        monkeypatch.undo()
        time.tzset()
