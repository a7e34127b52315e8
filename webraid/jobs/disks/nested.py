"""No disk inside another disk's folder: both would be lost together, and what empties one would empty both."""

from __future__ import annotations

import os
from pathlib import Path

from webraid.errors import ConfigError, IntegrityError
from webraid.jobs.base.context import Context
from webraid.jobs.disks.login import Reached
from webraid.table.survey import MARKER, read_marker

FOLDER = "local"  # the kind whose identity ends in a real path
HINT = "Give each disk a folder of its own, side by side and on different drives: disks in one place fail together."


def refuse_nested(ctx: Context, reached: Reached) -> None:
    """Raises ConfigError for a folder below or above one that is a disk, of this pool or of any other.

    Disks of other pools are known by the marker that lies in each.
    """
    if reached.kind != FOLDER:
        return
    new = _path(reached.identity)
    for info in ctx.table.state.members():
        if info.kind != FOLDER or info.identity == reached.identity:
            continue
        there = _path(info.identity)
        if there in new.parents:
            raise _refused(reached.name, f"inside the folder of disk {info.name}")
        if new in there.parents:
            raise _refused(reached.name, f"around the folder of disk {info.name}")
    for parent in new.parents:
        if _is_disk(parent):
            raise _refused(reached.name, f"inside {parent}, which is a disk of a pool")


def _refused(name: str, where: str) -> ConfigError:
    return ConfigError(f"disk {name}: the folder lies {where}", hint=HINT)


def _path(identity: str) -> Path:
    return Path(os.path.realpath(identity.partition("|")[2]))


def _is_disk(folder: Path) -> bool:
    """Whether a marker lies there.  What cannot be read is none that we could know of."""
    try:
        read_marker((folder / MARKER).read_bytes())
    except (OSError, IntegrityError):
        return False
    return True
