"""What a put did, or would do, as a page and as a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from webraid.cli import documents, verdict
from webraid.cli.words import duration, many, not_as_it_should_be, survival
from webraid.model import show_size

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.cli.traffic import Traffic
    from webraid.jobs.storing.put import PutResult

MOST = 20  # files that are named


def document(results: Sequence[PutResult], flows: Sequence[Traffic]) -> dict[str, Any]:
    """The summary; with sources, one part for each."""
    from webraid.jobs.storing.put import together

    total = together(results)
    made = [result.snapshot for result in results if result.snapshot and not result.skipped]
    whole = {**documents.put(total, flows), **_fields(total, made)}
    if results[0].source:
        whole["snapshot_ids"] = made
        whole["sources"] = [_source(result) for result in results]
    return {**whole, "exit_code": max_code(results)}


def max_code(results: Sequence[PutResult]) -> int:
    """The most severe of all."""
    from webraid.errors import worst

    return worst(*(result.exit_code for result in results))


def _fields(result: PutResult, made: Sequence[str] | None = None) -> dict[str, Any]:
    """What a put has beside what it always had.  None: the field does not apply.  ``made``: the snapshots it made."""
    if made is None:
        made = [result.snapshot] if result.snapshot and not result.skipped else []
    return {
        "snapshot_id": made[0] if len(made) == 1 else None,
        "dry_run": result.dry_run or None,
        "unchanged_since": result.snapshot if result.skipped else None,
        "partial_snapshots": result.checkpoints or None,
        "entries_excluded": result.excluded,
        "source": result.source or None,
    }


def _source(result: PutResult) -> dict[str, Any]:
    """One source of several."""
    if result.failure is not None:
        error = {"code": result.failure.exit_code, "message": str(result.failure), "hint": result.failure.hint}
        return {"source": result.source, "error": error, "exit_code": result.exit_code}
    whole = documents.put(result, [])
    for name in ("message_type", "schema_version", "command", "backends"):
        del whole[name]
    return {name: value for name, value in {**whole, **_fields(result)}.items() if value is not None}


def page(screen: Screen, results: Sequence[PutResult], flows: Sequence[Traffic]) -> None:
    """A line for each source, then the usual screen; to who wants quiet, what went wrong and nothing else."""
    from webraid.jobs.storing.put import together

    if screen.quiet and not results[0].dry_run:
        _wrong(screen, results)
        return
    if results[0].source and len(results) > 1:
        screen.pairs([(result.source, _line(result)) for result in results])
        screen.line()
    total = together(results)
    if total.dry_run:
        _rehearsed(screen, total)
    elif total.snapshot and not total.skipped:
        screen.put(total, flows)
    elif not any(result.failure for result in results):
        _unchanged(screen, total)


def _wrong(screen: Screen, results: Sequence[PutResult]) -> None:
    """Why the exit code is not 0."""
    for result in results:
        head = f"{result.source}: " if result.source else ""
        if result.failure is not None:
            screen.line(f"{head}NOT STORED: {result.failure}. {result.failure.hint}".rstrip(), "bold red")
            continue
        if result.problems:
            stored = f"snapshot {result.snapshot} is made without them" if result.snapshot else "nothing was stored"
            screen.line(f"{head}{not_as_it_should_be(len(result.problems), 'stored')}; {stored}:", "yellow")
            screen.lines(f"  {problem.path}: {problem.reason}" for problem in result.problems[:MOST])
            if len(result.problems) > MOST:
                screen.line(f"  and {many(len(result.problems) - MOST, 'file')} more")
        if result.survives < result.promised or result.alarms:
            screen.line(f"{head}snapshot {result.snapshot}: {verdict.of_put(result)}.", "yellow")
        for alarm in result.alarms:
            screen.line(f"{head}ALARM: {alarm}", "bold red")


def _line(result: PutResult) -> str:
    """A source in a line."""
    if result.failure is not None:
        return f"NOT STORED: {result.failure}"
    changes = _changes(result)
    if result.dry_run:
        return f"{changes}; {show_size(result.added)} to add"
    if result.skipped:
        return f"nothing has changed since snapshot {result.snapshot}"
    problems = f"; {many(len(result.problems), 'problem')}" if result.problems else ""
    return f"snapshot {result.snapshot}: {changes}; {show_size(result.added)} added{problems}"


def _changes(result: PutResult) -> str:
    return f"{result.files_new:,} new, {result.files_changed:,} changed, {result.files_unmodified:,} unmodified"


def _rehearsed(screen: Screen, result: PutResult) -> None:
    screen.line(f"Nothing was stored: this is what a put at {result.level} would do." if result.level else "")
    screen.line()
    rows = [
        ("files", f"{_changes(result)}; {many(result.dirs, 'folder')}"),
        ("read", f"{show_size(result.read)} of {show_size(result.bytes)} in {duration(result.seconds)}"),
        ("to add", f"{show_size(result.added)} of new content, before compression and parity"),
    ]
    if result.excluded:
        rows.append(("left out", many(result.excluded, "file or folder", "files and folders")))
    if result.problems:
        rows.append(("problems", not_as_it_should_be(len(result.problems), "stored")))
    screen.pairs(rows)


def _unchanged(screen: Screen, result: PutResult) -> None:
    since = f" since snapshot {result.snapshot}" if result.skipped else ""
    screen.line(
        f"Nothing has changed{since}: no snapshot was made. The pool {survival(result.survives, result.disks)}."
    )
    for alarm in result.alarms:
        screen.line(f"ALARM: {alarm}")
