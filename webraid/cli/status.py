"""status: where the pool stands, verdict first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from webraid.cli import documents, verdict
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.words import iso
from webraid.errors import EXIT_OK

if TYPE_CHECKING:
    from webraid.cli.scheduled import Scheduled
    from webraid.jobs.standing.status import Status


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "status")(status)


def status(
    call: Invocation,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 20, 21 or 24 when not all is well, for scripts.")
    ] = False,
) -> int:
    """Say where the pool stands.

    First what may be lost without losing data, then the disks, what was last stored, scrubbed and restored for a
    trial, and what to do next.

    \b
    Example:
      webraid status
    """
    from webraid.cli.scheduled import scheduled

    with call.pool() as pool, call.hush(), call.job("status", pool):
        now = pool.status()
        plan = scheduled(call, pool._ctx.config)
    code = verdict.status_code(now)
    call.show(
        lambda: documents.status(now, verdict.of_status(now), verdict.after_status(now), code) | _history(now, plan),
        lambda screen: screen.status(now, plan),
    )
    return code if exit_code else EXIT_OK


def _history(now: Status, plan: Scheduled) -> dict[str, Any]:
    scrub = now.last_scrub
    return {
        "sources": [
            {
                "name": source.name,
                "hostname": source.host,
                "configured": source.configured,
                "snapshot_id": source.snapshot,
                "time": iso(source.time_ms) if source.snapshot else None,
                "total_files_processed": source.files,
                "total_bytes_processed": source.bytes,
                "snapshots": source.snapshots,
                "overdue": source.configured and plan.late(source.time_ms),
            }
            for source in now.sources
        ],
        "last_scrub": {
            "time": iso(int(scrub.time * 1000)),
            "mode": scrub.mode,
            "exit_code": scrub.exit_code,
            "corrupt": scrub.corrupt,
            "missing": scrub.missing,
            "bytes_read": scrub.bytes_read,
            "covered": round(scrub.covered, 4),
        }
        if scrub
        else None,
        "last_drill": {"time": iso(now.last_drill_ms), "files_restored": now.last_drill_files}
        if now.last_drill_ms
        else None,
        "schedule": {
            "installed": plan.installed,
            "how": plan.how,
            "overdue": plan.overdue,
            "last_run": iso(plan.began_ms) if plan.began_ms else None,
            "last_success": iso(plan.last_ms) if plan.last_ms else None,
            "exit_code": plan.exit_code if plan.began_ms else None,
        },
        "unfinished_packs": now.unfinished_packs,
        "trash": {"packs": now.condemned_packs, "bytes_stored": now.condemned_bytes},
    }
