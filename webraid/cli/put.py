"""put (backup): files and folders become a snapshot."""

from __future__ import annotations

from typing import Annotated

import typer

from webraid.cli import documents
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.traffic import traffic


def register(app: typer.Typer) -> None:
    """Add the command and its second name."""
    command(app, "put")(put)
    command(app, "backup", hidden=True)(put)


def put(
    call: Invocation,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files and folders.", show_default=False)],
    level: Annotated[str, typer.Option(help="Another level than the pool's, such as raid5.")] = "",
    tag: Annotated[list[str] | None, typer.Option(metavar="TAG", help="May be given several times.")] = None,
    one_file_system: Annotated[
        bool, typer.Option("--one-file-system", "-x", help="Do not enter other file systems.")
    ] = False,
) -> int:
    """Store files and folders as a snapshot.

    A PATH is stored under its base name.  What is stored already is not sent again; what an interrupted run sent is
    used.

    \b
    Example:
      webraid put ~/photos ~/mail --tag weekly
    """
    tags = [word for text in tag or [] for word in text.split(",") if word]
    with call.pool() as pool:
        with call.job("put", pool):
            result = pool.put(paths, level=level, tags=tags, one_file_system=one_file_system)
        flows = traffic(pool)
    tell = call.show if result.exit_code else call.summary  # -q hides what went as it should, nothing else
    tell(lambda: documents.put(result, flows), lambda screen: screen.put(result, flows))
    return result.exit_code
