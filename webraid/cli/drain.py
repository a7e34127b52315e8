"""drain (backend drain): a disk is emptied, before its account closes or because it is wanted elsewhere."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from webraid.cli.completion import disk_names
from webraid.cli.documents import summary
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.pages_moving import deadline_of, drained, limit_of, show_drained
from webraid.cli.rebuild import DRY_RUN, MOST
from webraid.cli.traffic import traffic
from webraid.errors import EXIT_OK, ConfigError, worst


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "drain")(drain)


def drain(
    call: Invocation,
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="Name of the disk; without it: all that are being drained.",
                            autocompletion=disk_names, show_default=False)
    ] = "",
    deadline: Annotated[
        str, typer.Option(metavar="DATE", help="It must be empty when this day begins, such as 2027-01-31; or 'none'.")
    ] = "",
    most: MOST = "",
    remove: Annotated[bool, typer.Option("--remove", help="Take it out of the pool once it is empty.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Use the disk as any other again.")] = False,
    dry_run: DRY_RUN = False,
) -> int:  # fmt: skip
    """Empty a disk.

    Nothing new goes there, and what it has is copied to the other disks, in one go or over many nights: each run goes
    on where the last one ended.  The copies on the disk count until it is taken out.  It tells when it will be empty,
    and gives exit code 20 when the deadline will be missed or the others have too little room.

    \b
    Examples:
      webraid drain d1 --deadline 2027-01-31
      webraid drain d1 --dry-run
      webraid drain --max 20GiB
      webraid drain --stop d1
    """
    if not name and (deadline or remove or stop or dry_run):
        raise ConfigError("which disk?", hint="It is: webraid drain NAME ...")
    if stop:
        return _stop(call, name)
    with call.pool() as pool:
        with call.job("drain", pool):
            results = (
                [pool.drain(name, deadline_ms=deadline_of(deadline), limit=limit_of(most), remove=remove,
                            dry_run=dry_run)]
                if name else pool.drain_on(limit=limit_of(most))
            )  # fmt: skip
        flows = traffic(pool)
    code = worst(EXIT_OK, *(result.exit_code for result in results))
    tell = call.show if code or dry_run else call.summary
    for result in results:
        tell(partial(drained, result, flows), partial(show_drained, result))
    if not results:
        call.summary(
            lambda: summary("drain", backend="", exit_code=code),
            lambda screen: screen.line("No disk is being drained."),
        )
    return code


def _stop(call: Invocation, name: str) -> int:
    with call.pool() as pool:
        pool.stop_drain(name)
    call.summary(
        lambda: summary("drain", backend=name, stopped=True, exit_code=EXIT_OK),
        lambda screen: screen.line(f"Disk {name} is used as any other again."),
    )
    return EXIT_OK
