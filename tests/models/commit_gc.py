"""A writer that may re-use an object, and a collector that wants to delete it, over passive disks; no locks.

Writer:     look (R) - upload or re-use - PREPARE (W) - look again for CONDEMN (R), if so upload anew - COMMIT (W) - ack
Collector:  look (R), stop if named - CONDEMN (W) - look again (R), stop if named - SWEPT (W) - delete

What may be condemned, swept and re-used is decided by webraid/table/garbage.py itself.

Every request to one disk is one step, in any order; either may stop for ever anywhere; up to ``losses`` disks are lost.
Object 0 lies there unused at first, object 1 is a new upload.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.models.explore import Bits, Verdict, explore, not_asked, with_bit
from webraid.table.garbage import may_condemn, may_reuse, may_sweep

PREPARE_0, PREPARE_1, COMMIT_0, COMMIT_1, CONDEMN_0, SWEPT_0 = 1, 2, 4, 8, 16, 32
PREPARE, COMMIT = (PREPARE_0, PREPARE_1), (COMMIT_0, COMMIT_1)


class Process(NamedTuple):
    """``step``: what it is doing; ``asked``: disks that answered; ``seen``: records read; ``object``: the one used."""

    step: str
    asked: Bits
    seen: int = 0
    object: int = 0


class State(NamedTuple):
    alive: Bits  # 0 lost, 1 as ever, 2 replaced
    records: Bits
    objects: int  # bit 0: object 0, bit 1: object 1
    deleting: int  # a delete was issued and has not taken effect
    collector: Process
    writer: Process


@dataclass(frozen=True)
class Protocol:
    """The protocol, or a wrong variant of it."""

    n: int
    w: int
    r: int
    losses: int = 1
    condemns: bool = True
    looks_again: bool = True
    looks_before_publishing: bool = False
    reuses_names: bool = False
    failed_listing_is_empty: bool = False
    deletes_land_late: bool = False
    deletes_before_swept: bool = False  # the table still names what is gone, should the collector stop between
    collects_without_r: bool = False  # the collector goes on with whatever answered
    stale_index: bool = False  # it believes its first look, and after CONDEMN looks for nothing but that
    condemned_by_another: bool = False  # a collector that stopped has put CONDEMN on one disk
    spreads_first: bool = True  # what others have condemned is put on W disks before it is relied upon
    replaced: str = ""  # 'empty': a lost disk comes back empty and counts; 'copied': after a copy from R others

    def check(self) -> Verdict:
        none = (0,) * self.n
        records = (CONDEMN_0, *none[1:]) if self.condemned_by_another else none
        start = State((1,) * self.n, records, 1, 0, Process("look", none), Process("look", none))
        return explore(start, self.moves, self.broken)

    def moves(self, s: State) -> Iterator[tuple[str, State]]:
        yield from self._disks(s)
        if s.deleting:
            yield "the delete lands", s._replace(objects=s.objects & ~1, deleting=0)
        if s.collector.step != "over":
            yield from self._collector(s)
        if s.writer.step not in ("acknowledged", "over"):
            yield from self._writer(s)

    # -- disks -------------------------------------------------------------------------------------------------------
    def _disks(self, s: State) -> Iterator[tuple[str, State]]:
        lost = sum(up != 1 for up in s.alive)
        if lost >= self.losses:
            return
        for disk in range(self.n):
            if s.alive[disk] != 1:
                continue
            alive = (*s.alive[:disk], 2 if self.replaced else 0, *s.alive[disk + 1 :])
            others = [other for other in range(self.n) if other != disk]
            sources = itertools.combinations(others, self.r) if self.replaced == "copied" else [()]
            for source in sources:
                copied = 0
                for other in source:
                    copied |= s.records[other]
                records = (*s.records[:disk], copied, *s.records[disk + 1 :])
                yield f"disk {disk} is lost", s._replace(alive=alive, records=records)

    def _reads(self, s: State, who: Process) -> Iterator[tuple[int, Process]]:
        for disk in not_asked(who.asked, s.alive):
            asked = with_bit(who.asked, disk, 1)
            yield disk, who._replace(asked=asked, seen=who.seen | s.records[disk])
            if self.failed_listing_is_empty:
                yield disk, who._replace(asked=asked)

    def _writes(self, s: State, who: Process, record: int) -> Iterator[tuple[int, Bits, Process]]:
        for disk in not_asked(who.asked, s.alive):
            yield disk, with_bit(s.records, disk, record), who._replace(asked=with_bit(who.asked, disk, 1))

    # -- collector ---------------------------------------------------------------------------------------------------
    def _collector(self, s: State) -> Iterator[tuple[str, State]]:
        who, none = s.collector, (0,) * self.n
        if who.step in ("condemn", "sweep"):
            record = CONDEMN_0 if who.step == "condemn" else SWEPT_0
            if sum(who.asked) >= self.w:
                then = Process("look again", none) if who.step == "condemn" else Process("delete", none)
                yield f"{who.step} is durable", s._replace(collector=then)
            else:
                for disk, records, then in self._writes(s, who, record):
                    yield f"{who.step} to {disk}", s._replace(records=records, collector=then)
        elif who.step == "delete":
            yield from self._deletes(s)
        elif sum(who.asked) < self.r and not (self.collects_without_r and sum(who.asked)):
            for disk, then in self._reads(s, who):
                yield f"collector reads {disk}", s._replace(collector=then)
        else:
            yield from self._decides(s, who)

    def _decides(self, s: State, who: Process) -> Iterator[tuple[str, State]]:
        none = (0,) * self.n
        stale = self.stale_index and who.step == "look again"
        pinned = {0} if who.seen & PREPARE_0 and not stale else set()
        used = {0} if who.seen & COMMIT_0 and not stale else set()
        condemned = {0} if who.seen & CONDEMN_0 else set()
        fresh = may_condemn({0}, used=used, pinned=pinned, condemned=condemned)
        relied = condemned if self.condemns else {0}
        ready = may_sweep(relied, used=used, pinned=pinned, swept=set())
        if who.step == "look" and self.condemns and (fresh or (ready and self.spreads_first)):
            yield "collector goes on", s._replace(collector=Process("condemn", none))
        elif not ready:
            yield "collector spares it", s._replace(collector=Process("over", none))
        elif self.deletes_before_swept:
            yield from self._deletes(s)
        else:
            yield "collector sweeps", s._replace(collector=Process("sweep", none))

    def _deletes(self, s: State) -> Iterator[tuple[str, State]]:
        over = Process("over", (0,) * self.n)
        if self.deletes_land_late:
            yield "delete is issued", s._replace(deleting=1, collector=over)
        else:
            yield "delete", s._replace(objects=s.objects & ~1, collector=over)

    # -- writer ------------------------------------------------------------------------------------------------------
    def _writer(self, s: State) -> Iterator[tuple[str, State]]:
        who, none = s.writer, (0,) * self.n
        new = 0 if self.reuses_names else 1
        if who.step in ("prepare", "commit"):
            record = (PREPARE if who.step == "prepare" else COMMIT)[who.object]
            if sum(who.asked) >= self.w:
                yield f"{who.step} is durable", s._replace(writer=self._after(who))
            else:
                for disk, records, then in self._writes(s, who, record):
                    yield f"{who.step} to {disk}", s._replace(records=records, writer=then)
        elif sum(who.asked) < self.r:
            for disk, then in self._reads(s, who):
                yield f"writer reads {disk}", s._replace(writer=then)
        elif who.step == "look":
            if s.objects & 1 and may_reuse({0}, {0} if who.seen & CONDEMN_0 else set()):
                first = "look again" if self.looks_before_publishing else "prepare"
                yield "writer re-uses", s._replace(writer=Process(first, none, 0, 0))
            else:
                yield (
                    "writer uploads",
                    s._replace(objects=s.objects | 1 << new, writer=Process("prepare", none, 0, new)),
                )
        elif not may_reuse({who.object}, {0} if who.seen & CONDEMN_0 else set()):
            then = "commit" if self.reuses_names else "prepare"
            yield "writer uploads anew", s._replace(objects=s.objects | 1 << new, writer=Process(then, none, 0, new))
        else:
            then = "prepare" if self.looks_before_publishing else "commit"
            yield "nobody condemned it", s._replace(writer=Process(then, none, 0, who.object))

    def _after(self, who: Process) -> Process:
        none = (0,) * self.n
        if who.step == "commit":
            return Process("acknowledged", none, 0, who.object)
        again = self.looks_again and not self.looks_before_publishing and who.object == 0
        return Process("look again" if again else "commit", none, 0, who.object)

    # -- promises ----------------------------------------------------------------------------------------------------
    def broken(self, s: State) -> str:
        if any(up and found & COMMIT_0 for up, found in zip(s.alive, s.records, strict=True)) and not s.objects & 1:
            return "a visible commit names what is not there"
        if not s.objects & 1 and not self._swept_is_seen(s):
            return "what is gone is in the table of whoever reads with R"
        if s.writer.step != "acknowledged":
            return ""
        if not s.objects & 1 << s.writer.object:
            return "what was acknowledged was deleted"
        alive = [disk for disk in range(self.n) if s.alive[disk]]
        holders = sum(1 for disk in alive if s.records[disk] & COMMIT[s.writer.object])
        if not holders:
            return "an acknowledged commit is lost with the disks"
        if len(alive) >= self.r and len(alive) - holders >= self.r:
            return "a read quorum misses an acknowledged commit"
        return ""

    def _swept_is_seen(self, s: State) -> bool:
        """By every read quorum of the disks that are left."""
        alive = [disk for disk in range(self.n) if s.alive[disk]]
        return sum(1 for disk in alive if not s.records[disk] & SWEPT_0) < self.r
