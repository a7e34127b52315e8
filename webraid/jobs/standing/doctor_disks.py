"""The doctor looks at the disks: do they answer, for how long will there be room, does an account rest too long."""

from __future__ import annotations

from collections.abc import Iterator

from webraid.backend.registry import load
from webraid.errors import EXIT_LOGIN, EXIT_QUOTA, EXIT_TEMPORARY, AuthExpired, PluginMissing
from webraid.jobs.base.context import Context
from webraid.jobs.standing.doctor_finding import Finding, good, note, warning
from webraid.jobs.standing.growth import full_in
from webraid.jobs.standing.status import DiskStatus, Status
from webraid.model import DiskState, many, show_size

NEARLY = 0.9  # of a quota
SOON = 60.0  # days
DAY = 86400.0


def disk_findings(ctx: Context, now: Status) -> Iterator[Finding]:
    """All of them, disk by disk."""
    fine = []
    for disk in now.disks:
        found = [*_answers(ctx, disk), *_room(ctx, disk), *_rest(disk)]
        yield from found
        yield from _free_tier(disk)
        fine += [] if found else [disk.name]
    if fine:
        yield good("disks", f"{', '.join(fine)}: logged in, answering, and with room")


def _free(disk: DiskStatus) -> str:
    return f"{show_size(disk.free)} free" if disk.free is not None else "how much, it does not tell"


def _answers(ctx: Context, disk: DiskStatus) -> Iterator[Finding]:
    """Opening the table has listed each disk's log and read from it, and asked for its usage."""
    if disk.state in (DiskState.ONLINE, DiskState.DRAINING, DiskState.SPARE):
        return
    info = next((info for info in ctx.table.state.members() if info.name == disk.name), None)
    error = ctx.table.view.errors.get(info.id) if info else None
    if isinstance(error, AuthExpired):
        yield warning(
            "logins", f"{disk.name}: the login is over", "nothing can be stored or read there",
            disk.hint or f"webraid backend login {disk.name}", disk=disk.name, code=EXIT_LOGIN,
        )  # fmt: skip
    elif disk.state == DiskState.REBUILDING:
        yield warning(
            "disks", f"{disk.name}: {disk.detail}", "it does not count yet",
            f"webraid add-backend {disk.kind} {disk.name} ...", disk=disk.name,
        )  # fmt: skip
    else:
        todo = disk.hint or (
            f"Bring it back, then 'webraid repair'; if it is gone for good: 'webraid add-backend', then "
            f"'webraid rebuild {disk.name} --onto NEW'."
        )
        why = "its shards do not help while it is away"
        yield warning(
            "disks", f"{disk.name}: {disk.detail or disk.state}", why, todo, disk=disk.name, code=EXIT_TEMPORARY
        )


def _room(ctx: Context, disk: DiskStatus) -> Iterator[Finding]:
    if disk.free is None:
        return
    room = disk.stored + disk.free
    days = full_in(ctx.local, disk.name, disk.free, ctx.env.now())
    if (room and disk.stored / room > NEARLY) or (disk.free < 64 << 20 and disk.stored):
        yield warning(
            "quotas", f"{disk.name} is nearly full: {_free(disk)}",
            "what does not fit goes to other disks, if they can take it",
            "Add a disk ('webraid add-backend'), raise the quota, or 'webraid forget' and 'webraid prune'.",
            disk=disk.name, code=EXIT_QUOTA,
        )  # fmt: skip
    elif days is not None and days < SOON:
        yield warning(
            "quotas", f"{disk.name} will be full in about {many(round(days), 'day')}, at the pace of the last weeks",
            "what does not fit goes to other disks, if they can take it",
            "Add a disk in time: 'webraid add-backend'.", disk=disk.name, code=EXIT_QUOTA,
        )  # fmt: skip


def _rest(disk: DiskStatus) -> Iterator[Finding]:
    if disk.overdue:
        yield warning(
            "idle accounts", f"{disk.name} has not been written to for a long time",
            "providers close accounts that rest", "Any 'webraid put' writes to every disk.", disk=disk.name,
        )  # fmt: skip


def _free_tier(disk: DiskStatus) -> Iterator[Finding]:
    try:
        words = load(disk.kind).free_tier
    except PluginMissing as error:
        yield warning("disks", f"{disk.name}: {error}", "it cannot be reached", error.hint, disk=disk.name)
        return
    if words:
        yield note("free tiers", f"{disk.name} holds {show_size(disk.stored)}; free of charge: {words}", disk=disk.name)
