"""Evicting a device that may be alive: INTENT (W), read its log (R), FINAL, with its commit or without (W).

The device: COMMIT (W), read (R), acknowledge only if no INTENT was seen.  What was acknowledged is in every FINAL.

What a process makes of the records it read is decided by webraid itself: ``fold``, and where the log ends by
``last_record``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from tests.models.explore import Bits, Verdict, explore, not_asked, with_bit
from tests.unit.table.rig import ALICE, BOB, OWNER, enroll, fake, genesis, run_id
from webraid.codec.sign import sign
from webraid.jobs.access.evict import last_record
from webraid.table import fold as real
from webraid.table.records import Commit, Evict, evict_message

COMMIT, INTENT, FINAL_WITH, FINAL_WITHOUT = 1, 2, 4, 8
WRITES = {"commit": COMMIT, "intent": INTENT, "with": FINAL_WITH, "without": FINAL_WITHOUT}
EVICTOR, DEVICE = ALICE.id, BOB.id


def _says(seq: int) -> Evict:
    return Evict(device=DEVICE, seq=seq, signature=sign(OWNER.private, evict_message(DEVICE, seq)))


KNOWN = (fake(EVICTOR, 1, genesis(), enroll(ALICE)), fake(DEVICE, 1, enroll(BOB), lamport=2))
RECORDS = {
    COMMIT: fake(DEVICE, 2, Commit(run=run_id(1)), lamport=3),
    INTENT: fake(EVICTOR, 2, _says(-1), lamport=3),
    FINAL_WITH: fake(EVICTOR, 3, _says(2), lamport=4),
    FINAL_WITHOUT: fake(EVICTOR, 3, _says(1), lamport=4),
}


@cache
def state(bits: int) -> real.State:
    """What a machine makes of these records."""
    return real.fold((*KNOWN, *(record for bit, record in RECORDS.items() if bits & bit)), OWNER.public)


@cache
def unseen(records: Bits, r: int) -> str:
    """Why some R of these disks do not show the acknowledged commit; ''."""
    for readers in itertools.combinations(records, r):
        seen = 0
        for found in readers:
            seen |= found
        if not state(seen).commits:
            return "an acknowledged commit is cut off" if seen & COMMIT else "a read quorum misses it"
    return ""


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
            me = state(who.seen).devices[DEVICE]
            yield "looked", s.records, Process("stopped" if me.evicted else "acknowledged", none)
        else:
            last = last_record(state(who.seen), DEVICE)
            yield "decided", s.records, Process("with" if last == RECORDS[COMMIT].seq else "without", none)

    def broken(self, s: State) -> str:
        if s.device.step != "acknowledged":
            return ""
        return unseen(tuple(found for found, up in zip(s.records, s.alive, strict=True) if up), self.r)
