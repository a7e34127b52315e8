"""How many disks may be lost now: the worst of all stripes, with the shards that lie on a given set of disks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from webraid.array.tolerance import pack_tolerance
from webraid.jobs.base.context import Context
from webraid.jobs.base.reading import with_good_homes
from webraid.jobs.care.repair import missing_indices
from webraid.jobs.care.rescue import superseded
from webraid.model import Home, PackKind


@dataclass(slots=True)
class Margin:
    """How safe all stripes are together with a given set of disks."""

    survives: int = 1 << 30
    missing: int = 0
    unreadable: int = 0


def margin(ctx: Context, domains: Mapping[bytes, str]) -> Margin:
    """The worst of all packs that a commit names, with the shards on the disks of ``domains``.  What an unfinished run
    has stored so far is nobody's loss: the next run takes it over or drops it."""
    result, bad = Margin(), ctx.index.bad()
    seen: dict[tuple[object, ...], int] = {}
    unfinished_packs = {pack for pack, _ in ctx.index.pending()}
    for pack in ctx.index.packs():
        if pack.id in unfinished_packs:
            continue
        good = with_good_homes(ctx, pack, bad)
        if pack.kind is PackKind.TABLE:
            there = [Home(0, home.disk) for home in good.homes if home.disk in domains]
            held = len({domains[home.disk] for home in there}) - 1
            lacking = len(ctx.domains()) - len(good.homes)
        else:
            key = (pack.geometry, tuple((h.index, h.disk) for h in good.homes), tuple(map(bool, pack.shards)))
            held = seen[key] if key in seen else seen.setdefault(key, pack_tolerance(good, domains))
            lacking = len(missing_indices(pack, good))
        if held < 0 and pack_tolerance(good, ctx.domains()) < 0 and superseded(ctx, pack, bad, unfinished_packs):
            continue  # nothing depends on it: a repair has stored its chunks anew
        result.missing += lacking
        result.unreadable += held < 0
        result.survives = min(result.survives, held)
    return result
