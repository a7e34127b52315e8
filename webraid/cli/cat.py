"""cat (dump): one file's content on stdout, byte for byte."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from webraid.cli.choosing import HOSTS_H, PATHS, TAGS, which
from webraid.cli.flags import command
from webraid.cli.get import sort_words
from webraid.cli.invocation import Invocation
from webraid.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the command and its second name."""
    command(app, "cat")(cat)
    command(app, "dump", hidden=True)(cat)


def cat(
    call: Invocation,
    what: Annotated[str, typer.Argument(metavar="SNAP:PATH", help="A file of a snapshot.", show_default=False)],
    host: HOSTS_H = None,
    path: PATHS = None,
    tag: TAGS = None,
) -> None:
    """Write a file of a snapshot to stdout.

    \b
    Examples:
      webraid cat latest:photos/a.jpg > a.jpg
      webraid cat latest~2:notes.txt --host laptop | less
    """
    some = which(host, path, tag)
    with call.pool() as pool:
        snapshot, paths = sort_words(pool, [what])
        if not paths and not snapshot.partition(":")[2].strip("/"):
            raise ConfigError("which file of that snapshot?", hint="It is: webraid cat SNAP:PATH")
        for part in pool.cat(f"{snapshot}:{paths[0]}" if paths else snapshot, which=some):
            sys.stdout.buffer.write(part)
        sys.stdout.buffer.flush()
