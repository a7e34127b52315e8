"""mend: a disk that was rolled back, or whose log is damaged, gets back what it lost, so that it counts again.

Safe because the other disks prove alone that nothing acknowledged is unseen; then all of it is put back on this one.
A disk that is empty or another one is never filled: it may be a folder whose drive is not plugged in.
"""

from __future__ import annotations

import hashlib

from webraid.backend.base import Backend
from webraid.errors import BackendError, ObjectNotFound
from webraid.jobs.context import Context
from webraid.jobs.events import DiskNotice
from webraid.jobs.reading import with_good_homes
from webraid.model import PackKind, shard_name
from webraid.table.gather import gather
from webraid.table.log import Verdict
from webraid.table.survey import digest_of

PART = 100  # records looked at in one go


def mend(ctx: Context, disk: bytes, verdict: Verdict) -> None:
    """Put the log on ``disk`` right and note which shards it lacks; ``_repair_all`` then makes them anew.

    Needs an opened table with a quorum (of other disks), and the index.
    """
    if verdict not in (Verdict.ROLLED_BACK, Verdict.CORRUPT) or disk not in ctx.domains():
        return
    names = sorted(ctx.table.book.names)
    try:
        for start in range(0, len(names), PART):
            part = {name: _blob(ctx, name) for name in names[start : start + PART]}
            _ask(ctx, disk, lambda backend, part=part: _put_right(backend, part))
        _note_shards(ctx, disk)
    except BackendError as error:
        ctx.event(DiskNotice(ctx.disk_name(disk), f"could not be mended: {error}"))
        return
    ctx.table.trust(disk, names)
    ctx.event(DiskNotice(ctx.disk_name(disk), "its part of the table was put right: it counts again"))
