"""What add-backend and recover ask for: only what a kind cannot do without, or nobody can guess."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from webraid.cli import kind_options
from webraid.cli.asking import ask, ask_hidden, ask_optional, picked
from webraid.cli.invocation import Invocation
from webraid.cli.kind_options import Words, article, of_file, spelled
from webraid.errors import ConfigError, PluginMissing

if TYPE_CHECKING:
    from webraid.backend.base import Backend
    from webraid.backend.registry import Option

INTRODUCTION = """docs/backends/{kind}.md shows, step by step, where to get what is asked for now.
Ctrl-C stops; until the disk has joined, nothing in your pool is changed."""
NONE, AS_IT_IS = "none", "as it is"


def complete(call: Invocation, words: Words) -> Words:
    """Ask for the kind and the options that are still missing; off a terminal that is an error.

    Who typed no option at all is asked for everything that has no default and is not rare; what a login gets is left
    to it.  Raises ConfigError.
    """
    from webraid.backend.registry import load, options_of

    if not words.kind:
        words = replace(kind_options.split([_which(call)]), name=words.name)
    cls = load(words.kind)
    options = sorted(options_of(cls), key=lambda option: not option.type.startswith("one of"))
    known = words.options.keys() | words.secrets.keys()
    chatty = call.interactive and not words.typed and words.word == words.kind
    asked = [option for option in options if option.name not in known and _is_asked(option, everything=chatty)]
    if asked and not call.interactive:
        raise ConfigError(f"{article(words.word)} {words.word} disk needs {spelled(asked[0])}", hint=asked[0].help)
    if call.interactive and not words.typed and words.kind != "local":
        typer.echo(f"\n{INTRODUCTION.format(kind=words.kind)}\n", err=True)
    return _asked(call, cls, words, asked) if asked else words


def _is_asked(option: Option, *, everything: bool) -> bool:
    if option.required:
        return not option.secret or everything
    return everything and not option.rare and option.default in ("", None)


def _asked(call: Invocation, cls: type[Backend], words: Words, asked: Sequence[Option]) -> Words:
    """Ask until the answers fit together; what was answered before is proposed."""
    from webraid.backend.registry import make_options

    options, secrets = dict(words.options), dict(words.secrets)
    while True:
        for option in asked:
            _ask_until_it_fits(call, cls, option, options, secrets)
        try:
            make_options(cls, options)
            return replace(words, options=options, secrets=secrets)
        except ConfigError as error:
            _tell(f"\n{_sentence(str(error))} {_hint(error)}")
            _tell("Once more, please: Enter keeps what you said, - takes it back.\n")


def _ask_until_it_fits(
    call: Invocation, cls: type[Backend], option: Option, options: dict[str, object], secrets: dict[str, str]
) -> None:  # fmt: skip
    from webraid.backend.registry import check

    while True:
        _answer(call, option, options, secrets)
        try:
            if option.name in options:
                check(cls, option.name, options[option.name])
            return
        except ConfigError as error:
            del options[option.name]
            _tell(f"{_sentence(str(error))} {_hint(error)}")


def ask_secrets(call: Invocation, kind: str) -> dict[str, str]:
    """New secrets of a disk whose old ones are refused; what is left empty stays as it is."""
    from webraid.backend.registry import load, options_of

    secrets: dict[str, str] = {}
    for option in options_of(load(kind)):
        if option.secret:
            _answer(call, option, {}, secrets, empty=AS_IT_IS)
    if not secrets:
        raise ConfigError("no new login was given", hint="The old one stays.")
    return secrets


def _answer(
    call: Invocation, option: Option, options: dict[str, object], secrets: dict[str, str], *, empty: str = NONE
) -> None:  # fmt: skip
    """One question; an empty answer leaves what is there."""
    before = str(options.get(option.name, ""))
    lead = textwrap.fill(option.help, _columns())
    question = f"{lead}\n  {option.name.replace('_', ' ')}"
    if option.file:
        told = _file(call, option, f"{question} (a file)", AS_IT_IS if option.name in secrets else empty)
    elif option.secret:
        empty = AS_IT_IS if option.name in secrets else empty
        told = ask_hidden(call, question if empty == NONE else f"{question} (Enter: {empty})", instead=spelled(option))
    elif option.required or before:
        told = ask(call, question, instead=spelled(option), default=before)
        if told == "-" and not option.required:
            del options[option.name]
            return
    else:
        told = ask_optional(call, question, instead=spelled(option), empty=empty)
    if told and option.secret:
        secrets[option.name] = told
    elif told:
        options[option.name] = told


def _file(call: Invocation, option: Option, question: str, empty: str) -> str:
    """The content of a file that is named; asks until it can be read."""
    while True:
        name = ask_optional(call, question, instead=spelled(option), empty=empty)
        try:
            return of_file(name, spelled(option)) if name else ""
        except ConfigError as error:
            _tell(_sentence(str(error)))


def _which(call: Invocation) -> str:
    from webraid.backend import registry

    known = kind_options.summaries()
    kinds = [name for name, _ in known]
    if not call.interactive:
        raise ConfigError("which kind of disk?", hint=f"Give KIND, one of: {', '.join(kinds)}.")
    rows = [(f"{number:>3}  {name}", summary) for number, (name, summary) in enumerate(known, 1)]
    covered = registry.covered()
    lines = ["What kind of disk is it?", "", *_hanging(rows), ""]
    if covered:
        text = f"Or by way of {_ways(covered)}: {', '.join(sorted(covered))}."
        lines += [*textwrap.wrap(text, _columns(), break_on_hyphens=False), ""]
    typer.echo("\n".join(lines), err=True)
    while True:
        answer = picked(ask(call, "Number or name", instead="KIND"), kinds)
        try:
            registry.load(registry.meant(answer)[0])
            return answer
        except PluginMissing as error:
            unknown = answer not in kinds
            near = error.hint if error.hint.startswith("Did") else "Type a number or a name from above."
            _tell(f"There is no kind of disk called {answer!r}. {near}" if unknown else _sentence(str(error)))


def _ways(covered: Mapping[str, tuple[str, str]]) -> str:
    return " and ".join(sorted({by for by, _ in covered.values()}))


def _hanging(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Two columns; what is too long for the second goes on below itself."""
    width = max(len(left) for left, _ in rows) + 2
    for left, right in rows:
        first, *rest = textwrap.wrap(right, max(20, _columns() - width)) or [""]
        yield f"{left:<{width}}{first}"
        yield from (" " * width + line for line in rest)


def _columns() -> int:
    return min(100, shutil.get_terminal_size().columns - 1)


def _tell(text: str) -> None:
    """On lines that fit."""
    lines = [textwrap.fill(line, _columns(), break_on_hyphens=False) for line in text.splitlines()]
    typer.echo("\n".join(lines) + "\n" * text.endswith("\n"), err=True)


def _hint(error: ConfigError) -> str:
    return "" if error.hint == ConfigError.default_hint else error.hint


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "?")) else ".")
