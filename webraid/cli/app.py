"""The whole command line put together; ``main`` turns it into an exit code."""

from __future__ import annotations

import inspect
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from typing import Any

import typer
import typer.main

from webraid import __version__
from webraid.cli import complaints, completion
from webraid.cli.commands import Commands
from webraid.cli.flags import parameters, take_flags
from webraid.cli.plain import PlainGroup
from webraid.errors import EXIT_INTERRUPTED

NAME = "webraid"
HELP = """One encrypted backup over many clouds, folders and friends, with parity.

\b
Five commands to begin with:
  webraid init --name home --level raid6 --kit kit.txt
  webraid add-backend local usb --path /media/usb/webraid
  webraid put ~/photos
  webraid status
  webraid get latest:photos -t restored

The flags below may stand before or after the command.  Every command has --help with an example.
"""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{NAME} {__version__}")
        raise typer.Exit(0)


def _root(ctx: typer.Context, **values: Any) -> None:
    values.pop("version")
    ctx.obj = take_flags(values)
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def _root_app() -> typer.Typer:
    """The program without its commands.  No rich in the help: it would cost a third of the start-up time."""
    app = typer.Typer(
        name=NAME, cls=PlainGroup, help=HELP, rich_markup_mode=None, pretty_exceptions_enable=False,
        invoke_without_command=True, subcommand_metavar="COMMAND ...",
        context_settings={"help_option_names": ["-h", "--help"]},
    )  # fmt: skip
    shown = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, show_default=False, help="Print the version."
    )
    more = inspect.Parameter("version", inspect.Parameter.KEYWORD_ONLY, default=shown, annotation=bool)
    ctx = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    everything = [ctx, *parameters(hidden=False), more]
    _root.__signature__ = inspect.Signature(everything)  # type: ignore[attr-defined]  # typer reads it
    _root.__annotations__ = {item.name: item.annotation for item in everything}
    app.callback()(_root)
    return app


def tree() -> Any:
    """The commands as typer runs them; installing completion is left to 'webraid completion'."""
    group: Any = typer.main.get_command(_root_app())
    for parameter in group.params:
        if parameter.name in ("install_completion", "show_completion"):
            parameter.hidden = True
    completion.attach(group.params)
    completion.answer_plainly()
    group.commands = Commands()
    return group


def main(argv: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    _prepare_streams()
    _hush_libraries()
    _end_like_ctrl_c()
    try:
        answer = tree().main(args=list(argv), prog_name=NAME, standalone_mode=False)
    except typer.Abort:
        complaints.tell(complaints.INTERRUPTED, EXIT_INTERRUPTED, json="--json" in argv)
        return EXIT_INTERRUPTED
    except typer.TyperException as error:
        return _misused(error, json="--json" in argv)
    return answer if isinstance(answer, int) else 0


def _misused(error: typer.TyperException, *, json: bool) -> int:
    """The command line itself is wrong: say so, and where its help is."""
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path if ctx is not None else NAME
    usage = f"{ctx.get_usage().removeprefix('Usage: ')}\n  " if ctx is not None and not json else ""
    message = error.format_message().rstrip(".")
    complaints.tell(
        message[:1].lower() + message[1:], error.exit_code, hint=f"{usage}See '{path} --help'.", json=json
    )  # fmt: skip
    return error.exit_code


def _prepare_streams() -> None:
    """A name that a terminal's encoding cannot show is spelled out, never an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _hush_libraries() -> None:
    """Not every import says what it lacks: the libraries' own filters get lost where two are imported at once."""
    warnings.filterwarnings("ignore", message="SOCKS support in urllib3")


def _end_like_ctrl_c() -> None:
    """SIGTERM ends a run as Ctrl-C does: cleanly, with exit code 130."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)


__all__ = ["main", "tree"]
