"""What belongs to the pool itself on this machine: no restore writes into it, and no --delete takes it away.

A home folder that is put back as it was last week must not bring back last week's log records, nor take away the key of
this machine or a disk of the pool that is a folder in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from webraid.jobs.base.context import Context
from webraid.jobs.base.snapshots import below

LOCAL = "local"
MOST_LINKS = 40  # as the kernel follows


class Ours:
    """Seen from one target; paths are relative to it.  ``around``: the target itself is such a place, or lies in it."""

    def __init__(self, ctx: Context, target: Path) -> None:
        top = os.path.realpath(os.fsencode(target)).rstrip(b"/")
        places = [os.path.realpath(os.fsencode(place)) for place in _places(ctx)]
        ways = [link for place in _places(ctx) for link in links_to(os.fsencode(place))]
        self._paths = tuple(place[len(top) + 1 :] for place in (*places, *ways) if place.startswith(top + b"/"))
        self.around = any(below(top or b"/", place) for place in places)

    def __call__(self, path: bytes) -> bool:
        """Whether this is one of the pool's own, or lies in it."""
        return any(below(path, ours) for ours in self._paths)


def links_to(path: bytes) -> list[bytes]:
    """The symlinks that lead to a place, each by its real path: without them it is there and cannot be found."""
    found, here, left = list[bytes](), b"/", os.path.abspath(path).strip(b"/").split(b"/")
    while left and len(found) < MOST_LINKS:
        name = left.pop(0)
        if name in (b"", b"."):
            continue
        step = os.path.dirname(here) if name == b".." else os.path.join(here, name)
        if os.path.islink(step):
            found.append(step)
            target = os.readlink(step)
            here = b"/" if target.startswith(b"/") else here
            left = target.strip(b"/").split(b"/") + left
        else:
            here = step
    return found


def _places(ctx: Context) -> Iterator[Path]:
    where = ctx.settings.places
    yield from (where.state, where.config, where.secrets, where.secrets.with_suffix(".lock"))
    yield where.plugin(LOCAL).parent
    yield from (folder for _, folder in own_disks(ctx))


def own_disks(ctx: Context) -> Iterator[tuple[str, Path]]:
    """Disks of the pool that are folders here: (name, where)."""
    for disk in ctx.config.disks:
        path = disk.options.get("path") if disk.kind == LOCAL else None
        if isinstance(path, str):
            yield disk.name, Path(path).expanduser()
