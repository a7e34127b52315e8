"""Every command that a page shows exists, with the options it is shown with."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import PAGES, commands, name
from webraid.backend.registry import load, meant, options_of
from webraid.cli.app import tree
from webraid.errors import PluginMissing, WebRAIDError

OWN_OPTIONS = (["add-backend"], ["backend", "add"], ["recover"])
RENEWALS = (["login"], ["backend", "login"])  # their options are those of the disk's kind


def _spelled(command: Any) -> set[str]:
    return {spelled for parameter in command.params for spelled in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help", "-h", "--version",
    }  # fmt: skip


_tree = cache(tree)  # building it takes a tenth of a second, and the pages show two thousand commands


def wrong(words: list[str]) -> str:
    """What is wrong with a command line, '' when nothing is.  Words in capitals or '...' stand for anything."""
    command: Any = _tree()
    known, path, kind = _spelled(command), [], ""
    for word in words:
        if word.startswith("-") and word not in ("-", "--"):
            option = word.split("=")[0]
            anything = kind.isupper() or path in RENEWALS
            if option not in known and not (anything and option.startswith("--")):
                return f"{' '.join(path)} has no option {option}"
        elif getattr(command, "commands", None):
            if word.isupper() or word == "...":
                return ""
            if word not in command.commands:
                return f"there is no command {' '.join([*path, word])}"
            command = command.commands[word]
            path.append(word)
            known |= _spelled(command)
        elif path in OWN_OPTIONS and not kind:
            kind = word
            if not kind.isupper():
                try:
                    known |= _flags(kind)
                except PluginMissing:
                    return f"there is no kind {kind}"
    return ""


def _flags(kind: str) -> set[str]:
    """Of a kind; a secret has three."""
    options = options_of(load(meant(kind)[0]))
    flags = {option.name.replace("_", "-"): ("", "-env", "-file") if option.secret else ("",) for option in options}
    return {f"--{name}{ending}" for name, endings in flags.items() for ending in endings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_exist_with_their_options(page: Path) -> None:
    found = [(words, wrong(words)) for words in commands(page.read_text())]
    assert [(" ".join(words), reason) for words, reason in found if reason] == []


def _all_hints() -> list[str]:
    classes, hints = [WebRAIDError], []
    while classes:
        cls = classes.pop()
        classes += cls.__subclasses__()
        hints.append(cls.default_hint)
    return hints


def test_commands_in_hints_exist() -> None:
    quoted = [part for hint in _all_hints() for part in hint.split("'")[1::2] if part.startswith("webraid ")]
    assert quoted
    assert [part for part in quoted if wrong(part.split()[1:])] == []


WRONG = (
    "webraid frob",
    "webraid put --frob x",
    "webraid add-backend tape x",
    "webraid add-backend local d --path-env P",
    "webraid backend add s3 d --bucket-file b",
    "webraid add-backend local d --bucket b",
    "webraid lab frob",
)


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_command_is_noticed(line: str) -> None:
    (words,) = commands(f"Say `{line}`.")
    assert wrong(words)
