"""An SFTP server (asyncssh's) that behaves like OpenSSH's, and fails on command: a name of conformance.FAULTS a line.

    sftpserver.py HOST_KEY AUTHORIZED_KEYS ROOT [--old] [--password P]    prints its port, then a line for every command

Other commands: 'none', 'requests' (how many came so far, without questions how full it is), 'hang up' (end all
connections).  --old: nothing that OpenSSH added to the protocol.  Ends when stdin closes.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import asyncssh


class State:
    """What all sessions share."""

    fault = "none"
    requests = 0
    connections: set[asyncssh.SSHServerConnection] = set()


class Server(asyncssh.SFTPServer):
    """Files below a folder."""

    def gate(self, operation: str) -> None:
        """Count a request; raise what befalls it."""
        State.requests += 1
        fault = State.fault
        if fault == "expired_once":
            State.fault = "none"
        if fault in ("expired", "expired_once"):
            raise asyncssh.SFTPPermissionDenied("Permission denied")
        if fault == "busy" or (fault == "full" and operation == "write"):
            raise asyncssh.SFTPFailure("Failure")  # all that OpenSSH says, too

    def lost(self) -> None:
        if State.fault == "lost":
            self.connection.abort()

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        self.gate("open")
        return super().open(path, pflags, attrs)

    def read(self, file_obj: object, offset: int, size: int) -> Any:
        self.gate("read")
        data = super().read(file_obj, offset, size)
        return _flipped(data) if State.fault == "flipped_down" else data  # type: ignore[arg-type]

    def write(self, file_obj: object, offset: int, data: bytes) -> Any:
        self.gate("write")
        return super().write(file_obj, offset, _flipped(data) if State.fault == "flipped_up" else data)

    def lstat(self, path: bytes) -> Any:
        self.gate("lstat")
        return super().lstat(path)

    def stat(self, path: bytes) -> Any:
        self.gate("stat")
        return super().stat(path)

    def fstat(self, file_obj: object) -> Any:
        self.gate("fstat")
        return super().fstat(file_obj)

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        self.gate("scandir")
        async for name in super().scandir(path):
            yield name

    def remove(self, path: bytes) -> Any:
        self.gate("remove")
        super().remove(path)
        self.lost()

    def rename(self, oldpath: bytes, newpath: bytes) -> Any:
        self.gate("rename")
        super().rename(oldpath, newpath)
        self.lost()

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        self.gate("rename")
        super().posix_rename(oldpath, newpath)
        self.lost()

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> Any:
        self.gate("mkdir")
        return super().mkdir(path, attrs)

    def rmdir(self, path: bytes) -> Any:
        self.gate("rmdir")
        return super().rmdir(path)

    def fsync(self, file_obj: object) -> Any:
        self.gate("fsync")
        return super().fsync(file_obj)

    def statvfs(self, path: bytes) -> Any:
        told = super().statvfs(path)
        if State.fault == "full":
            return asyncssh.SFTPVFSAttrs(bsize=4096, frsize=4096, blocks=1000, bfree=5, bavail=0, files=9, ffree=5)
        return told


class Doors(asyncssh.SSHServer):
    """Who may come in."""

    def __init__(self, password: str) -> None:
        self._password = password

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        State.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        State.connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return bool(self._password)

    def validate_password(self, username: str, password: str) -> bool:
        return password == self._password


def _flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1]) if data else data


def _older() -> None:
    """As servers were before OpenSSH added to the protocol."""
    from asyncssh.sftp import SFTPServerHandler

    SFTPServerHandler._extensions = []


def _answer(command: str) -> str:
    if command == "requests":
        return str(State.requests)
    if command == "hang up":
        for connection in list(State.connections):
            connection.abort()
    else:
        State.fault = command
    return "ok"


async def main() -> None:
    host_key, authorized, root, *flags = sys.argv[1:]
    if "--old" in flags:
        _older()
    password = flags[flags.index("--password") + 1] if "--password" in flags else ""
    server = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[host_key], authorized_client_keys=authorized,
        sftp_factory=lambda chan: Server(chan, chroot=root.encode()), server_factory=lambda: Doors(password),
    )  # fmt: skip
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def listen() -> None:
        for line in sys.stdin:
            done = asyncio.run_coroutine_threadsafe(_said(line.strip()), loop)
            print(done.result(), flush=True)
        loop.call_soon_threadsafe(over.set)

    print(server.get_port(), flush=True)
    threading.Thread(target=listen, daemon=True).start()
    await over.wait()


async def _said(command: str) -> str:
    return _answer(command)


if __name__ == "__main__":
    asyncio.run(main())
