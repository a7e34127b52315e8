"""backend ls, test, speed, login, spare, domain, rm (and add, drain, replace): the disks of the pool."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from webraid.cli import documents, kind_options
from webraid.cli.add_backend import add_backend
from webraid.cli.completion import disk_names
from webraid.cli.dialogue import dialogue
from webraid.cli.documents import summary
from webraid.cli.drain import drain
from webraid.cli.flags import command, family
from webraid.cli.invocation import Invocation
from webraid.cli.replace import replace
from webraid.cli.wizard import ask_secrets
from webraid.cli.words import duration
from webraid.errors import EXIT_DEGRADED, EXIT_ERROR, EXIT_OK, EXIT_UNREADABLE, AuthExpired, ConfigError

if TYPE_CHECKING:
    from webraid.backend.conformance import Result
    from webraid.cli.render import Screen
    from webraid.pool import Pool

NAME = Annotated[str, typer.Argument(help="Name of the disk.", autocompletion=disk_names, show_default=False)]

NAMES = Annotated[
    list[str],
    typer.Argument(metavar="NAME...", help="Names of the disks.", autocompletion=disk_names, show_default=False),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = family(app, "backend", "The disks of the pool.")
    command(group, "ls")(ls)
    command(group, "add", cls=kind_options.KindCommand, context_settings=kind_options.LOOSE)(add_backend)
    command(group, "test")(test)
    command(group, "speed")(speed)
    for where in (group, app):  # 'webraid login NAME' is what an expired login's message says
        command(where, "login", cls=kind_options.KindCommand, context_settings=kind_options.LOOSE)(login)
    command(group, "drain")(drain)
    command(group, "replace")(replace)
    command(group, "spare")(spare)
    command(group, "domain")(domain)
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
        if call.flags.quiet and not call.flags.json and result.outcome != "failed":
            return
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


def speed(call: Invocation, name: NAME) -> None:
    """Measure how fast a disk is.

    It takes a few MiB to the disk and back, in a scratch folder which it removes again: the time of a small request,
    and the rates of one connection and of several at once.

    \b
    Example:
      webraid backend speed usb
    """
    with call.pool() as pool, call.job("backend speed", pool):
        found = pool.measure_backend(name)
    call.summary(
        lambda: summary("backend speed", backend=name, **dataclasses.asdict(found)),
        lambda screen: screen.timed(name, found),
    )


LOGIN = Annotated[
    list[str],
    typer.Argument(metavar="NAME [--OPTION VALUE]...", show_default=False, help="", autocompletion=disk_names),
]


def login(call: Invocation, words: LOGIN) -> None:
    """Renew the login of a disk.

    A login that works is kept.  Else you log in again, as when the disk was added; off a terminal the options of the
    disk's kind say how.  What is new is tried out first, then kept on this machine and, sealed, on the disks.

    \b
    Examples:
      webraid backend login drive
      webraid backend login bucket --access-key-env B2_ID --secret-key-env B2_KEY
      webraid add-backend s3 --help
    """
    name, *rest = words
    with call.pool() as pool:
        said = kind_options.split(rest, pool.kind_of(name))
        if said.name:
            raise ConfigError("too many words", hint="It is: NAME --option value ...")
        again(call, pool, name, said)
    call.summary(
        lambda: summary("backend login", backend=name),
        lambda screen: screen.line(f"The login of {name} works, and is kept."),
    )


def again(call: Invocation, pool: Pool, name: str, said: kind_options.Words) -> None:
    """Log in with what is known and was given; where that is refused, with what is asked for."""
    options, secrets = dict(said.options), dict(said.secrets)
    while True:
        try:
            reached = pool.log_in_again(name, options, secrets=secrets, dialogue=dialogue(call))
        except AuthExpired as error:
            if not call.interactive:
                error.hint = kind_options.unattended(name, said)
            raise
        try:
            with call.job("backend login", pool):
                pool.keep_login(reached)
            return
        except AuthExpired as error:
            if not call.interactive:
                error.hint = kind_options.unattended(name, said)
            if said.typed or not call.interactive:
                raise
            typer.echo(f"{error}.", err=True)
            secrets = ask_secrets(call, said.kind)


def spare(
    call: Invocation,
    name: NAME,
    off: Annotated[bool, typer.Option("--off", help="Use it as any other disk from now on.")] = False,
) -> None:
    """Keep a disk ready to take a lost one's place.

    A spare holds the file table and no data.  When another disk is lost, 'rebuild' and 'repair' fill the spare first,
    and it is an active disk from then on.

    \b
    Examples:
      webraid backend spare d7
      webraid backend spare d7 --off
    """
    with call.pool() as pool:
        pool.set_spare(name, spare=not off)
    word = "is used as any other disk" if off else "is a hot spare: it gets data when another disk is lost"
    call.summary(
        lambda: summary("backend spare", backend=name, role="active" if off else "spare"),
        lambda screen: screen.line(f"Disk {name} {word}."),
    )


def domain(
    call: Invocation,
    name: NAME,
    to: Annotated[str, typer.Argument(metavar="DOMAIN", help="Any word, such as attic or google.", show_default=False)],
) -> None:
    """Say with which other disks a disk fails.

    Disks of one failure domain are lost together: one house, one company, one account.  New data heeds it at once;
    'webraid rebalance' moves what lies wrongly then.

    \b
    Example:
      webraid backend domain nas attic
    """
    with call.pool() as pool:
        pool.move_domain(name, to)
    call.summary(
        lambda: summary("backend domain", backend=name, domain=to),
        lambda screen: screen.line(f"Disk {name} belongs to failure domain {to} now. 'webraid rebalance' heeds it."),
    )


def rm(
    call: Invocation,
    names: NAMES,
    force: Annotated[bool, typer.Option("--force", help="Even if stored data is less safe then, or lost.")] = False,
    lost: Annotated[bool, typer.Option("--lost", help="They are gone for good: do not wait for them.")] = False,
) -> int:
    """Take disks out of the pool.  Nothing on them is deleted.

    It is refused while stored data needs a disk: 'webraid replace' and 'webraid drain' move it elsewhere first.
    With --lost or --force it goes at once, and exit code 20 says that less can be lost then than the level promises.
    Disks that are lost together are named together: each alone might leave too few that answer.

    \b
    Examples:
      webraid backend rm usb
      webraid backend rm usb --lost
      webraid backend rm usb nas --lost
    """
    with call.pool() as pool:
        with call.job("backend rm", pool):
            survives = pool.remove_backend(*names, force=force, lost=lost)
        now = pool.status()
    left = len(now.disks)
    less = now.missing_shards > 0 or (bool(now.snapshots) and (now.promised is None or survives < now.promised))
    code = EXIT_UNREADABLE if now.unreadable_packs else EXIT_DEGRADED if less else EXIT_OK
    gone = list(dict.fromkeys(names))

    def page(screen: Screen) -> None:
        screen.removed(gone, survives, left)
        if less:
            screen.next_step("Run 'webraid repair': it makes again what is missing, as far as the disks have room.")

    def document() -> dict[str, Any]:
        standing = {"survives": survives, "disks": left}
        one = {"backend": gone[0]} if len(gone) == 1 else {}
        return summary("backend rm", **one, backends=gone, redundancy=standing, exit_code=code)

    tell = call.show if code else call.summary
    tell(document, page)
    return code
