"""status: where the pool stands, verdict first."""

from __future__ import annotations

from typing import Annotated

import typer

from webraid.cli import documents, verdict
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.errors import EXIT_OK


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

    First what may be lost without losing data, then the disks, the last snapshot, and what to do next.

    \b
    Example:
      webraid status
    """
    with call.pool() as pool, call.hush(), call.job("status", pool):
        now = pool.status()
    code = verdict.status_code(now)
    call.show(
        lambda: documents.status(now, verdict.of_status(now), verdict.after_status(now), code),
        lambda screen: screen.status(now),
    )
    return code if exit_code else EXIT_OK
