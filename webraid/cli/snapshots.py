"""snapshots: what was stored when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from webraid.cli import documents
from webraid.cli.choosing import HOSTS_H, PATHS, TAGS, origins, which
from webraid.cli.documents import summary
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.words import many, moment
from webraid.model import show_size

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.jobs.base.snapshots import Group
    from webraid.table.fold import Shot

LS = "ls"  # 'webraid snapshots ls' is the same


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "snapshots")(snapshots)


def snapshots(
    call: Invocation,
    snapshots: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SNAP...]", help="Only these.", show_default=False),
    ] = None,
    host: HOSTS_H = None,
    path: PATHS = None,
    tag: TAGS = None,
    latest: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Only the newest N of each host and its folders.", show_default=False),
    ] = 0,
    group_by: Annotated[
        str, typer.Option("--group-by", "-g", metavar="host,paths,tags", help="A list for each group.")
    ] = "",
    compact: Annotated[bool, typer.Option("--compact", "-c", help="Fewer columns.")] = False,
) -> None:
    """List the snapshots, oldest first.

    \b
    Examples:
      webraid snapshots --tag weekly
      webraid snapshots --latest 1
      webraid snapshots --host laptop --group-by paths --json
    """
    from webraid.jobs.base.snapshots import grouped, parse_groups

    names = [name for name in snapshots or [] if name != LS]
    some, by = which(host, path, tag), parse_groups(group_by)
    with call.pool() as pool, call.hush(people=False):
        found = pool.snapshots(names, which=some, latest=latest)
        conflicts = {shot.id: [other.name for other in pool.conflicts(shot)] for shot in found}
    groups = grouped(found, by) if by else {}
    call.show(
        lambda: document(found, groups, conflicts),
        lambda screen: page(screen, found, groups, chosen=bool(some), compact=compact),
    )


def document(
    shots: Sequence[Shot], groups: dict[Group, list[Shot]], conflicts: dict[bytes, list[str]]
) -> dict[str, Any]:
    """For programs: restic's list; with --group-by its groups, too."""

    def listed(some: Sequence[Shot]) -> list[dict[str, Any]]:
        return [{**documents.snapshot(shot), "conflicts": conflicts[shot.id]} for shot in some]

    more = {"groups": [{"group_key": _key(group), "snapshots": listed(some)} for group, some in groups.items()]}
    return summary("snapshots", snapshots=listed(shots), **(more if groups else {}))


def _key(group: Group) -> dict[str, Any]:
    paths = None if group.paths is None else [path.decode("utf-8", "backslashreplace") for path in group.paths]
    return {"hostname": group.host or "", "paths": paths, "tags": None if group.tags is None else list(group.tags)}


def page(
    screen: Screen, shots: Sequence[Shot], groups: dict[Group, list[Shot]], *, chosen: bool, compact: bool
) -> None:
    """For people: a table, or one for each group."""
    if not shots:
        screen.line("There is no such snapshot." if chosen else "There is no snapshot yet.")
        return
    if not groups:
        _table(screen, shots, compact=compact)
    for number, (group, some) in enumerate(groups.items()):
        if number:
            screen.line()
        screen.line(f"{of_group(group)}: {many(len(some), 'snapshot')}")
        _table(screen, some, compact=compact)


def of_group(group: Group) -> str:
    """'Host laptop, /home/ann/photos, tags weekly'."""
    parts = [f"host {group.host}"] if group.host is not None else []
    parts += [path.decode("utf-8", "backslashreplace") for path in group.paths or ()]
    parts += [f"tags {', '.join(group.tags) or '(none)'}"] if group.tags is not None else []
    text = ", ".join(parts) or "all snapshots"
    return text[:1].upper() + text[1:]


def _table(screen: Screen, shots: Sequence[Shot], *, compact: bool) -> None:
    rows = [_row(shot) for shot in shots]
    if compact:
        screen.table(
            ("Snapshot", "Time", "Host", "Tags", "Size"), [[*row[:3], row[4], row[6]] for row in rows], ("Size",)
        )
    else:
        screen.snapshots(rows)


def _row(shot: Shot) -> list[str]:
    info = shot.info
    mark = " (partial)" if info.partial else ""
    return [
        f"{shot.name}{mark}", moment(info.time_ms), info.host, info.level, ",".join(info.tags), f"{info.files:,}",
        show_size(info.size), origins(shot),
    ]  # fmt: skip
