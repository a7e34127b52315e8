"""What an interrupted run of this machine left: commits are carried through, packs already stored are kept for the
next run, the rest is aborted.  Everything needed for it is in the log, so it also works when the cache is gone."""

from __future__ import annotations

from dataclasses import dataclass, field

from webraid.array.tolerance import pack_tolerance
from webraid.errors import NotEnoughShards
from webraid.jobs.context import Context
from webraid.model import Home, shard_name
from webraid.table.gather import gather
from webraid.table.records import Abort, Close


@dataclass(slots=True)
class Leftovers:
    """Packs of interrupted runs that are whole enough to be used, and the runs to be aborted once they are pinned."""

    packs: list[bytes] = field(default_factory=list)
    runs: list[bytes] = field(default_factory=list)


def settle(ctx: Context) -> Leftovers:
    """Close own runs whose commit is written; find what the others stored.  Needs an opened table with a quorum."""
    me = ctx.identity.key.id
    left = Leftovers()
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
    if pack_tolerance(pack, ctx.domains()) >= 0 and len(pack.homes) >= pack.geometry.n:
        return True
    usable = ctx.table.usable()
    prefix = shard_name(pack_id, 0)[:-1]
    listed, _ = gather(
        {disk: ctx.disks[disk].list(prefix) for disk in usable},
        ctx.env, enough=lambda _: False, patience=ctx.config.limits.patience,
    )  # fmt: skip
    known = {(home.index, home.disk) for home in pack.homes}
    found = [
        Home(int(stored.name.rsplit(".", 1)[1]), disk, stored.locator)
        for disk, names in listed.items()
        for stored in names
    ]
    fresh = tuple(home for home in found if (home.index, home.disk) not in known)
    try:
        whole = type(pack)(
            pack.id, pack.kind, pack.geometry, pack.length, pack.shards, (*pack.homes, *fresh)
        )  # fmt: skip
        ctx.array.read(whole, None, strict=True)
    except NotEnoughShards:
        return False
    ctx.index.add_homes(whole, fresh=True)
    return True
