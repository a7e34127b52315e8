"""tag: the tags of snapshots are changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from webraid.cli.choosing import HOSTS_H, PATHS, TAGS, which
from webraid.cli.completion import snapshot_names
from webraid.cli.documents import summary
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.words import many
from webraid.errors import ConfigError

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.jobs.storing.tag import Retagged


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "tag")(tag)


def tag(
    call: Invocation,
    snapshots: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SNAP...]", help="These snapshots.", show_default=False, autocompletion=snapshot_names),
    ] = None,
    add: Annotated[list[str] | None, typer.Option(metavar="TAG[,TAG]", help="Add these (repeatable).")] = None,
    remove: Annotated[list[str] | None, typer.Option(metavar="TAG[,TAG]", help="Take these away (repeatable).")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="TAG[,TAG]", help="These and no others; '': none.")
    ] = None,
    host: HOSTS_H = None,
    path: PATHS = None,
    tag: TAGS = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only show what would change.")] = False,
) -> None:
    """Change the tags of snapshots; their ids stay.

    Without a SNAP those are changed that --host, --path and --tag choose; without these all of them.

    \b
    Examples:
      webraid tag --add holidays 4f3a12cd
      webraid tag --remove weekly --tag weekly --host laptop
      webraid tag --set keep,photos latest
    """
    from webraid.jobs.storing.tag import Change

    change, some = Change.of(set_ or [], add or [], remove or []), which(host, path, tag)
    if snapshots and some:
        raise ConfigError("--host, --path and --tag cannot stand beside named snapshots")
    with call.pool() as pool, call.hush(people=False):
        changed = pool.tag(change, snapshots or [], which=some, dry_run=dry_run)
    call.summary(
        lambda: summary(
            "tag", changed_snapshots=len(changed), dry_run=dry_run, snapshots=[_line(one) for one in changed]
        ),
        lambda screen: page(screen, changed, dry_run=dry_run),
    )


def _line(one: Retagged) -> dict[str, object]:
    return {
        "id": one.shot.id.hex(), "short_id": one.shot.name, "tags": list(one.tags),
        "old_tags": list(one.shot.info.tags),
    }  # fmt: skip


def page(screen: Screen, changed: list[Retagged], *, dry_run: bool) -> None:
    """For people: before and now."""
    if not changed:
        screen.line("No tags are to be changed.")
        return
    rows = [[one.shot.name, ",".join(one.shot.info.tags), ",".join(one.tags)] for one in changed]
    screen.table(("Snapshot", "Before", "Now"), rows)
    screen.line()
    screen.line(f"The tags of {many(len(changed), 'snapshot')} {'would be' if dry_run else 'were'} changed.")
