"""Hooks: the user's own shell commands around a scheduled run."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import IO

from webraid.unattended.logbook import Logbook

SHELL = "/bin/sh"
GRACE = 5.0  # seconds between SIGTERM and SIGKILL
MOST_OUTPUT = 64 << 10  # bytes of one hook's output that are logged
DRAIN = 5.0  # seconds that output may come after the shell has ended
SECRET = (
    "WEBRAID_PASSWORD",
    "WEBRAID_RECOVERY_CODE",
    "WEBRAID_NOTIFY",
)  # variables that begin so are none of a hook's business


def hook_environ(environ: Mapping[str, str], **more: str) -> dict[str, str]:
    """What a hook sees: everything but WebRAID's own secrets, and ``more`` as WEBRAID_<NAME>."""
    kept = {name: value for name, value in environ.items() if not name.startswith(SECRET)}
    return kept | {f"WEBRAID_{name.upper()}": value for name, value in more.items()}


def run_hooks(
    when: str, commands: Sequence[str], environ: Mapping[str, str], *, timeout: float, log: Logbook
) -> str:  # fmt: skip
    """Run them in order and log what they write; all of them, unless ``when`` is 'before': then the first that fails
    is the last.  Returns what went wrong, '' when nothing did.  The commands themselves may hold secrets: they are
    named by their number."""
    wrong = ""
    for number, command in enumerate(commands, 1):
        name = f"hook {when}[{number}]" if len(commands) > 1 else f"hook {when}"
        trouble = _run(command, environ, timeout, log, name)
        log.line(f"{name}: {trouble or 'done'}")
        wrong = wrong or (f"{name} {trouble}" if trouble else "")
        if trouble and when == "before":
            break
    return wrong


def _run(command: str, environ: Mapping[str, str], timeout: float, log: Logbook, name: str) -> str:
    try:
        child = subprocess.Popen(
            [SHELL, "-c", command], env=dict(environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return f"could not be started: {error.strerror}"
    except ValueError:
        return "could not be started: it holds a zero byte"
    assert child.stdout is not None
    reader = threading.Thread(target=_copy, args=(child.stdout, log, name), daemon=True)
    # On a thread of its own: a Ctrl-C in the middle of child.wait() may leave its lock taken for ever.
    waiter = threading.Thread(target=child.wait, daemon=True)
    try:
        waiter.start()
        reader.start()
        waiter.join(timeout or None)
        if waiter.is_alive():
            return f"took longer than {timeout:.0f} s and was ended"
        reader.join(DRAIN)  # what it left running may hold the pipe for ever
    finally:
        if child.returncode is None:  # timed out, or we were interrupted
            _end(child, waiter)
    code = child.returncode
    if code < 0:
        return f"was ended by {_signal(-code)}"
    return f"failed with exit code {code}" if code else ""


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # one of the real-time ones between the first and the last
        return f"signal {number}"


def _end(child: subprocess.Popen[bytes], waiter: threading.Thread) -> None:
    """The whole process group: what the shell has started must not outlive the hook's time."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        waiter.join(GRACE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # the shell obeyed SIGTERM, its children may not have


def _copy(stream: IO[bytes], log: Logbook, name: str) -> None:
    """Into the log, line by line; all of it is read, so that nobody waits for a full pipe."""
    left = MOST_OUTPUT
    with stream:
        for raw in iter(lambda: stream.readline(4096), b""):
            if left > 0:
                log.line(f"{name}: {raw.decode('utf-8', 'backslashreplace').rstrip()}", private=True)
                left -= len(raw)
                if left <= 0:
                    log.line(f"{name}: ... and more", private=True)
