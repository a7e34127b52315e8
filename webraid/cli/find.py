"""find: where in the snapshots a file is."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from webraid.cli import documents
from webraid.cli.choosing import HOSTS_H, PATHS, TAGS, which
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.ls import long_line, short_line
from webraid.cli.words import many, moment
from webraid.errors import ConfigError
from webraid.model import parse_size

if TYPE_CHECKING:
    from webraid.entry import Entry
    from webraid.jobs.browsing.find import Wanted
    from webraid.table.fold import Shot


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "find")(find)


def find(
    call: Invocation,
    patterns: Annotated[
        list[str], typer.Argument(metavar="PATTERN...", help="Names such as '*.jpg'.", show_default=False)
    ],
    ignore_case: Annotated[bool, typer.Option("--ignore-case", "-i", help="Capitals do not matter.")] = False,
    long: Annotated[bool, typer.Option("--long", "-l", help="Mode, owner, size and time too.")] = False,
    kind: Annotated[
        str, typer.Option("--type", metavar="f|d|l|...", help="Only files, folders, symlinks ...", show_default=False)
    ] = "",
    oldest: Annotated[
        str, typer.Option("--oldest", "-O", metavar="TIME", help="Changed at TIME or later.", show_default=False)
    ] = "",
    newest: Annotated[
        str, typer.Option("--newest", "-N", metavar="TIME", help="Changed at TIME or before.", show_default=False)
    ] = "",
    larger_than: Annotated[str, typer.Option(metavar="SIZE", help="Files of at least SIZE.", show_default=False)] = "",
    smaller_than: Annotated[str, typer.Option(metavar="SIZE", help="Files of at most SIZE.", show_default=False)] = "",
    snapshot: Annotated[
        list[str] | None, typer.Option("--snapshot", "-s", metavar="SNAP", help="Only in this one (repeatable).")
    ] = None,
    host: HOSTS_H = None,
    path: PATHS = None,
    tag: TAGS = None,
) -> None:
    """Find files in the snapshots, the newest snapshot first.

    A PATTERN without '/' is matched with names, one with '/' with the end of paths ('/photos/*.jpg': with the whole
    path); '**' stands for any folders.  TIME is like 2024-12-31 or '2024-12-31 18:00'.

    \b
    Examples:
      webraid find tax.pdf
      webraid find -i '*.jpg' --larger-than 5MB --oldest 2024-06-01 -l
      webraid find 'photos/2024/**/*.raw' --snapshot latest
    """
    wanted, some = (
        _wanted(patterns, ignore_case, kind, oldest, newest, larger_than, smaller_than),
        which(host, path, tag),
    )
    with call.pool() as pool, call.hush(people=False):
        _tell(call, pool.find(wanted, snapshot or [], which=some), long=long)


def _wanted(
    patterns: list[str], ignore_case: bool, kind: str, oldest: str, newest: str, least: str, most: str
) -> Wanted:
    from webraid.jobs.browsing.find import TYPES, Glob, Wanted

    if kind and kind not in TYPES:
        raise ConfigError(f"{kind!r} is no type", hint=f"Known: {', '.join(TYPES)}.")
    return Wanted(
        tuple(Glob.of(text, ignore_case=ignore_case) for text in patterns),
        type=TYPES[kind] if kind else None,
        oldest=_nanoseconds(oldest),
        newest=_nanoseconds(newest),
        smallest=parse_size(least) if least else None,
        largest=parse_size(most) if most else None,
    )


def _nanoseconds(text: str) -> int | None:
    """A time as people write it, in this machine's zone unless it says another.  Raises ConfigError."""
    if not text:
        return None
    try:
        there = datetime.datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise ConfigError(f"{text!r} is no time", hint="Write it like 2024-12-31 or '2024-12-31 18:00:00'.") from None
    return int(there.timestamp()) * 1_000_000_000


def _tell(call: Invocation, found: Iterator[tuple[Shot, list[Entry]]], *, long: bool) -> None:
    """Snapshot by snapshot, as they are gone through."""
    hits = count = 0
    for shot, entries in found:
        if call.flags.json:
            nodes = [documents.node(entry) for entry in entries]
            line = {"message_type": "matches", "snapshot": shot.id.hex(), "hits": len(nodes), "matches": nodes}
            call.lines.write(line)
        else:
            gap = "\n" if count else ""
            typer.echo(f"{gap}Snapshot {shot.name} of {moment(shot.info.time_ms)}, {shot.info.host}:")
            for entry in entries:
                typer.echo("  " + (long_line(entry) if long else short_line(entry)))
        hits, count = hits + len(entries), count + 1
    text = f"{many(hits, 'match', 'matches')} in {many(count, 'snapshot')}." if hits else "Nothing matches."
    lines = ["", text] if hits else [text]
    call.summary(lambda: documents.summary("find", hits=hits, snapshots=count), lambda screen: screen.lines(lines))
