"""add-backend: a disk joins the pool."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from webraid.cli import kind_options
from webraid.cli.asking import ask
from webraid.cli.documents import summary
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.errors import ConfigError
from webraid.model import parse_size

if TYPE_CHECKING:
    from webraid.jobs.add_backend import Added

WORDS = Annotated[
    list[str] | None, typer.Argument(metavar="KIND [NAME] [--OPTION VALUE]...", show_default=False, help="")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "add-backend", cls=kind_options.KindCommand, context_settings=kind_options.LOOSE)(add_backend)


def add_backend(
    call: Invocation,
    words: WORDS = None,
    domain: Annotated[str, typer.Option(help="What fails together with it: company, house, owner.")] = "",
    capacity: Annotated[str, typer.Option(metavar="SIZE", help="Use at most so much of it, such as 13GiB.")] = "",
    reserve: Annotated[str, typer.Option(metavar="SIZE", help="Leave so much of it free.")] = "",
) -> None:
    """Add a disk to the pool.

    KIND says what it is, NAME how you call it; the other options depend on the kind.  On a terminal you are asked
    for what is missing.

    \b
    Examples:
      webraid add-backend local usb --path /media/usb/webraid --capacity 200GiB
      webraid add-backend s3 bucket --endpoint https://s3.example.org --bucket b --access-key K --secret-key S
      webraid add-backend s3 --help
    """
    said = kind_options.split(words or [])
    limit = parse_size(capacity) if capacity else None
    spare = parse_size(reserve) if reserve else 0
    with call.pool() as pool:
        wanted = kind_options.complete(call, said)
        name = wanted.name or _name(call, wanted.kind)
        with call.job("add-backend", pool):
            added = pool.add_backend(
                wanted.kind, name, kind_options.settled(wanted), domain=domain, capacity=limit, reserve=spare
            )
    call.summary(lambda: document(added), lambda screen: screen.added(added))


def document(added: Added) -> dict[str, object]:
    """For programs."""
    values = dataclasses.asdict(added)
    names = ("level", "survives", "stored_survives", "disks", "still_needed")
    redundancy = {name: values.pop(name) for name in names}
    return summary("add-backend", backend=values, redundancy=redundancy)


def _name(call: Invocation, kind: str) -> str:
    """The kind's own name while it is free, then kind-2, kind-3...; on a terminal only a proposal."""
    from webraid.config import load

    try:
        taken = {disk.name for disk in load(call.places.config, call.environ).disks}
    except ConfigError:
        taken = set()
    number = next(n for n in range(1, len(taken) + 2) if _numbered(kind, n) not in taken)
    proposal = _numbered(kind, number)
    return ask(call, "Name of the disk", instead="NAME", default=proposal) if call.interactive else proposal


def _numbered(kind: str, number: int) -> str:
    return kind if number == 1 else f"{kind}-{number}"
