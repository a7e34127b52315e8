"""Questions to whoever sits at the terminal.  Nobody there: an error that says what to give instead."""

from __future__ import annotations

import getpass
from collections.abc import Sequence

import typer

from webraid.cli.invocation import Invocation
from webraid.errors import ConfigError


def ask(call: Invocation, question: str, *, instead: str, default: str = "") -> str:
    """A line of text.  ``instead``: what to give on the command line when nobody can be asked.  Raises ConfigError."""
    _somebody(call, question, instead)
    return str(typer.prompt(question, default=default or None, err=True)).strip()


def ask_optional(call: Invocation, question: str, *, instead: str) -> str:
    """As ``ask``, but the answer may be empty."""
    _somebody(call, question, instead)
    return str(typer.prompt(f"{question} (Enter: none)", default="", show_default=False, err=True)).strip()


def ask_hidden(call: Invocation, question: str, *, instead: str) -> str:
    """As ``ask``, but what is typed is not shown; may be empty."""
    _somebody(call, question, instead)
    return getpass.getpass(f"{question} (not shown): ")


def choose(call: Invocation, question: str, choices: Sequence[str], *, instead: str) -> str:
    """One of ``choices``; asks again until it is one."""
    while True:
        answer = ask(call, f"{question} ({', '.join(choices)})", instead=instead)
        if answer in choices:
            return answer
        typer.echo(f"{answer!r} is none of them.", err=True)


def _somebody(call: Invocation, question: str, instead: str) -> None:
    if not call.interactive:
        raise ConfigError(f"nobody can be asked here: {question[:1].lower()}{question[1:]}?", hint=f"Give {instead}.")
