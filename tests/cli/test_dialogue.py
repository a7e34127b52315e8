"""How a login talks: on a terminal, and where nobody is."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable

import pytest

from tests.cli.conftest import Machine
from webraid.backend.login import Choice, Dialogue
from webraid.cli import dialogue
from webraid.cli.dialogue import Terminal, fitted, has_screen
from webraid.cli.flags import Flags
from webraid.cli.invocation import Invocation
from webraid.env import Env
from webraid.errors import ConfigError
from webraid.jobs.disks.login import Nobody

COLOURS = [Choice("red", "as a rose"), Choice("blue", "as the sea"), Choice("", "colourless")]
Typing = Callable[..., Terminal]


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Typing:
    """A terminal at which these answers are typed, one after the other."""

    def make(*answers: str) -> Terminal:
        left = list(answers)
        monkeypatch.setattr("typer.prompt", lambda *words, **more: left.pop(0) or more["default"])
        monkeypatch.setattr("getpass.getpass", lambda prompt: left.pop(0))
        monkeypatch.setattr(Invocation, "interactive", True)
        return Terminal(Invocation(Flags()))

    return make


def test_a_choice_is_given_by_number_or_name_until_it_is_one(
    typing: Typing, capsys: pytest.CaptureFixture[str]
) -> None:
    there = typing("4", "green", "2", "red", "")
    assert there.ask("Which?", instead="--x", choices=COLOURS, only=True) == "blue"
    shown = capsys.readouterr().err
    assert "    1  red     as a rose\n" in shown
    assert "'green' is none of them." in shown
    assert "'4' is none of them." in shown
    assert there.ask("Which?", instead="--x", choices=COLOURS) == "red"
    assert there.ask("Which?", instead="--x", choices=COLOURS, only=True) == ""


def test_other_answers_than_the_choices_are_taken_where_they_may_be(typing: Typing) -> None:
    assert typing("green").ask("Which?", instead="--x", choices=COLOURS) == "green"


def test_of_many_choices_some_are_shown_and_a_question_mark_shows_all(
    typing: Typing, capsys: pytest.CaptureFixture[str]
) -> None:
    many = [Choice(f"region-{number}") for number in range(50)]
    assert typing("?", "50").ask("Where?", instead="--x", choices=many, only=True) == "region-49"
    first, _, second = capsys.readouterr().err.partition("... and 30 more: ? shows all")
    assert "region-19" in first
    assert "region-20" not in first
    assert "region-49" in second


def test_empty_is_an_answer_only_where_it_may_be_one(typing: Typing) -> None:
    assert typing("", "ann").ask("Who?", instead="--x") == "ann"
    assert typing("").ask("Who?", instead="--x", optional=True) == ""
    assert typing("").ask("Who?", instead="--x", default="bob") == "bob"
    assert typing("", "hush").ask("Word?", instead="--x", hidden=True) == "hush"
    assert typing("").ask("Word?", instead="--x", hidden=True, optional=True) == ""


def test_what_a_provider_says_cannot_do_anything_to_the_terminal(
    typing: Typing, capsys: pytest.CaptureFixture[str]
) -> None:
    typing().tell("hello\x1b[2J\nworld")
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environ", "platform", "seen"),
    [
        ({}, "linux", False), ({"DISPLAY": ":0"}, "linux", True), ({"WAYLAND_DISPLAY": "w"}, "linux", True),
        ({"DISPLAY": ""}, "linux", False), ({}, "darwin", True), ({"SSH_CONNECTION": "x"}, "darwin", False),
    ],
)  # fmt: skip
def test_a_browser_is_opened_only_where_there_is_a_screen(
    typing: Typing, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], platform: str, seen: bool
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url, new: bool(opened.append(url)) or True)
    monkeypatch.setattr(dialogue, "has_screen", lambda there: has_screen(environ, platform))
    assert typing().browse("https://x.example") is seen
    assert opened == ["https://x.example"] * seen


def test_a_browser_that_cannot_be_opened_is_none(typing: Typing, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, new: int) -> bool:
        raise webbrowser.Error

    monkeypatch.setattr(webbrowser, "open", refuse)
    monkeypatch.setattr(dialogue, "has_screen", lambda there: True)
    assert typing().browse("https://x.example") is False


def test_lines_fit_and_addresses_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    long = fitted("  1. " + "word " * 30)
    assert max(map(len, long.splitlines())) < 60
    assert all(line.startswith("     ") for line in long.splitlines()[1:])
    assert fitted("https://x.example/" + "a" * 100) == "https://x.example/" + "a" * 100
    assert fitted("") == ""


@pytest.mark.parametrize("flags", [Flags(json=True), Flags()])
def test_off_a_terminal_nobody_is_there(machine: Machine, flags: Flags) -> None:
    nobody: Dialogue = dialogue.dialogue(Invocation(flags))
    assert isinstance(nobody, Nobody)
    assert not nobody.interactive


def test_nobody_answers_with_defaults_and_refuses_the_rest() -> None:
    nobody: Dialogue = Nobody(Env())
    nobody.tell("anything")
    assert nobody.ask("Where?", instead="--x", default="here") == "here"
    assert nobody.ask("Where?", instead="--x", optional=True) == ""
    assert nobody.browse("https://x.example") is False
    with pytest.raises(ConfigError, match=r"nobody can be asked here: which way\?$") as caught:
        nobody.ask("Which way?", instead="--way")
    assert caught.value.hint == "Give --way."
