"""How a process ends: interrupted, with nobody reading, quickly; and how quickly it begins."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Machine
from webraid.cli.commands import MODULES

HEAVY = (
    "rich", "numpy", "boto3", "botocore", "cryptography", "zfec", "msgspec", "sqlite3", "webraid.pool", "pydantic",
    "importlib.metadata", "tomlkit", "webraid.jobs",
)  # fmt: skip
NEEDLESS = (
    "numpy", "zfec", "pydantic", "importlib.metadata", "tomlkit", "keyring", "boto3", "requests", "urllib3", "paramiko",
    "googleapiclient", "dropbox", "http.client", "ssl", "asyncio", "multiprocessing", "webraid.lab", "webraid.cli.lab",
    "webraid.cli.init", "webraid.cli.wizard",
)  # fmt: skip
LOADED = (
    "import json, sys\nfrom webraid.cli.app import main\ncode = main(sys.argv[1:])\nprint(json.dumps([*sys.modules]))"
)


def loaded(machine: Machine, *words: str) -> set[str]:
    """The modules that a process has when the command is done."""
    command = [sys.executable, "-c", LOADED, *words]
    environ = os.environ | machine.environ
    done = subprocess.run(command, capture_output=True, env=environ, cwd=machine.root, timeout=30, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def wait_for(path: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert path.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_with_130_and_one_calm_line(machine: Machine, number: int) -> None:
    sign = machine.root / "waiting"
    slow = f"{sys.executable} -c 'import pathlib, time; pathlib.Path(\"{sign}\").touch(); time.sleep(60)'"
    bare = machine.without("WEBRAID_PASSWORD_FILE")
    for flags in ([], ["--json"]):
        process = bare.process("init", "--password-command", slow, *flags)
        wait_for(sign)
        sign.unlink()
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, out) == (130, b"")
        (line,) = err.decode().splitlines()
        assert "run the same command again" in line
        assert not flags or json.loads(line)["code"] == 130


def test_an_interrupted_put_leaves_nothing_half_done(home: Machine) -> None:
    (home.root / "photos" / "big").write_bytes(os.urandom(24 << 20))
    process = home.process("put", home.root / "photos", stdout=subprocess.DEVNULL)
    end = time.monotonic() + 30
    count = sum(1 for _ in (home.root / "d1").rglob("*"))
    while sum(1 for _ in (home.root / "d1").rglob("*")) == count and time.monotonic() < end:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert home("put", home.root / "photos").code == 0
    assert home("check").code == 0


@pytest.mark.parametrize("words", [["ls"], ["status"], ["snapshots", "--json"], ["cat", "latest:photos/a.jpg"]])
def test_nobody_reading_is_no_tragedy(home: Machine, words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = home.process(*words, stdout=writer)
    os.close(writer)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (1, b"")


@pytest.mark.parametrize("words", [["--help"], ["put", "--help"], ["--version"], ["config", "path", "--json"]])
def test_help_loads_nothing_heavy(machine: Machine, words: list[str]) -> None:
    allowed = {"msgspec", "webraid.jobs"} if "config" in words else set()
    assert set(HEAVY) & loaded(machine, *words) <= allowed


def test_one_command_does_not_load_the_others(machine: Machine) -> None:
    shown = loaded(machine, "put", "--help")
    assert {name for name in MODULES.values() if f"webraid.cli.{name}" in shown} <= {"put", "completion"}
    assert "webraid.cli.shell_scripts" not in shown


def test_rich_is_loaded_only_to_show_something(home: Machine) -> None:
    shown = loaded(home, "status", "--json")
    assert "rich" not in shown
    assert "webraid.pool" in shown


@pytest.mark.parametrize("words", [["snapshots"], ["status"], ["ls"], ["put", "-q", "photos"], ["check"]], ids=" ".join)
def test_a_pool_on_folders_loads_only_what_it_needs(home: Machine, words: list[str]) -> None:
    assert not set(NEEDLESS) & loaded(home, *words)


@pytest.mark.parametrize("words", [["put", "-q", "photos"], ["put", "--json", "photos"]], ids=" ".join)
def test_a_run_that_shows_no_page_loads_nothing_to_draw_with(home: Machine, words: list[str]) -> None:
    assert "rich" not in loaded(home, *words)


def test_a_restore_loads_only_what_it_needs(home: Machine) -> None:
    parity = {"numpy", "zfec"}  # which it takes where a disk is slow
    assert not (set(NEEDLESS) - parity) & loaded(home, "get", "latest", "-q", "-t", str(home.root / "back"))
