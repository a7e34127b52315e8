"""Disks are added and taken out, each by a machine of its own, at once or one on top of another that stopped half way,
while a writer commits: as webraid/table/table.py and the jobs do it.

Everybody:  read the log with R - announce, accepted by ``Membership`` - read with R; what could not be known before:
            send again, to all, and read again - for a new disk: copy everything to it - decide, accepted - read again.
Writer:     read with R - COMMIT, accepted by ``Membership`` - read with R as above - acknowledge.

Whoever sends a record to a disk first sends every other one that he knows and that the disk lacks.  What a process
knows of records, and of which disk has which, decides what it asks and counts: webraid/table/standing.py does.
Who stops, for ever or for long, is one that moves no more.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from random import Random
from typing import NamedTuple

from tests.models.explore import Verdict, explore
from webraid.table.quorum import Membership, majority, read_quorum
from webraid.table.standing import Step, What, grown, standing

COMMIT = 1
Disks = frozenset[int]
NOBODY: Disks = frozenset()


class Process(NamedTuple):
    """``knows``: records; ``held``: what it knows of each disk; ``asked``: disks that answered or took what is sent;
    ``counts``: (certain, undecided) when the step began."""

    step: str
    knows: int = 0
    held: tuple[int, ...] = ()
    asked: Disks = NOBODY
    counts: tuple[Disks, Disks] = (NOBODY, NOBODY)


class State(NamedTuple):
    disks: tuple[int, ...]
    wrote: tuple[int, ...]  # what the writer of each record knew
    processes: tuple[int, ...]  # the writer, then one for each change: numbers of what they are in (``_number``)


@dataclass(frozen=True, eq=False)
class Changing:
    """``n`` disks; ``changes``: 'add', or 'remove 0', or 'lost 0' for one that is dead; or a wrong variant."""

    n: int
    changes: tuple[str, ...]
    undecided_count: bool = True  # else a change counts as soon as one knows of it, as it did before
    announces: bool = True  # a removal is announced
    looks_after_announcing: bool = True
    writer_looks: bool = True
    haste: bool = False  # nobody asks or sends more than it takes, or looks once more at the end: fewer states
    _numbers: dict[Process, int] = field(default_factory=dict, repr=False)
    _processes: list[Process] = field(default_factory=list, repr=False)

    # -- what is what ------------------------------------------------------------------------------------------------
    @cached_property
    def all(self) -> int:
        return self.n + sum(change == "add" for change in self.changes)

    def disk(self, i: int) -> int:
        """The one that change ``i`` is about."""
        if self.changes[i] == "add":
            return self.n + sum(change == "add" for change in self.changes[:i])
        return int(self.changes[i].split()[1])

    @cached_property
    def dead(self) -> Disks:
        return frozenset(self.disk(i) for i, change in enumerate(self.changes) if change.startswith("lost"))

    @cached_property
    def decisions(self) -> int:
        return sum(self.decides_it(i) for i in range(len(self.changes)))

    @staticmethod
    def announces_it(i: int) -> int:
        return 2 << 2 * i

    @staticmethod
    def decides_it(i: int) -> int:
        return 4 << 2 * i

    @cache  # noqa: B019 - the model lives as long as the test
    def joined(self, knows: int) -> Disks:
        """Disks whose answers count for who knows that."""
        found = set(range(self.n))
        for i, change in enumerate(self.changes):
            if knows & self.decides_it(i) and change == "add":
                found.add(self.disk(i))
        for i, change in enumerate(self.changes):
            if knows & self.decides_it(i) and change != "add":
                found.discard(self.disk(i))
        return frozenset(found)

    @cache  # noqa: B019
    def removed(self, knows: int) -> Disks:
        return frozenset(
            self.disk(i) for i, change in enumerate(self.changes) if change != "add" and knows & self.decides_it(i)
        )

    @cache  # noqa: B019
    def counts(self, knows: int, held: tuple[int, ...], wrote: tuple[int, ...]) -> tuple[Disks, Disks]:
        """(certain, undecided) for who knows that."""
        adds = {self.disk(i): i for i, change in enumerate(self.changes) if change == "add"}
        if not self.undecided_count:
            coming = {disk for disk, i in adds.items() if knows & self.announces_it(i)}
            joined = self.joined(knows)
            return joined, frozenset(coming - joined - self.removed(knows))
        steps = [Step(What.JOIN, disk, -1, frozenset(range(self.n))) for disk in range(self.n)]
        lost = set()
        for i, change in enumerate(self.changes):
            first, last = (What.ADD, What.JOIN) if change == "add" else (What.LEAVE, What.REMOVE)
            for what, bit in ((first, self.announces_it(i)), (last, self.decides_it(i))):
                if knows & bit:
                    has = frozenset(disk for disk, known in enumerate(held) if known & bit)
                    steps.append(Step(what, self.disk(i), bit.bit_length() - 1, has))
                    if change.startswith("lost"):
                        lost.add(self.disk(i))

        def follows(after: int, before: int) -> bool:
            return after == before or (after >= 0 and (before < 0 or bool(wrote[after] >> before & 1)))

        return standing(steps, follows, lost)

    def membership(self, counts: tuple[Disks, Disks]) -> Membership:
        """As ints rather than ids: the arithmetic does not mind."""
        return Membership(counts[0], counts[1], 0)  # type: ignore[arg-type]

    @cache  # noqa: B019
    def asked(self, knows: int, counts: tuple[Disks, Disks]) -> Disks:
        """Disks that are read and written to."""
        members = set(self.joined(knows))
        for i, change in enumerate(self.changes):
            if change == "add" and knows & self.announces_it(i) and self.disk(i) not in self.removed(knows):
                members.add(self.disk(i))
        return frozenset(members | counts[1]) - self.dead

    # -- moves -------------------------------------------------------------------------------------------------------
    def check(self) -> Verdict:
        nothing = (0,) * self.all
        start = self._number(Process("open", 0, nothing))
        wrote = (0,) * (1 + 2 * len(self.changes))
        return explore(State(nothing, wrote, (start,) * (1 + len(self.changes))), self.moves, self.broken)

    def wander(self, rng: Random, walks: int) -> Verdict:
        """Not all ways, but some at random, for what has too many states.  In each one the processes take turns of a
        few steps, so that each now and then comes far before the next one begins."""
        nothing, seen = (0,) * self.all, 0
        start = self._number(Process("open", 0, nothing))
        for _ in range(walks):
            s, trace, turn = (
                State(nothing, (0,) * (1 + 2 * len(self.changes)), (start,) * (1 + len(self.changes))),
                [],
                0,
            )
            while moves := list(self.moves(s)):
                if not rng.randrange(5):
                    turn = rng.randrange(1 + len(self.changes))
                mine = [move for move in moves if move[0].startswith(f"{turn}:")]
                what, s = rng.choice(mine or moves)
                trace.append(what)
                seen += 1
                if wrong := self.broken(s):
                    return Verdict(seen, wrong, tuple(trace))
        return Verdict(seen)

    def _number(self, process: Process) -> int:
        """Its number: what is compared a million times had better be short."""
        number = self._numbers.setdefault(process, len(self._processes))
        if number == len(self._processes):
            self._processes.append(process)
        return number

    def moves(self, s: State) -> Iterator[tuple[str, State]]:
        for i, number in enumerate(s.processes):
            for what, disks, then, wrote in self._moves_of(i, number, s.disks, s.wrote):
                yield what, State(disks, wrote, (*s.processes[:i], then, *s.processes[i + 1 :]))

    @cache  # noqa: B019
    def _moves_of(
        self, i: int, number: int, disks: tuple[int, ...], wrote: tuple[int, ...]
    ) -> list[tuple[str, tuple[int, ...], int, tuple[int, ...]]]:
        who, s = self._processes[number], State(disks, wrote, ())
        if who.step == "over":
            return []
        steps = self._reads if who.step in ("open", "look", "look at the end") else self._sends
        return [
            (f"{i}: {what}", then_disks, self._number(then), then_wrote)
            for what, then_disks, then, then_wrote in steps(s, who, i - 1)
        ]

    def _reads(self, s: State, who: Process, i: int) -> Iterator[tuple[str, tuple[int, ...], Process, tuple[int, ...]]]:
        counts = self.counts(who.knows, who.held, s.wrote)
        for disk in self.asked(who.knows, counts) - who.asked:
            held = (*who.held[:disk], who.held[disk] | s.disks[disk] & self.decisions, *who.held[disk + 1 :])
            then = who._replace(asked=who.asked | {disk}, knows=who.knows | s.disks[disk], held=held)
            enough = self._read_enough(then, i)
            if not (enough and self.haste):
                yield f"{who.step}: reads {disk}", s.disks, then, s.wrote
            if enough:
                yield f"{who.step}: reads {disk}, goes on", *self._goes_on(s, then, i)

    def _read_enough(self, who: Process, i: int) -> bool:
        joined = self.joined(who.knows)
        if i >= 0 and self.changes[i].startswith("lost"):
            rest = joined - {self.disk(i)}
            return len(who.asked & rest) >= majority(len(rest))
        return len(who.asked & joined) >= read_quorum(len(joined))

    def _sends(self, s: State, who: Process, i: int) -> Iterator[tuple[str, tuple[int, ...], Process, tuple[int, ...]]]:
        targets = set(self.asked(who.knows, self.counts(who.knows, who.held, s.wrote)))
        if who.step == "announce" and self.changes[i] == "add":
            targets.discard(self.disk(i))
        if who.step == "decide" and self.changes[i].startswith("remove"):
            targets.add(self.disk(i))
        for disk in targets - who.asked:
            disks = (*s.disks[:disk], s.disks[disk] | who.knows, *s.disks[disk + 1 :])
            then = who._replace(asked=who.asked | {disk})
            enough = self._accepted(then, i)
            if not (enough and self.haste):
                yield f"{who.step} to {disk}", disks, then, s.wrote
            if enough:
                held = tuple(
                    known | (who.knows & self.decisions if disk in then.asked else 0)
                    for disk, known in enumerate(who.held)
                )  # fmt: skip
                yield (
                    f"{who.step} to {disk}, accepted",
                    *self._sent(s._replace(disks=disks), then._replace(held=held), i),
                )

    def _accepted(self, who: Process, i: int) -> bool:
        if not self.undecided_count and who.step == "decide" and self.changes[i] == "add":  # by the old ones, too
            before = (who.counts[0] - {self.disk(i)}, who.counts[1] | {self.disk(i)})
            if not self.membership(before).acceptable(who.asked):  # type: ignore[arg-type]
                return False
        return self.membership(who.counts).acceptable(who.asked)  # type: ignore[arg-type]

    # -- from step to step -------------------------------------------------------------------------------------------
    def _begin(self, s: State, who: Process, step: str) -> tuple[tuple[int, ...], Process, tuple[int, ...]]:
        counts = self.counts(who.knows, who.held, s.wrote)
        return s.disks, Process(step, who.knows, who.held, NOBODY, counts), s.wrote

    def _writes(
        self, s: State, who: Process, step: str, record: int, *, by_old: bool = False
    ) -> tuple[tuple[int, ...], Process, tuple[int, ...]]:
        at = record.bit_length() - 1
        wrote = (*s.wrote[:at], who.knows, *s.wrote[at + 1 :])
        counts = self.counts(who.knows, who.held, s.wrote)
        then = who._replace(knows=who.knows | record)
        if not by_old:
            counts = self.counts(then.knows, then.held, wrote)
        return s.disks, Process(step, then.knows, who.held, NOBODY, counts), wrote

    def _goes_on(self, s: State, who: Process, i: int) -> tuple[tuple[int, ...], Process, tuple[int, ...]]:
        """After reading enough."""
        if who.step == "open":
            if i < 0:
                return self._writes(s, who, "commit", COMMIT)
            if self.changes[i] == "add":
                return self._writes(s, who, "announce", self.announces_it(i), by_old=True)
            if self.announces:
                return self._writes(s, who, "announce", self.announces_it(i))
            return self._writes(s, who, "decide", self.decides_it(i))
        now = self.counts(who.knows, who.held, s.wrote)
        if grown(self.membership(who.counts), self.membership(now)):
            again = "commit" if i < 0 else "announce again" if who.step == "look" else "decide again"
            return self._begin(s, who, again)
        if i < 0 or who.step == "look at the end":
            return s.disks, Process("over", who.knows), s.wrote
        return self._decides(s, who, i)

    def _decides(self, s: State, who: Process, i: int) -> tuple[tuple[int, ...], Process, tuple[int, ...]]:
        if self.changes[i] == "add":
            disk = self.disk(i)
            s = s._replace(disks=(*s.disks[:disk], s.disks[disk] | who.knows, *s.disks[disk + 1 :]))
        return self._writes(s, who, "decide", self.decides_it(i))

    def _sent(self, s: State, who: Process, i: int) -> tuple[tuple[int, ...], Process, tuple[int, ...]]:
        """After what was sent was accepted."""
        if who.step == "commit" and not self.writer_looks:
            return s.disks, Process("over", who.knows), s.wrote
        if who.step == "decide" and self.haste:
            return s.disks, Process("over", who.knows), s.wrote
        if who.step == "announce" and not self.looks_after_announcing:
            return self._decides(s, who, i)
        return self._begin(s, who, "look at the end" if who.step.startswith("decide") else "look")

    # -- promise -----------------------------------------------------------------------------------------------------
    def broken(self, s: State) -> str:
        """Whoever gets answers that he must take for fresh finds the acknowledged commit among them; be it with what
        one of the processes knows besides."""
        writer, *others = s.processes
        return self._missed(s.disks, tuple(others)) if self._processes[writer].step == "over" else ""

    @cache  # noqa: B019
    def _missed(self, disks: tuple[int, ...], others: tuple[int, ...]) -> str:
        known = {self._processes[number].knows for number in others}
        alive = [disk for disk in range(self.all) if disk not in self.dead]
        for size in range(1, len(alive) + 1):
            for some in itertools.combinations(alive, size):
                seen = 0
                for disk in some:
                    seen |= disks[disk]
                for more in {0, *known}:
                    joined = self.joined(seen | more)
                    enough = joined and len(joined & set(some)) >= read_quorum(len(joined))
                    if enough and not (seen | more) & COMMIT:
                        return f"disks {some} miss an acknowledged commit"
        return ""
