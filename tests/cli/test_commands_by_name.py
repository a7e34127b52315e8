"""A command is imported and read when it is asked for; what the program says of itself does not show it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main
from typer._coercion import build_runtime_param

from tests.cli.conftest import Machine
from webraid import cli
from webraid.cli.app import tree
from webraid.cli.commands import MODULES, Commands, registered
from webraid.cli.plain import PlainCommand
from webraid.cli.values import AsTyped


def all_parameters() -> list[Any]:
    top = tree()
    below = [command for group in top.commands.values() for command in getattr(group, "commands", {}).values()]
    return [parameter for command in (top, *top.commands.values(), *below) for parameter in command.params]


# ------------------------------------------------------------------------------------------------------------ by name
def test_the_names_are_those_that_the_modules_register() -> None:
    modules = [module.name for module in pkgutil.iter_modules(cli.__path__)]
    found = [name for name in modules if hasattr(importlib.import_module(f"webraid.cli.{name}"), "register")]
    assert {name: module for module in found for name in registered(module)} == MODULES


def test_the_groups_come_last_as_the_help_shows_them() -> None:
    is_group = [hasattr(command, "commands") for command in Commands().values()]
    assert is_group == sorted(is_group)


def test_a_name_that_nobody_has_is_no_command() -> None:
    assert Commands().get("snapshost") is None
    assert "snapshost" not in Commands()
    assert len(Commands()) == len(MODULES)


def test_listing_commands_reads_no_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PlainCommand, "_read", property(lambda command: pytest.fail(f"{command.name} is read")))
    top = tree()
    ctx = typer.Context(top, info_name="webraid")
    assert "Show what changed from one snapshot to another." in top.get_help(ctx)
    assert "End a machine's part" in top.commands["device"].get_help(ctx)


def test_the_words_after_a_name_are_not_taken_for_another_command(machine: Machine) -> None:
    run = machine("device", "lss")
    assert (run.code, run.err.splitlines()[0]) == (2, "webraid: no such command 'lss'. Did you mean 'ls'?")
    run = machine("snapshost")
    assert (run.code, run.err.splitlines()[0]) == (2, "webraid: no such command 'snapshost'. Did you mean 'snapshots'?")


# ------------------------------------------------------------------------------------------------------- as it is typed
def outcome(how: Any, value: Any, parameter: Any) -> object:
    ctx = typer.Context(typer.main.get_command(typer.Typer(callback=lambda: None)))
    try:
        return how.coerce(value, param=parameter, ctx=ctx)
    except typer.BadParameter as error:
        return str(error)


def test_every_value_becomes_what_typer_makes_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").write_text("x")
    values = [None, "", "x", "there", "7", "no", ("a", "b"), ["a"], (), 0, 7, True, ("a", 7), Path("there")]
    kinds = {}
    for parameter in all_parameters():
        info = parameter.type_descriptor.parameter_info
        kinds[repr(parameter.type_descriptor.annotation), info.min, info.max, info.exists, parameter.nargs] = parameter
    assert len(kinds) > 5
    for parameter in kinds.values():
        theirs, ours = build_runtime_param(parameter.type_descriptor), AsTyped(parameter.type_descriptor)
        for value in (*values, parameter.default):
            if type(value) is parameter.type_descriptor.annotation and value != parameter.default:
                continue  # a command line has texts; what is no text is the default
            if value == "" and parameter.type_descriptor.annotation is Path:
                assert "the path is empty" in str(outcome(ours, value, parameter))  # to typer it is this folder
                continue
            there, here = outcome(theirs, value, parameter), outcome(ours, value, parameter)
            assert (type(here), here) == (type(there), there), (parameter.name, value)


@pytest.mark.parametrize("asked", [{"exists": True}, {"dir_okay": False}, {"writable": True}, {"resolve_path": True}])
def test_a_path_of_which_more_is_asked_is_left_to_typer(asked: dict[str, bool], tmp_path: Path) -> None:
    def function(path: Path) -> None: ...

    function.__signature__ = inspect.Signature([  # type: ignore[attr-defined]
        inspect.Parameter("path", inspect.Parameter.KEYWORD_ONLY, default=typer.Argument(..., **asked), annotation=Path)
    ])  # fmt: skip
    app = typer.Typer()
    app.command()(function)
    (parameter,) = [item for item in typer.main.get_command(app).params if item.name == "path"]
    descriptor: Any = parameter.type_descriptor  # type: ignore[attr-defined]
    for path in (tmp_path, tmp_path / "gone", tmp_path / ".." / tmp_path.name):
        theirs = outcome(build_runtime_param(descriptor), str(path), parameter)
        assert outcome(AsTyped(descriptor), str(path), parameter) == theirs
