"""How long the command line takes to come up: --help, and status of a small pool on folders."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.contenders import WebRAID, clear
from bench.corpora import photos
from bench.process import run
from bench.report import Rows, Sample, say

PART = "startup"
TIMES = 10


def bench(rows: Rows, folder: Path, *, times: int = TIMES, dropped: int = 1) -> None:
    """Medians of ``times`` cold processes each, in turn."""
    say(f"startup: {times} times each")
    home = folder / "startup"
    clear(home)
    pool = WebRAID()
    pool.set_up(home)
    pool.put(photos(folder / "startup-files", 5, 10_000, 20_000).folder)
    python = [sys.executable, "-m", "webraid"]
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "--help": [*python, "--help"],
        "status": [*python, "status"],
    }
    for number in range(dropped + times):
        for case, command in commands.items():
            done = Sample(run(command, env=pool.env, cwd=home))
            if number >= dropped:
                rows.row(PART, case, "python" if case.startswith("python") else "webraid").add(done)
