"""Figures: one row a case and contender, medians of its runs; printed as one table, written as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from bench.process import Run

MIB = 1 << 20
OURS = "webraid"


def say(text: str) -> None:
    """One line about what is going on; the table alone goes to stdout."""
    print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one case.  ``seconds``: of the work alone, when the process was more than that."""

    run: Run
    seconds: float | None = None
    first: float | None = None
    requests: int | None = None
    stored: int | None = None
    note: str = ""


@dataclass(slots=True)
class Row:
    """A case and what a contender took for it, run by run.

    ``size``: bytes of user data that moved, 0 where that means nothing.  ``bound``: seconds that the links allow at
    best.  ``seconds`` counts the work alone, ``start`` what the process took besides (where the two are told apart).
    ``first``: seconds until the first byte of content was there.  ``stored``: bytes on all disks afterwards.
    """

    part: str
    case: str
    who: str
    size: int = 0
    bound: float | None = None
    seconds: list[float] = field(default_factory=list)
    start: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: int = 0
    requests: int | None = None
    stored: int | None = None
    note: str = ""

    def add(self, sample: Sample) -> None:
        """One more run."""
        run = sample.run
        self.seconds.append(run.seconds if sample.seconds is None else sample.seconds)
        if sample.seconds is not None:
            self.start.append(run.seconds - sample.seconds)
        if sample.first is not None:
            self.first.append(sample.first)
        self.cpu.append(run.cpu)
        self.peak = max(self.peak, run.peak)
        self.requests, self.stored = sample.requests, sample.stored
        self.note = sample.note

    @property
    def middle(self) -> float:
        return median(self.seconds)

    @property
    def whole(self) -> float:
        """Seconds with the start of the process."""
        return self.middle + (median(self.start) if self.start else 0.0)


class Rows:
    """All rows of a run, in the order they first came."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, str], Row] = {}

    def row(self, part: str, case: str, who: str, **about: Any) -> Row:
        """The row, made when it is not there yet."""
        key = part, case, who
        if key not in self._rows:
            self._rows[key] = Row(part, case, who, **about)
        return self._rows[key]

    def all(self) -> list[Row]:
        """Rows that have a figure: cases in the order they first came, ours before the others."""
        cases = list(dict.fromkeys((row.part, row.case) for row in self._rows.values()))
        filled = [row for row in self._rows.values() if row.seconds]
        return sorted(filled, key=lambda row: (cases.index((row.part, row.case)), row.who != OURS, row.who))

    def ratio(self, row: Row, peer: str) -> float | None:
        """How many times as fast as the peer, process start included."""
        other = self._rows.get((row.part, row.case, peer))
        return other.whole / row.whole if other is not None and other.seconds and other is not row else None


_HEAD = (
    "part", "case", "contender", "seconds", "min..max", "start", "MB/s", "bound", "% of it", "first", "x restic",
    "x rclone", "cpu s", "MiB", "requests", "stored MB", "",
)  # fmt: skip


def table(rows: Rows) -> str:
    """Aligned plain text; text left, figures right; columns nobody filled are left out."""
    lines = [_HEAD, *(_cells(rows, row) for row in rows.all())]
    keep = [at for at in range(len(_HEAD)) if any(line[at] for line in lines[1:])]
    widths = {at: max(len(line[at]) for line in lines) for at in keep}
    text = []
    for line in lines:
        cells = [line[at].ljust(widths[at]) if at < 3 or at == 16 else line[at].rjust(widths[at]) for at in keep]
        text.append("  ".join(cells).rstrip())
    text.insert(1, "-" * max(map(len, text)))
    return "\n".join(text)


def _cells(rows: Rows, row: Row) -> tuple[str, ...]:
    speed = row.size / row.middle / 1e6 if row.size and row.middle else None
    bound = f"{100 * row.bound / row.middle:.0f}" if row.bound is not None else ""
    return (
        row.part, row.case, row.who, f"{row.middle:.3f}", f"{min(row.seconds):.2f}..{max(row.seconds):.2f}",
        _figure(median(row.start) if row.start else None, 2), _figure(speed, 0 if (speed or 0) >= 100 else 1),
        _figure(row.bound, 2), bound, _figure(median(row.first) if row.first else None, 2),
        _figure(rows.ratio(row, "restic"), 2), _figure(rows.ratio(row, "rclone crypt"), 2),
        _figure(median(row.cpu), 2), _figure(row.peak / MIB, 0),
        "" if row.requests is None else str(row.requests), _figure(row.stored and row.stored / 1e6, 0), row.note,
    )  # fmt: skip


def _figure(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def write_json(path: Path, facts: dict[str, Any], rows: Rows, options: dict[str, Any]) -> None:
    """Everything, for later comparison.  Sizes in bytes, times in seconds."""
    found: Sequence[dict[str, Any]] = [
        {
            "part": row.part, "case": row.case, "contender": row.who, "median": row.middle, "seconds": row.seconds,
            "start": row.start, "first": row.first, "cpu": row.cpu, "size": row.size, "bound": row.bound,
            "x_restic": rows.ratio(row, "restic"), "x_rclone": rows.ratio(row, "rclone crypt"),
            "peak": row.peak, "requests": row.requests, "stored": row.stored, "note": row.note,
        }
        for row in rows.all()
    ]  # fmt: skip
    path.write_text(json.dumps({"facts": facts, "options": options, "rows": found}, indent=1) + "\n", "utf-8")
