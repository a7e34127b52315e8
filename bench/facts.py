"""The machine a figure comes from; and its memory made warm before a series."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import webraid
from bench import tools
from webraid.codec.parity import implementations

BUSY = 0.5  # load average above which other work disturbs the figures
_WARM = 2 << 30
_TOUCH = "import sys; b = bytearray(int(sys.argv[1])); b[::4096] = b'1' * len(b[::4096])"


def facts(folder: Path, programs: dict[str, str | None]) -> dict[str, Any]:
    """Cores, memory, versions, the file system of ``folder``, and the load before anything ran."""
    return {
        "load": os.getloadavg()[0],
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "kernel": platform.release(),
        "file_system": _file_system(folder),
        "python": platform.python_version(),
        "webraid": webraid.__version__,
        "commit": _commit(),
        "parity": implementations()[0],
        **{name: tools.version(program) for name, program in programs.items()},
    }


def warm_memory() -> None:
    """A virtual machine's idle memory comes back slowly: have it all back before anything is measured."""
    size = min(_WARM, os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
    subprocess.run([sys.executable, "-c", _TOUCH, str(size)], check=True)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    """The type of the file system that the folder lies on."""
    best, kind = "", ""
    for line in Path("/proc/mounts").read_text("utf-8", "replace").splitlines():
        _, mount, found, *_ = line.split()
        inside = folder.resolve().is_relative_to(mount)
        if inside and len(mount) >= len(best):
            best, kind = mount, found
    return kind


def _commit() -> str:
    where = Path(__file__).parent
    try:
        done = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=where, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()
