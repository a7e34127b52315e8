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
    from webraid.jobs.du import Sizes


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
) -> None:
    """Show how large a snapshot is, the largest folders first.

    \b
    Examples:
      webraid du
      webraid du latest:photos --depth 2
    """
    with call.pool() as pool, call.hush(people=False):
        result = pool.du(what, depth=depth, which=which(host, path, tag))
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
    screen.pairs([
        ("restored", show_size(result.size)),
        ("content", f"{show_size(result.content)}, what is there twice counted once"),
        ("stored", f"{show_size(result.stored)} packed, before parity; shared with other snapshots"),
    ])  # fmt: skip
