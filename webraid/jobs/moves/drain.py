"""drain: a disk is emptied, in one go or over many nights, and may be removed then.  Whatever stops it, it goes on."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from webraid.array.moves import leaving
from webraid.codec.levels import parse_level
from webraid.errors import EXIT_DEGRADED, EXIT_OK, ConfigError, NotEnoughDisks, worst
from webraid.jobs.base.context import Context, locked
from webraid.jobs.base.events import Notice
from webraid.jobs.base.reading import with_good_homes
from webraid.jobs.base.seats import object_sizes
from webraid.jobs.disks.backends import find_disk
from webraid.jobs.disks.roles import assign
from webraid.jobs.moves.evacuate import Evacuated, Evacuation
from webraid.jobs.moves.moving import working
from webraid.jobs.moves.pace import seconds_for
from webraid.model import PackKind
from webraid.table.fold import SWEEP, DiskInfo
from webraid.table.records import ACTIVE, DRAINING

NIGHT = 12 * 3600.0  # seconds between two looks before the days in between say how quickly it goes
KEPT = 30  # looks that are remembered


@dataclass(slots=True)
class Drained(Evacuated):
    """``deadline_ms``: when it must be empty, 0: no hurry; ``ends_ms``: when it will be, at the speed so far, None:
    nobody knows; ``late``: that is after the deadline."""

    deadline_ms: int = 0
    ends_ms: int | None = None
    late: bool = False

    @property
    def exit_code(self) -> int:
        """20 also when the deadline will be missed."""
        return worst(Evacuated.exit_code.fget(self), EXIT_DEGRADED if self.late else EXIT_OK)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class DrainProgress:
    """How far a disk is emptied, by the table alone.  ``left``: bytes of data that lie only there, ``gone``: bytes that
    lie elsewhere as well by now.  ``ends_ms``: as this machine's last drains went, None: unknown."""

    left: int
    gone: int
    deadline_ms: int
    ends_ms: int | None

    @property
    def share(self) -> float:
        """0.0 to 1.0."""
        return self.gone / (self.left + self.gone) if self.left + self.gone else 1.0


def drain(
    ctx: Context, name: str, *, deadline_ms: int | None = None, limit: int | None = None, remove: bool = False,
    dry_run: bool = False,
) -> Drained:  # fmt: skip
    """Nothing new goes to disk ``name``; what it has gets a home elsewhere, ``limit`` bytes at most in this run.

    ``deadline_ms``: milliseconds since 1970 at which it must be empty (None: as said before).  ``remove``: take it out
    of the pool once nothing needs it.  Raises NotInTable, ConfigError, QuorumLost, RightMissing, PoolBusy.
    """
    with working(ctx, SWEEP) as work:
        info = find_disk(ctx, name)
        if deadline_ms and deadline_ms <= ctx.env.now() * 1000:
            raise ConfigError("the deadline is over already", hint="Give a day that is still to come, or 'none'.")
        if not info.joined:
            raise ConfigError(f"disk {name} has not joined yet", hint=f"'webraid backend rm {name}' takes it out.")
        deadline = info.deadline_ms if deadline_ms is None else deadline_ms
        evacuation = Evacuation.readable_one(work, info)
        if dry_run:
            plan, _ = evacuation.plan()
            return _forecast(ctx, info, evacuation.tell(plan), plan.per_target(), deadline, dry_run=True)
        info = evacuation.disk = assign(ctx, info.id, DRAINING, deadline)
        _warn_of_too_few(ctx)
        _look(ctx, info.id, evacuation.left())
        found = evacuation.go("drain", limit)
        if remove and not found.left:
            evacuation.finish("drain", found)
        elif not found.left:
            found.crowded = evacuation.crowded()
        _look(ctx, info.id, found.left)
        plan, _ = evacuation.plan()
        return _forecast(ctx, info, found, plan.per_target(), deadline)


def drain_on(ctx: Context, *, limit: int | None = None) -> list[Drained]:
    """Go on with all disks that are being drained, the nearest deadline first; ``limit`` bytes in all."""
    ctx.open_table()
    draining = [info for info in ctx.table.state.joined() if info.role == DRAINING]
    done = []
    for info in sorted(draining, key=lambda info: (info.deadline_ms or 1 << 62, info.name)):
        done.append(drain(ctx, info.name, limit=limit))
        if limit is not None:
            limit -= done[-1].carried.size
            if limit <= 0:
                break
    return done


def stop_drain(ctx: Context, name: str) -> DiskInfo:
    """The disk is used again as any other.  What lies elsewhere by now stays; 'rebalance' drops what is double."""
    with locked(ctx.settings.places):
        ctx.open_table()
        ctx.require_right(SWEEP)
        info = find_disk(ctx, name)
        if info.role != DRAINING:
            raise ConfigError(f"disk {name} is not being drained")
        ctx.table.require_quorum()
        info = assign(ctx, info.id, ACTIVE)
        ctx.local.set(_key(info.id), b"")
        ctx.table.flush(ctx.config.limits.patience)
        return info


def drain_progress(ctx: Context, disk: bytes) -> DrainProgress:
    """For the front page.  Needs an opened table and the index; asks no disk."""
    left = gone = 0
    bad = ctx.index.bad()
    for pack in ctx.index.packs(PackKind.DATA):
        if not any(home.disk == disk for home in pack.homes):
            continue
        good = with_good_homes(ctx, pack, bad)
        needed = leaving(good, disk)
        for home in good.homes:
            if home.disk == disk:
                size = object_sizes(pack)[home.index]
                left, gone = (left + size, gone) if home.index in needed else (left, gone + size)
    info = ctx.table.state.disks[disk]
    return DrainProgress(left, gone, info.deadline_ms, _by_nights(ctx, disk, left))


def _warn_of_too_few(ctx: Context) -> None:
    """Puts stop where too few disks take new data: better known now than tonight."""
    spec = parse_level(ctx.table.state.level)
    try:
        spec.geometry(ctx.span(spec))
    except NotEnoughDisks as error:
        ctx.event(Notice(f"until a disk is added nothing new can be stored: {error}", warning=True))


def _forecast(
    ctx: Context, info: DiskInfo, found: Evacuated, taken: dict[bytes, int], deadline: int, *, dry_run: bool = False
) -> Drained:  # fmt: skip
    fields = {name: getattr(found, name) for name in Evacuated.__dataclass_fields__}
    result = Drained(**{**fields, "dry_run": dry_run}, deadline_ms=deadline)
    now = int(ctx.env.now() * 1000)
    result.ends_ms = _by_nights(ctx, info.id, found.left)
    if result.ends_ms is None:
        seconds = seconds_for(ctx, taken, info.id)
        result.ends_ms = None if seconds is None else now + int(seconds * 1000)
    if found.short:
        result.ends_ms = None  # there is no room for all of it
    elif not found.left:
        result.ends_ms = now
    due = deadline and result.left
    result.late = bool(due and (now > deadline or (result.ends_ms or 0) > deadline or (found.short and deadline)))
    return result


# ------------------------------------------------------------------------------------------------------------- nights
def _key(disk: bytes) -> str:
    return f"drain:{disk.hex()}"


Looks = list[tuple[float, int]]  # (seconds since the epoch, bytes left), oldest first


def _looks(ctx: Context, disk: bytes) -> Looks:
    data = ctx.local.get(_key(disk))
    return msgspec.msgpack.decode(data, type=Looks) if data else []


def _look(ctx: Context, disk: bytes, left: int) -> None:
    """Remember how much is left now."""
    looks = [*_looks(ctx, disk), (ctx.env.now(), left)]
    kept = looks if len(looks) <= KEPT else [looks[0], *looks[-KEPT + 1 :]]
    ctx.local.set(_key(disk), msgspec.msgpack.encode(kept))


def _by_nights(ctx: Context, disk: bytes, left: int) -> int | None:
    """When it will be empty if it goes on as since the first look, the pauses included; None: too early to tell."""
    looks, now = _looks(ctx, disk), ctx.env.now()
    if not looks or now - looks[0][0] < NIGHT or looks[0][1] <= left:
        return None
    rate = (looks[0][1] - left) / (now - looks[0][0])
    return int((now + left / rate) * 1000)
