"""snapshots: what was stored when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from webraid.cli import documents
from webraid.cli.documents import summary
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.words import moment
from webraid.model import show_size

if TYPE_CHECKING:
    from webraid.table.fold import Shot


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "snapshots")(snapshots)


def snapshots(
    call: Invocation,
    tag: Annotated[list[str] | None, typer.Option(metavar="TAG", help="Only those with this tag.")] = None,
    host: Annotated[list[str] | None, typer.Option(metavar="HOST", help="Only those of this machine.")] = None,
) -> None:
    """List the snapshots, oldest first.

    \b
    Example:
      webraid snapshots --tag weekly
    """
    with call.pool() as pool, call.hush(people=False):
        found = [
            shot
            for shot in pool.snapshots()
            if (not tag or set(tag) & set(shot.info.tags)) and (not host or shot.info.host in host)
        ]
        conflicts = {shot.id: [other.name for other in pool.conflicts(shot)] for shot in found}
    call.show(
        lambda: summary(
            "snapshots", snapshots=[{**documents.snapshot(shot), "conflicts": conflicts[shot.id]} for shot in found]
        ),
        lambda screen: (
            screen.snapshots([_row(shot) for shot in found])
            if found
            else screen.line("There is no such snapshot." if tag or host else "There is no snapshot yet.")
        ),
    )


def _row(shot: Shot) -> list[str]:
    info = shot.info
    mark = " (partial)" if info.partial else ""
    paths = " ".join(root.origin.decode("utf-8", "backslashreplace") for root in info.roots)
    return [
        f"{shot.name}{mark}", moment(info.time_ms), info.host, info.level, ",".join(info.tags), f"{info.files:,}",
        show_size(info.size), paths,
    ]  # fmt: skip
