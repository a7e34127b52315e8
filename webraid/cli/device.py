"""device: the machines of the pool, and what each of them may do."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from webraid.cli import pages_keys, passphrase
from webraid.cli.documents import summary
from webraid.cli.flags import command, family
from webraid.cli.invocation import Invocation

NAME = Annotated[str, typer.Argument(metavar="DEVICE", help="Name of the machine, or its id.", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = family(app, "device", "The machines of the pool.")
    command(group, "ls")(ls)
    command(group, "rm")(rm)
    command(group, "rights")(rights)


def ls(call: Invocation) -> None:
    """List the machines of the pool.

    \b
    Example:
      webraid device ls
    """
    with call.pool() as pool, call.hush(people=False):
        found = pool.devices()
    call.show(
        lambda: summary("device ls", devices=[pages_keys.machine(item) for item in found]),
        lambda screen: pages_keys.machines(screen, found),
    )


def rm(
    call: Invocation, name: NAME,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would be done.")] = False,
) -> None:  # fmt: skip
    """End a machine's part in the pool.

    What it stored stays. Whatever it writes later is ignored by all others, for ever. It keeps the keys that it had:
    if it was lost or stolen use 'webraid key revoke' instead, which changes them.

    \b
    Example:
      webraid device rm old-laptop
    """
    with call.pool() as pool:
        if dry_run:
            seen = pages_keys.the_device(pool.devices(), name)
            values = {"id": seen.id, "name": seen.name, "seq": seen.records}
        else:
            secret = passphrase.needed(call, "Passphrase of the pool, or recovery code")
            done = pool.remove_device(secret, name)
            values = dataclasses.asdict(done)
    call.summary(
        lambda: summary("device rm", **values, dry_run=dry_run),
        lambda screen: pages_keys.removed(screen, values, dry_run=dry_run),
    )


def rights(
    call: Invocation, name: NAME,
    given: Annotated[
        str, typer.Argument(metavar="RIGHTS", show_default=False, help="append; append,forget; or append,forget,sweep")
    ],
) -> None:  # fmt: skip
    """Say what a machine may do.

    \b
      append   store and restore; renew its own logins
      forget   forget snapshots and change their tags, too
      sweep    delete data; add, change and remove disks

    A machine that only has 'append' can destroy nothing, whoever has taken it over: it is right for servers and
    other machines that nobody watches. (That its logins can delete nothing either is the provider's part: see the
    guide on keys.)

    \b
    Examples:
      webraid device rights nas append
      webraid device rights desk append,forget,sweep
    """
    from webraid.jobs.access.devices import parse_rights

    wanted = parse_rights(given)
    secret = passphrase.needed(call, "Passphrase of the pool, or recovery code")
    with call.pool() as pool:
        now = pool.set_rights(secret, name, list(wanted))
    call.summary(
        lambda: summary("device rights", **pages_keys.machine(now)),
        lambda screen: screen.line(f"{now.name} may: {', '.join(now.rights)}."),
    )
