"""How a run that did not go well ends: what happened and what to do next, on stderr, for people or as JSON."""

from __future__ import annotations

import json as encoder
import os
import shutil
import sys
import textwrap
import traceback
from types import TracebackType

import typer

from webraid.errors import EXIT_CODES, EXIT_ERROR

INTERRUPTED = "interrupted: nothing that was stored is lost; run the same command again and it goes on from here"


def tell(
    message: str, code: int, *, hint: str = "", json: bool = False, debug: BaseException | None = None
) -> None:  # fmt: skip
    """The error, its hint, and with --debug where it came from."""
    if debug is not None:
        traceback.print_exception(debug, file=sys.stderr)
    if json:
        exit_error(code, message, hint)
        return
    if message == INTERRUPTED and sys.stderr.isatty():
        typer.echo(err=True)  # the terminal has written ^C, perhaps behind a question
    _line(_fitted(f"webraid: {message}"), bold=True)
    if hint:
        _line(_fitted(f"  {hint}"))


def _fitted(text: str) -> str:
    """On a terminal, broken between words, a path or an address stays whole; elsewhere one line is one line."""
    if not sys.stderr.isatty():
        return text
    columns = max(40, shutil.get_terminal_size().columns - 1)
    parts = (
        textwrap.fill(line, columns, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        for line in text.splitlines()
    )
    return "\n".join(parts)


def exit_error(code: int, message: str = "", hint: str = "") -> None:
    """The last line on stderr with --json, whenever the exit code is not 0."""
    line = {"message_type": "exit_error", "code": code, "message": message or EXIT_CODES.get(code, "error")}
    if hint:
        line["hint"] = hint
    _line(encoder.dumps(line))


def let_go_of_stdout() -> None:
    """Nobody reads any more: what is still buffered must not be tried again when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _line(text: str, *, bold: bool = False) -> None:
    color = bold and not os.environ.get("NO_COLOR")
    typer.echo(typer.style(text, bold=True) if color else text, err=True)


def surprise(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """sys.excepthook: an error that nobody foresaw is one line too; Python ends with exit code 1."""
    tell(
        f"unexpected {kind.__name__}: {error}", EXIT_ERROR, json="--json" in sys.argv,
        hint="This is a bug: run the command again with --debug and report what it prints.",
    )  # fmt: skip
