"""repair --dry-run: what would be made again, and where it would go.  Reads the table; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from webraid.array.tolerance import pack_tolerance
from webraid.errors import EXIT_DEGRADED, EXIT_OK, EXIT_UNREADABLE, worst
from webraid.jobs.base.context import Context
from webraid.jobs.base.seats import object_sizes
from webraid.jobs.base.snapshots import open_for_reading
from webraid.jobs.care.repair import damaged_packs, missing_indices, silent
from webraid.jobs.care.rescue import superseded
from webraid.jobs.care.targets import Targets, ready_spares, strangers
from webraid.model import Code, Pack, PackKind
from webraid.table.log import Verdict

MENDED = (Verdict.ROLLED_BACK, Verdict.CORRUPT)


@dataclass(slots=True)
class Foreseen:
    """``shards`` that would be made again, ``size`` bytes of them, by disk in ``planned``; ``read``: bytes fetched for
    it at most (what this machine's files still hold is not fetched).  ``waiting``: shards that have no usable disk;
    ``lost``: packs with too few shards left, which repair looks for in local files.  ``mend``: disks that show an older
    state or damaged records: they get back what they lost, and more may turn out to be missing there.
    ``silent``: disks that do not answer; what they have is waited for."""

    shards: int = 0
    size: int = 0
    read: int = 0
    waiting: int = 0
    lost: int = 0
    planned: dict[str, int] = field(default_factory=dict)
    mend: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """That of the repair, as far as can be seen now."""
        return worst(EXIT_UNREADABLE if self.lost else EXIT_OK, EXIT_DEGRADED if self.waiting else EXIT_OK)


def repair_plan(ctx: Context) -> Foreseen:
    """What 'repair' would do now.  Needs no quorum, and no lock."""
    started = ctx.env.monotonic()
    open_for_reading(ctx)
    result = Foreseen()
    odd = (disk for disk, answer in ctx.table.view.verdicts.items() if answer.verdict in MENDED)
    result.mend = sorted(ctx.disk_name(disk) for disk in odd if disk in ctx.domains())
    result.silent = silent(ctx)
    gone = strangers(ctx) if ready_spares(ctx) else set()
    targets, bad = Targets(ctx, gone), ctx.index.bad()
    pending = {pack for pack, _ in ctx.index.pending()}
    for pack, good in damaged_packs(ctx, gone):
        if pack.id in pending:
            continue  # of a put that runs, or that the next one goes on with
        if pack_tolerance(good, ctx.domains()) >= 0:
            _plan(ctx, targets, pack, good, result)
        elif not superseded(ctx, pack, bad):
            result.lost += 1
    result.seconds = ctx.env.monotonic() - started
    return result


def _plan(ctx: Context, targets: Targets, pack: Pack, good: Pack, result: Foreseen) -> None:
    sizes = object_sizes(pack)
    held = [home.disk for home in good.homes]
    if pack.kind is PackKind.TABLE:
        lacking = [disk for disk in ctx.domains() if disk not in held]
        wants = [(0, disk if disk in ctx.table.usable() else None) for disk in lacking]
    else:
        wants = []
        for index in missing_indices(pack, good):
            disk = targets.choose(pack, index, sizes[index], held)
            wants.append((index, disk))
            if disk is not None:
                targets.take(disk, sizes[index])
                held.append(disk)
    found = [(index, disk) for index, disk in wants if disk is not None]
    result.waiting += len(wants) - len(found)
    for index, disk in found:
        name = ctx.disk_name(disk)
        result.shards += 1
        result.size += sizes[index]
        result.planned[name] = result.planned.get(name, 0) + sizes[index]
    if found:
        result.read += sizes[0] if pack.geometry.code is Code.COPIES or pack.kind is PackKind.TABLE else pack.length
