"""repair: shards that are missing or damaged are made again from k others and put where they belong.  Only adds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from webraid.array.placement import Seat
from webraid.backend.base import Digest
from webraid.errors import BackendError, NotEnoughShards
from webraid.jobs.context import Context, locked
from webraid.jobs.events import DiskNotice, Notice, Progress, Started
from webraid.jobs.idle import keep_alive
from webraid.jobs.mend import mend
from webraid.jobs.pages import load_index
from webraid.jobs.reading import Bad, with_good_homes
from webraid.jobs.run import new_run
from webraid.jobs.seats import object_sizes, seats
from webraid.jobs.settle import abort, settle
from webraid.model import Code, Home, Pack, PackKind, shard_name
from webraid.table.gather import gather
from webraid.table.records import Abort


@dataclass(slots=True)
class Repaired:
    """``shards`` made again, ``waiting`` that have no usable disk just now, ``lost`` packs with too few shards left."""

    shards: int = 0
    waiting: int = 0
    lost: int = 0
    bytes: int = 0
    seconds: float = 0.0


def missing_indices(pack: Pack, good: Pack) -> list[int]:
    """Shards of ``pack`` that lie nowhere (for copies: one 0 for each copy that is missing)."""
    wanted = [index for index, size in enumerate(object_sizes(pack)) if size]
    if pack.geometry.code is Code.COPIES:
        return [0] * max(0, pack.geometry.n - len({home.disk for home in good.homes}))
    held = {home.index for home in good.homes}
    return [index for index in wanted if index not in held]


def repair(ctx: Context) -> Repaired:
    """Mend everything that can be mended now, and record it.  Raises PoolBusy, QuorumLost."""
    started = ctx.env.monotonic()
    with locked(ctx.settings.places):
        view = ctx.open_table(spot=True)
        ctx.table.require_quorum()
        load_index(ctx)
        run, left = new_run(ctx), settle(ctx)
        run.reuses |= set(left.packs)
        if left.packs:
            run.pin()
        abort(ctx, left)
        ctx.event(Started("repair"))
        for disk, answer in view.alarms().items():
            mend(ctx, disk, answer.verdict)
        done = _repair_all(ctx)
        ctx.table.spread_head()
        if ctx.index.unrecorded():
            run.commit(None)
        elif left.packs:
            ctx.table.append(Abort(run=run.id))
        keep_alive(ctx)
        ctx.table.flush(ctx.config.limits.patience)
    done.seconds = ctx.env.monotonic() - started
    return done


def repair_missing(ctx: Context) -> int:
    """Before a put: the repair queue of earlier runs.  The put's own commit records the new homes."""
    return _repair_all(ctx).shards


def _repair_all(ctx: Context) -> Repaired:
    done = Repaired()
    bad = ctx.index.bad()
    all_seats: list[Seat] | None = None
    for pack, good in list(_damaged(ctx, bad)):
        all_seats = all_seats if all_seats is not None else seats(ctx)
        if pack.kind is PackKind.TABLE:
            _repair_table(ctx, pack, good, done)
        else:
            _repair_data(ctx, pack, good, all_seats, done)
        ctx.event(Progress(done.shards, done.bytes, done.bytes))
    return done


def _damaged(ctx: Context, bad: Bad) -> Iterator[tuple[Pack, Pack]]:
    """Packs with missing shards, those with the least margin first."""
    found = []
    joined = len(ctx.domains())
    for pack in ctx.index.packs():
        good = with_good_homes(ctx, pack, bad)
        if pack.kind is PackKind.TABLE:
            if len(good.homes) < joined:
                found.append((-1, pack, good))
        elif missing := missing_indices(pack, good):
            found.append((pack.geometry.m - len(missing), pack, good))
    for _, pack, good in sorted(found, key=lambda item: (item[0], item[1].id)):
        yield pack, good


def _repair_table(ctx: Context, pack: Pack, good: Pack, done: Repaired) -> None:
    held = {home.disk for home in good.homes}
    targets = [disk for disk in ctx.table.usable() if disk not in held and disk in ctx.domains()]
    done.waiting += len(ctx.domains()) - len(held) - len(targets)
    for disk in targets:
        home = _make(ctx, good, 0, disk, done)
        if home is not None:
            ctx.index.mark_good(pack.id, 0, disk)


def _repair_data(ctx: Context, pack: Pack, good: Pack, all_seats: list[Seat], done: Repaired) -> None:
    for index in missing_indices(pack, good):
        disk = _home_for(pack, good, index, all_seats)
        if disk is None:
            done.waiting += 1
            continue
        home = _make(ctx, good, index, disk, done)
        if home is not None:
            good = Pack(pack.id, pack.kind, pack.geometry, pack.length, pack.shards, (*good.homes, home))
            ctx.index.add_homes(Pack(pack.id, pack.kind, pack.geometry, pack.length, pack.shards, (home,)), fresh=True)
            ctx.index.mark_good(pack.id, index, disk)


def _home_for(pack: Pack, good: Pack, index: int, all_seats: list[Seat]) -> bytes | None:
    """Where the shard belongs: the disk that had it before if it is usable, else another legal one."""
    taken = {home.disk for home in good.homes}
    free = [seat for seat in all_seats if seat.writable and seat.id not in taken]
    before = [home.disk for home in pack.homes if home.index == index]
    for seat in free:
        if seat.id in before:
            return seat.id
    crowd: dict[str, int] = {}
    for seat in all_seats:
        if seat.id in taken:
            crowd[seat.domain] = crowd.get(seat.domain, 0) + 1
    legal = [seat for seat in free if crowd.get(seat.domain, 0) < max(1, pack.geometry.m)]
    if not legal:
        return None
    return max(legal, key=lambda seat: (seat.room(0), seat.id)).id


def _make(ctx: Context, good: Pack, index: int, disk: bytes, done: Repaired) -> Home | None:
    """One shard, rebuilt, checked against the table's hash, put."""
    try:
        shard = ctx.array.reconstruct(good, index, pool=ctx.pool, md5="md5" in ctx.disks[disk].caps.hashes)
    except NotEnoughShards as error:
        done.lost += 1
        ctx.event(Notice(f"pack {good.id.hex()[:8]} cannot be repaired: {error}", warning=True))
        return None
    md5 = shard.md5.hex() if shard.md5 else ""
    name = shard_name(good.id, shard.index)
    put = ctx.disks[disk].put(name, shard.object, digest=Digest(shard.sha256.hex(), md5))
    answers, errors = gather({0: put}, ctx.env, enough=lambda _: False, patience=ctx.config.limits.patience * 4)
    if errors:
        _tell(ctx, disk, errors[0])
        done.waiting += 1
        return None
    if not answers[0].verified and not _reads_back(ctx, disk, name, shard.sha256):
        done.waiting += 1
        return None
    done.shards += 1
    done.bytes += len(shard.object)
    stored = answers[0]
    return Home(shard.index, disk, stored.locator, bytes.fromhex(stored.hash("md5") or ""))


def _reads_back(ctx: Context, disk: bytes, name: str, digest: bytes) -> bool:
    """A disk that damaged a shard once is not believed unseen."""
    reading = ctx.disks[disk].get(name)
    answers, errors = gather({0: reading}, ctx.env, enough=lambda _: False, patience=ctx.config.limits.patience * 4)
    if errors:
        _tell(ctx, disk, errors[0])
    elif hashlib.sha256(answers[0]).digest() != digest:
        text = "still serves damaged data: a shard just put back is not what is read"
        ctx.event(DiskNotice(ctx.disk_name(disk), text, alarm=True))
    else:
        return True
    return False


def _tell(ctx: Context, disk: bytes, error: BackendError) -> None:
    ctx.event(DiskNotice(ctx.disk_name(disk), f"a shard could not be put back: {error}"))
