"""repair: missing and damaged shards are made again."""

from __future__ import annotations

import typer

from webraid.cli import documents, verdict
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.traffic import traffic


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "repair")(repair)


def repair(call: Invocation) -> int:
    """Make missing and damaged shards again.

    They are put back on their disk, or on another one when that one is gone.  Nothing is ever removed.

    \b
    Example:
      webraid repair
    """
    with call.pool() as pool:
        with call.job("repair", pool):
            result = pool.repair()
        flows = traffic(pool)
    code = verdict.repair_code(result)
    call.summary(lambda: documents.repair(result, code, flows), lambda screen: screen.repaired(result))
    return code
