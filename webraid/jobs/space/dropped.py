"""Shards that have moved: their old places count no more (recorded), and later the old objects are deleted.

Safe because of the order: the new home was verified, recorded on W disks, and only then is the old one dropped; an
object is deleted only after a look with R that finds the same shard whole elsewhere.  Of two machines that drop the two
copies of one shard at once, at least one sees the other's record in that look (tests/models/move.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from webraid.array.tolerance import pack_tolerance
from webraid.config import parse_duration
from webraid.errors import BackendError
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import DiskNotice, Notice
from webraid.jobs.base.pages import load_index
from webraid.jobs.base.reading import Bad, with_good_homes
from webraid.model import Code, Home, Pack, Stored, many, shard_name
from webraid.table.gather import gather
from webraid.table.records import SHARD_REF, Dropped

A_RECORD = 4000  # shards that one record drops at most
AT_ONCE = 64  # deletions under way on one disk


@dataclass(slots=True)
class Freed:
    """``shards`` and ``size``: deleted (or would be); ``waiting``: shards whose trash time is not over; ``kept``:
    shards that stay although it is, because no whole copy was found elsewhere; ``per_disk``: bytes by name."""

    shards: int = 0
    size: int = 0
    waiting: int = 0
    kept: int = 0
    per_disk: dict[str, int] = field(default_factory=dict)


def elsewhere(ctx: Context, pack: Pack, index: int, disk: bytes, bad: Bad) -> bool:
    """Whether shard ``index`` is whole on enough other disks that count and answer."""
    usable = set(ctx.table.usable())
    good = [home for home in with_good_homes(ctx, pack, bad).homes if home.disk != disk and home.disk in usable]
    if pack.geometry.code is Code.COPIES:
        return len({home.disk for home in good}) >= pack.geometry.n
    return any(home.index == index for home in good)


def _as_safe(ctx: Context, pack: Pack, home: Home, bad: Bad) -> bool:
    """Whether the stripe survives as much without that home, or all that it promises.  Two machines that move two
    shards of it may both have chosen the same disk."""
    domains = ctx.domains()
    good = with_good_homes(ctx, pack, bad)
    others = [one for one in good.homes if (one.index, one.disk) != (home.index, home.disk)]
    without = pack_tolerance(good, domains, others)
    return without >= pack.geometry.m or without >= pack_tolerance(good, domains)


def drop(ctx: Context, homes: Iterable[tuple[bytes, Home]]) -> int:
    """Record that these homes count no more, those that have a whole equivalent elsewhere, and without which the
    stripe is as safe.  How many there were."""
    bad = ctx.index.bad()
    gone: dict[bytes, list[bytes]] = {}
    for pack_id, home in homes:
        pack = ctx.index.pack(pack_id)
        held = pack is not None and any((one.index, one.disk) == (home.index, home.disk) for one in pack.homes)
        if pack is None or not held:
            continue
        if elsewhere(ctx, pack, home.index, home.disk, bad) and _as_safe(ctx, pack, home, bad):
            gone.setdefault(home.disk, []).append(pack_id + bytes((home.index,)))
            ctx.index.drop_homes(home.disk, [pack_id + bytes((home.index,))])
    for disk, refs in gone.items():
        for start in range(0, len(refs), A_RECORD):
            ctx.table.append(Dropped(disk=disk, shards=b"".join(refs[start : start + A_RECORD])))
    return sum(map(len, gone.values()))


def free_dropped(ctx: Context, *, now: bool = False, dry_run: bool = False) -> Freed:
    """Delete the objects of dropped shards whose trash time is over (``now``: of all).

    Needs the right to sweep.  Looks with R first; deletes nothing while logs have gaps or forks.  Raises QuorumLost.
    """
    result = Freed()
    if not ctx.table.state.dropped:
        return result
    if not dry_run:
        view = ctx.open_table()
        ctx.table.require_quorum()
        if view.gaps or view.forks:
            ctx.event(Notice("nothing is deleted while the log has gaps or forks", warning=True))
            return result
    load_index(ctx)
    age = 0.0 if now else parse_duration(ctx.config.prune.trash)
    usable, joined = set(ctx.table.usable()), ctx.domains()
    for disk, refs in ctx.table.state.dropped.items():
        if disk in usable and disk in joined:
            _free_on(ctx, disk, _due(ctx, refs, age, result), result, dry_run=dry_run)
    return result


def _due(ctx: Context, refs: Mapping[bytes, int], age: float, result: Freed) -> list[bytes]:
    before = (ctx.env.now() - age) * 1000
    due = [ref for ref, at in refs.items() if at <= before or not age]
    result.waiting += len(refs) - len(due)
    return due


def _free_on(ctx: Context, disk: bytes, refs: list[bytes], result: Freed, *, dry_run: bool) -> None:
    """Those of ``refs`` that are really there; once all were found to be gone the disk is not asked again."""
    key, count = f"freed:{disk.hex()}", str(len(refs)).encode()
    if not refs or ctx.local.get(key) == count:
        return
    there = _listed(ctx, disk)
    if there is None:
        return
    kept = result.kept
    doomed = dict(_doomed(ctx, disk, refs, there, result))
    done = len(doomed) if dry_run else _delete(ctx, disk, doomed)
    if done == len(doomed) and result.kept == kept and not dry_run:
        ctx.local.set(key, count)
    sizes = [stored.size for stored in doomed.values()][:done]
    result.shards += done
    result.size += sum(sizes)
    if done:
        result.per_disk[ctx.disk_name(disk)] = sum(sizes)


def _doomed(
    ctx: Context, disk: bytes, refs: Iterable[bytes], there: Mapping[str, Stored], result: Freed
) -> Iterator[tuple[str, Stored]]:
    bad = ctx.index.bad()
    for ref in refs:
        pack_id, index = ref[: SHARD_REF - 1], ref[-1]
        stored = there.get(shard_name(pack_id, index))
        if stored is None:
            continue
        pack = ctx.index.pack(pack_id)
        if pack_id in ctx.table.state.swept or (pack is not None and elsewhere(ctx, pack, index, disk, bad)):
            yield stored.name, stored
        else:
            result.kept += 1


def _listed(ctx: Context, disk: bytes) -> dict[str, Stored] | None:
    answers, errors = gather(
        {0: ctx.disks[disk].list("shards/")}, ctx.env, enough=lambda _: False,
        patience=ctx.config.limits.patience * 4,
    )  # fmt: skip
    if errors:
        ctx.event(DiskNotice(ctx.disk_name(disk), f"could not be listed, nothing is deleted there: {errors[0]}"))
        return None
    return {stored.name: stored for stored in answers[0]}


def _delete(ctx: Context, disk: bytes, doomed: Mapping[str, Stored]) -> int:
    names, done = list(doomed), 0
    for start in range(0, len(names), AT_ONCE):
        part = {
            name: ctx.disks[disk].delete(name, locator=doomed[name].locator) for name in names[start : start + AT_ONCE]
        }
        answers, errors = gather(part, ctx.env, enough=lambda _: False, patience=ctx.config.limits.patience * 4)
        done += len(answers)
        if errors:
            error: BackendError = next(iter(errors.values()))
            ctx.event(DiskNotice(ctx.disk_name(disk), f"{many(len(errors), 'shard')} could not be deleted: {error}"))
            break
    return done
