"""Where a shard that is made anew goes: back to its disk, to a hot spare where that disk is gone, or to another one.

A disk is gone when it was taken out of the pool (with 'backend rm', also with --lost), or when another disk or an empty
place answers for it.  One that merely does not answer is waited for: its shards are not missing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from webraid.array.placement import Seat, stand_in
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import DiskNotice
from webraid.jobs.base.seats import seats
from webraid.model import Code, Pack
from webraid.table.fold import SWEEP
from webraid.table.log import Verdict
from webraid.table.records import ACTIVE, SPARE, SetRole


def strangers(ctx: Context) -> set[bytes]:
    """Joined disks in whose place there is another disk, or nothing."""
    verdicts = ctx.table.view.verdicts
    odd = (Verdict.FOREIGN, Verdict.EMPTY)
    return {disk for disk in ctx.domains() if disk in verdicts and verdicts[disk].verdict in odd}


def ready_spares(ctx: Context) -> set[bytes]:
    """Hot spares that answer."""
    usable = set(ctx.table.usable())
    return {info.id for info in ctx.table.state.joined() if info.role == SPARE and info.id in usable & ctx.disks.keys()}


class Targets:
    """The pool's seats while shards are handed out: room is counted down, who refused is not asked again."""

    def __init__(self, ctx: Context, gone: Collection[bytes] = ()) -> None:
        """``gone``: joined disks whose shards are made anew because a spare is there to take them."""
        self._ctx = ctx
        self._seats = {seat.id: seat for seat in seats(ctx)}
        self._spares = ready_spares(ctx)
        self._gone = frozenset(gone)
        self._used: set[bytes] = set()

    def choose(
        self, pack: Pack, index: int, size: int, held: Collection[bytes], tried: Collection[bytes] = ()
    ) -> bytes | None:
        """A legal disk for shard ``index`` of ``size`` bytes; ``held``: who has, or gets, the pack's other shards."""
        state, copies = self._ctx.table.state, pack.geometry.code is Code.COPIES
        former = [home.disk for home in pack.homes if copies or home.index == index]
        left = {disk for disk in self._seats if state.left(disk, pack.id, index)}
        barred = {*tried, *left, *self._gone}
        for disk in former:
            seat = self._seats.get(disk)
            if seat and seat.writable and seat.room(0) >= size and disk not in barred and disk not in held:
                return disk
        joined = self._ctx.domains()
        if any(disk not in joined or disk in self._gone for disk in former):
            chosen = self._stand_in(pack, held, size, barred, spares=True)
            if chosen is not None:
                return chosen
        return self._stand_in(pack, held, size, barred, spares=False)

    def _stand_in(
        self, pack: Pack, held: Collection[bytes], size: int, barred: Collection[bytes], *, spares: bool
    ) -> bytes | None:
        """The rules of placement decide; only who may take part differs.  Hot spares come first: that is their task."""
        everyone = [
            replace(seat, writable=self._ready(seat) if spares else seat.writable) for seat in self._seats.values()
        ]
        return stand_in(pack.geometry, everyone, held, size, tried=barred)

    def _ready(self, seat: Seat) -> bool:
        return seat.id in self._spares and self._ctx.disks[seat.id].health.admits

    def take(self, disk: bytes, size: int) -> None:
        """The disk gets that many bytes."""
        seat = self._seats[disk]
        self._seats[disk] = replace(seat, free=None if seat.free is None else seat.free - size)

    def took(self, disk: bytes) -> None:
        """It has them."""
        self._used.add(disk)

    def refuse(self, disk: bytes) -> None:
        """The disk failed: nothing more for it in this run."""
        self._seats[disk] = replace(self._seats[disk], writable=False)
        self._spares.discard(disk)

    def promote(self) -> None:
        """A spare that took a lost disk's shards is an active disk from now on, where this machine may say so."""
        me = self._ctx.table.state.devices.get(self._ctx.identity.key.id)
        for disk in sorted(self._used):
            if self._ctx.table.state.disks[disk].role != SPARE:
                continue
            if me is not None and SWEEP in me.rights:
                self._ctx.table.append(SetRole(disk=disk, role=ACTIVE))
                text = "takes a lost disk's place: it is no spare any more"
            else:
                text = "holds a lost disk's shards now; a machine with all rights should make it an active disk"
            self._ctx.event(DiskNotice(self._ctx.disk_name(disk), text))
