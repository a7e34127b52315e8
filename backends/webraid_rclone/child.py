"""Starting rclone so that it cannot outlive us, whatever ends us.

Linux would do that with PR_SET_PDEATHSIG, but it means the *thread* that started the child, and ours live as long as
their disk only; and it would have to be set between fork and exec, where a process with threads may not run Python.
So a shell starts a watcher and then becomes rclone: the watcher reads from a pipe whose other end only we hold.  When
that ends without a word, we are gone, by SIGKILL too, and it kills its parent.  That needs no library and works on
every POSIX system.  A word on the pipe means that all is well and the watcher is no longer needed.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import IO

# $1: the pipe, $2: a folder that must not be left behind, '' for none; the rest: what to become.
_SHELL = """
exec 3</dev/fd/"$1"
{ read -r _ || { kill -9 $$; [ -z "$2" ] || PATH="$PATH:/bin" rm -rf -- "$2"; }; } <&3 >/dev/null 2>&1 3<&- &
shift 2
exec "$@" 3<&-
"""


class Child:
    """A rclone that runs.  ``end`` must be called, whether it has ended by itself or not."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, folder: str = "", stdin: int | None = None,
        stdout: int | None = None,
    ) -> None:  # fmt: skip
        reading, self._lifeline = os.pipe()
        try:
            # A session of its own: Ctrl-C in the terminal is for us, who still want to finish what was begun.
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _SHELL, "rclone", str(reading), folder, *command],
                env=dict(environment), stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=subprocess.DEVNULL if stdout is None else stdout, stderr=subprocess.PIPE,
                pass_fds=(reading,), start_new_session=True,
            )  # fmt: skip
        except BaseException:
            os.close(self._lifeline)
            raise
        finally:
            os.close(reading)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stdin(self) -> IO[bytes] | None:
        return self._process.stdin

    @property
    def stderr(self) -> IO[bytes]:
        assert self._process.stderr is not None  # it was asked for
        return self._process.stderr

    def communicate(self, data: bytes | memoryview | None) -> tuple[bytes, bytes]:
        """Feed it, and all that it says on standard output and standard error."""
        return self._process.communicate(data)  # type: ignore[arg-type]  # any buffer will do

    def gone(self, patience: float = 0.0) -> bool:
        """Whether it has ended, or does so within ``patience`` seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        return self._process.returncode is not None

    def kill(self) -> None:
        """It ends now, if it has not yet."""
        self._process.kill()

    def end(self) -> int:
        """Kill it if it still runs, and tidy up; its exit code.  May be called again.  Whoever reads standard error
        closes it."""
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        if self._lifeline >= 0:
            lifeline, self._lifeline = self._lifeline, -1
            with contextlib.suppress(BrokenPipeError):  # somebody killed the watcher, too
                os.write(lifeline, b"\n")
            os.close(lifeline)
        return code
