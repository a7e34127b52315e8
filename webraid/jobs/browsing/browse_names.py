"""How snapshots are laid out as folders: by time, by id, by host, by tag; ``latest`` links.  Pure."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from webraid.files.safepath import NAME_MAX
from webraid.table.fold import Shot

LATEST = b"latest"
SNAPSHOTS, IDS, HOSTS, TAGS = b"snapshots", b"ids", b"hosts", b"tags"


@dataclass(frozen=True, slots=True)
class Link:
    """A symlink to a name beside it."""

    target: bytes


@dataclass(frozen=True, slots=True)
class Sub:
    """A folder that is made up; its path is that of its parent and its name."""


Item = Shot | Link | Sub
Layout = Mapping[bytes, Mapping[bytes, Item]]  # path of a made-up folder -> name -> what it is


def time_name(time_ms: int) -> str:
    """'2026-11-21T143645Z': sorts as it passes, and is a file name everywhere."""
    when = datetime.datetime.fromtimestamp(time_ms / 1000, datetime.UTC)
    return when.strftime("%Y-%m-%dT%H%M%SZ")


def part(text: str) -> bytes:
    """Any text as one part of a path; what no folder can list is cut, and told apart by a hash."""
    name = text.encode("utf-8", "surrogateescape").replace(b"/", b"_").replace(b"\0", b"_")
    if len(name) > NAME_MAX:
        mark = hashlib.blake2b(name, digest_size=4).hexdigest()
        name = name[: NAME_MAX - len(mark) - 1].decode("utf-8", "ignore").encode() + b"-" + mark.encode()
    return name if name.strip(b".") else b"_" + name


def arrange(shots: Iterable[Shot]) -> Layout:
    """All made-up folders.  ``shots``: oldest first."""
    layout: dict[bytes, dict[bytes, Item]] = {
        b"": {name: Sub() for name in (HOSTS, IDS, SNAPSHOTS, TAGS)},
        HOSTS: {}, IDS: {}, SNAPSHOTS: {}, TAGS: {},
    }  # fmt: skip
    for shot in shots:
        time, mark = time_name(shot.info.time_ms), "-partial" if shot.info.partial else ""
        whole = f"{time}-{shot.name}{mark}"
        _add(layout[IDS], shot.name, shot)
        _link(layout[SNAPSHOTS], _add(layout[SNAPSHOTS], whole, shot), shot)
        for kind, names in ((HOSTS, (shot.info.host,)), (TAGS, shot.info.tags)):
            for name in dict.fromkeys(part(name) for name in names):
                layout[kind][name] = Sub()
                inner = layout.setdefault(kind + b"/" + name, {})
                shown = f"{time}{mark}"
                _link(inner, _add(inner, shown if shown.encode() not in inner else whole, shot), shot)
    return layout


def _add(folder: dict[bytes, Item], name: str, shot: Shot) -> bytes:
    """The name that it got: its whole id where another one has that name."""
    raw = name.encode()
    raw = raw if raw not in folder else shot.id.hex().encode()
    folder[raw] = shot
    return raw


def _link(folder: dict[bytes, Item], name: bytes, shot: Shot) -> None:
    """The newest one that is whole; a partial one only while there is no other."""
    there = folder.get(LATEST)
    before = folder.get(there.target) if isinstance(there, Link) else None
    if not shot.info.partial or not isinstance(before, Shot) or before.info.partial:
        folder[LATEST] = Link(name)
