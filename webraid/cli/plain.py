"""How the help of a command looks: usage as people write it down, without the types of a program."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperCommand

FOR_ALL = "Flags of every command (--json, --limit-upload, ...): webraid --help"
_TYPE = re.compile(r" <[^<>]*>$")


class PlainCommand(TyperCommand):
    """A command.  The metavar of an argument stands in the usage line as it is."""

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
