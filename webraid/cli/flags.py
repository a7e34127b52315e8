"""The flags that every command knows, before or after its name, and the decorator that gives them to it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import typer

from webraid.cli.invocation import Invocation
from webraid.cli.plain import PlainCommand, PlainGroup

Function = TypeVar("Function", bound=Callable[..., int | None])


@dataclass(frozen=True, slots=True)
class Flags:
    """What was said before or after the command's name."""

    config: str | None = None
    password_file: str | None = None
    password_command: str | None = None
    json: bool = False
    verbose: int = 0
    quiet: bool = False
    debug: bool = False
    profile: str | None = None
    limit_upload: str | None = None
    limit_download: str | None = None
    bwlimit: str | None = None
    tpslimit: str | None = None
    transfers: str | None = None
    retries: str | None = None
    patience: str | None = None
    cache_dir: str | None = None
    no_cache: bool = False

    def then(self, later: Flags) -> Flags:
        """Both together: what is said later wins, -v adds up."""
        names = [item.name for item in fields(self) if item.name != "verbose"]
        values = {name: getattr(self if getattr(later, name) in UNSAID else later, name) for name in names}
        return Flags(**values, verbose=self.verbose + later.verbose)


UNSAID = (None, False)
Spelled = tuple[Any, Any, tuple[str, ...], dict[str, Any]]


def _word(spelled: str, metavar: str, help: str, *short: str) -> Spelled:
    return (str | None, None, (spelled, *short), {"metavar": metavar, "help": help})


FLAGS: dict[str, Spelled] = {
    "config": _word("--config", "FILE", "The config file [WEBRAID_CONFIG]."),
    "profile": _word("--profile", "NAME", "A profile of the config [WEBRAID_PROFILE].", "-P"),
    "password_file": _word(
        "--password-file", "FILE", "Read the passphrase from this file [WEBRAID_PASSWORD_FILE].", "-p"
    ),
    "password_command": _word(
        "--password-command", "COMMAND", "Take what this command prints as passphrase [WEBRAID_PASSWORD_COMMAND]."
    ),
    "limit_upload": _word("--limit-upload", "RATE", "Send at most this: KiB/s, or such as 2MiB/s."),
    "limit_download": _word("--limit-download", "RATE", "Fetch at most this."),
    "bwlimit": _word("--bwlimit", "UP[:DOWN]", "Both, as rclone has it."),
    "tpslimit": _word("--tpslimit", "N", "Requests a second to each disk, at most."),
    "transfers": _word("--transfers", "N", "Requests under way to each disk at once, at most."),
    "retries": _word("--retries", "N", "Further tries of a request that failed."),
    "patience": _word("--patience", "SECONDS", "Silence after which a disk is given up for now."),
    "cache_dir": _word("--cache-dir", "FOLDER", "Keep the cache there [WEBRAID_CACHE_DIR]."),
    "no_cache": (bool, False, ("--no-cache",), {"help": "Use no cache, and leave none."}),
    "json": (bool, False, ("--json",), {"help": "Write JSON lines for programs (docs/reference/json.md)."}),
    "verbose": (int, 0, ("--verbose", "-v"), {"count": True, "metavar": "", "help": "Tell more."}),
    "quiet": (bool, False, ("--quiet", "-q"), {"help": "Tell nothing but errors."}),
    "debug": (bool, False, ("--debug",), {"help": "Show the traceback of an error."}),
}


def parameters(*, hidden: bool) -> list[inspect.Parameter]:
    """The flags as parameters that typer understands; ``hidden`` keeps them out of a command's own help."""
    return [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=typer.Option(default, *spelled, hidden=hidden, show_default=False, **more),
            annotation=kind,
        )
        for name, (kind, default, spelled, more) in FLAGS.items()
    ]


def take_flags(values: dict[str, Any]) -> Flags:
    """Take the flags out of what typer hands to a command."""
    return Flags(**{name: values.pop(name) for name in FLAGS if name in values})


def command(app: typer.Typer, name: str, **settings: Any) -> Callable[[Function], Function]:
    """Register a function as a command.  Its first parameter is the Invocation; it returns the exit code (None: 0).

    Settings are typer's; ``cls`` is a PlainCommand.
    """
    kind: type[PlainCommand] = settings.pop("cls", PlainCommand)

    def register(function: Function) -> Function:
        cls: Any = functools.partial(kind, make=functools.partial(_with_flags, function))
        app.command(name, cls=cls, help=inspect.getdoc(function), **settings)(_nothing)
        return function

    return register


def _nothing() -> None:
    """In the place of a command's function until its parameters are needed: typer would read them at once."""


def _with_flags(function: Callable[..., int | None]) -> Callable[..., int]:
    @functools.wraps(function)
    def run(ctx: typer.Context, **values: Any) -> int:
        kept = {name: values.pop(name) for name in taken}
        flags = (ctx.find_object(Flags) or Flags()).then(take_flags(values))
        invocation = Invocation(flags)
        return invocation.run(lambda: function(invocation, **values, **kept))

    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    taken = {item.name for item in own} & FLAGS.keys()  # the command means something else by it (lab up --profile)
    ctx = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    common = [item for item in parameters(hidden=True) if item.name not in taken]
    together = [ctx, *(item.replace(kind=ctx.kind) for item in own), *common]
    run.__signature__ = inspect.Signature(together)  # type: ignore[attr-defined]  # typer reads it
    run.__annotations__ = {item.name: item.annotation for item in together}
    return run


def family(app: typer.Typer, name: str, text: str) -> typer.Typer:
    """A command with commands of its own; alone it shows its help."""

    def alone(ctx: typer.Context) -> None:
        if ctx.invoked_subcommand is None:
            typer.echo(ctx.get_help())

    group = typer.Typer(
        cls=PlainGroup, help=text, invoke_without_command=True, rich_markup_mode=None, callback=alone,
        options_metavar="", subcommand_metavar="COMMAND ...",
    )  # fmt: skip
    app.add_typer(group, name=name)
    return group
