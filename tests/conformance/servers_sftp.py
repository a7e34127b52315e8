"""SFTP servers the suite runs against, each a process of its own that is ended by its id, and a proxy in front.

asyncssh behaves as OpenSSH does and fails on command; 'rclone serve sftp' offers less; OpenSSH itself is Debian's.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from tests.conformance.servers import HERE, FaultyFront, first_line, rclone_binary, started
from tests.programs import program

USER = "webraid"
# What can be brought about by the server and by the proxy; SFTP has no word for 'too many requests'.
BY_SERVER = ("busy", "expired", "expired_once", "full", "lost", "flipped_down", "flipped_up")
BY_PROXY = ("refuse", "reset_before", "reset_within", "truncated")
_SSHD = """
ListenAddress 127.0.0.1
Port {port}
HostKey {keys.host_file}
AuthorizedKeysFile {keys.authorized}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class Keys:
    """Made anew for each server.  ``host``: the server's public key, as ssh-keyscan prints it; ``user``: the content of
    the private key file of who may log in."""

    folder: Path
    host: str
    user: str = field(repr=False)

    @property
    def host_file(self) -> Path:
        return self.folder / "host_key"

    @property
    def authorized(self) -> Path:
        return self.folder / "authorized_keys"


@dataclass(frozen=True)
class SftpServer:
    """Where it listens, whom it lets in, and where the files of the folder ``path`` are on this machine."""

    port: int
    keys: Keys
    user: str
    path: str
    files: Path
    process: subprocess.Popen[str] = field(repr=False)


def make_keys(folder: Path) -> Keys:
    """A host key, and a user key that is let in."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = {}
    for name in ("host_key", "user_key"):
        keys[name] = asyncssh.generate_private_key("ssh-ed25519")
        (folder / name).touch(0o600)
        keys[name].write_private_key(str(folder / name))
    keys["user_key"].write_public_key(str(folder / "authorized_keys"))
    (folder / "authorized_keys").chmod(0o600)
    host = keys["host_key"].export_public_key().decode().strip()
    return Keys(folder, host, (folder / "user_key").read_text())


@contextmanager
def sftp_asyncssh(folder: Path, *flags: str) -> Iterator[SftpServer]:
    """As OpenSSH with a root folder of its own; with '--old' in ``flags`` as servers without OpenSSH's extensions."""
    keys, root = make_keys(folder / "keys"), folder / "root"
    root.mkdir()
    command = [sys.executable, str(HERE / "sftpserver.py"), str(keys.host_file), str(keys.authorized), str(root)]
    with started([*command, *flags]) as process:
        port = int(first_line(process))
        yield SftpServer(port, keys, USER, "/a folder/of mine", root / "a folder/of mine", process)


@contextmanager
def sftp_rclone(folder: Path) -> Iterator[SftpServer]:
    """Overwrites by any rename, knows no fsync, reads 32 KiB at most."""
    keys, root = make_keys(folder / "keys"), folder / "root"
    root.mkdir()
    command = [rclone_binary(), "serve", "sftp", str(root), "--addr", "127.0.0.1:0", "--config", ""]
    command += ["--key", str(keys.host_file), "--authorized-keys", str(keys.authorized)]
    with started(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stderr
        for line in process.stderr:
            found = re.search(r"listening on 127\.0\.0\.1:(\d+)", line)
            if found:
                break
        else:
            raise AssertionError("rclone ended before it listened")
        threading.Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would stop it
        yield SftpServer(int(found[1]), keys, USER, "/folder", root / "folder", process)


@contextmanager
def sftp_openssh(folder: Path, *more: str) -> Iterator[SftpServer]:
    """Debian's, with a configuration of its own, and ``more`` lines of it; installed where it is missing."""
    sshd = program("sshd")
    keys, port = make_keys(folder / "keys"), _free_port()
    (folder / "sshd_config").write_text("\n".join((_SSHD.format(port=port, keys=keys), *more, "")))
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    command = [sshd, "-D", "-e", "-f", str(folder / "sshd_config")]
    with (folder / "sshd.log").open("w") as log, started(command, stderr=log.fileno()) as process:
        _await(process, port, folder / "sshd.log")
        yield SftpServer(port, keys, "root", str(folder / "disk"), folder / "disk", process)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _await(process: subprocess.Popen[str], port: int, log: Path) -> None:
    for _ in range(500):
        assert process.poll() is None, f"sshd ended before it listened: {log.read_text()[-500:]}"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("sshd does not listen")


@contextmanager
def tcp_front(port: int) -> Iterator[FaultyFront]:
    """A proxy in front of what listens at ``port`` (see tcpproxy.py)."""
    with started([sys.executable, str(HERE / "tcpproxy.py"), str(port)]) as process:
        yield FaultyFront(int(first_line(process)), process)


def fault_injectors(server: SftpServer, front: FaultyFront) -> dict[str, Callable[[], AbstractContextManager[None]]]:
    """Every fault that asyncssh's server and the proxy can bring about."""
    inner = FaultyFront(server.port, server.process)
    return {
        name: (lambda by=by, name=name: by.fault(name))
        for by, names in ((inner, BY_SERVER), (front, BY_PROXY))
        for name in names
    }
