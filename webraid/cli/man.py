"""man: the manual pages, made from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from webraid import __version__
from webraid.cli.documents import summary
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.words import many
from webraid.errors import EXIT_CODES

if TYPE_CHECKING:
    from webraid.cli.roff import Page, Pair

NAME = "webraid"
VARIABLES = (
    ("WEBRAID_CONFIG", "The config file."),
    ("WEBRAID_PROFILE", "The profile of the config that is in force."),
    ("WEBRAID_STATE_DIR", "The folder with this machine's key and cache."),
    ("WEBRAID_CACHE_DIR", "Another folder for the cache."),
    ("WEBRAID_NO_CACHE", "Set: no cache is used, and none is left."),
    ("WEBRAID_PASSWORD", "The passphrase; better one of the next two."),
    ("WEBRAID_PASSWORD_FILE", "The file that holds it."),
    ("WEBRAID_PASSWORD_COMMAND", "The command that prints it."),
    ("WEBRAID_SERVE_PASSWORD", "The password that serve asks for."),
    ("NO_COLOR", "No colours."),
)
FILES = (
    ("~/.config/webraid/config.toml", "Disks, level, sources, limits, schedule."),
    ("~/.config/webraid/secrets.toml", "The disks' logins, unless the keyring has them."),
    ("~/.local/state/webraid", "This machine's key and cache."),
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "man")(man)


def man(
    call: Invocation,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; made if need be.", show_default=False)],
) -> None:
    """Write the manual pages.

    webraid.1 and a page for each command, as man(1) wants them.

    \b
    Example:
      webraid man ~/.local/share/man/man1
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = pages()
    for name, text in written.items():
        (folder / name).write_text(text, encoding="ascii")
    call.summary(
        lambda: summary("man", folder=str(folder), files=sorted(written)),
        lambda screen: screen.line(f"{many(len(written), 'page')} in {folder}. Read one: man {folder / 'webraid.1'}"),
    )


def pages() -> dict[str, str]:
    """File name -> roff, of all commands that are shown."""
    from webraid.cli.app import tree
    from webraid.cli.roff import render

    top = tree()
    told = list(_commands(top, NAME, None))
    names = [path.replace(" ", "-") for path, _, _ in told[1:]]
    return {
        f"{path.replace(' ', '-')}.1": render(_page(path, found, ctx, names), __version__) for path, found, ctx in told
    }


def _commands(found: Any, path: str, parent: Any) -> Iterator[tuple[str, Any, Any]]:
    ctx = typer.Context(found, info_name=path.rpartition(" ")[2], parent=parent)
    yield path, found, ctx
    for name, below in getattr(found, "commands", {}).items():
        if not below.hidden:
            yield from _commands(below, f"{path} {name}", ctx)


def _page(path: str, found: Any, ctx: Any, names: list[str]) -> Page:
    from webraid.cli.roff import Page

    text = found.help or ""
    title = (text.split("\n\n")[0] or path).replace("\n", " ").strip().rstrip(".")
    body = text.split("\n\n", 1)[1] if "\n\n" in text else text
    below = [
        (name, item.get_short_help_str(200)) for name, item in getattr(found, "commands", {}).items() if not item.hidden
    ]
    arguments, options = _parameters(found, ctx)
    sections: list[tuple[str, list[Pair]]] = [("Commands", below), ("Arguments", arguments), ("Options", options)]
    if path == NAME:
        sections += [
            ("Exit status", [(str(code), meaning) for code, meaning in EXIT_CODES.items()]),
            ("Environment", list(VARIABLES)),
            ("Files", list(FILES)),
        ]
        see = [name for name in names if name.count("-") == 1 or name.removeprefix("webraid-") in found.commands]
    else:
        mine = path.replace(" ", "-")
        see = [NAME, *(name for name in names if name.startswith(f"{mine}-"))]
    usage = f"{path} {' '.join(found.collect_usage_pieces(ctx))}"
    return Page(path, title[:1].lower() + title[1:] if path != NAME else title, [usage], body, sections, see)


def _parameters(found: Any, ctx: Any) -> tuple[list[Pair], list[Pair]]:
    """What the help shows of arguments and options."""
    arguments: list[Pair] = []
    options: list[Pair] = []
    for parameter in found.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is None:
            continue
        if parameter.param_type_name == "option":
            options.append(record)
        elif record[1]:
            arguments.append((parameter.metavar or parameter.name.upper(), record[1]))
    return arguments, options
