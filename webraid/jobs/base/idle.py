"""Accounts that are never written to are closed by their providers: a small write now and then, and who is overdue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from webraid.backend.wrapper import Op
from webraid.config import Config, parse_duration
from webraid.jobs.base.events import DiskNotice
from webraid.table.gather import gather
from webraid.table.survey import digest_of

if TYPE_CHECKING:
    from webraid.jobs.base.context import Context

ALIVE = "alive"  # an object of no meaning, see docs/spec/layout.md
DAY = 86400.0
OVERDUE = 2  # periods without a write, and status speaks of it
# Seconds of rest after which a provider may close an account (Google: its inactive account policy, 2 years; Dropbox:
# its help page on inactive accounts, 12 months).  Half of it without a write is worth a word.
CLOSED_AFTER: Mapping[str, float] = {"gdrive": 730 * DAY, "dropbox": 365 * DAY}


def every(config: Config) -> float:
    """Seconds between two writes; 0.0: nobody watches."""
    return parse_duration(config.idle.every)


def written(ctx: Context, disk: bytes) -> float | None:
    """When this machine last wrote to the disk (seconds since the epoch); None: never that it knows."""
    if _wrote(ctx, disk):
        return ctx.env.now()
    data = ctx.local.get(f"written:{disk.hex()}")
    return msgspec.msgpack.decode(data, type=float) if data else None


def overdue(kind: str, local: bool, age: float | None, period: float) -> bool:
    """Whether an account has rested for too long: twice the ``period`` of our own writes, or half of what its provider
    allows.  A folder (``local``) has nobody who would close it.  ``age``: seconds since the last write."""
    limits = [OVERDUE * period] if period else []
    limits += [CLOSED_AFTER[kind] / 2] if kind in CLOSED_AFTER else []
    return not local and age is not None and bool(limits) and age > min(limits)


def note_writes(ctx: Context) -> None:
    """Remember which disks this run has written to; called when it ends."""
    now = msgspec.msgpack.encode(ctx.env.now())
    wrote = [disk for disk in ctx.disks if disk and _wrote(ctx, disk)]
    if wrote:
        with ctx.local.lasting.transaction():
            for disk in wrote:
                ctx.local.set(f"written:{disk.hex()}", now)


def keep_alive(ctx: Context) -> list[bytes]:
    """At the end of a writing run: a few bytes to every disk that has not been written to for the period of [idle].

    Which disks that was; those that refuse are told of and tried again by the next run.
    """
    period = every(ctx.config)
    due = [disk for disk in ctx.table.usable() if period and not _wrote(ctx, disk) and _rested(ctx, disk, period)]
    data = ctx.env.random(16)  # never the same bytes twice: a provider may not take a repetition for a write
    futures = {disk: ctx.disks[disk].put(ALIVE, data, digest=digest_of(data)) for disk in due}
    done, errors = gather(futures, ctx.env, enough=lambda _: False, patience=ctx.config.limits.patience)
    for disk, error in errors.items():
        ctx.event(
            DiskNotice(ctx.disk_name(disk), f"could not be written to, which would show that it is used: {error}")
        )
    return list(done)


def _rested(ctx: Context, disk: bytes, period: float) -> bool:
    last = written(ctx, disk)
    return last is None or not 0 <= ctx.env.now() - last < period  # of the future: a clock was wrong


def _wrote(ctx: Context, disk: bytes) -> bool:
    """Whether this run has put anything there."""
    there = ctx.disks.get(disk)
    count = there.meter.counts().get(Op.PUT) if there else None
    return count is not None and count.up > 0
