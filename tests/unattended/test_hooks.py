"""The user's own commands around a run."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.unattended.conftest import Clock, Night
from webraid.errors import EXIT_ERROR, EXIT_OK, EXIT_TEMPORARY
from webraid.unattended import hooks
from webraid.unattended.logbook import Logbook


def seen(night: Night) -> list[str]:
    return (night.root / "seen").read_text().splitlines()


def noting(night: Night, **lines: str) -> None:
    """Each kind of hook appends its name and what it is told."""
    given = {when: f"echo {when} {words} >> {night.root}/seen" for when, words in lines.items()}
    night.says("[hooks]\n" + "\n".join(f"{when} = ['{command}']" for when, command in given.items()))


def test_hooks_of_a_run_that_goes_well(night: Night) -> None:
    told = "$WEBRAID_JOB:$WEBRAID_EXIT_CODE:$WEBRAID_POOL:$WEBRAID_SNAPSHOT:$WEBRAID_SNAPSHOTS:$WEBRAID_HOOK"
    noting(night, before=told, after=told, failed=told, **{"finally": told})
    assert night.run("put", "check").code == EXIT_OK
    (snapshot,) = night.last.snapshots
    assert seen(night) == [
        "before put check:0:home:::before",
        f"after put check:0:home:{snapshot}:{snapshot}:after",
        f"finally put check:0:home:{snapshot}:{snapshot}:finally",
    ]


def test_hooks_of_a_run_that_fails(night: Night) -> None:
    night.lose("d1", "d2", "d3")
    told = '$WEBRAID_JOB:$WEBRAID_EXIT_CODE:"${WEBRAID_ERROR:+told}"'
    noting(night, before=told, after=told, failed=told, **{"finally": told})
    assert night.run("put").code == EXIT_TEMPORARY
    assert seen(night) == ["before put:0:", "failed put:5:told", "finally put:5:told"]


def test_a_before_that_fails_stops_the_run_but_not_the_others(night: Night) -> None:
    marks = f"{night.root}/seen"
    night.says(
        f"[hooks]\nbefore = ['echo one >> {marks}; exit 7', 'echo two >> {marks}']\n"
        f"failed = ['echo failed >> {marks}']\nfinally = ['echo finally >> {marks}']"
    )
    finished = night.run("put")
    assert finished.code == EXIT_ERROR
    assert seen(night) == ["one", "failed", "finally"]
    assert night.snapshots() == 0
    assert "hook before[1] failed with exit code 7" in finished.details[0]


@pytest.mark.parametrize("when", ["after", "finally"])
def test_another_hook_that_fails_makes_the_run_fail(night: Night, when: str) -> None:
    night.says(f"[hooks]\n{when} = ['exit 3']")
    finished = night.run("put")
    assert finished.code == EXIT_ERROR
    assert not finished.quiet
    assert night.snapshots() == 1


def test_all_hooks_run_even_if_one_of_them_fails(night: Night) -> None:
    night.says(f"[hooks]\nfinally = ['false', 'echo second >> {night.root}/seen']")
    night.run("check")
    assert seen(night) == ["second"]


def test_their_output_is_in_the_log_and_in_no_message(night: Night) -> None:
    night.says("[hooks]\nbefore = ['echo dumped /home/ann/secret-name; echo oops >&2']")
    finished = night.run("check")
    assert "hook before: dumped /home/ann/secret-name" in night.log
    assert "hook before: oops" in night.log
    assert "secret-name" not in "".join(finished.details)


def test_hooks_see_no_passphrase(night: Night) -> None:
    night.environ |= {"WEBRAID_PASSWORD": "horse", "WEBRAID_PASSWORD_FILE": "/horse", "WEBRAID_NOTIFY_APPRISE": "horse"}
    night.environ |= {"GREETING": "hello", "WEBRAID_RECOVERY_CODE": "horse"}
    night.says("[hooks]\nbefore = ['env']")
    night.run("check")
    assert "horse" not in night.log
    assert "GREETING=hello" in night.log


def book(folder: Path) -> Logbook:
    return Logbook(folder / "log", Clock().env)


def test_a_hook_that_takes_too_long_is_ended_with_all_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "GRACE", 0.1)
    log = book(tmp_path)
    stubborn = f"trap '' TERM; sleep 60 & echo $! > {tmp_path}/child; wait; sleep 60"
    trouble = hooks.run_hooks("after", [stubborn], os.environ, timeout=0.3, log=log)
    assert "took longer than" in trouble
    child = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    deadline = time.monotonic() + 10
    while child.exists() and child.read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not child.exists() or child.read_text().split()[2] == "Z"


def test_what_a_hook_leaves_running_does_not_hold_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "DRAIN", 0.05)
    log = book(tmp_path)
    command = f"echo started; sleep 60 & echo $! > {tmp_path}/child"
    assert hooks.run_hooks("before", [command], os.environ, timeout=30, log=log) == ""
    os.kill(int((tmp_path / "child").read_text()), 9)


def test_a_hook_that_floods_its_output_fills_no_log(tmp_path: Path) -> None:
    log = book(tmp_path)
    flood = "i=0; while [ $i -lt 300 ]; do printf '%01000d\\n' $i; i=$((i+1)); done"
    assert hooks.run_hooks("before", [flood], os.environ, timeout=60, log=log) == ""
    text = (tmp_path / "log").read_text()
    assert len(text) < hooks.MOST_OUTPUT * 1.5
    assert "... and more" in text


def test_a_command_that_is_none_is_an_error_like_any_other(tmp_path: Path) -> None:
    trouble = hooks.run_hooks("before", ["/no/such/program"], os.environ, timeout=30, log=book(tmp_path))
    assert trouble == "hook before failed with exit code 127"
    assert "ended by SIGSEGV" in hooks.run_hooks("after", ["kill -SEGV $$"], os.environ, timeout=9, log=book(tmp_path))
    assert "ended by signal 40" in hooks.run_hooks("after", ["kill -40 $$"], os.environ, timeout=9, log=book(tmp_path))
    assert "zero byte" in hooks.run_hooks("after", ["true \0"], os.environ, timeout=9, log=book(tmp_path))
