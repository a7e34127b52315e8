"""docs/reference says what the code does; every command's help shows how it is used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Machine
from webraid.cli import reference
from webraid.cli.app import tree
from webraid.errors import EXIT_CODES
from webraid.lab.profiles import PROFILES

FOLDER = Path(__file__).parents[2] / "docs" / "reference"


def commands() -> list[list[str]]:
    found: list[list[str]] = []
    for name, command in tree().commands.items():
        below = getattr(command, "commands", None)
        found += [[name, inner] for inner in below] if below else [[name]]
    return found


@pytest.mark.parametrize("name", ["commands.md", "exit-codes.md"])
def test_a_page_is_current(name: str) -> None:
    assert (FOLDER / name).read_text() == reference.pages()[name], "run: python -m webraid.cli.reference docs/reference"


def test_every_exit_code_has_its_row() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*?) \|", (FOLDER / "exit-codes.md").read_text(), re.MULTILINE)
    assert {int(code): text for code, text in rows} == EXIT_CODES


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_shows_an_example(machine: Machine, words: list[str]) -> None:
    run = machine(*words, "--help")
    assert run.code == 0
    assert run.out.startswith(f"Usage: webraid {' '.join(words)} ")
    assert re.search(r"Examples?:\n +(\$EDITOR \"\$\()?webraid ", run.out)
    assert run.out == machine(*words, "-h").out


@pytest.mark.parametrize("words", [[], ["backend"], ["lab"], ["config"]])
def test_a_family_alone_shows_its_help(machine: Machine, words: list[str]) -> None:
    assert machine(*words).out == machine(*words, "--help").out


def test_the_help_of_a_kind_lists_its_options(machine: Machine) -> None:
    general = machine("add-backend", "--help").out
    assert re.search(r"^  local +a folder", general, re.MULTILINE)
    assert "--bucket" not in general.partition("Kinds")[2]
    for command in ("add-backend", "recover"):
        of_s3 = machine(command, "s3", "--help").out
        for flag in ("--bucket", "--endpoint", "--access-key", "--secret-key", "--prefix", "--provider"):
            assert flag in of_s3.partition("Options of s3")[2]


def test_the_help_of_lab_names_every_profile(machine: Machine) -> None:
    text = machine("lab", "up", "--help").out
    assert all(name in text for name in PROFILES)
