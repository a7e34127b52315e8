"""One cold process, measured: wall clock, processor time, peak memory; and what goes wrong with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 1800.0  # seconds; nothing here takes that long, a hang should end nevertheless
_LAUNCHER = str(Path(__file__).with_name("measured.py"))


class BenchError(Exception):
    """A contender failed: there is no figure to print."""


class WrongAnswer(BenchError):
    """What came back is not what was stored: a fast wrong answer is a failure."""


@dataclass(frozen=True, slots=True)
class Run:
    """``seconds`` wall clock, ``cpu`` processor seconds, ``peak`` bytes of memory, ``code`` exit code."""

    seconds: float
    cpu: float
    peak: int
    code: int
    stdout: bytes


def environment(**more: str) -> dict[str, str]:
    """The environment without whatever would configure one of the tools, and with ``more``."""
    kept = {
        name: value for name, value in os.environ.items()
        if not name.startswith(("WEBRAID_", "RESTIC_", "RCLONE_", "AWS_")) and name != "PYTHONDONTWRITEBYTECODE"
    }  # fmt: skip
    return {**kept, **more}


def run(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None,
    codes: Sequence[int] = (0,),
) -> Run:  # fmt: skip
    """Run a command to its end.  Raises BenchError for an exit code that is not in ``codes``, and after TIMEOUT."""
    with tempfile.NamedTemporaryFile() as report, tempfile.TemporaryFile() as errors:
        launch = [sys.executable, "-I", "-S", _LAUNCHER, report.name, *command]
        with subprocess.Popen(
            launch, env=env or environment(), cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            start_new_session=True,
        ) as child:  # fmt: skip
            try:
                stdout, _ = child.communicate(timeout=TIMEOUT)
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                raise
        took = Path(report.name).read_text("ascii").split()
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip()
    if child.returncode or len(took) != 4:
        raise BenchError(f"{Path(command[0]).name} could not be started: {said}")
    seconds, cpu, peak, code = float(took[0]), float(took[1]), int(took[2]) * 1024, int(took[3])
    if code not in codes:
        words = said or stdout.decode(errors="replace")
        raise BenchError(f"'{' '.join(command)}' ended with code {code}:\n{words[-2000:]}")
    return Run(seconds, cpu, peak, code, stdout)
