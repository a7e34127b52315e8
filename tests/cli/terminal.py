"""A command on a pseudo terminal: what a person would see, and what he types."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

from tests.cli.conftest import Machine

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def _own_terminal() -> None:
    """Make it the process's controlling terminal, so that Ctrl-C typed there reaches it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A process on a pseudo terminal of its own."""

    def __init__(self, machine: Machine, *argv: str | Path, columns: int = 100, **environ: str) -> None:
        self.master, slave = pty.openpty()
        given = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns), **machine.environ, **environ}
        command = [sys.executable, "-m", "webraid", *map(str, argv)]
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=given,
            start_new_session=True,
            cwd=machine.root,
            preexec_fn=_own_terminal,  # noqa: PLW1509  one call, nothing that takes a lock
        )
        os.close(slave)
        self.raw = ""

    @property
    def text(self) -> str:
        """What was shown, without colours."""
        return ESCAPES.sub("", self.raw).replace("\r\n", "\n")

    def read(self, until: str = "", patience: float = 30.0) -> str:
        """Go on until it shows ``until`` or ends."""
        end, seen = time.monotonic() + patience, len(self.text)
        while time.monotonic() < end and not (until and until in self.text[seen:]):
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError:  # the other side has gone
                    break
                self.raw += data.decode(errors="replace")
        assert not until or until in self.text[seen:], self.text
        return self.text

    def type(self, answer: str) -> None:
        os.write(self.master, answer.encode() + b"\n")

    def interrupt(self) -> int:
        """Ctrl-C, again and again: while Python turns to readline, one may go unnoticed until the next key."""
        for _ in range(100):
            os.write(self.master, b"\x03")
            self.read(patience=1.0)
            if self.process.poll() is not None:
                break
        return self.end()

    def end(self) -> int:
        self.read()
        os.close(self.master)
        return self.process.wait(timeout=30)
