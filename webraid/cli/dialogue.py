"""The terminal as a login sees it: questions, choices, and the user's web browser."""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
import webbrowser
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from webraid.cli.asking import ask_hidden, picked
from webraid.cli.invocation import Invocation
from webraid.cli.words import safe

if TYPE_CHECKING:
    from webraid.backend.login import Choice, Dialogue
    from webraid.env import Env

MANY = 20  # choices that are shown at once
NONE = "(none)"  # how a choice that is empty looks
_INDENT = re.compile(r"\s*(\d+\. |- )?")


class Terminal:
    """Asks on stderr, so that a command's output stays its own."""

    interactive = True

    def __init__(self, call: Invocation) -> None:
        self._call = call

    @property
    def env(self) -> Env:
        """Clock, randomness, sleep."""
        return self._call.env

    def tell(self, text: str) -> None:
        """Say something."""
        lines = text.splitlines() or [""]
        if len(lines) > 1:
            typer.echo(err=True)
        for line in lines:
            typer.echo(fitted(safe(line)), err=True)

    def ask(
        self, question: str, *, instead: str, default: str = "", choices: Sequence[Choice] = (), only: bool = False,
        hidden: bool = False, optional: bool = False,
    ) -> str:  # fmt: skip
        """A line of text; a choice may be given by its number.  Asks again until the answer will do."""
        lead, _, last = question.rpartition("\n")
        if lead:
            self.tell(lead)
        if hidden:
            return self._hidden(last, instead, optional or bool(default)) or default
        values = [choice.value for choice in choices]
        shown = self._show(choices[:MANY], len(choices))
        while True:
            answer = typer.prompt(
                safe(last), default=default, show_default=bool(default), prompt_suffix=_suffix(last, default, optional),
                err=True,
            ).strip()  # fmt: skip
            if answer == "?" and shown < len(choices):
                shown = self._show(choices, len(choices))
                continue
            answer = picked(answer, values)
            if only and values and answer not in values:
                self.tell(f"{answer!r} is none of them.")
            elif answer or optional or "" in values:
                return answer

    def browse(self, url: str) -> bool:
        """Open the user's own browser, where there is a screen; never one that would take the terminal over."""
        if not has_screen(os.environ):
            return False
        try:
            return webbrowser.open(url, new=1)
        except webbrowser.Error:
            return False

    def _hidden(self, question: str, instead: str, may_be_empty: bool) -> str:
        while True:
            answer = ask_hidden(self._call, safe(question), instead=instead).strip()
            if answer or may_be_empty:
                return answer

    def _show(self, choices: Sequence[Choice], count: int) -> int:
        """The choices with their numbers; how many were shown."""
        width = min(24, max((len(choice.value or NONE) for choice in choices), default=0))
        for number, choice in enumerate(choices, 1):
            first, *rest = choice.help.splitlines() or [""]
            typer.echo(safe(f"  {number:>3}  {choice.value or NONE:<{width}}  {first}").rstrip(), err=True)
            for line in rest:
                typer.echo(safe(f"       {'':<{width}}  {line}").rstrip(), err=True)
        if len(choices) < count:
            self.tell(f"       ... and {count - len(choices)} more: ? shows all")
        return len(choices)


def fitted(line: str) -> str:
    """``line`` on lines that fit the terminal, indented as it is; an address or a path stays whole."""
    columns = max(40, shutil.get_terminal_size().columns - 1)
    indent = " " * len(_INDENT.match(line)[0])  # type: ignore[index]  # it matches always
    parts = textwrap.wrap(
        line, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )  # fmt: skip
    return "\n".join(parts)


def _suffix(question: str, default: str, optional: bool) -> str:
    if optional and not default:
        return " (Enter: none): "
    return " " if question.endswith("?") and not default else ": "


def has_screen(environ: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Whether a browser window would be seen by whoever sits here."""
    if platform == "darwin":
        return not environ.get("SSH_CONNECTION")
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def dialogue(call: Invocation) -> Dialogue:
    """The terminal, or nobody."""
    if call.interactive:
        return Terminal(call)
    from webraid.jobs.disks.login import Nobody

    return Nobody(call.env)
