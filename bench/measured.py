"""Runs one command and writes what it took: REPORT COMMAND [ARGUMENT ...].  A script, started with python -I -S.

It is its own small process because Linux counts the memory of whoever starts a process towards that process's peak.
"""

from __future__ import annotations

import os
import sys
import time


def main(report: str, *command: str) -> int:
    """REPORT gets: seconds, processor seconds, peak KiB, exit code."""
    began = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - began
    code = os.waitstatus_to_exitcode(status)
    with open(report, "w", encoding="ascii") as out:
        out.write(f"{seconds} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss} {code}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
