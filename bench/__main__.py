"""python -m bench: chosen parts, one table on stdout, all figures as JSON where wanted."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import drive, lab5, local, memory, rclone, startup, tools
from bench.facts import BUSY, facts, warm_memory
from bench.process import BenchError
from bench.report import Rows, say, table, write_json
from webraid.model import parse_size

PARTS = ("startup", "memory", "lab5", "local", "drive", "rclone")


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"which parts: {', '.join(PARTS)} (default: all)")
    parser.add_argument("--corpora", default="ACB", help="for local: A one file, C photos, B small files")
    parser.add_argument("--size", default="1GiB", help="of corpus A and of the memory part (default 1GiB)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds that count; one more is dropped (default 3)")
    parser.add_argument("--dir", type=Path, help="where to work; wants 6 times --size (default: a temporary folder)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument("--quick", action="store_true", help="tiny and once: shows that the bench works, not how fast")
    parser.add_argument("--alone", action="store_true", help="without the other tools")
    parser.add_argument("--no-install", action="store_true", help="never install restic")
    options = parser.parse_args(argv)
    unknown = [part for part in options.part if part not in PARTS]
    if unknown or set(options.corpora) - set("ABC") or options.rounds < 1:
        parser.error(f"parts are {', '.join(PARTS)}; corpora A, B and C; at least one round")
    return options


def _run(options: argparse.Namespace, folder: Path, programs: dict[str, str | None]) -> Rows:
    rows, quick, rounds = Rows(), options.quick, 1 if options.quick else options.rounds
    size = 300_000 if quick else parse_size(options.size)
    dropped = 0 if quick else 1
    parts = options.part or PARTS
    if not quick:
        warm_memory()
    if "startup" in parts:
        startup.bench(rows, folder, times=1 if quick else startup.TIMES, dropped=dropped)
    if "memory" in parts:
        memory.bench(rows, folder, size=size)
    if "lab5" in parts:
        lab5.bench(rows, folder, **programs, rounds=rounds, dropped=dropped, quick=quick)
    if "drive" in parts:
        drive.bench(rows, folder, count=4 if quick else 64, rounds=rounds, dropped=dropped)
    if "rclone" in parts:
        rclone.bench(rows, folder, count=2 if quick else 32, rounds=rounds, dropped=dropped, quick=quick)
    if "local" in parts:
        local.bench(
            rows, folder, **programs, wanted=options.corpora, size=size, rounds=rounds, dropped=dropped, quick=quick
        )
    return rows


def main(argv: Sequence[str]) -> int:
    """0, or 1 when a contender failed or gave a wrong answer."""
    options = _options(argv)
    programs: dict[str, str | None] = {"restic": None, "rclone": None}
    if not options.alone:
        programs = {"restic": tools.restic(install=not options.no_install), "rclone": tools.rclone()}
    if options.dir is not None:
        options.dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="webraid-bench-", dir=options.dir) as folder:
        known = facts(Path(folder), programs)
        if known["load"] > BUSY:
            say(f"warning: the load is {known['load']:.2f}: other work disturbs these figures")
        try:
            rows = _run(options, Path(folder), programs)
        except BenchError as error:
            say(f"bench failed: {error}")
            return 1
    print("\n".join(f"{name:12}{value}" for name, value in known.items()), end="\n\n")
    print(table(rows))
    if options.json is not None:
        write_json(options.json, known, rows, vars(options) | {"dir": str(options.dir), "json": str(options.json)})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
