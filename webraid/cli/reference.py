"""The pages of docs/reference that follow from the code; 'python -m webraid.cli.reference FOLDER' writes them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from webraid import errors
from webraid.cli.app import NAME, tree

WIDTH = 100
MADE = "<!-- made by python -m webraid.cli.reference: change the code, not this page -->"
ALIASES = {"put": "backup", "get": "restore", "cat": "dump", "add-backend": "backend add", "login": "backend login"}

GROUPS = (errors.WebRAIDError, errors.BackendError, errors.IntegrityError, errors.PoolError)  # never raised themselves

EXIT_CODES_HEAD = """# Exit codes

Every command ends with one of these. A code that is not listed means failure. When several apply, the most severe one
counts: {order} (codes between the same signs weigh the same).
"""


def commands_page() -> str:
    """Every command with its help."""
    parts = [MADE, "", "# Commands", ""]
    for path, text in _helps(tree(), NAME, None):
        title = path.removeprefix(f"{NAME} ")
        parts += [f"## {title}", ""] if title != NAME else []
        parts += [f"Also: `{NAME} {ALIASES[title]}`.", ""] if title in ALIASES else []
        parts += ["```text", text, "```", ""]
    return "\n".join(parts)


def _helps(command: Any, path: str, parent: Any) -> Iterator[tuple[str, str]]:
    """Path and help of a command and of all below it that are shown."""
    name = path.rpartition(" ")[2]
    ctx = typer.Context(command, info_name=name, parent=parent, terminal_width=WIDTH, **command.context_settings)
    yield path, command.get_help(ctx).rstrip()
    for name, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from _helps(below, f"{path} {name}", ctx)


def exit_codes_page() -> str:
    """Every exit code, what it means, and which errors end with it."""
    order = " > ".join("/".join(map(str, group)) for group in errors.SEVERITY[:-1])
    rows = ["| code | means | errors that end with it |", "|---|---|---|"]
    for code, text in errors.EXIT_CODES.items():
        names = ", ".join(f"`{kind.__name__}`" for kind in _errors() if kind.exit_code == code)
        rows.append(f"| {code} | {text} | {names} |")
    return "\n".join([MADE, "", EXIT_CODES_HEAD.format(order=order), *rows]) + "\n"


def _errors() -> list[type[errors.WebRAIDError]]:
    """All errors that are ever raised, in the order of errors.py."""
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.WebRAIDError)]
    raised = [kind for kind in kinds if kind not in GROUPS]
    return sorted(raised, key=lambda kind: inspect.getsourcelines(kind)[1])


def pages() -> dict[str, str]:
    """File name -> content."""
    return {"commands.md": commands_page(), "exit-codes.md": exit_codes_page()}


def write(folder: Path) -> None:
    """Write all pages."""
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
