"""A disk dies and an empty one takes its place, while a writer commits.

Joining:  RECONFIG to W of the old ones - read the log from R of them - count.
Writer:   COMMIT to W - read the membership with R; if it has changed only present members count: send again, to W.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.models.explore import Bits, Verdict, explore, with_bit

COMMIT, RECONFIG = 1, 2


class Process(NamedTuple):
    step: str
    asked: Bits
    seen: int = 0


class State(NamedTuple):
    first: str  # what became of disk 0: 'old', 'dead', 'joined'
    records: Bits
    writer: Process
    joiner: Process


@dataclass(frozen=True)
class Replacement:
    """The protocol, or a wrong variant of it."""

    n: int
    w: int
    r: int
    writer_looks: bool = True
    copies: bool = True

    def check(self) -> Verdict:
        none = (0,) * self.n
        return explore(State("old", none, Process("commit", none), Process("idle", none)), self.moves, self.broken)

    def _up(self, s: State) -> list[int]:
        return [disk for disk in range(self.n) if disk or s.first != "dead"]

    def moves(self, s: State) -> Iterator[tuple[str, State]]:
        none = (0,) * self.n
        if s.first == "old":
            yield "disk 0 dies", s._replace(
                first="dead", records=(0, *s.records[1:]), joiner=Process("announce", none)
            )  # fmt: skip
        yield from self._writer(s)
        yield from self._joiner(s)

    def _writer(self, s: State) -> Iterator[tuple[str, State]]:
        who, none = s.writer, (0,) * self.n
        free = [disk for disk in self._up(s) if not who.asked[disk]]
        if who.step in ("commit", "commit again"):
            if sum(who.asked) >= self.w:
                looks = who.step == "commit" and self.writer_looks
                yield "durable", s._replace(writer=Process("look" if looks else "acknowledged", none))
                return
            for disk in free:
                then = who._replace(asked=with_bit(who.asked, disk, 1))
                yield f"{who.step} to {disk}", s._replace(records=with_bit(s.records, disk, COMMIT), writer=then)
        elif who.step == "look":
            if sum(who.asked) >= self.r:
                then = "commit again" if who.seen & RECONFIG else "acknowledged"
                yield f"looked: {then}", s._replace(writer=Process(then, none))
                return
            for disk in free:
                seen = Process("look", with_bit(who.asked, disk, 1), who.seen | s.records[disk])
                yield f"writer reads {disk}", s._replace(writer=seen)

    def _joiner(self, s: State) -> Iterator[tuple[str, State]]:
        who, none = s.joiner, (0,) * self.n
        free = [disk for disk in range(1, self.n) if not who.asked[disk]]
        if who.step == "announce":
            if sum(who.asked) >= self.w:
                yield "RECONFIG is durable", s._replace(joiner=Process("read", none))
                return
            for disk in free:
                then = who._replace(asked=with_bit(who.asked, disk, 1))
                yield f"RECONFIG to {disk}", s._replace(records=with_bit(s.records, disk, RECONFIG), joiner=then)
        elif who.step == "read":
            if sum(who.asked) >= self.r or not self.copies:
                held = RECONFIG | (who.seen if self.copies else 0)
                yield "joins", s._replace(first="joined", records=(held, *s.records[1:]), joiner=Process("over", none))
                return
            for disk in free:
                seen = Process("read", with_bit(who.asked, disk, 1), who.seen | s.records[disk])
                yield f"joiner reads {disk}", s._replace(joiner=seen)

    def broken(self, s: State) -> str:
        if s.writer.step == "acknowledged":
            for some in itertools.combinations(self._up(s), self.r):
                if not any(s.records[disk] & COMMIT for disk in some):
                    return f"disks {some} miss an acknowledged commit"
        return ""
