"""init: make a pool on this machine and hand over its recovery kit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webraid.cli import passphrase
from webraid.cli.asking import ask
from webraid.cli.documents import summary
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.errors import ConfigError

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.jobs.access.init import Made

NAME, LEVEL = "home", "raid6"


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "init")(init)


LEVELS = """How many disks may be lost at once?
  raid5   one; it takes 3 disks at least
  raid6   two; it takes 4 disks at least
  raid1   all but one: each disk holds everything
  rs:k+m  m of k+m disks, such as rs:10+4"""


def init(
    call: Invocation,
    name: Annotated[str, typer.Option(help="Name of the pool [home].", show_default=False)] = "",
    level: Annotated[
        str, typer.Option(help="raid0, raid1[:n], raid4, raid5[:n], raid6[:n] or rs:k+m [raid6].", show_default=False)
    ] = "",
    kit: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the recovery kit there (.txt, or .html to print) instead of printing it."
        ),
    ] = None,
    weak_passphrase: Annotated[
        bool, typer.Option("--weak-passphrase", help="Take a passphrase that is quickly guessed.")
    ] = False,
) -> None:
    """Make a pool.

    The recovery kit opens the pool when the passphrase is forgotten: it is a page for your safe. 'webraid key kit'
    makes another one, with the disks on it.

    The passphrase comes from -p, --password-command, WEBRAID_PASSWORD_FILE, WEBRAID_PASSWORD_COMMAND or
    WEBRAID_PASSWORD; else it is asked for.

    \b
    Example:
      webraid init --name home --level raid6 --kit kit.txt
      webraid init --kit kit.html
    """
    from webraid.codec.levels import parse_level
    from webraid.pool import init_pool

    if call.interactive:
        name = name or ask(call, "Name of the pool", instead="--name", default=NAME)
        level = level or _level(call)
    parse_level(level or LEVEL)  # a wrong level is said before anybody thinks of a passphrase
    secret = passphrase.chosen(call, weak=weak_passphrase)
    made = init_pool(
        call.settings, name=name or NAME, level=level or LEVEL, passphrase=secret, weak=weak_passphrase, kit=kit
    )
    tell = call.summary if kit else call.show  # a code that nobody has seen is no code
    tell(
        lambda: summary(
            "init",
            pool={"name": made.name, "id": made.pool_id, "level": made.level},
            kit=str(kit) if kit else None,
            recovery_code=None if kit else made.kit.recovery_code,
        ),
        lambda screen: _made(screen, made, kit),
    )


def _made(screen: Screen, made: Made, kit: Path | None) -> None:
    screen.made(made, kit)
    if kit is None and screen.out.is_terminal and not screen.ascii:
        screen.lines(["", *made.kit.qr().splitlines(), "The code and the pool as a QR code."])


def _level(call: Invocation) -> str:
    """Asked until it is one."""
    from webraid.codec.levels import parse_level

    typer.echo(LEVELS, err=True)
    while True:
        answer = ask(call, "Level", instead="--level", default=LEVEL)
        try:
            parse_level(answer)
            return answer
        except ConfigError as error:
            message = str(error)
            typer.echo(f"{message[:1].upper()}{message[1:]}.", err=True)
