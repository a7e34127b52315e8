"""The disks as placement sees them: free space by the provider's word and by the configured capacity."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from webraid.array.placement import Seat
from webraid.backend.base import Caps
from webraid.codec.shard import FOOTER, shard_sizes
from webraid.config import DiskSection
from webraid.jobs.base.context import Context
from webraid.model import Pack, PackKind, Usage
from webraid.table.gather import gather
from webraid.table.records import ACTIVE


def object_sizes(pack: Pack) -> list[int]:
    """Bytes of each shard object of a pack by index; 0 for an empty data shard, which is not stored."""
    return list(_sizes(pack.length, pack.geometry.k, pack.geometry.n))


@lru_cache(maxsize=4096)  # most packs are alike, and balancing asks for every shard
def _sizes(length: int, k: int, n: int) -> tuple[int, ...]:
    sizes = shard_sizes(length, k)
    sizes += [sizes[0]] * (n - k)
    return tuple(size + FOOTER if size else 0 for size in sizes)


def stored_bytes(ctx: Context) -> dict[bytes, int]:
    """Bytes that the pool's shards take on each joined disk, by the table."""
    used = dict.fromkeys(ctx.domains(), 0)
    for pack in ctx.index.packs():
        sizes = object_sizes(pack)
        if pack.kind is PackKind.TABLE:
            for disk in used:
                used[disk] += sizes[0]
        for home in pack.homes:
            if home.disk in used and pack.kind is PackKind.DATA:
                used[home.disk] += sizes[home.index]
    return used


def data_on(ctx: Context, disk: bytes) -> int:
    """Bytes of data shards that lie on a disk, by the table."""
    bad = ctx.index.bad()
    return sum(
        object_sizes(pack)[home.index]
        for pack in ctx.index.packs(PackKind.DATA)
        for home in pack.homes
        if home.disk == disk and (home.index, disk) not in bad.get(pack.id, ())
    )


HEADROOM = 500_000_000  # bytes, or
HEADROOM_SHARE = 0.1  # of the place, whichever is less
TABLE_ROOM = 64_000_000  # the same of a folder: without a little room for records nothing can be forgotten or deleted
TABLE_SHARE = 0.01


def reserve_of(section: DiskSection | None, caps: Caps, usage: Usage) -> int:
    """Bytes to leave free: as configured, else a little of a place whose quota other data share (mail, photos), so that
    we are not the ones who fill it up.  A folder is left to its owner, but for what the table itself needs."""
    if section is not None and section.reserve is not None:
        return section.reserve
    if usage.free is None:
        return 0
    most, share = (TABLE_ROOM, TABLE_SHARE) if caps.local else (HEADROOM, HEADROOM_SHARE)
    total = usage.total if usage.total is not None else usage.free + (usage.used or 0)
    return min(most, int(total * share))


def used_by_name(ctx: Context) -> dict[str, int]:
    """``stored_bytes`` by the disks' names."""
    return {ctx.disk_name(disk): count for disk, count in stored_bytes(ctx).items()}


def seats(ctx: Context, also: Collection[bytes] = ()) -> list[Seat]:
    """All joined disks in a stable order.  Asks the providers anew: others use the same quota.  ``also``: disks that
    are about to become active."""
    infos = sorted(ctx.table.state.joined(), key=lambda info: info.id)
    usable = set(ctx.table.usable())
    asked = {
        info.id: ctx.disks[info.id].usage(urgent=True)
        for info in infos
        if info.id in usable and ctx.disks[info.id].caps.usage
    }
    told, _ = gather(asked, ctx.env, enough=lambda _: False, patience=ctx.config.limits.patience)
    ctx.manners.note_stored(lambda: used_by_name(ctx))
    capped = any(info.capacity is not None for info in infos)
    used = stored_bytes(ctx) if capped else {}
    result = []
    for info in infos:
        section = ctx.config.disk(info.name)
        free = told[info.id].free if info.id in told else None
        if free is not None:
            free -= reserve_of(section, ctx.disks[info.id].caps, told[info.id])
        capacity = section.capacity if section is not None and section.capacity is not None else info.capacity
        if capacity is not None:
            room = capacity - used.get(info.id, 0)
            free = room if free is None else min(free, room)
        disk = ctx.disks.get(info.id)
        active = info.role == ACTIVE or info.id in also
        writable = active and info.id in usable and disk is not None and disk.health.writable
        result.append(Seat(info.id, info.domain, free, writable))
    return result
