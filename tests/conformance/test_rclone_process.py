"""The one rclone that stays: shared, restarted, never left behind, and silent about secrets."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conformance.servers import rclone_binary
from webraid.backend.conformance.subject import put
from webraid.backend.login import Secrets
from webraid.errors import BackendError, Misconfigured, ObjectNotFound, PluginMissing, Unavailable
from webraid_rclone import RcloneBackend, RcloneOptions
from webraid_rclone.daemon import Daemon
from webraid_rclone.oneshot import OneShot
from webraid_rclone.process import Running

ROOT = Path(__file__).resolve().parents[2]


def made(folder: Path, secrets: Secrets | None = None, **options: str) -> RcloneBackend:
    return RcloneBackend.connect(RcloneOptions(f":local:{folder}", **options), secrets or {})  # type: ignore[arg-type]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[RcloneBackend]:
    with contextlib.closing(made(tmp_path)) as backend:
        backend.prepare()
        yield backend


def running(backend: RcloneBackend) -> Running:
    transport = backend._transport
    assert isinstance(transport, Daemon)
    return transport._process.running()


def is_alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in map(int, path.read_text().split()):
                found |= {child} | descendants(child)
    return found


def soon(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
    return holds()


# ------------------------------------------------------------------------------------------------------------- shared
def test_all_disks_share_one_child_that_ends_with_the_last(tmp_path: Path) -> None:
    one, two, three = made(tmp_path / "a"), made(tmp_path / "a"), made(tmp_path / "b")
    assert {running(backend).child.pid for backend in (one, two, three)} == {running(one).child.pid}
    pid, folder = running(one).child.pid, Path(running(one).socket).parents[1]
    one.close()
    two.close()
    three.prepare()
    three.close()
    three.close()
    assert not is_alive(pid)
    assert not folder.exists()


def test_the_child_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    opened: list[RcloneBackend] = []
    thread = threading.Thread(target=lambda: opened.append(made(tmp_path)))
    thread.start()
    thread.join()
    with contextlib.closing(opened[0]) as backend:
        pid = running(backend).child.pid
        backend.prepare()
        assert put(backend, "a", b"1").verified
        assert running(backend).child.pid == pid


def test_a_child_that_was_killed_is_started_again(disk: RcloneBackend) -> None:
    put(disk, "a", b"1")
    first = running(disk).child
    os.kill(first.pid, signal.SIGKILL)
    assert first.gone(patience=10)
    assert disk.get("a") == b"1"
    assert put(disk, "a", b"2").verified
    assert running(disk).child.pid != first.pid


def test_what_was_under_way_when_the_child_died_is_unavailable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        remote = f':webdav,url="http://127.0.0.1:{silent.getsockname()[1]}/":'
        process = made(tmp_path)
        caught: list[BackendError] = []

        def connect() -> None:
            try:
                RcloneBackend.connect(RcloneOptions(remote), {}).usage()
            except BackendError as error:
                caught.append(error)

        thread = threading.Thread(target=connect)
        thread.start()
        connection, _ = silent.accept()
        os.kill(running(process).child.pid, signal.SIGKILL)
        thread.join(10)
        connection.close()
        process.close()
    assert [type(error) for error in caught] == [Unavailable]
    assert "ended" in str(caught[0])


# ---------------------------------------------------------------------------------------------------- nothing is left
SCRIPT = """
import sys, threading
from pathlib import Path
from webraid_rclone import RcloneBackend, RcloneOptions
backend = []
thread = threading.Thread(
    target=lambda: backend.append(RcloneBackend.connect(RcloneOptions(":local:" + sys.argv[1]), {}))
)
thread.start()
thread.join()
backend[0].prepare()
running = backend[0]._transport._process.running()
print(running.child.pid, Path(running.socket).parents[1], flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["SIGKILL", "exit"])
def test_however_we_end_no_child_and_no_file_is_left(end: str, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "backends")))}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:  # fmt: skip
        assert parent.stdout and parent.stdin
        pid_told, _, folder = parent.stdout.readline().strip().partition(" ")
        pid = int(pid_told)
        family = descendants(pid) | {pid}
        assert is_alive(pid) and len(family) == 2 and Path(folder, "rclone.conf").exists()
        if end == "SIGKILL":
            parent.kill()
        else:
            parent.stdin.close()
        parent.wait(10)
    assert soon(lambda: not any(map(is_alive, family)))
    assert soon(lambda: not Path(folder).exists())


def test_ctrl_c_in_the_terminal_is_not_for_the_child(disk: RcloneBackend) -> None:
    assert os.getsid(running(disk).child.pid) != os.getsid(0)


def test_sockets_are_made_where_their_names_are_short_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with contextlib.closing(made(tmp_path)) as backend:
        backend.prepare()
    assert not list(deep.iterdir())


# ------------------------------------------------------------------------------------------------------------ secrets
def test_the_command_line_shows_no_secret(tmp_path: Path) -> None:
    section = json.dumps({"type": "alias", "remote": str(tmp_path), "token": "hunter2"})
    secrets = Secrets({"section": section}, disk="r1", folder=tmp_path / "kept")
    with contextlib.closing(RcloneBackend.connect(RcloneOptions(type="alias"), secrets)) as backend:
        backend.prepare()
        child = running(backend).child.pid
        lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (child, *descendants(child))]
        environment = dict(
            pair.split("=", 1) for pair in Path(f"/proc/{child}/environ").read_text().split("\0") if "=" in pair
        )
        for secret in ("hunter2", environment["RCLONE_RC_USER"], environment["RCLONE_RC_PASS"]):
            assert not any(secret.encode() in line for line in lines)
            assert secret not in repr(vars(backend)) + repr(backend)
        assert "hunter2" not in environment.values()
        folder = Path(running(backend).socket).parents[1]
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "kept" / "rclone.conf").stat().st_mode & 0o777 == 0o600


def test_the_remote_control_wants_its_password(disk: RcloneBackend) -> None:
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(running(disk).socket)
        stranger.sendall(b"POST /core/version HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        assert b" 401 " in stranger.recv(100)


def test_the_users_own_rclone_settings_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CONFIG": "/nonexistent/x", "DRY_RUN": "true", "RC_NO_AUTH": "true", "BWLIMIT": "1"}.items():
        monkeypatch.setenv(f"RCLONE_{name}", value)
    with contextlib.closing(made(tmp_path)) as backend:
        backend.prepare()
        put(backend, "a", b"1")
    assert (tmp_path / "webraid" / "a").read_bytes() == b"1"


# ------------------------------------------------------------------------------------------------------ which program
def pretend(path: Path, version: str) -> str:
    """A rclone that is too old to serve, and works."""
    path.write_text(
        f'#!/bin/sh\ncase "$1" in\nrcd) exit 1;;\nversion) echo "rclone v{version}";;\n'
        f'*) exec {rclone_binary()} "$@";;\nesac\n'
    )
    path.chmod(0o755)
    return str(path)


def test_an_old_rclone_is_run_once_a_request(tmp_path: Path) -> None:
    old = pretend(tmp_path / "rclone", "1.60.1-DEV")
    with contextlib.closing(made(tmp_path, binary=old)) as backend:
        assert isinstance(backend._transport, OneShot)
        backend.prepare()
        assert put(backend, "a", b"1").verified
    with pytest.raises(Misconfigured):
        made(tmp_path, binary=old, transport="rcd")


def test_a_new_rclone_that_does_not_start_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not start"):
        made(tmp_path, binary=pretend(tmp_path / "rclone", "1.75.2"))


def test_without_rclone_it_is_told_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(PluginMissing) as raised:
        made(tmp_path, binary=str(tmp_path / "nothing"))
    assert "pipx install --force '.[all]'" in raised.value.hint


def test_a_process_a_request_leaves_nothing_running(tmp_path: Path) -> None:
    before = descendants(os.getpid())
    with contextlib.closing(made(tmp_path, transport="process")) as backend:
        backend.prepare()
        with pytest.raises(ObjectNotFound):
            backend.get("none")
    assert soon(lambda: descendants(os.getpid()) <= before)
