"""Everything that lies on one disk gets a home elsewhere: what rebuild, replace and drain have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from webraid.array.moves import Plan, Rooms, evacuation, leaving
from webraid.array.tolerance import pack_tolerance
from webraid.errors import EXIT_DEGRADED, EXIT_OK, worst
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import Notice, Started
from webraid.jobs.base.pages import load_index
from webraid.jobs.base.reading import with_good_homes
from webraid.jobs.base.seats import object_sizes
from webraid.jobs.disks.takeout import take_out
from webraid.jobs.moves.moving import Carried, Work, carry, quorum
from webraid.jobs.moves.pace import note_pace
from webraid.model import Pack, PackKind, many
from webraid.table.fold import DiskInfo

ROUNDS = 3  # other machines may put something there while it is emptied


@dataclass(slots=True)
class Evacuated:
    """``total``: bytes that lay only there at the beginning, in ``shards`` shards.  ``planned``: bytes by the name of
    the disk that takes them; ``elsewhere``: shards of these that cannot go where they were asked to.  ``homeless``
    shards of ``short`` bytes found no legal disk.  ``left``: bytes that lie only there at the end.  ``crowded``:
    stripes because of which it stays, see ``Evacuation.crowded``.  ``removed``: it is no part of the pool any more."""

    name: str
    total: int = 0
    shards: int = 0
    planned: dict[str, int] = field(default_factory=dict)
    elsewhere: int = 0
    homeless: int = 0
    short: int = 0
    carried: Carried = field(default_factory=Carried)
    left: int = 0
    crowded: int = 0
    removed: bool = False
    dry_run: bool = False

    @property
    def exit_code(self) -> int:
        """20 while something has no home elsewhere, 21 when something cannot be read any more."""
        return worst(self.carried.exit_code, EXIT_DEGRADED if self.short or self.crowded else EXIT_OK)


@dataclass(slots=True)
class Evacuation:
    """``readable``: shards are copied from the disk, else made from others.  ``prefer``: disks that get what they may
    legally have; ``also``: spares among them that become active.  ``ready``: the quorum it takes.  ``lost``: the user
    says that it is."""

    work: Work
    disk: DiskInfo
    readable: bool
    ready: Callable[[Context], None]
    prefer: Sequence[bytes] = ()
    also: Sequence[bytes] = ()
    lost: bool = False

    @classmethod
    def readable_one(cls, work: Work, disk: DiskInfo, prefer: Sequence[bytes] = ()) -> Evacuation:
        """Of a disk that should still be there: copied if it answers today."""
        answers = disk.id in work.ctx.table.usable()
        if not answers:
            work.ctx.event(
                Notice(f"disk {disk.name} does not answer: what it has is made from the others", warning=True)
            )
        return cls(work, disk, answers, quorum, prefer)

    def packs(self) -> list[Pack]:
        """All data packs of which something would be missing without the disk; its homes count for that."""
        ctx, found = self.work.ctx, []
        bad, disk = ctx.index.bad(), self.disk.id
        for pack in ctx.index.packs(PackKind.DATA):
            good = with_good_homes(ctx, pack, bad)
            if not self.readable:  # what it had counts as its to be made again, even what was found to be damaged
                here = tuple(home for home in pack.homes if home.disk == disk)
                good = replace(good, homes=(*(home for home in good.homes if home.disk != disk), *here))
            if leaving(good, disk):
                found.append(good)
        return found

    def plan(self) -> tuple[Plan, Rooms]:
        """What moves where, by what is free now."""
        rooms = self.work.rooms(self.disk.id, self.also)
        return self._plan(rooms), rooms

    def _plan(self, rooms: Rooms) -> Plan:
        return evacuation(
            self.packs(), self.disk.id, rooms, object_sizes, readable=self.readable, prefer=self.prefer
        )  # fmt: skip

    def tell(self, plan: Plan) -> Evacuated:
        """The plan as a result."""
        ctx = self.work.ctx
        planned = {ctx.disk_name(disk): size for disk, size in plan.per_target().items()}
        total = plan.size + plan.short
        elsewhere = sum(move.target not in self.prefer for move in plan.moves) if self.prefer else 0
        return Evacuated(
            self.disk.name, total, len(plan.moves) + len(plan.homeless), planned, elsewhere, len(plan.homeless),
            plan.short, left=total,
        )  # fmt: skip

    def go(self, job: str, limit: int | None = None) -> Evacuated:
        """Move what can be moved now, ``limit`` bytes at most, and record it."""
        ctx = self.work.ctx
        plan, rooms = self.plan()
        result = self.tell(plan)
        moves = plan.most(limit)
        ctx.event(Started(job, len(moves), sum(move.size for move in moves)))
        if result.elsewhere:
            names = " and ".join(ctx.disk_name(disk) for disk in self.prefer)
            shards = many(result.elsewhere, "shard")
            text = f"{shards} cannot go to {names} (no room, or a shard of that stripe is there)"
            ctx.event(Notice(f"{text}: other disks take them"))
        result.carried = carry(self.work, moves, rooms, self.disk.id)
        note_pace(ctx, result.carried)
        result.left = self.left()
        return result

    def left(self) -> int:
        """Bytes of data that lie only there."""
        packs = self.packs()
        return sum(object_sizes(pack)[index] for pack in packs for index in leaving(pack, self.disk.id))

    def crowded(self) -> int:
        """Stripes that would survive less without the disk, and less than they promise, because two of their shards lie
        on one other disk: nobody plans that, but two machines that move data at the same time can come to it."""
        ctx, count = self.work.ctx, 0
        bad, domains = ctx.index.bad(), ctx.domains()
        for pack in ctx.index.packs(PackKind.DATA):
            good = with_good_homes(ctx, pack, bad)
            others = [home for home in good.homes if home.disk != self.disk.id]
            doubled = len({home.disk for home in others}) < len(others)
            if doubled and len(others) < len(good.homes):
                without = pack_tolerance(good, domains, others)
                count += without < min(pack.geometry.m, pack_tolerance(good, domains))
        return count

    def finish(self, job: str, result: Evacuated) -> None:
        """Look whether other machines put something there meanwhile; if nothing needs the disk, take it out."""
        ctx = self.work.ctx
        self.work.commit()  # what an interrupted run had moved already
        for _ in range(ROUNDS):
            ctx.note_findings()
            ctx.open_table()
            self.ready(ctx)
            load_index(ctx)
            result.left = self.left()
            if not result.left:
                break
            more = self.go(job)
            if not more.carried.shards:
                return
            add(result.carried, more.carried)
            result.short, result.homeless, result.left = more.short, more.homeless, more.left
        result.crowded = 0 if result.left else self.crowded()
        if result.crowded:
            told = many(result.crowded, "stripe has", "stripes have")
            text = f"{told} two shards on one disk, as another machine moved data as well"
            text += f": 'webraid rebalance' parts them, and then {job} can take {self.disk.name} out"
            ctx.event(Notice(text, warning=True))
        elif not result.left and not ctx.index.unrecorded():
            if not ctx.table.state.disks[self.disk.id].removed:
                take_out(ctx, ctx.table.state.disks[self.disk.id], lost=self.lost)
            result.removed = True


def add(total: Carried, more: Carried) -> None:
    """Both together; what waits or is lost is as the later one found it."""
    total.copied += more.copied
    total.rebuilt += more.rebuilt
    total.size += more.size
    total.read += more.read
    total.elsewhere += more.elsewhere
    total.seconds += more.seconds
    total.waiting, total.lost = more.waiting, more.lost
    for disk, size in more.per_disk.items():
        total.per_disk[disk] = total.per_disk.get(disk, 0) + size
