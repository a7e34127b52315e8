"""The flags that every command knows, before or after its name, and the decorator that gives them to it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import typer

from webraid.cli.invocation import Invocation
from webraid.cli.plain import PlainCommand

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

    def then(self, later: Flags) -> Flags:
        """Both together: what is said later wins, -v adds up."""
        names = [item.name for item in fields(self) if item.name != "verbose"]
        values = {name: getattr(later, name) or getattr(self, name) for name in names}
        return Flags(**values, verbose=self.verbose + later.verbose)


FLAGS: dict[str, tuple[Any, Any, tuple[str, ...], dict[str, Any]]] = {
    "config": (str | None, None, ("--config",), {"metavar": "FILE", "help": "The config file [WEBRAID_CONFIG]."}),
    "password_file": (
        str | None,
        None,
        ("--password-file", "-p"),
        {"metavar": "FILE", "help": "Read the passphrase from this file [WEBRAID_PASSWORD_FILE]."},
    ),
    "password_command": (
        str | None,
        None,
        ("--password-command",),
        {"metavar": "COMMAND", "help": "Take what this command prints as passphrase [WEBRAID_PASSWORD_COMMAND]."},
    ),
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
    return Flags(**{name: values.pop(name) for name in FLAGS})


def command(app: typer.Typer, name: str, **settings: Any) -> Callable[[Function], Function]:
    """Register a function as a command.  Its first parameter is the Invocation; it returns the exit code (None: 0)."""

    def register(function: Function) -> Function:
        app.command(name, **{"cls": PlainCommand, **settings})(_with_flags(function))
        return function

    return register


def _with_flags(function: Callable[..., int | None]) -> Callable[..., int]:
    @functools.wraps(function)
    def run(ctx: typer.Context, **values: Any) -> int:
        flags = (ctx.find_object(Flags) or Flags()).then(take_flags(values))
        invocation = Invocation(flags)
        return invocation.run(lambda: function(invocation, **values))

    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    ctx = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    together = [ctx, *(item.replace(kind=ctx.kind) for item in own), *parameters(hidden=True)]
    run.__signature__ = inspect.Signature(together)  # type: ignore[attr-defined]  # typer reads it
    run.__annotations__ = {item.name: item.annotation for item in together}
    return run


def family(app: typer.Typer, name: str, text: str) -> typer.Typer:
    """A command with commands of its own; alone it shows its help."""

    def alone(ctx: typer.Context) -> None:
        if ctx.invoked_subcommand is None:
            typer.echo(ctx.get_help())

    group = typer.Typer(
        help=text, invoke_without_command=True, rich_markup_mode=None, callback=alone, options_metavar="",
        subcommand_metavar="COMMAND ...",
    )  # fmt: skip
    app.add_typer(group, name=name)
    return group
