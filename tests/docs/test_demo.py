"""The demo: what it calls equal is equal, and however it ends it leaves nothing behind."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.docs.pages import ROOT
from webraid.errors import EXIT_ERROR, EXIT_INTERRUPTED

SCRIPT = ROOT / "demo" / "demo.py"


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    return importlib.import_module("demo")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo that plays in ``tmp_path``."""
    environ = os.environ | {"TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-u", str(SCRIPT)]
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        yield process
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def commands_about(folder: Path) -> list[str]:
    """Command lines of all processes that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:  # ended meanwhile
            continue
        found += [line] if str(folder) in line else []
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_behind(
    number: signal.Signals, running: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert running.stdout
    for line in running.stdout:
        if "has joined" in line:  # the clouds run, and one command is under way
            break
    assert commands_about(tmp_path)
    running.send_signal(number)
    rest = running.stdout.read()
    assert running.wait(30) == EXIT_INTERRUPTED
    assert "Interrupted" in rest
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []
    assert commands_about(tmp_path) == []


def test_the_demo_fails_where_one_bit_differs(demo: ModuleType, tmp_path: Path) -> None:
    stage = demo.Stage(tmp_path)
    for root in demo.ROOTS:
        (tmp_path / root).mkdir()
        (tmp_path / root / "file").write_bytes(b"content of " + root.encode())
    shutil.copytree(tmp_path / "photos", tmp_path / "got" / "photos")
    with pytest.raises(demo.Unequal, match="2 differences"):
        stage.compare("got", "with two roots missing")
    for root in demo.ROOTS:
        shutil.copytree(tmp_path / root, tmp_path / "got" / root, dirs_exist_ok=True)
    damaged = tmp_path / "got" / "python" / "file"
    status = damaged.stat()
    damaged.write_bytes(demo.flipped(damaged.read_bytes()))
    os.utime(damaged, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(demo.Unequal, match="1 differences"):
        stage.compare("got", "with one bit flipped")
    damaged.write_bytes(demo.flipped(damaged.read_bytes()))
    os.utime(damaged, ns=(status.st_atime_ns, status.st_mtime_ns))
    stage.compare("got", "with nothing flipped")
    assert stage.proved == ["with nothing flipped"]
    assert not (tmp_path / "got").exists()


def test_the_demo_ends_with_1_where_something_is_unequal(
    demo: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def play(stage: object) -> None:
        raise demo.Unequal("3 differences on an empty machine")

    monkeypatch.setattr(demo, "play", play)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        assert demo.main() == EXIT_ERROR
    finally:
        for number, before in handlers.items():
            signal.signal(number, before)
    assert "FAILED: 3 differences on an empty machine" in capsys.readouterr().out


def test_the_material_has_what_a_copy_easily_gets_wrong(demo: ModuleType, tmp_path: Path) -> None:
    files, size = demo.make(tmp_path)
    found = list(tmp_path.rglob("*"))
    assert files >= 200
    assert 20e6 < size < 60e6
    assert {path.parent.name for path in found if path.suffix == ".jpg"} == {"photos"}
    assert any(path.is_symlink() and not path.exists() for path in found)
    assert any(path.is_fifo() for path in found)
    assert any(path.is_dir() and not list(path.iterdir()) for path in found)
    assert any(path.is_file() and path.stat().st_nlink == 2 for path in found)
    sparse = tmp_path / "odds" / "disk.img"
    assert sparse.stat().st_blocks * 512 < sparse.stat().st_size / 4


@pytest.mark.deep
def test_the_demo_passes_and_leaves_nothing_behind(running: subprocess.Popen[str], tmp_path: Path) -> None:
    out, _ = running.communicate(timeout=300)
    assert running.returncode == 0, out
    assert out.count("EQUAL: ") == 5
    assert "PASSED" in out
    assert list(tmp_path.iterdir()) == []
    assert commands_about(tmp_path) == []
