"""How the help of a command looks: usage as people write it down, without the types of a program."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_from_info
from typer.models import CommandInfo

from webraid.cli.values import take_as_typed

FOR_ALL = "Flags of every command (--json, --limit-upload, ...): webraid --help"
_TYPE = re.compile(r" <[^<>]*>$")


class _TakesAsTyped:
    """The parameters, those for --help too, take what needs no conversion as it was typed."""

    def get_params(self, ctx: Any) -> list[Any]:
        found: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        take_as_typed(found)
        return found


class PlainGroup(_TakesAsTyped, TyperGroup):
    """A command with commands of its own."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names; none of them is imported for that."""
        return list(self.commands)


class PlainCommand(_TakesAsTyped, TyperCommand):
    """A command.  The metavar of an argument stands in the usage line as it is.

    ``make`` gives the function with all its parameters.  What typer reads off them takes a millisecond, and there are a
    hundred commands: it is read when the command is run or its own help is shown, not to list it.
    """

    def __init__(self, *, make: Callable[[], Callable[..., int]], **settings: Any) -> None:
        super().__init__(**settings)
        self._make = make
        del self.callback, self.params  # see below

    @cached_property
    def _read(self) -> Any:
        from webraid.cli.completion import attach

        info = CommandInfo(self.name, callback=self._make())
        read = get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)
        attach(read.params)
        return read

    @cached_property
    def callback(self) -> Any:  # type: ignore[override]
        """What runs the command."""
        return self._read.callback

    @cached_property
    def params(self) -> list[Any]:  # type: ignore[override]
        """Its parameters, as typer reads them off the function."""
        params: list[Any] = self._read.params
        return params

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """'[OPTIONS]' and the arguments."""
        arguments = [param for param in self.get_params(ctx) if param.param_type_name == "argument"]
        return ["[OPTIONS]", *(param.metavar or param.name.upper() for param in arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, then options; only what has something to say."""
        records: dict[str, list[tuple[str, str]]] = {"argument": [], "option": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                option = param.param_type_name == "option"
                name = _TYPE.sub(f" {param.name.upper()}" if option else "", record[0])
                records[param.param_type_name].append((name if option or param.metavar else name.upper(), record[1]))
        for title, rows in (("Arguments", records["argument"]), ("Options", records["option"])):
            told = [row for row in rows if row[1]]
            if told:
                with formatter.section(title):
                    formatter.write_dl(told)
        formatter.write_paragraph()
        formatter.write_text(FOR_ALL)
