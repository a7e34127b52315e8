"""The page of the matrix: what is kept of a run, and how docs/backends/README.md is made of it and of the code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.conformance.kind import Deviation, Kind
from tests.conformance.subjects import DEVIATIONS, KINDS
from webraid.backend.conformance import CHECKS, PROMISES, Check
from webraid.backend.conformance.faults import FAULT_CHECKS
from webraid.backend.conformance.hygiene import HYGIENE_CHECKS
from webraid.backend.conformance.listing import LISTING_CHECKS
from webraid.backend.conformance.objects import OBJECT_CHECKS
from webraid.backend.registry import load

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "backends"
PAGE, RESULTS = FOLDER / "README.md", FOLDER / "matrix.json"
GROUPS: tuple[tuple[str, tuple[Check, ...]], ...] = (
    ("The nine promises", PROMISES),
    ("Objects", OBJECT_CHECKS),
    ("Listings", LISTING_CHECKS),
    ("Failing servers", FAULT_CHECKS),
    ("What is left behind", HYGIENE_CHECKS),
)
DOUBLES = ("memory",)  # no kind of disk: the suite's own measure
NEVER = "not yet"


@dataclass(frozen=True)
class Column:
    """One server: the day its checks were run on, and how each went: 'ok' or 'without'."""

    date: str
    outcomes: Mapping[str, str]


Results = dict[str, Column]


def hosts(kinds: Mapping[str, Kind]) -> dict[str, str]:
    """Kind -> the kind in whose column it is shown.  One without a server's name goes to the one of the same backend
    and server (the last word of its name, or its whole name and more), else to the first of the backend."""
    labels = [name for name, kind in kinds.items() if kind.server]
    found = {}
    for name, kind in kinds.items():
        family = [label for label in labels if label.split("-")[0] == name.split("-")[0]]
        same = [label for label in family if label.split("-")[-1] == name.split("-")[-1]]
        same = same or [label for label in family if label.startswith(f"{name}-")]
        quick = [label for label in family if not kinds[label].deep]
        if kind.server:
            found[name] = name
        elif same or family:
            found[name] = (same or quick or family)[0]
        else:
            raise AssertionError(f"{name} has no server's name, and there is no other {name.split('-')[0]}")
    return found


def columns(kinds: Mapping[str, Kind]) -> list[str]:
    """The kinds that have a column, those of one backend beside each other."""
    return sorted((name for name, kind in kinds.items() if kind.server), key=lambda name: kinds[name].backend)


def load_results(path: Path) -> Results:
    if not path.exists():
        return {}
    return {name: Column(**column) for name, column in json.loads(path.read_text()).items()}


def save_results(path: Path, results: Results) -> None:
    kept = {name: asdict(column) for name, column in sorted(results.items())}
    path.write_text(json.dumps(kept, indent=1) + "\n")


# --------------------------------------------------------------------------------------------------------------- page
INTRO = """# Kinds of disk, and what holds of each

<!-- Written by `make matrix` from docs/backends/matrix.json and tests/conformance. Do not edit. -->

Every kind of disk keeps the same nine promises (`webraid/backend/base.py`). That is checked by running the same {count}
checks on each of them, against every server we could lay hands on; this page says what came out.

**None of it was run against a live provider.** The servers are real programs on the test machine (moto, rclone, Swift,
nginx, OpenSSH and others), or our own fakes of Google Drive and Dropbox, driven by the providers' real libraries over
HTTP. `webraid backend test NAME` runs the same checks on your account, in a scratch folder that it removes, and
[testing.md](../testing.md#live-accounts) tells how to record such a run. For a kind of your own:
[writing-a-backend.md](../writing-a-backend.md).

## Kinds
"""
LEGEND = """
## Servers

A `deep` server is installed by `make deep` (from Debian or npm); the others come with pip and run in `make test`.
"""
CHECKED = """
## Checks

`ok`: kept. `–`: does not apply, because the server or the kind has nothing to try it on (a fault that nobody there can
bring about, a quota that is not told). A letter: the server breaks it, always or now and then; see below. `?`: not run
yet. The numbers are those of the servers above. The checks are plain functions in `webraid/backend/conformance/`; what
each asks is its first line."""
KNOWN = """
## Known deviations

What the servers do otherwise than they should. Each is shown by a test, which fails when the server mends its ways.
"""


def render(results: Results, kinds: Mapping[str, Kind] = KINDS, deviations: tuple[Deviation, ...] = DEVIATIONS) -> str:
    """The whole page."""
    labels = columns(kinds)
    marks = _marks(kinds, deviations)
    parts = [INTRO.format(count=len(CHECKS)), *_kind_table(labels, kinds), LEGEND, *_legend(labels, kinds, results)]
    parts.append(CHECKED)
    for title, checks in GROUPS:
        parts += ["", f"### {title}", "", _row("check", *map(str, range(1, len(labels) + 1)))]
        parts.append(_row("---", *(":-:" for _ in labels)))
        parts += [
            _row(check.__name__.replace("_", " "), *(_cell(label, check, kinds, results, marks) for label in labels))
            for check in checks
        ]
    parts += [KNOWN, *_known(labels, kinds, deviations, marks)]
    return "\n".join(parts).rstrip() + "\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _kind_table(labels: list[str], kinds: Mapping[str, Kind]) -> Iterator[str]:
    yield _row("kind", "what it is", "run against")
    yield _row("---", "---", "---")
    backends = dict.fromkeys(kinds[label].backend for label in labels)
    for backend in sorted(set(backends) - set(DOUBLES)):
        servers = "; ".join(dict.fromkeys(kinds[label].server for label in labels if kinds[label].backend == backend))
        yield _row(f"[{backend}]({backend}.md)", load(backend).summary, servers)


def _legend(labels: list[str], kinds: Mapping[str, Kind], results: Results) -> Iterator[str]:
    yield _row("no.", "kind", "server", "brought by", "run on")
    yield _row(":-:", "---", "---", "---", "---")
    for number, label in enumerate(labels, 1):
        kind, column = kinds[label], results.get(label)
        brought = "`make deep`" if kind.deep else "`make test`"
        yield _row(str(number), kind.backend, kind.server, brought, column.date if column else NEVER)


def _cell(
    label: str, check: Check, kinds: Mapping[str, Kind], results: Results, marks: Mapping[tuple[str, str], str]
) -> str:
    name = check.__name__
    if (label, name) in marks:
        return marks[label, name]
    outcome = results[label].outcomes.get(name) if label in results else None
    return {"ok": "ok", "without": "–", None: "?"}[outcome]


def _marks(kinds: Mapping[str, Kind], deviations: tuple[Deviation, ...]) -> dict[tuple[str, str], str]:
    """(column, check) -> the letter of its deviation."""
    shown = hosts(kinds)
    labels, checks = columns(kinds), [check.__name__ for check in CHECKS]
    pairs = {(shown[one.kind], one.check) for one in deviations if one.check}
    ordered = sorted(pairs, key=lambda pair: (labels.index(pair[0]), checks.index(pair[1])))
    return {pair: _letter(number) for number, pair in enumerate(ordered)}


def _letter(number: int) -> str:
    return (_letter(number // 26 - 1) if number >= 26 else "") + chr(ord("a") + number % 26)


def _known(
    labels: list[str], kinds: Mapping[str, Kind], deviations: tuple[Deviation, ...],
    marks: Mapping[tuple[str, str], str],
) -> Iterator[str]:  # fmt: skip
    shown = hosts(kinds)
    yield _row("", "server", "what it does", "why we can live with it")
    yield _row(":-:", "---", "---", "---")
    order = {label: number for number, label in enumerate(labels)}

    def place(one: Deviation) -> tuple[int, bool, int, str]:
        mark = marks.get((shown[one.kind], one.check), "")
        return order[shown[one.kind]], not mark, len(mark), mark

    for one in sorted(deviations, key=place):
        label = shown[one.kind]
        server = f"{kinds[label].backend} at {kinds[label].server}"
        yield _row(marks.get((label, one.check), ""), server, one.name, one.reason)
