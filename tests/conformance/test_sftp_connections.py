"""Connections: how few there are, what happens when they break or hang, and that nothing of them stays."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conformance.servers import FaultyFront
from tests.conformance.servers_sftp import SftpServer, sftp_asyncssh, tcp_front
from webraid.backend.conformance.subject import put
from webraid.errors import BackendError, Misconfigured, ObjectNotFound, Unavailable
from webraid_sftp import SftpBackend, SftpOptions, remote
from webraid_sftp.session import CHANNELS

PATIENCE = 0.4  # seconds a server that hangs is given
Open = Callable[..., SftpBackend]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    with sftp_asyncssh(tmp_path_factory.mktemp("sftp")) as started:
        yield started


@pytest.fixture
def front(server: SftpServer) -> Iterator[FaultyFront]:
    """A proxy that counts connections, and breaks them."""
    with tcp_front(server.port) as started:
        yield started


@pytest.fixture
def open_disk(server: SftpServer, front: FaultyFront) -> Iterator[Open]:
    """Opens an instance; all are closed at the end, and then no thread is left."""
    before = set(threading.enumerate())
    with contextlib.ExitStack() as stack:

        def opened(timeout: float = 20.0, port: int = 0) -> SftpBackend:
            options = SftpOptions(
                "127.0.0.1", server.user, server.path, port=port or front.port, known_host_key=server.keys.host,
                timeout=timeout,
            )  # fmt: skip
            return stack.enter_context(contextlib.closing(SftpBackend.connect(options, {"key": server.keys.user})))

        with contextlib.closing(opened()) as first:
            first.prepare()
        yield opened
    for thread in set(threading.enumerate()) - before:
        thread.join(2)
        assert not thread.is_alive(), f"{thread.name} is left"


def connections(front: FaultyFront) -> int:
    return int(front.tell("connections"))


def in_time(action: Callable[[], object], *classes: type[BackendError]) -> BackendError:
    """What it raises, within a few times the patience."""
    begin = time.monotonic()
    with pytest.raises(classes or Unavailable) as caught:
        action()
    assert time.monotonic() - begin < 8 * PATIENCE
    return caught.value


# ------------------------------------------------------------------------------------------------------------ sharing
def test_instances_share_a_connection(open_disk: Open, front: FaultyFront) -> None:
    before = connections(front)
    disks = [open_disk() for _ in range(CHANNELS)]
    threads = [threading.Thread(target=put, args=(disk, f"share/{at}", b"1")) for at, disk in enumerate(disks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert connections(front) - before == 1
    put(open_disk(), "share/one-more", b"1")
    assert connections(front) - before == 2


def test_the_last_one_ends_the_connection(open_disk: Open, front: FaultyFront) -> None:
    one, two = open_disk(), open_disk()
    put(one, "last/a", b"1")
    put(two, "last/b", b"1")
    before = connections(front)
    one.close()
    assert two.get("last/a") == b"1"
    assert one.get("last/b") == b"1"  # closed is not the end of it
    assert connections(front) == before
    one.close()
    two.close()
    assert two.get("last/a") == b"1"
    assert connections(front) == before + 1


def test_other_secrets_are_another_connection(server: SftpServer, open_disk: Open, front: FaultyFront) -> None:
    put(open_disk(), "others/a", b"1")
    before = connections(front)
    options = SftpOptions("127.0.0.1", server.user, server.path, port=front.port, known_host_key=server.keys.host)
    with contextlib.closing(SftpBackend.connect(options, {"key": server.keys.user, "password": "x"})) as other:
        other.get("others/a")
    assert connections(front) == before + 1


def test_connecting_is_left_to_the_first_request(open_disk: Open, front: FaultyFront) -> None:
    before = connections(front)
    open_disk()
    assert connections(front) == before


def test_a_session_that_does_not_get_under_way_leaves_nothing(
    open_disk: Open, front: FaultyFront, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = open_disk()
    before = connections(front)
    with monkeypatch.context() as patched:
        patched.setattr(remote, "LIMITS", remote.STATVFS)  # a question that lacks what it is about
        with pytest.raises(BackendError):
            disk.stat("a")
    with contextlib.suppress(ObjectNotFound):
        disk.stat("a")
    assert connections(front) == before + 2  # the seat was given back, and with it the connection ended


def test_those_who_wait_for_a_connection_that_fails_hear_of_it_and_do_not_try_themselves(open_disk: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        disks = [open_disk(timeout=PATIENCE, port=silent.getsockname()[1]) for _ in range(6)]
        raised: list[BackendError] = []
        gate = threading.Barrier(len(disks))

        def ask(disk: SftpBackend) -> None:
            gate.wait()
            raised.append(in_time(lambda: disk.stat("a")))

        threads = [threading.Thread(target=ask, args=(disk,)) for disk in disks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(raised) == len(disks)
        silent.setblocking(False)
        taken = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                silent.accept()[0].close()
                taken += 1
        assert 1 <= taken <= 2  # one that came late may try once more


# ------------------------------------------------------------------------------------------------------ broken, hanging
def test_a_connection_that_died_while_nothing_was_asked_is_replaced(
    open_disk: Open, front: FaultyFront, server: SftpServer
) -> None:
    disk = open_disk()
    put(disk, "idle/a", b"1")
    before = connections(front)
    FaultyFront(server.port, server.process).tell("hang up")
    deadline = time.monotonic() + 5
    while disk._session is not None and disk._session.alive and time.monotonic() < deadline:
        time.sleep(0.005)
    assert disk.get("idle/a") == b"1"
    assert connections(front) == before + 1


def test_a_server_that_hangs_is_given_up(open_disk: Open, front: FaultyFront) -> None:
    disk = open_disk(timeout=PATIENCE)
    put(disk, "hang/a", b"1")
    with front.fault("hang"):
        in_time(lambda: disk.get("hang/a"))
        in_time(lambda: put(disk, "hang/b", b"1"))
        disk.close()
    assert disk.get("hang/a") == b"1"


def test_a_server_that_stops_reading_is_given_up(open_disk: Open, front: FaultyFront) -> None:
    """More than all buffers on the way can take."""
    disk, other = open_disk(timeout=PATIENCE), open_disk(timeout=PATIENCE)
    put(disk, "stuck/a", b"1")
    put(other, "stuck/b", b"1")
    with front.fault("hang"):
        in_time(lambda: put(disk, "stuck/c", bytes(48 << 20)))
        in_time(lambda: other.get("stuck/b"))
    assert disk.get("stuck/a") == other.get("stuck/b") == b"1"


@pytest.mark.parametrize("says", [b"", b"SSH-2.0-nothing-more\r\n"])
def test_a_server_that_hangs_before_the_login_is_given_up(open_disk: Open, says: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as stack:

        def greet() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection = stack.enter_context(listener.accept()[0])
                    connection.sendall(says)

        threading.Thread(target=greet, daemon=True).start()
        disk = open_disk(timeout=PATIENCE, port=listener.getsockname()[1])
        in_time(lambda: disk.stat("a"))
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("says", [b"HTTP/1.1 400 Bad Request\r\n\r\n" * 100, b"220 ftp\r\n" * 150, b"SSH-1\r\n"])
def test_what_is_no_ssh_server_is_told(open_disk: Open, says: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            with listener.accept()[0] as connection:
                connection.sendall(says)
                connection.recv(1)

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(Misconfigured, match="no SSH server"):
            open_disk(port=listener.getsockname()[1]).stat("a")
        thread.join()


def test_nobody_there_is_told(open_disk: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unavailable, match="nobody listens"):
        open_disk(port=port).stat("a")


# ------------------------------------------------------------------------------------------------- servers that refuse
_REFUSING = """
import asyncio, sys, asyncssh
kind, host_key, authorized = sys.argv[1:]

class Session(asyncssh.SSHServerSession):
    def connection_made(self, chan):
        self.chan = chan
    def subsystem_requested(self, subsystem):
        return kind == 'greeting'
    def session_started(self):
        self.chan.write(b'Welcome! Nothing but greetings here.')

class Doors(asyncssh.SSHServer):
    def connection_made(self, conn):
        self.conn = conn
    def session_requested(self):
        if kind == 'no-session':
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, 'no')
        return self.conn.create_server_channel(encoding=None), Session()

async def main():
    server = await asyncssh.listen('127.0.0.1', 0, server_host_keys=[host_key], authorized_client_keys=authorized,
                                   server_factory=Doors)
    print(server.get_port(), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("kind", "words"),
    [("no-session", "not allowed"), ("no-sftp", "offers no SFTP"), ("greeting", "greeting")],
)
def test_a_server_without_sftp_is_told(server: SftpServer, open_disk: Open, kind: str, words: str) -> None:
    command = [sys.executable, "-c", _REFUSING, kind, str(server.keys.host_file), str(server.keys.authorized)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            port = int(process.stdout.readline())
            with pytest.raises(BackendError, match=words) as caught:
                open_disk(port=port).stat("a")
            assert not caught.value.retryable
            assert caught.value.hint
        finally:
            process.kill()


# ------------------------------------------------------------------------------------------------------------- hygiene
def test_failures_print_nothing(
    open_disk: Open, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Without a handler Python prints what is logged as an error, and paramiko logs tracebacks."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        root = logging.getLogger()
        handlers, root.handlers = root.handlers, []
        try:
            with pytest.raises(Unavailable):
                open_disk(timeout=PATIENCE, port=port).stat("a")
        finally:
            root.handlers = handlers
    assert capfd.readouterr() == ("", "")


def test_importing_the_plug_in_does_not_import_the_library() -> None:
    code = "import sys; sys.path.insert(0, 'backends'); import webraid_sftp; sys.exit('paramiko' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, env={**os.environ}, timeout=60).returncode == 0
