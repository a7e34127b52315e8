"""'webraid mount' in a process of its own, on a folder of a test."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from tests.pool.machine import Home
from tests.programs import do_without, program

PATIENCE = 60
READY = "End it with Ctrl-C"


def require_fuse() -> None:
    """This machine can mount; fusermount3 is installed where it is missing."""
    if not Path("/dev/fuse").exists():
        do_without("mounting cannot be tested: this machine has no /dev/fuse (docker run --device /dev/fuse ...)")
    program("fusermount3")


def is_mounted(folder: Path) -> bool:
    """Also when the process behind it is dead; os.path.ismount says no then."""
    return f" {folder} " in Path("/proc/self/mounts").read_text()


@dataclass
class Mounted:
    """A running mount."""

    folder: Path
    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    listeners: list[threading.Thread] = field(default_factory=list)

    def wait(self) -> int:
        """Its exit code, when everything that it had to say is here."""
        code = self.process.wait(PATIENCE)
        for listener in self.listeners:
            listener.join(PATIENCE)
        return code

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()


def start(home: Home, folder: Path, *options: str) -> Mounted:
    """Start it and wait until it says that it is there."""
    command = [sys.executable, "-m", "webraid", "mount", str(folder), *options]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    mounted = Mounted(folder, subprocess.Popen(command, env=home.environ, text=True, **pipes))  # type: ignore[call-overload]
    ready = threading.Event()

    def listen(stream: IO[str], into: list[str]) -> None:
        with stream:
            for line in stream:
                into.append(line.rstrip("\n"))
                if READY in line or '"mounted"' in line:
                    ready.set()
        if into is mounted.said:
            ready.set()

    for stream, into in ((mounted.process.stdout, mounted.said), (mounted.process.stderr, mounted.complaints)):
        assert stream is not None
        mounted.listeners.append(threading.Thread(target=listen, args=(stream, into), daemon=True))
        mounted.listeners[-1].start()
    if not ready.wait(PATIENCE) or not mounted.said:
        mounted.process.kill()
        mounted.wait()
        pytest.fail(f"nothing was mounted: {mounted.said} {mounted.complaints}")
    return mounted


@contextmanager
def mount(home: Home, folder: Path, *options: str) -> Iterator[Mounted]:
    """Mounted while the block runs."""
    require_fuse()
    folder.mkdir(exist_ok=True)
    mounted = start(home, folder, *options)
    try:
        yield mounted
    finally:
        mounted.end()
        if is_mounted(folder):
            subprocess.run(["fusermount3", "-uz", str(folder)], check=True)
