"""ls: what is in a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from webraid.cli import documents
from webraid.cli.choosing import HOSTS_H, PATHS, TAGS, which
from webraid.cli.flags import command
from webraid.cli.get import WORDS, sort_words
from webraid.cli.invocation import Invocation
from webraid.cli.words import moment, safe
from webraid.errors import NotInTable
from webraid.files.problem import display
from webraid.model import show_size

if TYPE_CHECKING:
    from webraid.entry import Entry


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "ls")(ls)


def ls(
    call: Invocation,
    words: WORDS = None,
    long: Annotated[bool, typer.Option("--long", "-l", help="Mode, owner, size and time too.")] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-R", help="What is in the subfolders of a PATH, too.")
    ] = False,
    host: HOSTS_H = None,
    path: PATHS = None,
    tag: TAGS = None,
) -> None:
    """List the files of a snapshot.

    Without a PATH all of it is listed; with one, what lies directly in there.

    \b
    Examples:
      webraid ls
      webraid ls latest:photos -l
      webraid ls latest~1 photos/2024 --recursive
      webraid ls --host laptop --tag weekly
    """
    count, some = 0, which(host, path, tag)
    with call.pool() as pool, call.hush(people=False):
        snapshot, paths = sort_words(pool, words or [])
        found = pool.ls(snapshot, paths, recursive=recursive or not paths, which=some)
        if call.flags.json:
            head = {"message_type": "snapshot", "struct_type": "snapshot", "schema_version": documents.SCHEMA}
            call.lines.write({**head, **documents.snapshot(pool.snapshot(snapshot, which=some))})
        for entry in found:
            count += 1
            if call.flags.json:
                call.lines.write(documents.node(entry))
            else:
                typer.echo(long_line(entry) if long else short_line(entry))
    if not count and (paths or ":" in snapshot):
        raise NotInTable("nothing in that snapshot matches", hint="See 'webraid ls' without a path.")


def short_line(entry: Entry) -> str:
    """The path; a folder's ends in '/'."""
    return display(entry.path) + ("/" if entry.type == "d" else "")


def long_line(entry: Entry) -> str:
    """Mode, owner, size, time and name."""
    owner = f"{safe(entry.user) or entry.uid} {safe(entry.group) or entry.gid}"
    size = show_size(entry.size) if entry.type == "f" else "-"
    arrow = f" -> {display(entry.target)}" if entry.target else ""
    when = moment(entry.mtime_ns // 1_000_000)
    return f"{documents.permissions(entry)} {owner:<16} {size:>10} {when} {short_line(entry)}{arrow}"
