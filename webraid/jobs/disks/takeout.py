"""A disk leaves the pool: announced, looked whether another machine takes one out as well, and only then decided.

The order, and why it takes that many steps, is in docs/spec/protocol.md ("Removing a disk"), and checked by
tests/models/changes.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import partial

from webraid.array.tolerance import pack_tolerance
from webraid.config import drop_disk
from webraid.errors import ConfigError, QuorumLost, RedundancyError
from webraid.jobs.base.context import Context
from webraid.jobs.base.pages import load_index
from webraid.jobs.base.reading import with_good_homes
from webraid.jobs.base.vault import vault_of
from webraid.model import PackKind, many
from webraid.table.fold import DiskInfo
from webraid.table.quorum import majority
from webraid.table.records import LEAVING, LOST, RemoveDisk, SetRole
from webraid.table.standing import could_leave


def take_out(ctx: Context, *infos: DiskInfo, lost: bool = False, heedless: bool = False) -> None:
    """The disks are no part of the pool any more, and this machine forgets how to reach them.

    Several at once only if they are ``lost``: each alone might leave too few that answer.  ``lost``: the user's word
    that nobody will read them again; needed only where too few others answer without it.  ``heedless``: also when
    something is needed on one, because another machine takes one out at this moment as well.  Raises QuorumLost,
    RedundancyError.
    """
    gone = {info.id for info in infos}
    lost = _needs_word(ctx, gone) and _word(ctx, infos, lost)
    ready = partial(require_others, ctx, gone) if lost else ctx.table.require_quorum
    back = [SetRole(disk=info.id, role=info.role, deadline_ms=info.deadline_ms) for info in infos]
    word = LOST if lost else LEAVING
    ctx.table.fence(ctx.table.append(*(SetRole(disk=info.id, role=word) for info in infos)), ready=ready)
    if not heedless:
        try:
            for info in infos:
                _refuse_both(ctx, info)
        except RedundancyError:
            ctx.table.append(*back)
            raise
    removed = [RemoveDisk(disk=info.id) for info in infos]
    ctx.table.fence(ctx.table.append(*removed))  # on the disks as well: whoever finds one learns of it
    ctx.table.append(*removed)  # tells everybody who has the first one: nobody need ask the disks again
    ctx.table.flush(ctx.config.limits.patience)
    for info in infos:
        _forget(ctx, info)


def staying(ctx: Context) -> dict[bytes, str]:
    """Disk -> failure domain, of the disks that are joined and that nobody is taking out at this moment."""
    announced = ctx.table.state.changes.announced
    return {disk: domain for disk, domain in ctx.domains().items() if not announced(disk)}


def half_out(ctx: Context, name: str) -> DiskInfo | None:
    """The disk of that name that a run began to take out, where not everybody knows of it yet and too few answer."""
    waiting = ctx.table.membership().joining
    return next((info for info in ctx.table.state.disks.values() if info.name == name and info.id in waiting), None)


def _forget(ctx: Context, info: DiskInfo) -> None:
    drop_disk(ctx.settings.places.config, info.name)
    vault_of(ctx.settings, ctx.config).put(info.name, {})
    if not any(disk.kind == info.kind and disk.name != info.name for disk in ctx.config.disks):
        shutil.rmtree(ctx.settings.places.plugin(info.kind), ignore_errors=True)  # tokens may lie there, too


def _rest(ctx: Context, gone: set[bytes]) -> set[bytes]:
    return ctx.domains().keys() - gone


def _needs_word(ctx: Context, gone: set[bytes]) -> bool:
    """Whether the disks do not answer, and so few others do that they would be waited for."""
    rest, usable = _rest(ctx, gone), set(ctx.table.usable())
    return not gone & usable and not could_leave(len(rest), len(rest & usable), len(gone))


def _word(ctx: Context, infos: Sequence[DiskInfo], lost: bool) -> bool:
    """The user's; or there is nobody else who could be misled.  Raises QuorumLost."""
    if lost or not _rest(ctx, {info.id for info in infos}):
        return True
    (info,) = infos
    raise QuorumLost(
        f"disk {info.name} does not answer, and too few others do to be sure that nobody relies on it",
        hint=f"If it is gone for good: 'webraid backend rm {info.name} --lost'.  Else try again when it answers.",
    )


def require_others(ctx: Context, gone: set[bytes]) -> None:
    """That a majority of the disks besides ``gone`` answers: enough to go on without these.  Raises QuorumLost."""
    rest, usable = _rest(ctx, gone), set(ctx.table.usable())
    if rest and len(rest & usable) < majority(len(rest)):
        silent = sorted(ctx.table.state.disks[disk].name for disk in (gone | rest) - usable)
        raise QuorumLost(
            f"only {len(rest & usable)} of the other {many(len(rest), 'disk')} answer",
            hint="Bring the missing disks back.  If several are gone for good, name them together: "
            f"'webraid backend rm {' '.join(silent)} --lost'.",
        )


def _refuse_both(ctx: Context, info: DiskInfo) -> None:
    """Raises RedundancyError where something is needed on the disk once those are gone that others take out as well.

    Of two machines that take disks out at once at least one sees the other's announcement here, perhaps both do; or
    sees that the other's disk has left by now."""
    changes = ctx.table.state.changes
    others = [one for one in ctx.table.state.members() if one.id != info.id and changes.announced(one.id)]
    gone, names = {one.id for one in others}, sorted(one.name for one in others)
    if not _needed(ctx, info, gone) and not (gone and _rest(ctx, {info.id}) <= gone):
        return
    if not others:
        raise RedundancyError(
            f"disk {info.name} stays: another disk has left the pool at this moment, and now this one is needed",
            hint="Run the command again: it moves what is needed first.",
        )
    raise RedundancyError(
        f"disk {info.name} stays: {' and '.join(names)} is being taken out at this moment, and not both can go",
        hint=f"Another machine does that, or has begun to.  Finish it there, or here with 'webraid backend rm "
        f"{names[0]}'; then run this again.",
    )


def _needed(ctx: Context, info: DiskInfo, gone: set[bytes]) -> bool:
    """Whether a stripe survives less without the disk, and less than it promises, once those in ``gone`` are gone."""
    load_index(ctx)
    bad, domains = ctx.index.bad(), ctx.domains()
    for pack in ctx.index.named(PackKind.DATA):
        good = with_good_homes(ctx, pack, bad)
        with_it = [home for home in good.homes if home.disk not in gone]
        without = [home for home in with_it if home.disk != info.id]
        if len(without) < len(with_it):
            now, then = pack_tolerance(good, domains, with_it), pack_tolerance(good, domains, without)
            if then < min(now, pack.geometry.m):
                return True
    return False


def refuse_taken_out(ctx: Context, disk: bytes) -> None:
    """Raises ConfigError for a disk that another machine has taken out while it was being added."""
    info = ctx.table.state.disks[disk]
    if info.removed:
        raise ConfigError(
            f"disk {info.name} was taken out of the pool by another machine while it was being added",
            hint="To add it all the same, empty the place and run the command again.",
        )
