"""replace (backend replace): a disk takes over from another one that can still be read."""

from __future__ import annotations

from typing import Annotated

import typer

from webraid.cli.completion import disk_names
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.pages_moving import limit_of, moved, show_moved
from webraid.cli.rebuild import DRY_RUN, MOST
from webraid.cli.traffic import traffic


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "replace")(replace)


def replace(
    call: Invocation,
    old: Annotated[
        str, typer.Argument(metavar="OLD", help="The disk that goes.", autocompletion=disk_names, show_default=False)
    ],
    new: Annotated[
        str, typer.Argument(metavar="NEW", help="The disk that takes over.", autocompletion=disk_names,
                            show_default=False)
    ],
    most: MOST = "",
    dry_run: DRY_RUN = False,
) -> int:  # fmt: skip
    """Move all from one disk to another, then take the old one out.

    Shards are copied from the old disk and verified; what it does not serve is made from other disks.  The old disk
    counts until everything lies elsewhere, so the pool is as safe as before at every moment.  The new one is added
    first, with add-backend.  Interrupted, it goes on when it is run again.

    \b
    Examples:
      webraid replace d1 d6
      webraid replace d1 d6 --dry-run
    """
    with call.pool() as pool:
        with call.job("replace", pool):
            result = pool.replace(old, new, limit=limit_of(most), dry_run=dry_run)
        flows = traffic(pool)
    tell = call.show if result.exit_code or dry_run else call.summary
    tell(
        lambda: {**moved("replace", result, flows), "onto": new},
        lambda screen: show_moved(screen, f"Disk {old} is replaced by {new}", result, f"Disk {old} is not replaced"),
    )
    return result.exit_code
