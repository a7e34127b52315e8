"""No secret in what is printed, not even with --debug, nor in any file but the one for secrets, nor in /proc."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.attic import shut
from tests.cli.conftest import Machine
from tests.cli.forms import KINDS, Form


@pytest.fixture(params=[kind for kind in KINDS if kind not in ("local", "rclone")])
def form(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Form]:
    (tmp_path / "place").mkdir()
    with KINDS[request.param](tmp_path / "place") as made:
        yield made


class Watch:
    """Reads the command lines of a process and all below it until it ends."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.seen: set[bytes] = set()
        self._process = process
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while self._process.poll() is None:
            for folder in Path("/proc").glob("[0-9]*"):
                if self._is_below(folder):
                    self.seen |= {_read(folder / "cmdline")}
            time.sleep(0.03)

    def _is_below(self, folder: Path) -> bool:
        pid = int(folder.name)
        while pid > 1:
            if pid == self._process.pid:
                return True
            found = re.search(rb"^PPid:\s+(\d+)", _read(Path(f"/proc/{pid}/status")), re.MULTILINE)
            pid = int(found[1]) if found else 0
        return False

    def end(self) -> set[bytes]:
        self._thread.join()
        return self.seen


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended
        return b""


def told(machine: Machine, words: list[str], environ: dict[str, str]) -> tuple[int, bytes]:
    """Exit code, and all that a curious neighbour can see or read afterwards."""
    machine.environ |= environ
    process = machine.process(*words, "--debug", "-vv")
    watch = Watch(process)
    out, err = process.communicate(timeout=60)
    files = [path for path in machine.root.rglob("*") if path.is_file() and path.name != "secrets.toml"]
    return process.returncode, b"\n".join([out, err, *watch.end(), *(path.read_bytes() for path in files)])


def test_adding_a_disk_shows_no_secret(pool: Machine, form: Form) -> None:
    code, seen = told(pool, form.words, form.environ)
    assert code == 0
    assert b"has joined" in seen
    assert f"{form.kind}\0{form.name}".encode() in seen  # the watch has seen the process
    for hidden in form.hidden:
        assert hidden.encode() not in seen
    assert all(hidden in (pool.root / "secrets.toml").read_text() for hidden in form.hidden[:1])


def test_a_disk_that_refuses_shows_no_secret_either(pool: Machine, form: Form) -> None:
    """The same words, but nobody is at home: the traceback of --debug holds a library's whole chain of errors."""
    words = [re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9", word) for word in form.words]
    words = [*words, "--port", "9"] if form.kind == "sftp" else words
    code, seen = told(pool, words, form.environ)
    assert code in (2, 5, 23)
    assert b"Traceback" in seen
    for hidden in form.hidden:
        assert hidden.encode() not in seen
    assert not (pool.root / "secrets.toml").exists()


def test_a_traceback_has_no_variables_in_it(pool: Machine, attic: Path, tmp_path: Path) -> None:
    shut(attic, "open-1")
    (tmp_path / "token").write_text("wrong-hush-1")
    code, seen = told(
        pool, ["add-backend", "attic", "a1", "--path", str(attic), "--token-file", str(tmp_path / "token")], {}
    )
    assert code == 23
    assert b"Traceback" in seen
    assert b"wrong-hush-1" not in seen


def test_a_secret_that_is_typed_as_a_value_is_nowhere_but_on_the_command_line(pool: Machine, attic: Path) -> None:
    shut(attic, "hush-2")
    run = pool("add-backend", "attic", "a1", "--path", attic, "--token", "hush-2", "--debug", "-vv")
    assert run.code == 0
    assert "hush-2" not in run.out + run.err + (pool.root / "config.toml").read_text()
