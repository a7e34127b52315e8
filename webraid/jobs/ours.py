"""What belongs to the pool itself on this machine: no restore writes into it, and no --delete takes it away.

A home folder that is put back as it was last week must not bring back last week's log records, nor take away the key of
this machine or a disk of the pool that is a folder in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from webraid.jobs.context import Context
from webraid.jobs.snapshots import below

LOCAL = "local"


class Ours:
    """Seen from one target; paths are relative to it.  ``around``: the target itself is such a place, or lies in it."""

    def __init__(self, ctx: Context, target: Path) -> None:
        top = os.path.realpath(os.fsencode(target)).rstrip(b"/")
        places = [os.path.realpath(os.fsencode(place)) for place in _places(ctx)]
        self._paths = tuple(place[len(top) + 1 :] for place in places if place.startswith(top + b"/"))
        self.around = any(below(top or b"/", place) for place in places)

    def __call__(self, path: bytes) -> bool:
        """Whether this is one of the pool's own, or lies in it."""
        return any(below(path, ours) for ours in self._paths)


def _places(ctx: Context) -> Iterator[Path]:
    where = ctx.settings.places
    yield from (where.state, where.config, where.secrets, where.secrets.with_suffix(".lock"))
    yield where.plugin(LOCAL).parent
    for disk in ctx.config.disks:
        path = disk.options.get("path") if disk.kind == LOCAL else None
        if isinstance(path, str):
            yield Path(path).expanduser()
