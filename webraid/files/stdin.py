"""A stream as a file: standard input, or what a command prints."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType

from webraid.errors import ConfigError, SourcesUnreadable

GRACE = 5.0  # seconds that a command has to end after it was asked to


class Stream:
    """Bytes that come once.  A context manager: leaving it ends the command, should it still run."""

    def __init__(self, command: Sequence[str] = ()) -> None:
        """``command`` with its arguments, no shell in between; none: this process's standard input.

        Raises ConfigError when the command cannot be started, SourcesUnreadable when standard input is closed.
        """
        self._process: subprocess.Popen[bytes] | None = None
        self._name = os.path.basename(command[0]) if command else ""
        if command:
            try:
                # in our process group: Ctrl-C reaches it as well
                self._process = subprocess.Popen(list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            except OSError as error:
                raise ConfigError(
                    f"the command {self._name!r} cannot be started: {os.strerror(error.errno or 0).lower()}",
                    hint="Write it behind '--': webraid put --stdin-from-command -- pg_dump shop.",
                ) from error
            if self._process.stdout is None:
                raise AssertionError("it was given a pipe")
            self._fd = self._process.stdout.fileno()
        elif sys.stdin is None:  # closed by whoever started us
            raise SourcesUnreadable("there is no standard input: nothing was stored")
        else:
            self._fd = sys.stdin.fileno()

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is None:
            return
        if process.stdout is not None:
            process.stdout.close()
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def readinto(self, view: memoryview) -> int:
        """Fills the beginning of ``view``; 0 at the end.  Raises OSError."""
        return os.readv(self._fd, [view])

    def finish(self) -> None:
        """At the stream's end: raises SourcesUnreadable when the command failed, so that nothing half is kept."""
        code = self._process.wait() if self._process is not None else 0
        if code:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
            raise SourcesUnreadable(
                f"the command {self._name!r} {how}: nothing was stored",
                hint="Run it alone and see what it says; what it prints is stored only when it ends with 0.",
            )
