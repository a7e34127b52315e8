"""Peak memory of one put and one get of a big file, each in a process of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.contenders import WebRAID, clear
from bench.corpora import big, compare
from bench.report import MIB, Rows, Sample, say

PART = "memory"
LIMIT = 256 * MIB  # what docs/performance.md promises


def bench(rows: Rows, folder: Path, *, size: int) -> None:
    """Raises WrongAnswer when the file does not come back as it was."""
    home, out = folder / "memory", folder / "memory-out"
    clear(home)
    pool, corpus = WebRAID(), big(folder / "memory-file", size)
    say(f"memory: put and get of {corpus.title}")
    pool.set_up(home)
    put = pool.put(corpus.folder)
    get, where = pool.get(corpus.folder, out)
    compare(corpus, where, pool.name)
    for case, run in (("put", put), ("get", get)):
        note = f"{'within' if run.peak <= LIMIT else 'ABOVE'} {LIMIT // MIB} MiB"
        sample = Sample(run, requests=pool.requests(run), note=note)
        rows.row(PART, f"{case} {size / 1e6:.0f} MB", pool.name, size=corpus.size).add(sample)
    for path in (home, out, corpus.folder):
        shutil.rmtree(path)
