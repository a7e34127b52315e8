"""Naming snapshots: 'latest', 'latest~1', an id's first digits, 'SNAP:sub/folder'; choosing and listing them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from webraid.entry import Entry
from webraid.errors import ConfigError, NotEnoughShards, NotInTable
from webraid.jobs.base.context import Context
from webraid.jobs.base.dated import by_time
from webraid.jobs.base.events import Notice
from webraid.jobs.base.pages import Pages, load_index
from webraid.jobs.base.retention import has_tags, parse_tags
from webraid.table.fold import Shot
from webraid.table.tree import walk

LATEST = "latest"
GROUPS = ("host", "paths", "tags")
_LATEST = re.compile(r"latest(?:~(\d{1,6}))?")


@dataclass(frozen=True, slots=True)
class Selection:
    """A snapshot and a folder of it (b'' for all)."""

    shot: Shot
    sub: bytes = b""


@dataclass(frozen=True, slots=True)
class Which:
    """Which snapshots are meant, as restic's flags of the same names say.

    ``hosts``: made on any of these; ``paths``: of all of these folders (where they lay); ``tags``: with all tags of any
    of these sets, {''} meaning without any tag.  Nothing given: all.
    """

    hosts: tuple[str, ...] = ()
    paths: tuple[bytes, ...] = ()
    tags: tuple[frozenset[str], ...] = ()

    @classmethod
    def of(cls, hosts: Iterable[str] = (), paths: Iterable[bytes] = (), tags: Iterable[str] = ()) -> Which:
        """From the words of a command line; a tag 'a,b' means both."""
        return cls(tuple(hosts), tuple(path.rstrip(b"/") or b"/" for path in paths), parse_tags(tags))

    def __bool__(self) -> bool:
        return bool(self.hosts or self.paths or self.tags)

    def fits(self, shot: Shot) -> bool:
        """Whether it is one of them."""
        info, tags = shot.info, frozenset(shot.info.tags)
        origins = {root.origin.rstrip(b"/") or b"/" for root in info.roots}
        return (
            (not self.hosts or info.host in self.hosts)
            and origins.issuperset(self.paths)
            and (not self.tags or any(has_tags(tags, wanted) for wanted in self.tags))
        )


EVERY = Which()


@dataclass(frozen=True, slots=True)
class Group:
    """Snapshots that belong together.  What was not grouped by is None."""

    host: str | None = None
    paths: tuple[bytes, ...] | None = None
    tags: tuple[str, ...] | None = None


def parse_groups(text: str) -> tuple[str, ...]:
    """'host,paths' -> ('host', 'paths'); '' groups nothing.  Raises ConfigError."""
    known = {"host": "host", "hosts": "host", "path": "paths", "paths": "paths", "tag": "tags", "tags": "tags"}
    words = [word.strip() for word in text.split(",") if word.strip()]
    wrong = next((word for word in words if word not in known), None)
    if wrong is not None:
        raise ConfigError(f"snapshots cannot be grouped by {wrong!r}", hint=f"Group by some of: {', '.join(GROUPS)}.")
    return tuple(name for name in GROUPS if name in {known[word] for word in words})


def group_of(shot: Shot, by: Sequence[str]) -> Group:
    """Where a snapshot belongs."""
    info = shot.info
    return Group(
        info.host if "host" in by else None,
        tuple(sorted(root.origin for root in info.roots)) if "paths" in by else None,
        tuple(sorted(info.tags)) if "tags" in by else None,
    )


def grouped(shots: Iterable[Shot], by: Sequence[str]) -> dict[Group, list[Shot]]:
    """Groups in a stable order, the snapshots of each in the order they come in."""
    found: dict[Group, list[Shot]] = {}
    for shot in shots:
        found.setdefault(group_of(shot, by), []).append(shot)
    order = sorted(found, key=lambda group: (group.host or "", group.paths or (), group.tags or ()))
    return {group: found[group] for group in order}


def open_for_reading(ctx: Context) -> None:
    """Open with whatever answers: reading never needs a quorum, but says when newer snapshots may exist unseen."""
    look(ctx)
    try:
        load_index(ctx)
    except (NotInTable, NotEnoughShards):  # a prune may have written it anew, and deleted it, since we looked
        ctx.open_table()
        load_index(ctx)


def look(ctx: Context) -> None:
    """The same for who needs the list of snapshots and nothing of what is in them."""
    view = ctx.open_table()
    if not view.fresh and ctx.table.state.joined():
        text = f"freshness not proved: {view.counted} of the {view.needed} disks needed answered"
        ctx.event(Notice(f"{text}; there may be newer snapshots", warning=True))


def ordered(ctx: Context, which: Which = EVERY) -> list[Shot]:
    """Snapshots, oldest first, in the order that all machines agree on."""
    state = ctx.table.state
    shots = sorted((shot for shot in state.shots if which.fits(shot)), key=lambda shot: shot.order)
    return by_time(shots, dict(state.times))


def newest_of_each(shots: Sequence[Shot], count: int) -> list[Shot]:
    """The ``count`` newest for each host and its paths, oldest first."""
    groups = grouped(shots, ("host", "paths")).values()
    chosen = {shot.id for group in groups for shot in group[-count:]}
    return [shot for shot in shots if shot.id in chosen]


def select(ctx: Context, text: str, which: Which = EVERY) -> Selection:
    """'latest' (of ``which``), 'latest~1' for the one before it, an id's first digits; any with ':folder'.

    Raises NotInTable.
    """
    name, _, sub = (text or LATEST).partition(":")
    if not ctx.table.state.shots:
        raise NotInTable("there is no snapshot yet", hint="Make one with 'webraid put PATH'.")
    return Selection(named(ctx, name or LATEST, which), sub.strip("/").encode("utf-8", "surrogateescape"))


def named(ctx: Context, name: str, which: Which = EVERY) -> Shot:
    """The snapshot that a word without ':' names.  Raises NotInTable."""
    latest = _LATEST.fullmatch(name)
    if latest:
        return _latest(ctx, int(latest[1] or 0), which)
    found = [shot for shot in ctx.table.state.shots if _hex(name) and shot.id.hex().startswith(name.lower())]
    if not found:
        raise NotInTable(f"there is no snapshot {name!r}")
    if len(found) > 1:
        raise NotInTable(f"{len(found)} snapshots begin with {name!r}", hint="Give more digits of the id.")
    return found[0]


def _latest(ctx: Context, back: int, which: Which) -> Shot:
    shots = ordered(ctx, which)
    if not shots:
        raise NotInTable("no snapshot is of that machine, folder or tag")
    whole = [shot for shot in shots if not shot.info.partial] or shots
    if back >= len(whole):
        raise NotInTable(f"there is no snapshot so far back; the oldest is latest~{len(whole) - 1}")
    return whole[-1 - back]


def chosen(ctx: Context, words: Sequence[str], which: Which = EVERY) -> list[Shot]:
    """The snapshots that ``words`` name, each once; without any word those of ``which``, oldest first."""
    if not words:
        return ordered(ctx, which)
    return list({shot.id: shot for shot in (named(ctx, word, which) for word in words)}.values())


def _hex(text: str) -> bool:
    return 0 < len(text) <= 32 and all(letter in "0123456789abcdef" for letter in text.lower())


def is_selection(text: str, ctx: Context) -> bool:
    """Whether a command-line word names a snapshot rather than a path in one."""
    name = text.partition(":")[0]
    if _LATEST.fullmatch(name):
        return True
    digits = len(name) >= 4 and _hex(name)
    return digits and any(shot.id.hex().startswith(name.lower()) for shot in ctx.table.state.shots)


def entries(
    ctx: Context, selection: Selection, paths: Sequence[bytes] = (), *, recursive: bool = True
) -> Iterator[Entry]:
    """The entries of a selection in path order, below ``paths`` (relative to the selection's folder) if given; not
    ``recursive``: only these and what lies directly in them."""
    under = [_join(selection.sub, path.strip(b"/")) for path in paths] or [selection.sub]
    found = walk(selection.shot.info.root, Pages(ctx), under=[path for path in under if path])
    if recursive:
        return found
    tops = set(under)
    return (entry for entry in found if entry.path in tops or entry.path.rpartition(b"/")[0] in tops)


def below(path: bytes, folder: bytes) -> bool:
    """Whether ``path`` is ``folder`` or lies in it; everything lies in b''."""
    return not folder or path == folder or path.startswith(folder + b"/")


def _join(folder: bytes, path: bytes) -> bytes:
    return folder + b"/" + path if folder and path else folder or path


def one_entry(ctx: Context, selection: Selection) -> Entry:
    """The very entry that SNAP:path names.  Raises NotInTable."""
    for entry in entries(ctx, selection):
        if entry.path == selection.sub:
            return entry
        break  # a folder, or a file, comes before what is below it
    raise NotInTable(f"there is nothing of that name in snapshot {selection.shot.name}")
