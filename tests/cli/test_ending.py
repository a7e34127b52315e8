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

HEAVY = ("rich", "numpy", "boto3", "botocore", "cryptography", "zfec", "msgspec", "sqlite3", "webraid.pool")
LOADED = (
    "import json, sys\nfrom webraid.cli.app import main\ncode = main(sys.argv[1:])\nprint(json.dumps([*sys.modules]))"
)


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
    command = [sys.executable, "-c", LOADED, *words]
    done = subprocess.run(command, capture_output=True, env=os.environ | machine.environ, timeout=30, check=True)
    loaded = json.loads(done.stdout.splitlines()[-1])
    allowed = {"msgspec"} if "config" in words else set()
    assert set(HEAVY) & set(loaded) <= allowed


def test_rich_is_loaded_only_to_show_something(home: Machine) -> None:
    command = [sys.executable, "-c", LOADED, "status", "--json"]
    done = subprocess.run(command, capture_output=True, env=os.environ | home.environ, timeout=30, check=True)
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert "rich" not in loaded
    assert "webraid.pool" in loaded
