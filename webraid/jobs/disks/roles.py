"""What disks are for: active, draining or spare.  Said in the log, so that every machine heeds it."""

from __future__ import annotations

from webraid.errors import ConfigError
from webraid.jobs.base.context import Context, locked
from webraid.jobs.base.pages import load_index
from webraid.jobs.base.seats import data_on
from webraid.jobs.disks.backends import find_disk
from webraid.model import show_size
from webraid.table.fold import SWEEP, DiskInfo
from webraid.table.records import ACTIVE, SPARE, SetRole


def assign(ctx: Context, disk: bytes, role: str, deadline_ms: int = 0) -> DiskInfo:
    """Say what a disk is for, unless that is said already.  Needs an opened table with a quorum."""
    info = ctx.table.state.disks[disk]
    if (info.role, info.deadline_ms) != (role, deadline_ms):
        ctx.table.append(SetRole(disk=disk, role=role, deadline_ms=deadline_ms))
    return ctx.table.state.disks[disk]


def set_spare(ctx: Context, name: str, *, spare: bool = True) -> DiskInfo:
    """Make a disk a hot spare (it holds the table and no data until another disk is lost), or an active one again.

    Raises NotInTable, QuorumLost, RightMissing; ConfigError for a disk that holds data already.
    """
    with locked(ctx.settings.places):
        ctx.open_table()
        ctx.require_right(SWEEP)
        info = find_disk(ctx, name)
        ctx.table.require_quorum()
        load_index(ctx)
        held = data_on(ctx, info.id)
        if spare and held:
            raise ConfigError(
                f"disk {name} holds {show_size(held)} of data: it is no spare",
                hint=f"Empty it first with 'webraid drain {name}'; or add another disk as a spare.",
            )
        info = assign(ctx, info.id, SPARE if spare else ACTIVE)
        ctx.table.flush(ctx.config.limits.patience)
        return info


def spares(ctx: Context) -> list[DiskInfo]:
    """Hot spares that answer, in a stable order."""
    usable = set(ctx.table.usable())
    found = [info for info in ctx.table.state.joined() if info.role == SPARE and info.id in usable]
    return sorted(found, key=lambda info: info.name)


def require_target(ctx: Context, name: str, instead_of: DiskInfo) -> DiskInfo:
    """The disk that is to take another one's place: joined, answering, not draining itself.  A spare becomes active.

    Raises NotInTable, ConfigError."""
    info = find_disk(ctx, name)
    hint = "'webraid status' says how the disks are; 'webraid add-backend' adds one."
    if info.id == instead_of.id:
        raise ConfigError(f"disk {name} cannot take its own place", hint=hint)
    if not info.joined or info.id not in ctx.table.usable():
        raise ConfigError(f"disk {name} cannot take anything: it is not joined, or does not answer", hint=hint)
    if info.role not in (ACTIVE, SPARE):
        raise ConfigError(f"disk {name} is being drained itself", hint=f"'webraid drain --stop {name}' keeps it.")
    return info
