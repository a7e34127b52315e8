"""Naming snapshots: 'latest', the first digits of an id, 'SNAP:sub/folder'; listing them and what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from webraid.entry import Entry
from webraid.errors import NotInTable
from webraid.jobs.context import Context
from webraid.jobs.events import Notice
from webraid.jobs.pages import Pages, load_index
from webraid.table.fold import Shot
from webraid.table.tree import walk

LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Selection:
    """A snapshot and a folder of it (b'' for all)."""

    shot: Shot
    sub: bytes = b""


def open_for_reading(ctx: Context) -> None:
    """Open with whatever answers: reading never needs a quorum, but says when newer snapshots may exist unseen."""
    view = ctx.open_table()
    if not view.fresh and ctx.table.state.joined():
        text = f"freshness not proved: {view.counted} of the {view.needed} disks needed answered"
        ctx.event(Notice(f"{text}; there may be newer snapshots", warning=True))
    load_index(ctx)


def ordered(ctx: Context) -> list[Shot]:
    """All snapshots, oldest first, in the order that all machines agree on."""
    return sorted(ctx.table.state.shots, key=lambda shot: shot.order)


def select(ctx: Context, text: str) -> Selection:
    """'latest', an id's first digits, either with ':folder'.  Raises NotInTable."""
    name, _, sub = (text or LATEST).partition(":")
    shots = ordered(ctx)
    if not shots:
        raise NotInTable("there is no snapshot yet", hint="Make one with 'webraid put PATH'.")
    if name in (LATEST, ""):
        whole = [shot for shot in shots if not shot.info.partial]
        shot = (whole or shots)[-1]
    else:
        found = [shot for shot in shots if shot.id.hex().startswith(name.lower())]
        if not found:
            raise NotInTable(f"there is no snapshot {name!r}")
        if len(found) > 1:
            raise NotInTable(f"{len(found)} snapshots begin with {name!r}", hint="Give more digits of the id.")
        shot = found[0]
    return Selection(shot, sub.strip("/").encode("utf-8", "surrogateescape"))


def is_selection(text: str, ctx: Context) -> bool:
    """Whether a command-line word names a snapshot rather than a path in one."""
    name = text.partition(":")[0]
    if name == LATEST:
        return True
    digits = 4 <= len(name) <= 32 and all(letter in "0123456789abcdef" for letter in name.lower())
    return digits and any(shot.id.hex().startswith(name.lower()) for shot in ctx.table.state.shots)


def entries(ctx: Context, selection: Selection, paths: Sequence[bytes] = ()) -> Iterator[Entry]:
    """The entries of a selection in path order, below ``paths`` (relative to the selection's folder) if given."""
    under = [_join(selection.sub, path.strip(b"/")) for path in paths] or [selection.sub]
    return walk(selection.shot.info.root, Pages(ctx), under=[path for path in under if path])


def _join(folder: bytes, path: bytes) -> bytes:
    return folder + b"/" + path if folder and path else folder or path


def one_entry(ctx: Context, selection: Selection) -> Entry:
    """The very entry that SNAP:path names.  Raises NotInTable."""
    for entry in entries(ctx, selection):
        if entry.path == selection.sub:
            return entry
    raise NotInTable(f"there is nothing of that name in snapshot {selection.shot.name}")
