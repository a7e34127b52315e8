"""The matrix kind x check x server: runs every check on every kind of disk and writes docs/backends/README.md.

    python -m tests.conformance.matrix --date 2026-11-21 [--deep] [--only KIND ...] [--render]

Results are kept in docs/backends/matrix.json, each column with the day it was run on: what is not run now (deep ones
without --deep) keeps its column.  --render runs nothing and writes the page anew.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path

from tests.conformance.kind import Kind
from tests.conformance.matrix_page import (
    PAGE,
    RESULTS,
    Column,
    Results,
    columns,
    hosts,
    load_results,
    render,
    save_results,
)
from tests.conformance.subjects import KINDS
from tests.conftest import outside_shut_out
from webraid.backend.conformance import run_check

OK, WITHOUT = "ok", "without"


def run_kind(kind: Kind, folder: Path) -> tuple[dict[str, str], list[str]]:
    """Check -> outcome for what this kind runs, and what failed.  What deviates is not run: its tests show it."""
    outcomes, failed = dict[str, str](), list[str]()
    with kind.make(folder) as subject:
        for check in kind.checks:
            name = check.__name__
            if name in kind.deviates:
                continue
            result = run_check(subject, check)
            outcomes[name] = {"ok": OK, "not applicable": WITHOUT}.get(result.outcome, "failed")
            if result.outcome == "failed":
                failed.append(f"{name}: {result.detail}")
    return outcomes, failed


def run_column(label: str, date: str, folder: Path) -> tuple[Column, list[str]]:
    """A labelled kind and all that are folded into it; 'ok' beats 'without'."""
    merged, failed = dict[str, str](), list[str]()
    for name, host in hosts(KINDS).items():
        if host != label:
            continue
        place = folder / name
        place.mkdir()
        outcomes, wrong = run_kind(KINDS[name], place)
        failed += [f"{name}: {line}" for line in wrong]
        for check, outcome in outcomes.items():
            if merged.get(check) != "failed" and not (outcome == WITHOUT and merged.get(check) == OK):
                merged[check] = outcome
    return Column(date=date, outcomes=merged), failed


def update(results: Results, labels: list[str], date: str) -> list[str]:
    """Runs ``labels`` and puts their columns into ``results``, unless something failed; what did."""
    failed = []
    for label in labels:
        with tempfile.TemporaryDirectory(prefix="webraid-matrix-") as folder:
            column, wrong = run_column(label, date, Path(folder))
        kept = sum(outcome == OK for outcome in column.outcomes.values())
        print(f"{label}: {kept} ok, {len(wrong)} failed", flush=True)
        failed += wrong
        if not wrong:
            results[label] = column
            save_results(RESULTS, results)
    return failed


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.matrix", description=__doc__)
    parser.add_argument("--date", default="", help="the day to write into the columns that are run, YYYY-MM-DD")
    parser.add_argument("--deep", action="store_true", help="also what needs servers from Debian or npm")
    parser.add_argument("--only", nargs="+", default=[], metavar="KIND", help="run these kinds alone")
    parser.add_argument("--render", action="store_true", help="run nothing, write the page from what is kept")
    given = parser.parse_args(arguments)
    if not given.render and not given.date:
        parser.error("--date is missing")
    labels = columns(KINDS)
    unknown = set(given.only) - set(labels)
    if unknown:
        parser.error(f"no kind with a server of its own: {', '.join(sorted(unknown))}")
    chosen = given.only or [name for name in labels if given.deep or not KINDS[name].deep]
    results = {name: column for name, column in load_results(RESULTS).items() if name in labels}
    failed = [] if given.render else update(results, chosen, given.date)
    save_results(RESULTS, results)
    PAGE.write_text(render(results))
    for line in failed:
        print(f"FAILED {line}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="webraid-matrix-home-"))
        stack.enter_context(outside_shut_out(Path(home), deep=bool(os.environ.get("WEBRAID_DEEP"))))
        code = main(sys.argv[1:])
    sys.exit(code)
