"""Two machines each find one shard on two disks, and each drops the copy that the other one keeps.

Each:  DROPPED(its copy) to W - read the log from R - delete the object only if the other copy still counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.models.explore import Bits, Verdict, explore, not_asked, with_bit

RECORD = (1, 2)  # DROPPED of the first copy, of the second


class Process(NamedTuple):
    step: str
    asked: Bits
    seen: int = 0


class State(NamedTuple):
    alive: Bits  # the disks of the log
    records: Bits
    copies: tuple[bool, bool]
    machines: tuple[Process, Process]


@dataclass(frozen=True)
class Dropping:
    """The protocol, or a wrong variant of it."""

    n: int
    w: int
    r: int
    losses: int = 0
    looks: bool = True
    looks_first: bool = False

    def check(self) -> Verdict:
        none = (0,) * self.n
        first = Process("look" if self.looks_first else "drop", none)
        return explore(State((1,) * self.n, none, (True, True), (first, first)), self.moves, self.broken)

    def moves(self, s: State) -> Iterator[tuple[str, State]]:
        if self.n - sum(s.alive) < self.losses:
            for disk in not_asked((0,) * self.n, s.alive):
                gone = (*s.alive[:disk], 0, *s.alive[disk + 1 :])
                yield f"disk {disk} dies", s._replace(alive=gone)
        for who in (0, 1):
            for what, then in self._machine(s, who):
                yield f"machine {who}: {what}", then

    def _machine(self, s: State, who: int) -> Iterator[tuple[str, State]]:
        me, none = s.machines[who], (0,) * self.n
        if me.step == "drop":
            if sum(me.asked) >= self.w:
                then = "delete" if self.looks_first or not self.looks else "look"
                yield "dropped", self._with(s, who, Process(then, none, me.seen))
                return
            for disk in not_asked(me.asked, s.alive):
                held = with_bit(s.records, disk, RECORD[who])
                asked = Process("drop", with_bit(me.asked, disk, 1), me.seen)
                yield f"DROPPED to {disk}", self._with(s._replace(records=held), who, asked)
        elif me.step == "look":
            if sum(me.asked) >= self.r:
                yield "looked", self._with(s, who, Process("drop" if self.looks_first else "delete", none, me.seen))
                return
            for disk in not_asked(me.asked, s.alive):
                seen = Process("look", with_bit(me.asked, disk, 1), me.seen | s.records[disk])
                yield f"reads {disk}", self._with(s, who, seen)
        elif me.step == "delete":
            if me.seen & RECORD[1 - who]:  # jobs/space/dropped.py, elsewhere: a home that was dropped does not count
                yield "keeps it", self._with(s, who, Process("over", none))
                return
            left = (s.copies[0] and who != 0, s.copies[1] and who != 1)
            yield "deletes it", self._with(s._replace(copies=left), who, Process("over", none))

    @staticmethod
    def _with(s: State, who: int, process: Process) -> State:
        machines = (process, s.machines[1]) if who == 0 else (s.machines[0], process)
        return s._replace(machines=machines)

    def broken(self, s: State) -> str:
        return "" if any(s.copies) else "both copies of a shard are deleted"
