"""Disks are added, each by a machine of its own, while a writer commits: as webraid/table/table.py does it.

Adding:  AddDisk to a majority of the joined ones - read the log with R - copy it - Joined, accepted by the old and by
         the new membership - read the membership with R; if it has changed, send everything again.
Writer:  COMMIT, accepted by ``Membership`` - read the membership with R; if it has changed, send it again.

Whoever sends a record to a disk first sends every other one that he knows and that the disk lacks.  What a process
knows decides which disks it asks and counts.  Nobody dies in the model: who stops is one that moves no more.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.models.explore import Verdict, explore
from webraid.table.quorum import Membership, read_quorum

COMMIT = 1


class Process(NamedTuple):
    """``knows``: records; ``asked``: disks that answered or took what is sent; ``old``: what it knew when it began to
    send; ``copied``: a joiner has read the log (or nothing, for the writer)."""

    step: str
    knows: int
    asked: frozenset[int] = frozenset()
    old: int = 0


class State(NamedTuple):
    disks: tuple[int, ...]
    processes: tuple[Process, ...]  # the writer, then one for each disk that is added


@dataclass(frozen=True)
class Joining:
    """``n`` disks, ``added`` more; the protocol, or a wrong variant of it."""

    n: int
    added: int = 1
    writer_looks: bool = True
    counts_joining: bool = True
    old_members_see_joined: bool = True
    copies: bool = True

    def announce(self, disk: int) -> int:
        return 2 << 2 * (disk - self.n)

    def join(self, disk: int) -> int:
        return 4 << 2 * (disk - self.n)

    def membership(self, knows: int) -> Membership:
        """As ints rather than ids: the arithmetic does not mind."""
        new = range(self.n, self.n + self.added)
        joined = {*range(self.n), *(disk for disk in new if knows & self.join(disk))}
        joining = {disk for disk in new if knows & self.announce(disk)} - joined
        return Membership(frozenset(joined), frozenset(joining) if self.counts_joining else frozenset(), 0)  # type: ignore[arg-type]

    def members(self, knows: int) -> list[int]:
        new = range(self.n, self.n + self.added)
        return [*range(self.n), *(disk for disk in new if knows & self.announce(disk))]

    def check(self) -> Verdict:
        joiners = tuple(Process("announce", 0) for _ in range(self.added))
        return explore(State((0,) * (self.n + self.added), (Process("send", 0), *joiners)), self.moves, self.broken)

    # -- moves -------------------------------------------------------------------------------------------------------
    def moves(self, s: State) -> Iterator[tuple[str, State]]:
        for i, who in enumerate(s.processes):
            own = self.n + i - 1
            steps = self._writer(s, who) if i == 0 else self._joiner(s, who, own)
            for what, disks, then in steps:
                yield f"{i}: {what}", State(disks, (*s.processes[:i], then, *s.processes[i + 1 :]))

    def _sends(
        self, s: State, who: Process, targets: list[int], records: int
    ) -> Iterator[tuple[str, tuple[int, ...], Process]]:
        for disk in targets:
            if disk not in who.asked:
                disks = (*s.disks[:disk], s.disks[disk] | records, *s.disks[disk + 1 :])
                yield f"{who.step} to {disk}", disks, who._replace(asked=who.asked | {disk})

    def _reads(self, s: State, who: Process) -> Iterator[tuple[str, tuple[int, ...], Process]]:
        for disk in self.members(who.knows):
            if disk not in who.asked:
                yield f"reads {disk}", s.disks, who._replace(asked=who.asked | {disk}, knows=who.knows | s.disks[disk])

    def _read_enough(self, who: Process) -> bool:
        joined = self.membership(who.knows).joined
        return len(who.asked & joined) >= read_quorum(len(joined))

    def _changed(self, who: Process) -> bool:
        before, now = self.membership(who.old), self.membership(who.knows)
        return (before.joined, before.joining) != (now.joined, now.joining)

    def _writer(self, s: State, who: Process) -> Iterator[tuple[str, tuple[int, ...], Process]]:
        if who.step == "send":
            records = who.knows | COMMIT
            yield from self._sends(s, who, self.members(who.knows), records)
            if self.membership(who.knows).acceptable(who.asked):  # type: ignore[arg-type]
                yield "accepted", s.disks, Process("look" if self.writer_looks else "over", records, old=who.knows)
        elif who.step == "look":
            yield from self._reads(s, who)
            if self._read_enough(who):
                yield "looked", s.disks, Process("send" if self._changed(who) else "over", who.knows)

    def _joiner(self, s: State, who: Process, own: int) -> Iterator[tuple[str, tuple[int, ...], Process]]:
        if who.step == "announce":
            joined = [disk for disk in self.members(who.knows) if disk != own]
            yield from self._sends(s, who, joined, who.knows | self.announce(own))
            if self.membership(who.knows).acceptable(who.asked):  # type: ignore[arg-type]
                yield "announced", s.disks, Process("read", who.knows | self.announce(own))
        elif who.step == "read":
            yield from self._reads(s, who)
            if self._read_enough(who) or not self.copies:
                copied = who.knows if self.copies else self.announce(own)
                disks = (*s.disks[:own], s.disks[own] | copied, *s.disks[own + 1 :])
                yield "copied", disks, Process("join", who.knows, old=who.knows)
        elif who.step in ("join", "send again"):
            records = who.knows | self.join(own)
            yield from self._sends(s, who, self.members(records), records)
            memberships = [self.membership(records)]
            if who.step == "join" and self.old_members_see_joined:
                memberships.append(self.membership(who.old))
            if all(some.acceptable(who.asked) for some in memberships):  # type: ignore[arg-type]
                yield "joined", s.disks, Process("look", records, old=records)
        elif who.step == "look":
            yield from self._reads(s, who)
            if self._read_enough(who):
                yield "looked", s.disks, Process("send again" if self._changed(who) else "over", who.knows)

    # -- promise -----------------------------------------------------------------------------------------------------
    def broken(self, s: State) -> str:
        """Whoever gets answers that he must take for fresh finds the acknowledged commit among them."""
        if s.processes[0].step != "over":
            return ""
        everyone = range(self.n + self.added)
        for size in range(1, len(s.disks) + 1):
            for some in itertools.combinations(everyone, size):
                view = 0
                for disk in some:
                    view |= s.disks[disk]
                joined = self.membership(view).joined
                if len(set(some) & joined) >= read_quorum(len(joined)) and not view & COMMIT:
                    return f"disks {some} miss an acknowledged commit"
        return ""
