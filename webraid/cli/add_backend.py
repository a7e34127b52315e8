"""add-backend: a disk joins the pool."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from webraid.cli import kind_options
from webraid.cli.asking import ask
from webraid.cli.completion import kind_names
from webraid.cli.dialogue import dialogue
from webraid.cli.documents import summary
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.wizard import complete
from webraid.errors import ConfigError
from webraid.model import parse_size

if TYPE_CHECKING:
    from webraid.jobs.disks.add_backend import Added

WORDS = Annotated[
    list[str] | None,
    typer.Argument(metavar="KIND [NAME] [--OPTION VALUE]...", show_default=False, help="", autocompletion=kind_names),
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
    for what is missing: give no word at all, and you are asked for everything.

    \b
    Examples:
      webraid add-backend
      webraid add-backend local usb --path /media/usb/webraid --capacity 200GiB
      webraid add-backend s3 b2 --provider b2 --region eu-central-003 --bucket my-webraid \\
          --access-key-env B2_ID --secret-key-env B2_KEY
      webraid add-backend s3 --help
    """
    said = kind_options.split(words or [])
    limit = parse_size(capacity) if capacity else None
    spare = parse_size(reserve) if reserve else None
    with call.pool() as pool:
        wanted = complete(call, said)
        name = wanted.name or _name(call, wanted.word)
        reached = pool.log_in(
            wanted.kind, name, wanted.options, secrets=wanted.secrets, dialogue=dialogue(call)
        )  # fmt: skip
        with call.job("add-backend", pool):
            added = pool.join(reached, domain=domain, capacity=limit, reserve=spare)
    call.summary(lambda: document(added), lambda screen: screen.added(added))


def document(added: Added) -> dict[str, object]:
    """For programs."""
    values = dataclasses.asdict(added)
    names = ("level", "survives", "stored_survives", "disks", "still_needed")
    redundancy = {name: values.pop(name) for name in names}
    return summary("add-backend", backend=values, redundancy=redundancy)


def _name(call: Invocation, kind: str) -> str:
    """The kind's own name while it is free, then kind-2, kind-3...; on a terminal only a proposal."""
    from webraid.config import load, valid_name

    taken = {disk.name for disk in load(call.places.config, call.environ).disks}
    number = next(n for n in range(1, len(taken) + 2) if _numbered(kind, n) not in taken)
    proposal = _numbered(kind, number)
    while call.interactive:
        answer = ask(call, "Name of the disk", instead="NAME", default=proposal)
        try:
            if valid_name(answer) not in taken:
                return answer
            typer.echo(f"There is a disk called {answer!r} already.", err=True)
        except ConfigError as error:
            typer.echo(f"{error}. {error.hint}", err=True)
    return proposal


def _numbered(kind: str, number: int) -> str:
    return kind if number == 1 else f"{kind}-{number}"
