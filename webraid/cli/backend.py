"""backend ls, test, rm (and add): the disks of the pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from webraid.cli import documents, kind_options
from webraid.cli.add_backend import add_backend
from webraid.cli.completion import disk_names
from webraid.cli.documents import summary
from webraid.cli.flags import command, family
from webraid.cli.invocation import Invocation
from webraid.cli.words import duration
from webraid.errors import EXIT_ERROR, EXIT_OK

if TYPE_CHECKING:
    from webraid.backend.conformance import Result

NAME = Annotated[str, typer.Argument(help="Name of the disk.", autocompletion=disk_names, show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = family(app, "backend", "The disks of the pool.")
    command(group, "ls")(ls)
    command(group, "add", cls=kind_options.KindCommand, context_settings=kind_options.LOOSE)(add_backend)
    command(group, "test")(test)
    command(group, "rm")(rm)


def ls(call: Invocation) -> None:
    """List the disks.

    \b
    Example:
      webraid backend ls
    """
    with call.pool() as pool, call.hush():
        now = pool.status()
    call.show(
        lambda: summary("backend ls", backends=[documents.backend(disk) for disk in now.disks]),
        lambda screen: screen.disks(now.disks) if now.disks else screen.line("This pool has no disk yet."),
    )


def test(call: Invocation, name: NAME) -> int:
    """Try out whether a disk does what it must.

    It tests every promise that webraid relies on, in a scratch folder on the disk which it removes again; that
    takes a minute or so.

    \b
    Example:
      webraid backend test usb
    """

    def told(result: Result) -> None:
        call.show(
            lambda: {"message_type": "verbose_status", "action": "check", "check": result.name,
                     "outcome": result.outcome, "seconds": round(result.seconds, 3), "detail": result.detail},
            lambda screen: screen.tested(result.name, result.outcome, duration(result.seconds), result.detail),
        )  # fmt: skip

    with call.pool() as pool:
        results = pool.test_backend(name, told)
    counted = {word: sum(result.outcome == word for result in results) for word in ("ok", "failed", "not applicable")}
    code = EXIT_ERROR if counted["failed"] else EXIT_OK
    call.summary(
        lambda: summary("backend test", backend=name, **{key.replace(" ", "_"): n for key, n in counted.items()},
                        exit_code=code),
        lambda screen: screen.line(f"{name}: " + ", ".join(f"{count} {word}" for word, count in counted.items())),
    )  # fmt: skip
    return code


def rm(
    call: Invocation,
    name: NAME,
    force: Annotated[bool, typer.Option("--force", help="Even if some data becomes unreadable.")] = False,
    lost: Annotated[bool, typer.Option("--lost", help="It is gone for good: do not wait for it.")] = False,
) -> None:
    """Take a disk out of the pool.  Nothing on it is deleted.

    \b
    Example:
      webraid backend rm usb --lost
    """
    with call.pool() as pool:
        with call.job("backend rm", pool):
            survives = pool.remove_backend(name, force=force, lost=lost)
        left = len(pool.status().disks)
    call.summary(
        lambda: summary("backend rm", backend=name, redundancy={"survives": survives, "disks": left}),
        lambda screen: screen.removed(name, survives, left),
    )
