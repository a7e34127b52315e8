"""What an interrupted run of this machine left: commits are carried through, packs already stored are kept for the
next run, the rest is aborted.  Everything needed for it is in the log, so it also works when the cache is gone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from webraid.array.tolerance import pack_tolerance
from webraid.errors import NotEnoughShards
from webraid.jobs.base.context import Context
from webraid.jobs.base.seats import object_sizes
from webraid.jobs.base.slots import settle_slots
from webraid.model import Home, Pack, PackKind, shard_name
from webraid.table.gather import gather
from webraid.table.records import Abort, Close


@dataclass(slots=True)
class Leftovers:
    """Packs of interrupted runs that are whole enough to be used, and the runs to be aborted once these are pinned."""

    packs: list[bytes] = field(default_factory=list)
    runs: list[bytes] = field(default_factory=list)


def settle(ctx: Context) -> Leftovers:
    """Close own runs whose commit is written; find what the others stored.  Needs an opened table with a quorum."""
    me = ctx.identity.key.id
    left = Leftovers()
    settle_slots(ctx)
    for run in [run for run in ctx.table.state.runs.values() if run.device == me and not run.settled]:
        if run.commit is not None:
            ctx.table.spread_head()
            ctx.table.append(Close(run=run.id))
        else:
            left.runs.append(run.id)
    for pack_id, _ in ctx.index.pending():
        if _whole(ctx, pack_id):
            left.packs.append(pack_id)
        else:
            ctx.index.drop(pack_id)
    return left


def abort(ctx: Context, left: Leftovers) -> None:
    """After a new run has pinned the packs: the old runs never happened."""
    if left.runs:
        ctx.table.append(*[Abort(run=run) for run in left.runs])
    left.runs = []


def _whole(ctx: Context, pack_id: bytes) -> bool:
    """Whether k shards of a pending pack are really there; homes found on the way are noted."""
    pack = ctx.index.pack(pack_id)
    if pack is None or pack_id in ctx.table.state.condemned:
        return False
    wanted = sum(1 for size in object_sizes(pack) if size)
    if pack.kind is PackKind.DATA and len(pack.homes) >= wanted and pack_tolerance(pack, ctx.domains()) >= 0:
        return True
    found = _listed(ctx, pack)
    whole = dataclasses.replace(pack, homes=(*pack.homes, *found))
    try:
        ctx.array.read(whole, None, strict=True)
    except NotEnoughShards:
        return False
    if pack.kind is PackKind.DATA:
        ctx.index.add_homes(whole, fresh=True)
    else:
        _note_copies(ctx, pack_id, {home.disk for home in found})
    return True


def _listed(ctx: Context, pack: Pack) -> tuple[Home, ...]:
    """Shards that lie on a disk with the right length (and hash, where the listing tells it), not known yet."""
    prefix = shard_name(pack.id, 0)[:-1]
    listed, _ = gather(
        {disk: ctx.disks[disk].list(prefix) for disk in ctx.table.usable()},
        ctx.env, enough=lambda _: False, patience=ctx.config.limits.patience,
    )  # fmt: skip
    known = {(home.index, home.disk) for home in pack.homes}
    sizes = object_sizes(pack)
    found = []
    for disk, names in listed.items():
        for stored in names:
            index = next((i for i in range(len(sizes)) if shard_name(pack.id, i) == stored.name), None)
            if index is None or (index, disk) in known or stored.size != sizes[index]:
                continue
            told, digest = stored.hash("sha256"), pack.shards[min(index, len(pack.shards) - 1)]
            if told in (None, digest.hex()):
                found.append(Home(index, disk, stored.locator, bytes.fromhex(stored.hash("md5") or "")))
    return tuple(found)


def _note_copies(ctx: Context, pack_id: bytes, holders: set[bytes]) -> None:
    with ctx.index.db.transaction():
        for disk in ctx.domains():
            if disk in holders:
                ctx.index.mark_good(pack_id, 0, disk)
            else:
                ctx.index.mark_bad(pack_id, 0, disk, "missing")
