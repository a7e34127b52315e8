"""scrub, check --drill, durability, doctor, the front page on the command line; the guide's commands, word for word."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.conftest import CHEAP, PASSPHRASE, Machine
from tests.cli.test_json import undocumented
from tests.docs.guide import script
from webraid import pool as api
from webraid.cli.durability import about
from webraid.errors import EXIT_ALARM, EXIT_DEGRADED, EXIT_OK, EXIT_UNREADABLE, EXIT_USAGE

Lose = Callable[..., None]


def shards(home: Machine, disk: str) -> list[Path]:
    return sorted((home.root / disk / "shards").rglob("*.*"))


def spoil(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def source(home: Machine, name: str = "photos") -> None:
    config = home.root / "config.toml"
    config.write_text(config.read_text() + f'\n[[source]]\nname = "{name}"\npaths = ["{home.root / "photos"}"]\n')


# --------------------------------------------------------------------------------------------------------------- scrub
def test_scrub_finds_and_repair_mends(home: Machine) -> None:
    assert home("scrub").code == EXIT_OK
    spoil(shards(home, "d2")[0])
    run = home("scrub")
    assert run.code == EXIT_ALARM
    assert run.out.startswith("ALARM: 1 corrupt shard")
    assert "Next: Run 'webraid repair'." in run.out
    assert home("repair").code == EXIT_OK
    assert home("scrub", "--list").code == EXIT_OK
    shards(home, "d3")[0].unlink()
    run = home("scrub")
    assert run.code == EXIT_DEGRADED
    assert run.out.startswith("Incomplete: 1 shard missing")


def test_a_pool_that_lacks_disks_is_not_well(machine: Machine) -> None:
    machine("init", "--name", "home", "--level", "raid6", "--kit", machine.root / "kit.txt")
    machine("add-backend", "local", "d1", "--path", machine.root / "d1")
    assert machine("status", "--exit-code").code == EXIT_DEGRADED
    for command in ("scrub", "check"):
        assert "lacks 3 disks" in machine(command).out
    assert machine("durability").out.startswith("Not ready: ")


def test_disks_that_only_do_not_answer_are_no_damage(home: Machine) -> None:
    disks = [path for path in home.root.iterdir() if (path / "shards").is_dir()]
    for path in disks:
        path.rename(path.with_name(f"{path.name} away"))
    for command in ("check", "scrub"):
        run = home(command)
        assert run.code == EXIT_UNREADABLE
        assert run.out.startswith("OUT OF REACH: ")
        assert "ALARM" not in run.out
        assert "Next: Bring d1" in run.out
    assert "A model has nothing to say" in home("durability").out
    for path in disks:
        path.with_name(f"{path.name} away").rename(path)
    assert home("check").code == EXIT_OK


@pytest.mark.parametrize("flags", [
    ["--list", "--read-data"], ["--read-data", "--read-data-subset", "1/7"], ["--pause", "--resume"],
    ["--restart", "--resume"], ["--read-data-subset", "8/7"], ["--read-data-subset", "much"],
])  # fmt: skip
def test_flags_that_do_not_fit_are_refused(home: Machine, flags: list[str]) -> None:
    assert home("scrub", *flags).code == EXIT_USAGE


def test_scrub_tells_programs_what_it_did(home: Machine) -> None:
    document = home("scrub", "--read-data-subset", "1/2", "--json").document
    assert (document["command"], document["mode"], document["resumed"], document["paused"]) == (
        "scrub", "part", False, False,
    )  # fmt: skip
    assert document["redundancy"]["survives"] == 2
    assert undocumented(document) == []


def test_check_takes_restics_subsets(home: Machine) -> None:
    assert home("check", "--read-data-subset", "1/3").code == EXIT_OK
    assert home("check", "--read-data-subset", "10%").code == EXIT_OK
    assert home("check", "--read-data-subset", "4/3").code == EXIT_USAGE
    assert home("check", "--read-data-subset", "1/3", "--sample", "5%").code == EXIT_USAGE


def test_pausing_and_resuming_nothing_says_so(home: Machine) -> None:
    run = home("scrub", "--pause")
    assert (run.code, "no scrub is running" in run.err) == (1, True)
    run = home("scrub", "--resume")
    assert (run.code, "no scrub to go on with" in run.err) == (1, True)


# --------------------------------------------------------------------------------------------------------------- drill
def test_a_drill_shows_what_came_back_and_status_remembers_it(home: Machine) -> None:
    assert "never: 'webraid check --drill 5'" in home("status").out
    run = home("check", "--drill", "2")
    assert run.code == EXIT_OK
    assert run.out.startswith("The drill went well: 2 files came back as they were stored.")
    assert "photos/" in run.out
    assert "just now: 2 files came back" in home("status").out
    document = home("check", "--drill", "1", "--json").document
    assert document["drill"]["recorded"]
    assert len(document["drill"]["without"]) == 2
    assert undocumented(document) == []
    assert home("check", "--drill", "1", "--read-data").code == EXIT_USAGE


def test_a_drill_that_fails_says_which_file(home: Machine) -> None:
    for disk in ("d1", "d2", "d3"):
        for path in shards(home, disk):
            if path.stat().st_size > 20_000:
                path.unlink()
    run = home("check", "--drill", "3")
    assert run.code == 21
    assert run.out.startswith("FAILED:")
    assert "never" in home("status").out


# -------------------------------------------------------------------------------------------------------------- status
def test_the_front_page_tells_each_source_and_what_is_overdue(home: Machine) -> None:
    source(home)
    assert "photos: never stored" in home("status").out
    assert home("put").code == EXIT_OK
    page = home("status").out
    assert "photos: just now, 3 files" in page
    assert "no schedule: 'webraid schedule install'" in page
    install(home, since="2026-01-01T00:00:00Z", last="2026-01-02T03:00:00Z")
    later = home("status")
    assert "OVERDUE" in later.out.split("last run")[1]
    document = home("status", "--json").document
    assert undocumented(document) == []
    assert document["schedule"]["overdue"]
    assert document["sources"][0]["name"] == "photos"
    assert not document["sources"][0]["overdue"], "somebody stored it by hand"


def install(home: Machine, since: str, last: str) -> None:
    """As if 'schedule install' had been run, and a run long ago had been the last one."""
    state = home.root / "state"
    (state / "schedule.json").write_text(json.dumps({"how": "cron", "cron": "0 3 * * *", "since": since}))
    record = {"pool": "home", "started": last, "ended": last, "exit_code": 0, "last_success": last}
    (state / "last-run.json").write_text(json.dumps(record))


def test_the_front_page_shows_roles(home: Machine) -> None:
    home("scrub")
    page = home("status").out
    assert "nothing bad; 100% read lately" in page
    for width in ("80", "120"):
        wide = home("status", COLUMNS=width).out
        assert max(map(len, wide.splitlines())) <= int(width)


# ---------------------------------------------------------------------------------------------------------- durability
def test_durability_says_what_is_survived_and_never_a_row_of_nines(home: Machine) -> None:
    run = home("durability")
    assert run.code == EXIT_OK
    assert run.out.startswith("The pool survives the loss of any 2 of 4 disks.")
    assert "any 2 of 4 disks" in run.out
    assert "other things will go wrong first" in run.out
    assert "about 1 in 500 years" in run.out, "what takes everything is always there"
    assert "99.9" not in run.out
    document = home("durability", "--json").document
    assert document["model"]["years"] == 10_000
    assert undocumented(document) == []


@pytest.mark.parametrize(("years", "words"), [
    (0.4, "within a year, as good as certain"), (3.4, "about 1 in 3 years"), (487.2, "about 1 in 490 years"),
    (9_999.0, "about 1 in 10,000 years"),
    (10_001.0, "rarer than once in 10,000 years by this model; other things will go wrong first"),
    (float("inf"), "rarer than once in 10,000 years by this model; other things will go wrong first"),
])  # fmt: skip
def test_years_are_words_with_a_cap(years: float, words: str) -> None:
    assert about(years) == words


# -------------------------------------------------------------------------------------------------------------- doctor
def test_doctor_names_what_to_do_and_ends_with_0_when_nothing_is_open(home: Machine) -> None:
    run = home("doctor")
    assert run.code == EXIT_DEGRADED
    for todo in ("webraid scrub", "webraid check --drill 5", "webraid schedule install"):
        assert f"Do: {todo}" in run.out
    assert "can erase 4 of 4 disks" in run.out
    assert not list(home.root.glob("d?/canary/*"))
    source(home)
    now = datetime.now(UTC).isoformat()
    install(home, since="2026-01-01T00:00:00Z", last=now)
    for words in (["put"], ["scrub"], ["check", "--drill", "1"]):
        assert home(*words).code == EXIT_OK
    run = home("doctor")
    assert run.code == EXIT_OK, run.out
    document = home("doctor", "--json").document
    assert {disk["fate"] for disk in document["blast_radius"]["backends"]} == {"erased"}
    assert undocumented(document) == []
    assert "blast_radius" not in home("doctor", "--no-canary", "--json").document


def test_a_pool_without_a_disk_is_told_what_it_lacks(machine: Machine) -> None:
    environ = machine.environ
    api.init_pool(
        api.settings(environ=environ), name="empty", level="raid5", passphrase=PASSPHRASE, kdf=CHEAP
    )  # fmt: skip
    for words in (["durability"], ["scrub"], ["repair"], ["doctor"], ["status"]):
        run = machine(*words)
        assert run.code in (EXIT_OK, EXIT_DEGRADED), (words, run.out, run.err)
        assert "cannot be read" not in run.out
    assert "raid5 needs 3 more disks" in machine("doctor").out
    assert machine("check", "--drill", "1").code == 1


def test_doctor_on_a_pool_that_lost_a_disk(home: Machine, lose: Lose) -> None:
    lose("d4")
    run = home("doctor", "--no-canary")
    assert run.code
    assert "d4" in run.out
    assert "webraid rebuild d4 --onto NEW" in " ".join(run.out.split())
    assert "only 1 further disk may be lost, and raid6 promises 2" in run.out


def test_a_failed_run_is_told_by_doctor(home: Machine) -> None:
    source(home)
    now = datetime.now(UTC).isoformat()
    install(home, since="2026-01-01T00:00:00Z", last=now)
    record = json.loads((home.root / "state" / "last-run.json").read_text())
    record |= {"exit_code": 22, "error": "quota full"}
    (home.root / "state" / "last-run.json").write_text(json.dumps(record))
    run = home("doctor", "--no-canary")
    assert "the last scheduled run ended with 22: quota full" in run.out


# --------------------------------------------------------------------------------------------------------------- guide
def test_the_guides_commands_work_word_for_word(home: Machine) -> None:
    said, lines = "", script("guide/health.md").splitlines()
    assert len(lines) > 10
    for line in lines:
        words, _, allowed = line.partition(" || test $? -eq ")
        run = home(*shlex.split(words)[1:])
        assert run.code in (EXIT_OK, int(allowed or 0)), (line, run.out, run.err)
        said += run.out
    for sentence in ("All is well", "Nothing to mend", "The drill went well", "about 1 in", "things to look after"):
        assert sentence in said


# ----------------------------------------------------------------------------------------------------- after a loss
def test_a_disk_too_few_is_named_and_rebuilding_it_is_the_next_step(home: Machine, lose: Lose) -> None:
    lose("d2")
    run = home("repair")
    assert run.out.startswith("Nothing to mend; d2 does not answer: what it has is waited for.")
    assert "Next: Bring d2 back, or see 'webraid rebuild --help'" in run.out
    run = home("repair", "-n")
    assert "d2 does not answer" in run.out and "Next: webraid rebuild d2" in run.out
    added = home("add-backend", "local", "d5", "--path", home.root / "d5")
    assert "the pool has 5 disks; d2 does not answer." in added.out
    assert "Next: webraid rebuild d2 --onto d5" in added.out
    assert "survives" not in added.out
    assert home("rebuild", "d2", "--onto", "d5").code == EXIT_OK
    assert home("status").out.startswith("All is well")


def test_a_dry_repair_says_what_would_go_where(home: Machine) -> None:
    assert home("repair", "-n").out == "Nothing is known to be missing.\n"
    for path in shards(home, "d1"):
        path.unlink()
    home("scrub", "--list")
    run = home("repair", "--dry-run")
    assert run.code == EXIT_OK
    assert "would be made again" in run.out and "\n  d1  " in run.out and "Next: webraid repair" in run.out
    document = home("repair", "-n", "--json").document
    assert document["dry_run"] and document["planned"][0]["backend"] == "d1"
    assert document["bytes_stored"] == sum(item["bytes"] for item in document["planned"])
    assert undocumented(document) == []
    assert "made again" in home("repair").out


def test_two_lost_of_a_level_that_has_more_to_spare_are_further_losses(home: Machine, lose: Lose) -> None:
    (home.root / "little").write_text("a")
    lose("d4")
    out = home("status").out
    assert out.startswith("DEGRADED: everything can be read; one further disk may be lost (raid6 promises 2).")
    lose("d3", "d2")
    out = home("status").out
    assert out.startswith("FAILED") and "Next: Bring d2, d3 and d4 back: what cannot be read lies there" in out


def test_a_drained_disk_is_not_said_to_have_anything_to_go(home: Machine) -> None:
    assert home("add-backend", "local", "d5", "--path", home.root / "d5").code == EXIT_OK
    assert home("drain", "d1").code == EXIT_OK
    assert "d1: is emptied: nothing needs it any more ('webraid backend rm d1')" in home("status").out
    (one,) = [disk for disk in home("status", "--json").document["backends"] if disk["name"] == "d1"]
    assert one["bytes_alone"] == 0 < one["bytes_stored"]
