"""rebalance: all disks evenly full, every stripe where it should lie."""

from __future__ import annotations

from typing import Annotated

import typer

from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.pages_moving import limit_of, rebalanced, show_rebalanced
from webraid.cli.rebuild import DRY_RUN, MOST
from webraid.cli.traffic import traffic


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "rebalance")(rebalance)


def rebalance(
    call: Invocation,
    most: MOST = "",
    now: Annotated[bool, typer.Option("--now", help="Delete at once what has moved: no trash.")] = False,
    dry_run: DRY_RUN = False,
) -> int:
    """Fill all disks evenly, with as few bytes as that takes.

    For after disks were added.  Shards are copied to emptier disks and verified; then they count there and no more in
    the old place, and when the trash time of [prune] is over a later 'webraid prune' or 'webraid rebalance' deletes the
    old ones.  Stripes of which too many shards lie in one failure domain are put right first.

    \b
    Examples:
      webraid rebalance --dry-run
      webraid rebalance --max 50GiB
    """
    with call.pool() as pool:
        with call.job("rebalance", pool):
            result = pool.rebalance(limit=limit_of(most), now=now, dry_run=dry_run)
        flows = traffic(pool)
    tell = call.show if result.exit_code or dry_run else call.summary
    tell(lambda: rebalanced(result, flows), lambda screen: show_rebalanced(screen, result))
    return result.exit_code
