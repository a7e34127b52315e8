"""put --min-redundancy: rather no snapshot than one that survives fewer losses than were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from webraid.array.placement import Seat, place
from webraid.array.tolerance import losses_survived
from webraid.codec.levels import LevelSpec
from webraid.errors import ConfigError, NotEnoughDisks, TooWeak
from webraid.jobs.base.context import Context
from webraid.jobs.base.seats import seats
from webraid.model import Code, Geometry
from webraid.table.records import ACTIVE


def refuse_weak(ctx: Context, spec: LevelSpec, geometry: Geometry, least: int) -> None:
    """Before anything is sent, with the table opened: whether new data would survive ``least`` losses as the disks are.

    Raises ConfigError (the level promises less), NotEnoughDisks (so does the pool, with all its disks), TooWeak.
    """
    if not least:
        return
    if geometry.m < least:
        raise ConfigError(
            f"{spec} survives {_losses(geometry.m)}, and --min-redundancy asks for {least}",
            hint="Ask for less, or for another --level.",
        )
    active = {info.id for info in ctx.table.state.joined() if info.role == ACTIVE}
    there = seats(ctx)
    at_best = expected(geometry, [replace(seat, writable=seat.id in active, free=None) for seat in there])
    if at_best < least:
        raise NotEnoughDisks(
            f"with {spec} this pool survives {_losses(at_best)} at best, and --min-redundancy asks for {least}",
            hint="Add a disk in another place ('webraid durability' says what fails together), or ask for less.",
        )
    now = expected(geometry, there)
    if now < least:
        away = ", ".join(sorted(ctx.disk_name(seat.id) for seat in there if seat.id in active and not seat.writable))
        raise weak(now, least, f" (without {away})" if away else "")


def expected(geometry: Geometry, there: Sequence[Seat]) -> int:
    """Losses that a stripe placed now would survive, and the table with it; -1: it could not even be read."""
    placed = place(geometry, there, [1] * geometry.n, stripe_number=0)
    domains = {seat.id: seat.domain for seat in there if seat.writable}
    held: dict[str, set[int]] = {}
    for index, disk in enumerate(placed.homes):
        if disk is not None:
            held.setdefault(domains[disk], set()).add(0 if geometry.code is Code.COPIES else index)
    return min(losses_survived(held.values(), geometry.k), len(set(domains.values())) - 1)


def weak(survives: int, least: int, why: str = "") -> TooWeak:
    """What to raise."""
    could = f"would survive {_losses(survives)}" if survives >= 0 else "could not be read"
    return TooWeak(f"what is stored now {could}{why}, and --min-redundancy asks for {least}: no snapshot was made")


def _losses(count: int) -> str:
    return "no loss" if count <= 0 else "1 loss" if count == 1 else f"{count} losses"
