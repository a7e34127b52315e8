"""The glossary's words are those of the code and of the command line."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import get_args, get_type_hints

import pytest

from tests.docs.pages import ROOT, table
from webraid.array.events import Finding
from webraid.cli.app import tree
from webraid.model import Code, DiskState, Level, PackKind, PoolState

TEXT = (ROOT / "docs" / "glossary.md").read_text()


def _states(of: str) -> list[str]:
    part = TEXT.split("## States\n")[1].split(f"Of a {of}")[1]
    rows = part.split("|---|---|\n")[1].split("\n\n")[0].splitlines()
    return [row.split("|")[1].strip() for row in rows]


def _listed(label: str) -> list[str]:
    line = next(part for part in re.split(r"[.\n] ?", TEXT) if part.startswith(f"{label}: `"))
    return re.findall(r"`([a-z0-9]+)`", line)


def test_every_command_is_a_verb_and_every_verb_a_command() -> None:
    commands = {word for word, command in tree().commands.items() if not command.hidden}
    verbs = [row[0] for row in table(TEXT, "## Verbs")]
    assert sorted(verbs) == sorted(commands)


@pytest.mark.parametrize(("of", "states"), [("pool", PoolState), ("disk", DiskState)])
def test_states_are_those_of_the_model(of: str, states: type[StrEnum]) -> None:
    assert _states(of) == [state.value for state in states]


@pytest.mark.parametrize(
    ("label", "kind"), [("Levels", Level), ("Codes of a geometry", Code), ("Kinds of packs", PackKind)]
)
def test_values_are_those_of_the_model(label: str, kind: type[StrEnum]) -> None:
    assert _listed(label) == [member.value for member in kind]


def test_findings_are_those_of_the_array() -> None:
    problems = list(get_args(get_type_hints(Finding)["problem"]))
    row = next(row for row in table(TEXT, "## While it runs") if row[0] == "finding")
    assert re.findall(r"`(\w+)`", row[1]) == problems


def test_no_word_is_explained_twice() -> None:
    words = [row[0] for part in re.findall(r"^## .*$", TEXT, re.MULTILINE)[:-2] for row in table(TEXT, part)]
    assert len(words) == len(set(words))
