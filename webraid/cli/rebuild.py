"""rebuild: what a lost disk had is made again on others."""

from __future__ import annotations

from typing import Annotated

import typer

from webraid.cli.completion import disk_names
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.pages_moving import limit_of, moved, show_moved
from webraid.cli.traffic import traffic

DRY_RUN = Annotated[bool, typer.Option("--dry-run", "-n", help="Only show what would be moved where.")]
MOST = Annotated[str, typer.Option("--max", metavar="SIZE", help="Move no more than this in one run, such as 20GiB.")]
NAME = Annotated[
    str, typer.Argument(help="Name of the disk.", metavar="NAME", autocompletion=disk_names, show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "rebuild")(rebuild)


def rebuild(
    call: Invocation,
    name: NAME,
    onto: Annotated[
        str, typer.Option(metavar="DISK", help="The disk that takes its place.", autocompletion=disk_names)
    ] = "",
    most: MOST = "",
    force: Annotated[bool, typer.Option("--force", help="Even if the disk answers: do not trust it.")] = False,
    dry_run: DRY_RUN = False,
) -> int:
    """Make again what a lost disk had.

    The disk is gone for good.  Each of its shards is made from k others, those that are needed most first, on the disk
    named by --onto; without that on hot spares, or spread over all other disks.  Then the lost disk leaves the pool.
    Interrupted, it goes on when it is run again.

    \b
    Examples:
      webraid rebuild d1 --onto d6
      webraid rebuild d1 --dry-run
    """
    with call.pool() as pool:
        with call.job("rebuild", pool):
            result = pool.rebuild(name, onto=onto, limit=limit_of(most), force=force, dry_run=dry_run)
        flows = traffic(pool)
    tell = call.show if result.exit_code or dry_run else call.summary
    tell(
        lambda: {**moved("rebuild", result, flows), "onto": onto},
        lambda screen: show_moved(screen, f"Disk {name} is rebuilt", result, f"Disk {name} is not rebuilt", lost=True),
    )
    return result.exit_code
