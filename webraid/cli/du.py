"""du: how large a snapshot is, and what in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from webraid.cli.choosing import HOSTS_H, PATHS, TAGS, which
from webraid.cli.completion import snapshot_names
from webraid.cli.documents import summary
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.words import many
from webraid.files.problem import display
from webraid.model import show_size

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.jobs.browsing.du import Sizes


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "du")(du)


def du(
    call: Invocation,
    what: Annotated[
        str, typer.Argument(metavar="[SNAP[:SUB]]", help="A snapshot or a folder of it.", autocompletion=snapshot_names)
    ] = "latest",
    depth: Annotated[int, typer.Option("--depth", "-d", min=0, metavar="N", help="How deep folders are told of.")] = 1,
    host: HOSTS_H = None,
    path: PATHS = None,
    tag: TAGS = None,
    unique: Annotated[bool, typer.Option("--unique", "-u", help="Tell also what no other snapshot has.")] = False,
) -> None:
    """Show how large a snapshot is, the largest folders first.

    With --unique all other snapshots are looked through as well: what only this one holds is what prune can free once
    it is forgotten.

    \b
    Examples:
      webraid du
      webraid du latest:photos --depth 2
      webraid du 4f3a12cd --unique
    """
    with call.pool() as pool, call.hush(people=False):
        result = pool.du(what, depth=depth, which=which(host, path, tag), unique=unique)
    call.show(lambda: document(result), lambda screen: page(screen, result))


def document(result: Sizes) -> dict[str, Any]:
    """For programs."""
    return summary(
        "du",
        snapshot_id=result.snapshot,
        total_file_count=result.files,
        total_dir_count=result.dirs,
        total_other_count=result.others,
        total_size=result.size,
        total_uncompressed_size=result.content,
        total_stored_size=result.stored,
        unique_uncompressed_size=result.unique.content if result.unique else None,
        unique_stored_size=result.unique.stored if result.unique else None,
        folders=[
            {"path": "/" + folder.path.decode("utf-8", "backslashreplace"), "files": folder.files, "size": folder.size}
            for folder in result.folders
        ],
    )


def page(screen: Screen, result: Sizes) -> None:
    """For people: folders, then the sum."""
    if result.folders:
        rows = [[show_size(folder.size), f"{folder.files:,}", display(folder.path) + "/"] for folder in result.folders]
        screen.table(("Size", "Files", "Folder"), rows, right=("Size", "Files"))
        screen.line()
    others = f", {many(result.others, 'other')}" if result.others else ""
    screen.line(f"Snapshot {result.snapshot}: {many(result.files, 'file')}, {many(result.dirs, 'folder')}{others}")
    shared = "" if result.unique else "; some of it other snapshots may need, too: --unique tells"
    sizes = [
        ("restored", show_size(result.size)),
        ("content", f"{show_size(result.content)}, what is there twice counted once"),
        ("stored", f"{show_size(result.stored)} packed, before parity{shared}"),
    ]
    if result.unique:
        held = result.unique
        sizes.append(("only here", f"{show_size(held.content)} of content, {show_size(held.stored)} packed"))
    screen.pairs(sizes)
