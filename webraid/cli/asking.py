"""Questions to whoever sits at the terminal.  Nobody there: an error that says what to give instead."""

from __future__ import annotations

import getpass
from collections.abc import Sequence

import typer

from webraid.cli.invocation import Invocation
from webraid.errors import ConfigError


def ask(call: Invocation, question: str, *, instead: str, default: str = "") -> str:
    """A line of text.  ``instead``: what to give on the command line when nobody can be asked.  Raises ConfigError."""
    somebody(call, question, instead)
    return str(typer.prompt(question, default=default or None, err=True)).strip()


def ask_optional(call: Invocation, question: str, *, instead: str, empty: str = "none") -> str:
    """As ``ask``, but the answer may be empty; ``empty`` says what that means."""
    somebody(call, question, instead)
    return str(typer.prompt(f"{question} (Enter: {empty})", default="", show_default=False, err=True)).strip()


def ask_hidden(call: Invocation, question: str, *, instead: str) -> str:
    """As ``ask``, but what is typed is not shown; may be empty."""
    somebody(call, question, instead)
    return getpass.getpass(f"{question} (not shown): ")


def picked(answer: str, choices: Sequence[str]) -> str:
    """The choice that a number stands for; anything else as it is."""
    if answer not in choices and answer.isdecimal() and 0 < int(answer) <= len(choices):
        return choices[int(answer) - 1]
    return answer


def somebody(call: Invocation, question: str, instead: str) -> None:
    """Raises ConfigError where nobody is there."""
    if not call.interactive:
        from webraid.jobs.disks.login import uncapitalised

        question = uncapitalised(question.rstrip("?:"))
        raise ConfigError(f"nobody can be asked here: {question}?", hint=f"Give {instead}.")
