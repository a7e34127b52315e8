"""relevel: a snapshot is made safer."""

from __future__ import annotations

from typing import Annotated

import typer

from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.pages_moving import releveled, show_releveled
from webraid.cli.rebuild import DRY_RUN
from webraid.cli.traffic import traffic


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "relevel")(relevel)


def relevel(
    call: Invocation,
    snapshot: Annotated[str, typer.Argument(metavar="SNAP", help="The snapshot, such as latest.", show_default=False)],
    level: Annotated[str, typer.Option(help="The new level, such as rs:4+3.", show_default=False)],
    dry_run: DRY_RUN = False,
) -> int:
    """Bring a snapshot to a higher level.

    More parity over the same number of data shards (rs:4+2 to rs:4+3), or more copies, only uploads that parity or
    these copies.  Any other level stores the snapshot's data anew, and 'webraid prune' then frees the old packs.  What
    other snapshots share becomes safer as well.

    \b
    Examples:
      webraid relevel latest --level rs:4+3
      webraid relevel 1a2b3c4d --level raid6 --dry-run
    """
    with call.pool() as pool:
        with call.job("relevel", pool):
            result = pool.relevel(snapshot, level, dry_run=dry_run)
        flows = traffic(pool)
    tell = call.show if result.exit_code or dry_run else call.summary
    tell(lambda: releveled(result, flows), lambda screen: show_releveled(screen, result))
    return result.exit_code
