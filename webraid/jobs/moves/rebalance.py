"""rebalance: all disks equally full again, every stripe as it should lie; then what lies twice goes."""

from __future__ import annotations

from dataclasses import dataclass, field

from webraid.array.balance import Balance, balance
from webraid.array.moves import Move
from webraid.errors import EXIT_DEGRADED, EXIT_OK, worst
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import Notice, Started
from webraid.jobs.base.seats import object_sizes
from webraid.jobs.moves.moving import Carried, Work, carry, working
from webraid.jobs.moves.pace import note_pace, seconds_for
from webraid.jobs.space.dropped import Freed, drop, free_dropped
from webraid.model import Home, Pack
from webraid.table.fold import SWEEP


@dataclass(slots=True)
class Rebalanced:
    """``before`` and ``after``: bytes of data on each disk by name; ``planned``: bytes to move in all, of ``moves``
    shards; ``crowded``: stripes that lay too close together; ``unmovable`` of these are so still.  ``dropped``: shards
    whose old place counts no more; ``freed``: what was deleted of such by this run; ``later``: bytes that are deleted
    when the trash time is over.  ``seconds``: what the whole plan will take, None: unknown."""

    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)
    planned: int = 0
    moves: int = 0
    crowded: int = 0
    carried: Carried = field(default_factory=Carried)
    left: int = 0
    dropped: int = 0
    freed: Freed = field(default_factory=Freed)
    seconds: float | None = None
    dry_run: bool = False

    @property
    def exit_code(self) -> int:
        """20 while something waits for a disk."""
        return worst(self.carried.exit_code, EXIT_DEGRADED if self.freed.kept else EXIT_OK)


def rebalance(
    ctx: Context, *, limit: int | None = None, now: bool = False, dry_run: bool = False
) -> Rebalanced:  # fmt: skip
    """Even out how full the disks are, with as few bytes as that takes, ``limit`` bytes at most in this run.

    A shard is copied, verified and recorded in its new place before the old one counts no more; the old object is
    deleted when the trash time of [prune] is over, or at once with ``now``.  Raises QuorumLost, RightMissing, PoolBusy.
    """
    with working(ctx, SWEEP) as work:
        packs = [pack for pack in work.good() if pack.id not in ctx.table.state.condemned]
        rooms = work.rooms()
        found = balance(packs, rooms, object_sizes)
        result = _told(ctx, found)
        if dry_run:
            result.dry_run = True
            result.freed = free_dropped(ctx, now=now, dry_run=True)
            return result
        chosen = found.plan.most(limit)
        ctx.event(Started("rebalance", len(chosen), sum(move.size for move in chosen)))
        result.carried = carry(work, chosen, rooms)
        note_pace(ctx, result.carried)
        result.left = found.plan.size - sum(move.size for move in chosen)
        result.dropped = _drop_old(work, chosen, found)
        result.freed = free_dropped(ctx, now=now)
        result.after = _lying(ctx, [pack for pack in work.good() if pack.id not in ctx.table.state.condemned])
        return result


def _told(ctx: Context, found: Balance) -> Rebalanced:
    def named(sizes: dict[bytes, int]) -> dict[str, int]:
        return {ctx.disk_name(disk): size for disk, size in sorted(sizes.items())}

    plan = found.plan
    return Rebalanced(
        named(found.before), named(found.after), plan.size, len(plan.moves), found.crowded, left=plan.size,
        seconds=seconds_for(ctx, plan.per_target()),
    )  # fmt: skip


def _lying(ctx: Context, packs: list[Pack]) -> dict[str, int]:
    found = dict.fromkeys((ctx.disk_name(disk) for disk in sorted(ctx.domains())), 0)
    for pack in packs:
        sizes = object_sizes(pack)
        for home in pack.homes:
            found[ctx.disk_name(home.disk)] += sizes[home.index]
    return found


def _drop_old(work: Work, moves: list[Move], found: Balance) -> int:
    """Where a shard has a new home now, the old one counts no more; nor does what lay twice before."""
    ctx = work.ctx
    if not work.commit():
        ctx.event(Notice("the new places are recorded on too few disks yet: the old ones count until the next run"))
        return 0
    old = [(move.pack, Home(move.index, move.source)) for move in moves]
    return drop(ctx, [*old, *found.surplus])
