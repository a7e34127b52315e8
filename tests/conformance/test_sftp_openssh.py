"""OpenSSH itself: few sessions to a connection, a file system that is really full, what is left when it is killed."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.servers_sftp import SftpServer, sftp_openssh, tcp_front
from webraid.backend.conformance.subject import put
from webraid.errors import PermissionDenied, QuotaExceeded, Unavailable
from webraid.model import MIB
from webraid_sftp import SftpBackend, SftpOptions
from webraid_sftp.remote import FSYNC, LIMITS, POSIX_RENAME, STATVFS

pytestmark = pytest.mark.deep


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SftpServer]:
    with sftp_openssh(tmp_path_factory.mktemp("sshd"), "MaxSessions 2") as started:
        yield started


def connect(server: SftpServer, path: str = "", port: int = 0) -> contextlib.closing[SftpBackend]:
    options = SftpOptions(
        "127.0.0.1", server.user, path or server.path, port=port or server.port, known_host_key=server.keys.host
    )
    return contextlib.closing(SftpBackend.connect(options, {"key": server.keys.user}))


def test_it_offers_what_is_made_use_of(server: SftpServer) -> None:
    with connect(server) as disk:
        disk.prepare()
        assert disk._tree is not None
        assert {FSYNC, LIMITS, POSIX_RENAME, STATVFS} <= disk._tree.remote.offers


def test_a_server_that_takes_two_sessions_a_connection_gets_more_connections(server: SftpServer) -> None:
    with tcp_front(server.port) as front, contextlib.ExitStack() as stack:
        disks = [stack.enter_context(connect(server, port=front.port)) for _ in range(5)]
        disks[0].prepare()
        threads = [threading.Thread(target=put, args=(disk, f"few/{at}", b"1")) for at, disk in enumerate(disks)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(stored.name for stored in disks[0].list("few/")) == [f"few/{at}" for at in range(5)]
        assert 3 <= int(front.tell("connections")) <= 5


@contextlib.contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A small file system of its own."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], check=True, timeout=10)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=10)


def test_a_full_file_system_is_told_from_other_failures(server: SftpServer, tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "2m") as folder, connect(server, str(folder)) as disk:
        disk.prepare()
        put(disk, "a", b"before")
        with pytest.raises(QuotaExceeded):
            put(disk, "a", bytes(4 * MIB))
        assert disk.get("a") == b"before"
        usage = disk.usage()
        assert usage.total == 2 * MIB
        assert usage.free is not None
        assert usage.free > MIB  # the part that was written is gone again
        put(disk, "a", bytes(MIB))
        assert disk.get("a") == bytes(MIB)


def test_a_file_system_that_is_read_only_is_no_full_one(server: SftpServer, tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "2m") as folder, connect(server, str(folder)) as disk:
        disk.prepare()
        put(disk, "a", b"before")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True, timeout=10)
        with pytest.raises((PermissionDenied, Unavailable)):
            put(disk, "a", b"after")
        assert disk.get("a") == b"before"
