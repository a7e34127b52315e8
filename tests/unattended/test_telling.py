"""Pings, messages and metrics: who is told how a run ended, and what nobody is told."""

from __future__ import annotations

import re
import shutil
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, table
from tests.unattended.conftest import Clock, Night, Server
from webraid.errors import EXIT_OK, EXIT_TEMPORARY
from webraid.unattended import metrics, pings
from webraid.unattended.logbook import Logbook, rotate
from webraid.unattended.record import LastRun, moment
from webraid.unattended.traffic import Flows

SECRET = "0f7ac1de-0000-4444-8888-5ec2e7"


# ------------------------------------------------------------------------------------------------------ healthchecks
def test_the_start_and_the_success_are_told(night: Night, server: Server) -> None:
    night.says(f'[notify]\nhealthchecks = "{server.url}/{SECRET}"')
    assert night.run("put").code == EXIT_OK
    assert server.paths == [f"/{SECRET}/start", f"/{SECRET}"]
    assert b"exit code 0: ok" in server.requests[-1][2]
    assert SECRET not in night.log
    assert "healthchecks at 127.0.0.1: told" in night.log


def test_a_failure_is_told_with_its_exit_code_and_without_names_of_files(night: Night, server: Server) -> None:
    night.says(f'[notify]\nhealthchecks = "{server.url}/{SECRET}/?create=1"')
    night.says("[hooks]\nfailed = ['echo hook-says-secret-name']")
    night.config.write_text(night.config.read_text().replace(f'["{night.photos}"]', '["/no/secret-name"]'))
    code = night.run("put").code
    assert code != EXIT_OK
    assert server.paths == [f"/{SECRET}/start?create=1", f"/{SECRET}/{code}?create=1"]
    assert "secret-name" in night.log
    assert all(b"secret-name" not in body for _, _, body in server.requests)


def test_a_run_that_is_not_due_pings_nobody(night: Night, server: Server) -> None:
    night.clock.at(3)
    night.run("check", timer=True)
    night.says(f'[notify]\nhealthchecks = "{server.url}"')
    assert night.run("check", timer=True).skipped
    assert server.requests == []


def test_a_ping_is_tried_again_a_little(night: Night, server: Server) -> None:
    server.answers = [503, 500, 200]
    assert pings.ping(server.url, "start", "", night.clock.env) == ""
    assert len(server.requests) == 3
    server.answers = [404]
    assert pings.ping(server.url, "", "", night.clock.env) == "the server answers 404"
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "address", ["closed port", "no name", "file:///etc/passwd", "nonsense", "http://[::1", "${NO}"]
)
def test_a_ping_that_fails_does_not_make_the_run_fail_and_shows_no_address(night: Night, address: str) -> None:
    if address == "closed port":
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"http://127.0.0.1:{taken.getsockname()[1]}/{SECRET}"
    elif address == "no name":
        address = f"http://127.0.0.1:99999/{SECRET}"
    night.says(f'[notify]\nhealthchecks = "{address}"')
    finished = night.run("check")
    assert (finished.code, finished.quiet) == (EXIT_OK, True)
    assert SECRET not in night.log
    assert "/etc/passwd" not in night.log
    assert "told" not in night.log.split("healthchecks")[-1]


def test_a_body_is_the_end_of_the_log_and_never_larger_than_10_kb(night: Night, server: Server) -> None:
    body = "".join(f"line {number} \N{SNOWMAN}\n" for number in range(3000))
    pings.ping(server.url, "", body, night.clock.env)
    ((_, _, sent),) = server.requests
    assert 9_990 < len(sent) <= 10_000
    assert body.endswith(sent.decode())


# ----------------------------------------------------------------------------------------------------------- Apprise
def notified(night: Night, server: Server, when: str) -> Night:
    address = server.url.replace("http", "json")
    return night.says(f'[notify]\napprise = ["{address}/{SECRET}"]\nwhen = "{when}"')


def test_people_are_told_of_a_failure_and_only_of_that(night: Night, server: Server) -> None:
    notified(night, server, "failure")
    night.run("put")
    assert server.requests == []
    night.lose("d1", "d2", "d3")
    night.run("put")
    (told,) = server.documents()
    assert told["title"] == "WebRAID home: failed (5: temporary failure: try again later)"
    assert told["type"] == "failure"
    assert "put [exit code 5]: 1 of 4 disks answer" in told["message"]
    assert str(night.root) not in told["message"]
    assert SECRET not in night.log


def test_people_are_told_of_a_change_in_both_directions(night: Night, server: Server) -> None:
    notified(night, server, "change")
    outcomes = []
    for lost in (False, True, True, False, False):
        if lost and (night.root / "d1").exists():
            night.lose("d1", "d2", "d3")
        if not lost and not (night.root / "d1").exists():
            night.bring_back("d1", "d2", "d3")
        before = len(server.requests)
        night.run("put")
        outcomes.append(len(server.requests) - before)
    assert outcomes == [0, 1, 0, 1, 0]
    assert [told["type"] for told in server.documents()] == ["failure", "success"]


def test_people_are_always_told_if_they_want(night: Night, server: Server) -> None:
    notified(night, server, "always")
    night.run("check")
    assert [told["type"] for told in server.documents()] == ["success"]


@pytest.mark.parametrize("address", ["json://127.0.0.1:1/{SECRET}", "frob://{SECRET}", "${{SECRET}}"])
def test_a_message_that_fails_is_logged_without_its_address(
    night: Night, address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    night.says(f'[notify]\napprise = ["{address.format(SECRET=SECRET)}"]\nwhen = "always"')
    finished = night.run("check")
    assert (finished.code, finished.quiet) == (EXIT_OK, True)
    assert re.search("notify: (not everybody|1 of 1 addresses|the config uses)", night.log)
    assert SECRET not in night.log
    assert capfd.readouterr() == ("", "")


def test_the_variable_in_an_address_is_put_in(night: Night, server: Server) -> None:
    night.environ["WHERE"] = server.url.replace("http", "json")
    night.says('[notify]\napprise = ["${WHERE}"]\nwhen = "always"')
    night.run("check")
    assert len(server.requests) == 1


@pytest.mark.parametrize("when", ["failure", "change"])
def test_what_the_timer_tries_again_every_hour_is_told_once(night: Night, server: Server, when: str) -> None:
    notified(night, server, when)
    night.lose("d1", "d2", "d3")
    for hour in (3, 4, 5):
        night.clock.at(hour)
        assert night.run("put", timer=True).code == EXIT_TEMPORARY
    assert len(server.requests) == 1


# ----------------------------------------------------------------------------------------------------------- metrics
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN|[+-]Inf)")


def parse(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The exposition format, strictly: one HELP and TYPE before all samples of a name, no sample twice."""
    assert text.endswith("\n")
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    helped: list[str] = []
    typed: list[str] = []
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, meaning = line[7:].split(" ", 1)
            assert re.fullmatch(NAME, name)
            assert meaning
            assert name not in helped
            helped.append(name)
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert kind in ("gauge", "counter")
            assert helped[-1] == name
            typed.append(name)
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] == typed[-1], "samples of a name stand together"
            labels, rest = [], match[2] or ""
            while rest:
                label = LABEL.match(rest)
                assert label, line
                labels.append((label[1], label[2]))
                rest = rest[label.end() :]
            key = (match[1], frozenset(labels))
            assert key not in samples, line
            samples[key] = float(match[3])
    assert helped == typed
    return samples


def test_the_metrics_are_valid_and_true(night: Night) -> None:
    target = night.root / "textfile" / "webraid.prom"
    night.says(f'[log]\nmetrics = "{target}"')
    night.run("put", "check")
    text = target.read_text()
    found = parse(text)
    pool = ("pool", "home")
    last = night.last
    assert found["webraid_last_run_exit_code", frozenset({pool})] == 0
    assert found["webraid_last_success_timestamp_seconds", frozenset({pool})] == last.ended.timestamp()
    assert found["webraid_last_run_timestamp_seconds", frozenset({pool})] == last.started.timestamp()
    assert found["webraid_source_files", frozenset({pool, ("source", "photos")})] == 2
    assert found["webraid_source_bytes", frozenset({pool, ("source", "photos")})] == 40_000
    assert found["webraid_survives", frozenset({pool})] == 2
    assert found["webraid_snapshots", frozenset({pool})] == 1
    assert found["webraid_disk_state", frozenset({pool, ("disk", "d1"), ("state", "online")})] == 1
    assert found["webraid_disk_state", frozenset({pool, ("disk", "d1"), ("state", "faulted")})] == 0
    assert found["webraid_disk_sent_bytes", frozenset({pool, ("disk", "d2")})] > 0
    assert found["webraid_job_exit_code", frozenset({pool, ("job", "check")})] == 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert [path.name for path in target.parent.iterdir()] == ["webraid.prom"]
    if shutil.which("promtool"):
        subprocess.run(["promtool", "check", "metrics"], input=text, text=True, check=True, timeout=60)


def test_metrics_of_a_run_that_failed_keep_what_was_known(night: Night) -> None:
    target = night.root / "webraid.prom"
    night.says(f'[log]\nmetrics = "{target}"')
    night.run("put")
    good = night.last.last_success
    night.lose("d1", "d2", "d3")
    code = night.run("put").code
    found = parse(target.read_text())
    pool = ("pool", "home")
    assert found["webraid_last_run_exit_code", frozenset({pool})] == code
    assert found["webraid_last_success_timestamp_seconds", frozenset({pool})] == good.timestamp()
    assert found["webraid_source_files", frozenset({pool, ("source", "photos")})] == 2
    assert found["webraid_disk_state", frozenset({pool, ("disk", "d1"), ("state", "online")})] == 0


def test_names_that_need_escaping_are_escaped() -> None:
    run = LastRun(pool='my "pool"\\\n', started=moment(1.5), ended=moment(3))
    found = parse(metrics.render(run, None, Flows()))
    assert found["webraid_last_run_duration_seconds", frozenset({("pool", 'my \\"pool\\"\\\\\\n')})] == 1.5


def test_metrics_that_cannot_be_written_are_logged(night: Night) -> None:
    night.says('[log]\nmetrics = "/proc/no/webraid.prom"')
    assert night.run("check").code == EXIT_OK
    assert "metrics: /proc/no/webraid.prom cannot be written" in night.log


def test_the_metrics_that_the_guide_names_are_the_metrics_that_there_are(night: Night) -> None:
    target = night.root / "webraid.prom"
    night.says(f'[log]\nmetrics = "{target}"')
    night.config.write_text(night.config.read_text().replace('name = "d1"', 'name = "d1"\ncapacity = "1 GiB"'))
    night.run("put")
    text = (ROOT / "docs/guide/notifications.md").read_text()
    named = {name for row in table(text, "## Prometheus") for name in re.findall(r"webraid_\w+", row[0])}
    assert named == {name for name, _ in parse(target.read_text())}
    assert set(re.findall(r"webraid_\w+", text.split("Rules that")[1])) <= named


# --------------------------------------------------------------------------------------------------------------- log
def test_a_line_is_a_line(tmp_path: Path) -> None:
    log = Logbook(tmp_path / "log", Clock().env)
    log.line("one\ntwo")
    assert (tmp_path / "log").read_text().count("\n") == 1


def test_a_log_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webraid.unattended.logbook.LARGEST", 5000)
    log = Logbook(tmp_path / "log", Clock().env)
    for _ in range(500):
        log.line("x" * 100)
    text = (tmp_path / "log").read_text()
    assert len(text) < 6000
    assert text.endswith("this log is full\n")


def test_a_log_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("")
    (tmp_path / "log").symlink_to(tmp_path / "target")
    log = Logbook(tmp_path / "log", Clock().env)
    log.line("x")
    assert "cannot be written" in log.trouble
    assert (tmp_path / "target").read_text() == ""


def test_old_logs_are_numbered_by_age(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for number in range(6):
        path.write_text(str(number))
        rotate(path, 3)
    assert {old.name: old.read_text() for old in tmp_path.iterdir()} == {"log.1": "5", "log.2": "4", "log.3": "3"}
    path.write_text("6")
    rotate(path, 1)
    assert {old.name: old.read_text() for old in tmp_path.iterdir()} == {"log.1": "6"}
    path.write_text("7")
    rotate(path, 0)
    assert not path.exists()
