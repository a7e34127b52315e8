"""4 MiB objects through the rclone plug-in to a folder: over the one rclone that stays, and by a process a request."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.process import BenchError, WrongAnswer, environment, run
from bench.report import OURS, Rows, Sample, say

PART = "rclone"
EACH = "a process a request"
CASES = ("put", "get")
SIZE = 4 << 20
LEAST = 5.0  # times as fast, or something is wrong with the plug-in
ROOT = Path(__file__).resolve().parents[1]


def bench(rows: Rows, folder: Path, *, count: int, rounds: int, dropped: int, quick: bool) -> None:
    """``count`` objects are put and read, both ways in turn.  Raises BenchError where the difference is too small."""
    say(f"rclone: {count} objects of 4 MiB")
    for number in range(dropped + rounds):
        for who, transport in ((OURS, "rcd"), (EACH, "process")):
            home = folder / "rclone"
            for case in CASES:
                sample = _run(case, transport, home, count)
                if number >= dropped:
                    rows.row(PART, f"4 MiB {case}", who, size=count * SIZE).add(sample)
            shutil.rmtree(home)
    for case in CASES:
        _compare(rows, case, quick=quick)


def _run(case: str, transport: str, home: Path, count: int) -> Sample:
    words = [case, transport, str(home), str(count)]
    done = run([sys.executable, "-m", "bench.rclone", *words], env=_environment(), cwd=ROOT)
    return Sample(done, seconds=json.loads(done.stdout)["seconds"])


def _compare(rows: Rows, case: str, *, quick: bool) -> None:
    """Both figures and their ratio, said and kept as the row's note."""
    ours, theirs = rows.row(PART, f"4 MiB {case}", OURS), rows.row(PART, f"4 MiB {case}", EACH)
    ratio = theirs.middle / ours.middle
    rates = [row.size / SIZE / row.middle for row in (ours, theirs)]
    ours.note = f"{rates[0]:.0f}/s against {rates[1]:.1f}/s: {ratio:.1f} x"
    say(f"  4 MiB {case}: {ours.note}")
    if ratio < LEAST and not quick:
        raise BenchError(f"rclone {case}: {ratio:.1f} x a process a request, where {LEAST:.0f} x is the least")


def _environment() -> dict[str, str]:
    return environment(PYTHONPATH=f"{ROOT}:{ROOT / 'backends'}")


# ------------------------------------------------------------------------------------ one contender, in its own process
def _seconds(case: str, transport: str, home: Path, count: int) -> float:
    """Of the requests alone, on one thread; each put is compared by hash, as always."""
    from webraid.backend.base import Digest
    from webraid_rclone import RcloneBackend, RcloneOptions

    data = hashlib.shake_128(b"rclone").digest(SIZE)
    digest = Digest(hashlib.sha256(data).hexdigest())
    options = RcloneOptions(f":local:{home}", transport=transport)
    with contextlib.closing(RcloneBackend.connect(options, {})) as backend:
        backend.prepare()

        def put(number: int) -> None:
            if not backend.put(f"shards/{number}", data, digest=digest).verified:
                raise WrongAnswer("a put was not verified")

        def get(number: int) -> None:
            if backend.get(f"shards/{number}") != data:
                raise WrongAnswer("other bytes came than were put")

        work: Callable[[int], None] = {"put": put, "get": get}[case]
        work(0)  # connects
        began = time.monotonic()
        for number in range(count):
            work(number)
        return time.monotonic() - began


def main(case: str, transport: str, home: str, count: str) -> None:
    print(json.dumps({"seconds": _seconds(case, transport, Path(home), int(count))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
