"""Evicting a device that may be alive: INTENT (W), read its log (R), FINAL, with its commit or without (W).

The device: COMMIT (W), read (R), acknowledge only if no INTENT was seen.  What was acknowledged is in every FINAL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.models.explore import Bits, Verdict, explore, not_asked, with_bit

COMMIT, INTENT, FINAL_WITH, FINAL_WITHOUT = 1, 2, 4, 8
WRITES = {"commit": COMMIT, "intent": INTENT, "with": FINAL_WITH, "without": FINAL_WITHOUT}


class Process(NamedTuple):
    step: str
    asked: Bits
    seen: int = 0


class State(NamedTuple):
    alive: Bits
    records: Bits
    device: Process
    evictor: Process


@dataclass(frozen=True)
class Eviction:
    """The protocol, or a wrong variant of it."""

    n: int
    w: int
    r: int
    losses: int = 1
    device_looks: bool = True
    intent_first: bool = True

    def check(self) -> Verdict:
        none = (0,) * self.n
        first = Process("intent" if self.intent_first else "read", none)
        return explore(State((1,) * self.n, none, Process("commit", none), first), self.moves, self.broken)

    def moves(self, s: State) -> Iterator[tuple[str, State]]:
        if self.n - sum(s.alive) < self.losses:
            for disk in range(self.n):
                if s.alive[disk]:
                    gone = (*s.alive[:disk], 0, *s.alive[disk + 1 :])
                    yield (
                        f"disk {disk} is lost",
                        s._replace(alive=gone, records=(*s.records[:disk], 0, *s.records[disk + 1 :])),
                    )
        for what, records, then in self._process(s, s.device):
            yield f"device: {what}", s._replace(records=records, device=then)
        for what, records, then in self._process(s, s.evictor):
            yield f"evictor: {what}", s._replace(records=records, evictor=then)

    def _process(self, s: State, who: Process) -> Iterator[tuple[str, Bits, Process]]:
        none = (0,) * self.n
        if who.step in ("acknowledged", "stopped", "over"):
            return
        if who.step in WRITES:
            if sum(who.asked) >= self.w:
                then = {"commit": "look" if self.device_looks else "acknowledged", "intent": "read"}
                yield f"{who.step} is durable", s.records, Process(then.get(who.step, "over"), none)
                return
            for disk in not_asked(who.asked, s.alive):
                asked = who._replace(asked=with_bit(who.asked, disk, 1))
                yield f"{who.step} to {disk}", with_bit(s.records, disk, WRITES[who.step]), asked
        elif sum(who.asked) < self.r:
            for disk in not_asked(who.asked, s.alive):
                asked = Process(who.step, with_bit(who.asked, disk, 1), who.seen | s.records[disk])
                yield f"reads {disk}", s.records, asked
        elif who.step == "look":
            yield "looked", s.records, Process("stopped" if who.seen & INTENT else "acknowledged", none)
        else:
            yield "decided", s.records, Process("with" if who.seen & COMMIT else "without", none)

    def broken(self, s: State) -> str:
        if s.device.step != "acknowledged":
            return ""
        alive = [disk for disk in range(self.n) if s.alive[disk]]
        if any(s.records[disk] & FINAL_WITHOUT for disk in alive):
            return "an acknowledged commit is cut off"
        if len(alive) >= self.r and sum(1 for disk in alive if not s.records[disk] & COMMIT) >= self.r:
            return "a read quorum misses an acknowledged commit"
        return ""
