"""Labs, S3 clients and plain sockets for the tests of the lab; no lab process outlives its test."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore.config
import botocore.session
import pytest

from webraid.lab import Cloud, Lab, LinkSpec, Profile, start

ClientOf = Callable[..., Any]


def alive(pid: int) -> bool:
    """Does a process of that id run (a zombie does not)?"""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def gone(pid: int, patience: float = 3.0) -> bool:
    deadline = time.monotonic() + patience
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


@pytest.fixture(scope="session")
def ended() -> Callable[[int], bool]:
    return gone


@pytest.fixture(scope="session")
def botocore_session() -> botocore.session.Session:
    return botocore.session.Session()


@pytest.fixture
def client_of(botocore_session: botocore.session.Session) -> Iterator[ClientOf]:
    """An S3 client of a cloud, without retries; other credentials or config by keyword."""
    made = []

    def make(cloud: Cloud, *, access_key: str = "", secret_key: str = "", **config: Any) -> Any:
        plain: dict[str, Any] = {
            "retries": {"total_max_attempts": 1},
            "s3": {"addressing_style": "path"},
            "read_timeout": 10,
        }
        client = botocore_session.create_client(
            "s3",
            endpoint_url=cloud.endpoint,
            region_name="us-east-1",
            aws_access_key_id=access_key or cloud.access_key,
            aws_secret_access_key=secret_key or cloud.secret_key,
            config=botocore.config.Config(**(plain | config)),
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Three clouds without shaping: two that check keys, 'open' that does not."""
    quick = LinkSpec(setup=0.0)
    clouds = {"one": quick, "two": quick, "open": quick.changed({"check_keys": False})}
    lab = start(tmp_path_factory.mktemp("lab") / "shared", Profile("quick", clouds))
    yield lab
    lab.destroy()
    assert gone(lab.pid)


@pytest.fixture
def lab(shared_lab: Lab) -> Lab:
    """The shared lab, all clouds up and empty."""
    for cloud in shared_lab.clouds:
        shared_lab.restore(cloud.name)
        shared_lab.wipe(cloud.name)
    shared_lab.reset_stats()
    return shared_lab


@pytest.fixture
def s3(lab: Lab, client_of: ClientOf) -> Any:
    """A client of cloud 'one'."""
    return client_of(lab.cloud("one"))


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """start() below tmp_path; whatever runs at the end is taken down."""
    made: list[Lab] = []

    def make(name: str, profile: str | Profile = "fast6", **more: Any) -> Lab:
        made.append(start(tmp_path / name, profile, **more))
        return made[-1]

    yield make
    for lab in made:
        lab.destroy()
        assert gone(lab.pid)


@dataclass
class Raw:
    """HTTP by hand on one connection: what a client library would hide."""

    sock: socket.socket
    data: bytes = field(default=b"", repr=False)

    def send(self, text: bytes) -> None:
        self.sock.sendall(text)

    def read_head(self) -> tuple[int, dict[str, str]]:
        while b"\r\n\r\n" not in self.data:
            self._more()
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return int(first.split()[1]), headers

    def read_body(self, count: int) -> bytes:
        while len(self.data) < count:
            self._more()
        body, self.data = self.data[:count], self.data[count:]
        return body

    def read_answer(self) -> tuple[int, dict[str, str], bytes]:
        status, headers = self.read_head()
        return status, headers, self.read_body(int(headers.get("content-length", 0)))

    def ask(self, method: str, path: str, body: bytes = b"", *headers: str) -> tuple[int, dict[str, str], bytes]:
        """One request and its whole answer."""
        lines = [f"{method} {path} HTTP/1.1", "Host: lab", f"Content-Length: {len(body)}", *headers]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return self.read_answer()

    def at_end(self) -> bool:
        """Has the cloud closed the connection, with nothing left to read?"""
        return not self.data and self.sock.recv(1) == b""

    def _more(self) -> None:
        data = self.sock.recv(1 << 18)
        if not data:
            raise ConnectionError("closed in the middle of an answer")
        self.data += data


@pytest.fixture
def raw() -> Iterator[Callable[[Cloud], Raw]]:
    """A new plain connection to a cloud."""
    made = []

    def connect(cloud: Cloud) -> Raw:
        sock = socket.create_connection(("127.0.0.1", int(cloud.endpoint.rpartition(":")[2])), timeout=10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.append(sock)
        return Raw(sock)

    yield connect
    for sock in made:
        sock.close()
