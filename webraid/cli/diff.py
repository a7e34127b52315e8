"""diff: what is different between two snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from webraid.cli.choosing import HOSTS_H, PATHS, TAGS, which
from webraid.cli.completion import snapshot_names
from webraid.cli.documents import summary
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.ls import short_line
from webraid.cli.words import many
from webraid.model import show_size

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.jobs.browsing.diff import Change, Difference, Side

FIRST = Annotated[
    str, typer.Argument(metavar="SNAP[:SUB]", help="The older one.", show_default=False, autocompletion=snapshot_names)
]
SECOND = Annotated[
    str, typer.Argument(metavar="SNAP[:SUB]", help="The newer one.", show_default=False, autocompletion=snapshot_names)
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "diff")(diff)


def diff(
    call: Invocation,
    first: FIRST,
    second: SECOND,
    metadata: Annotated[
        bool, typer.Option("--metadata", help="Changes of mode, owner, times and attributes, too.")
    ] = False,
    host: HOSTS_H = None,
    path: PATHS = None,
    tag: TAGS = None,
) -> None:
    """Show what changed from one snapshot to another.

    \b
    The marks before a path:
      +  it is new                 M  its content is another
      -  it is gone                T  it is of another type (a link was a file ...)
      U  its metadata are others (with --metadata)

    \b
    Examples:
      webraid diff latest~1 latest
      webraid diff 4f3a12cd:photos 68915a0c:photos --metadata
    """
    some = which(host, path, tag)
    json = call.flags.json

    def tell(change: Change) -> None:
        if json:
            call.lines.write(_line(change))
        elif not call.flags.quiet:
            typer.echo(f"{change.marks:<5}{short_line(change.entry)}")

    with call.pool() as pool, call.hush(people=False):
        result = pool.diff(first, second, metadata=metadata, which=some, on_change=tell)
    call.summary(lambda: document(result), lambda screen: page(screen, result))


def _line(change: Change) -> dict[str, Any]:
    return {"message_type": "change", "path": "/" + _text(change.path), "modifier": change.marks}


def _text(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


def document(result: Difference) -> dict[str, Any]:
    """For programs: restic's statistics."""
    return summary(
        "diff",
        source_snapshot=result.first,
        target_snapshot=result.second,
        changed_files=result.changed,
        updated_metadata=result.updated,
        added=_side(result.added),
        removed=_side(result.removed),
    )


def _side(side: Side) -> dict[str, int]:
    return {
        "files": side.files, "dirs": side.dirs, "others": side.others, "data_blobs": side.blobs, "bytes": side.bytes,
    }  # fmt: skip


def page(screen: Screen, result: Difference) -> None:
    """For people: the sum; the changes were told as they were found."""
    if result.same:
        screen.line(f"Snapshots {result.first} and {result.second} hold the same.")
        return
    screen.line()
    rows = [("changed", many(result.changed, "file"))]
    rows += [("metadata", many(result.updated, "file or folder", "files and folders"))] if result.updated else []
    rows += [(name, _of(side)) for name, side in (("added", result.added), ("removed", result.removed))]
    screen.pairs(rows)


def _of(side: Side) -> str:
    others = f", {many(side.others, 'other')}" if side.others else ""
    return f"{many(side.files, 'file')}, {many(side.dirs, 'folder')}{others}; {show_size(side.bytes)} of content"
