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

    They are made from this machine's own files where these still hold what was stored, else from shards on other
    disks, and put back on their disk, on a hot spare, or on another one when theirs is gone.  Nothing is ever removed.

    \b
    Example:
      webraid repair
    """
    with call.pool() as pool:
        with call.job("repair", pool):
            result = pool.repair()
        flows = traffic(pool)
    code = verdict.repair_code(result)
    call.summary(
        lambda: (
            documents.repair(result, code, flows)
            | {
                "shards_from_files": result.from_files,
                "bytes_read": result.read,
                "chunks_saved": result.saved,
                "bytes_saved": result.saved_bytes,
                "packs_without_room": result.unsaved,
            }
        ),
        lambda screen: screen.repaired(result),
    )
    return code
