"""replace: another disk takes over from one that can still be read.  Redundancy never falls on the way."""

from __future__ import annotations

from webraid.jobs.base.context import Context
from webraid.jobs.disks.backends import find_disk
from webraid.jobs.disks.roles import assign, require_target
from webraid.jobs.moves.evacuate import Evacuated, Evacuation
from webraid.jobs.moves.moving import working
from webraid.table.fold import SWEEP
from webraid.table.records import ACTIVE, DRAINING, SPARE


def replace_disk(
    ctx: Context, old: str, new: str, *, limit: int | None = None, dry_run: bool = False
) -> Evacuated:  # fmt: skip
    """Copy every shard from disk ``old`` to disk ``new``, each verified; what ``old`` does not serve is made from
    others.  Then ``old`` leaves the pool.  Until then it gets nothing new, and all that it has still counts.

    Raises NotInTable, ConfigError, QuorumLost, RightMissing, PoolBusy.
    """
    with working(ctx, SWEEP) as work:
        info = find_disk(ctx, old)
        target = require_target(ctx, new, info)
        evacuation = Evacuation.readable_one(work, info, [target.id])
        if dry_run:
            evacuation.also = [target.id] if target.role == SPARE else []
            result = evacuation.tell(evacuation.plan()[0])
            result.dry_run = True
            return result
        assign(ctx, target.id, ACTIVE)
        evacuation.disk = assign(ctx, info.id, DRAINING, info.deadline_ms)
        result = evacuation.go("replace", limit)
        if not result.left or limit is None:
            evacuation.finish("replace", result)
        return result
