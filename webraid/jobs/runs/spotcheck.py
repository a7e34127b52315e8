"""A quick look, before a put, whether disks still serve what they were given: one small object each, read whole."""

from __future__ import annotations

import hashlib

from webraid.jobs.base.context import Context
from webraid.jobs.base.events import DiskNotice, ShardFound
from webraid.jobs.base.reading import with_good_homes
from webraid.jobs.base.seats import object_sizes
from webraid.model import PackKind, shard_name
from webraid.table.gather import gather

CHEAP = 256 << 10  # bytes: an object up to this size may be read from a disk that costs money or time
SAMPLES = 200  # packs looked at to find one


def spot_check(ctx: Context) -> list[str]:
    """Names of the disks that served wrong bytes.  What they hold is marked, repaired by whoever repairs next."""
    bad = ctx.index.bad()
    wanted: dict[tuple[bytes, str], tuple[bytes, int, bytes]] = {}
    packs = ctx.index.some(ctx.env.random(16), SAMPLES)
    if len(packs) < SAMPLES:  # round the end: of few packs every disk has one to be looked at
        packs += ctx.index.some(b"", SAMPLES)
    for disk in ctx.table.usable():
        for pack in packs:
            good = with_good_homes(ctx, pack, bad)
            home = next((home for home in good.homes if home.disk == disk), None)
            if home is None:
                continue
            index = 0 if pack.kind is PackKind.TABLE else home.index
            if ctx.disks[disk].caps.egress_free or object_sizes(pack)[index] <= CHEAP:
                wanted[disk, shard_name(pack.id, index)] = (
                    pack.id,
                    index,
                    pack.shards[min(index, len(pack.shards) - 1)],
                )
                break
    futures = {(disk, name): ctx.disks[disk].get(name, urgent=True) for disk, name in wanted}
    answers, _ = gather(futures, ctx.env, enough=lambda _: False, patience=ctx.config.limits.patience)
    liars = []
    for (disk, name), data in answers.items():
        pack_id, index, digest = wanted[disk, name]
        if hashlib.sha256(data).digest() != digest:
            ctx.index.mark_bad(pack_id, index, disk, "corrupt")
            liars.append(ctx.disk_name(disk))
            ctx.event(ShardFound(ctx.disk_name(disk), pack_id.hex(), index, "corrupt"))
            ctx.event(
                DiskNotice(ctx.disk_name(disk), "serves damaged data: a shard is not what was stored", alarm=True)
            )
    return liars
