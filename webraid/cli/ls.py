"""ls: what is in a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from webraid.cli import documents
from webraid.cli.flags import command
from webraid.cli.get import WORDS, sort_words
from webraid.cli.invocation import Invocation
from webraid.cli.jsonlines import SCHEMA
from webraid.cli.words import moment, safe
from webraid.errors import NotInTable
from webraid.files.problem import display
from webraid.model import show_size

if TYPE_CHECKING:
    from webraid.entry import Entry
    from webraid.pool import Pool


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "ls")(ls)


def ls(
    call: Invocation,
    words: WORDS = None,
    long: Annotated[bool, typer.Option("--long", "-l", help="Mode, owner, size and time too.")] = False,
) -> None:
    """List the files of a snapshot.

    \b
    Examples:
      webraid ls
      webraid ls latest:photos -l
    """
    count = 0
    with call.pool() as pool, call.hush(people=False):
        snapshot, paths = sort_words(pool, words or [])
        found = pool.ls(snapshot, paths)
        if call.flags.json:
            call.lines.write(_head(pool, snapshot))
        for entry in found:
            count += 1
            if call.flags.json:
                call.lines.write(documents.node(entry))
            else:
                typer.echo(_long(entry) if long else _name(entry))
    if not count and (paths or ":" in snapshot):
        raise NotInTable("nothing in that snapshot matches", hint="See 'webraid ls' without a path.")


def _head(pool: Pool, snapshot: str) -> dict[str, object]:
    """The snapshot itself comes first, as in restic's listing."""
    from webraid.jobs.snapshots import select

    shot = select(pool._ctx, snapshot).shot
    return {"message_type": "snapshot", "struct_type": "snapshot", "schema_version": SCHEMA, **documents.snapshot(shot)}


def _name(entry: Entry) -> str:
    return display(entry.path) + ("/" if entry.type == "d" else "")


def _long(entry: Entry) -> str:
    owner = f"{safe(entry.user) or entry.uid} {safe(entry.group) or entry.gid}"
    size = show_size(entry.size) if entry.type == "f" else "-"
    arrow = f" -> {display(entry.target)}" if entry.target else ""
    when = moment(entry.mtime_ns // 1_000_000)
    return f"{documents.permissions(entry)} {owner:<16} {size:>10} {when} {_name(entry)}{arrow}"
