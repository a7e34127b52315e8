"""rebuild: what lay on a lost disk is made again elsewhere, each shard from exactly k others, then the disk goes."""

from __future__ import annotations

from webraid.errors import ConfigError, NotInTable, QuorumLost
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import Notice
from webraid.jobs.disks.backends import find_disk
from webraid.jobs.disks.roles import assign, require_target, spares
from webraid.jobs.disks.takeout import require_others, take_out
from webraid.jobs.moves.evacuate import Evacuated, Evacuation
from webraid.jobs.moves.moving import Work, working
from webraid.table.fold import SWEEP, DiskInfo
from webraid.table.log import Verdict
from webraid.table.records import ACTIVE, SPARE


def rebuild(
    ctx: Context, name: str, *, onto: str = "", limit: int | None = None, force: bool = False, dry_run: bool = False
) -> Evacuated:  # fmt: skip
    """Make again what only the lost disk ``name`` had: on disk ``onto``, on hot spares, or spread over all others.

    Least margin first, ``limit`` bytes at most.  Run again it goes on.  When nothing needs the disk any more it is
    taken out of the pool.  A disk that answers is refused unless ``force`` says that it cannot be trusted, and it is
    not read then.  Raises NotInTable, ConfigError, QuorumLost, RightMissing, PoolBusy.
    """

    def ready(ctx: Context) -> None:
        _without(ctx, _lost(ctx, name), dry_run)

    with working(ctx, SWEEP, ready=ready) as work:
        info = _lost(ctx, name)
        wanted = [require_target(ctx, onto, info)] if onto else spares(ctx)
        evacuation = Evacuation(work, info, False, ready, [disk.id for disk in wanted], lost=True)
        evacuation.also = [disk.id for disk in wanted if disk.role == SPARE]
        if dry_run:
            result = evacuation.tell(evacuation.plan()[0])
            result.dry_run = True
            return result
        if not force:
            _refuse_answering(work, info)
        _enlist(evacuation, onto != "")
        result = evacuation.go("rebuild", limit)
        if not result.left or limit is None:
            evacuation.finish("rebuild", result)
        return result


def _lost(ctx: Context, name: str) -> DiskInfo:
    """The disk; one that was removed already counts, too, as long as no other one has its name.  Raises NotInTable."""
    try:
        return find_disk(ctx, name)
    except NotInTable:
        gone = [info for info in ctx.table.state.disks.values() if info.name == name and info.removed]
        if not gone:
            raise
        return gone[-1]


def _without(ctx: Context, info: DiskInfo, dry_run: bool) -> None:
    """The usual quorum; where the lost disks are too many for that, a majority of the others, once this one is out."""
    try:
        ctx.table.require_quorum()
    except QuorumLost:
        if info.removed:
            raise
        require_others(ctx, {info.id})
        if not dry_run:
            ctx.event(Notice(f"disk {info.name} is taken out first: with it too few disks answer"))
            take_out(ctx, info, lost=True, heedless=True)
            ctx.table.require_quorum()


def _refuse_answering(work: Work, info: DiskInfo) -> None:
    """Raises ConfigError for a disk that is there: copying from it is cheaper, and it still counts meanwhile."""
    answer = work.view.verdicts.get(info.id)
    if answer is not None and answer.verdict in (Verdict.EQUAL, Verdict.BEHIND):
        raise ConfigError(
            f"disk {info.name} is not lost: it answers",
            hint=f"'webraid replace {info.name} NEW' or 'webraid drain {info.name} --remove' copies from it.  "
            "If it cannot be trusted, --force makes everything again without it.",
        )


def _enlist(evacuation: Evacuation, asked: bool) -> None:
    """Spares become active: the one that was asked for, else as many as it takes, the roomiest first."""
    ctx, rooms = evacuation.work.ctx, evacuation.work.rooms(evacuation.disk.id, evacuation.also)
    need = evacuation.left()

    def room(disk: bytes) -> float:
        left = rooms.left(disk)
        return float("inf") if left is None else left

    chosen: list[bytes] = []
    for disk in sorted(evacuation.prefer, key=lambda disk: (-room(disk), disk)):
        if asked or (need > 0 and not sum(map(room, chosen)) >= need):
            chosen.append(disk)
    evacuation.prefer, evacuation.also = chosen, []
    for disk in chosen:
        if ctx.table.state.disks[disk].role == SPARE:
            assign(ctx, disk, ACTIVE)
            ctx.event(Notice(f"spare {ctx.disk_name(disk)} takes the place of {evacuation.disk.name}"))
