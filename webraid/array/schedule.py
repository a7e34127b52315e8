"""Which disk is asked for which piece, and when a second one is asked instead.  Pure: time and answers are given."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import islice

from webraid.array.probation import Probation
from webraid.array.rates import RateBook
from webraid.array.rows import SPLIT, Flight, Row, Task

FLOOR = 0.25  # seconds beyond twice its own estimate after which a flight is late
HORIZON = 48  # rows planned ahead
REQUEST = 0.25  # seconds of a disk's rate that neighbouring pieces are merged into one request for
SMALL = 256 << 10  # bytes: up to here the time to first byte is what counts
REDUNDANT = 0.05  # of the bytes asked for may be fetched twice where no disk failed
REDUNDANT_FLOOR = 1 << 20


@dataclass(frozen=True, slots=True)
class Candidate:
    """A disk that holds a shard, and when it would have delivered (seconds from now)."""

    index: int
    disk: bytes
    finish: float


def choose(need: int, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The ``need`` earliest candidates with distinct indices; among equals the smaller index (data before parity)."""
    chosen: dict[int, Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: (c.finish, c.index)):
        if len(chosen) == need:
            break
        chosen.setdefault(candidate.index, candidate)
    return list(chosen.values())


class Scheduler:
    """The rows of one read, spread over all disks so that everything is here as early as the disks allow.

    Every piece goes to the disks that, as far as is known now, will have delivered it first; the plan is made anew at
    each ``step`` and only what fits a disk's few requests in flight is acted on, so a wrong estimate costs little.
    """

    def __init__(
        self, book: RateBook, probation: Probation, connections: Mapping[bytes, int], *,
        usable: Callable[[bytes], bool] = lambda disk: True, floor: Callable[[bytes], float] = lambda disk: FLOOR,
    ) -> None:  # fmt: skip
        self.stalled: list[bytes] = []  # disks found stalled, for the owner to report and clear
        self._book = book
        self._probation = probation
        self._connections = connections
        self._usable = usable
        self._floor = floor
        self._rows: list[Row] = []
        self._flying: dict[bytes, list[Flight]] = {disk: [] for disk in connections}
        self._progress: dict[bytes, float] = {}  # disk -> when a flight of it last ended well
        self._asked = 0
        self._redundant = 0

    # --------------------------------------------------------------------------------------------------- what happened
    def add(self, task: Task) -> None:
        """One more stripe to read."""
        rows = [row for row in task.rows if not row.done]
        if rows and not task.whole and not any(self._book.known(disk) for _, disk in task.holders):
            head = rows[:2]  # small first requests tell soonest what the disks can do
            rows = [part for row in head for part in _cut(row)] + rows[2:]
        self._rows.extend(rows)
        self._asked += sum(row.enough * (row.stop - row.start) for row in rows)

    def ended(self, flight: Flight, now: float, *, good: bool) -> list[Task]:
        """A flight came back; the tasks that are complete now.  Not ``good``: that shard is not to be had there."""
        self._flying[flight.disk].remove(flight)
        self._book.ended(flight.disk, flight.mark, now, flight.size if good else None)
        if good:
            self._progress[flight.disk] = now
            self._probation.answered(flight.disk)
        else:
            flight.task.bad.add((flight.index, flight.disk))
        before = flight.task.done
        for row in flight.rows:
            row.flights.remove(flight)
            if good and not row.done:  # what comes after that is nobody's any more
                row.have.add(flight.index)
        self._rows = [row for row in self._rows if not row.done] if good else self._rows
        return [flight.task] if flight.task.done and not before else []

    def drop(self, task: Task) -> None:
        """Nobody wants that stripe any more."""
        self._rows = [row for row in self._rows if row.task is not task]

    def hopeless(self, now: float, patience: float) -> dict[Task, set[int]]:
        """Tasks that cannot be completed, with the shards that still can be had: the others are bad, or on disks that
        have been silent for ``patience`` seconds."""
        found: dict[Task, set[int]] = {}
        silent = {disk for disk in self._flying if self._silent(disk, now) > patience}
        for row in self._rows:
            hope = {i for i, disk in row.task.holders if (i, disk) not in row.task.bad and disk not in silent}
            hope |= row.have
            if len(hope & row.sizes.keys()) < row.enough and not row.wanted <= hope:
                found[row.task] = hope
        return found

    # ---------------------------------------------------------------------------------------------------- what to do
    def step(self, now: float) -> list[Flight]:
        """Requests to send now."""
        self._judge(now)
        if not self._rows or not any(self._room(disk) for disk in self._flying):
            return []
        self._refine()
        queues = self._plan(now)
        if self._stagger(queues):
            queues = self._plan(now)
        sent = []
        for disk, queue in queues.items():
            while queue and self._room(disk):
                sent.append(self._send(disk, queue, now))
        if not any(queues.values()):
            sent.extend(self._race(now))
        return sent

    def wake(self, now: float) -> float:
        """Seconds after which ``step`` may have something to do although nothing came back."""
        flights = [flight for flights in self._flying.values() for flight in flights if not flight.late]
        return min(0.5, max(0.02, min((self._late_at(flight) - now for flight in flights), default=0.5)))

    # ------------------------------------------------------------------------------------------------------- stalls
    def _judge(self, now: float) -> None:
        for disk, flights in self._flying.items():
            late = [flight for flight in flights if now >= self._late_at(flight)]
            news = [flight for flight in late if not flight.late]
            if late and self._hangs(disk, late, now):
                if not self._probation.wary(disk) or news:
                    self._stall(disk, now)
                news = flights
            elif news and not self._affordable(sum(flight.size for flight in news)):
                continue
            for flight in news:
                flight.late = True

    def _stall(self, disk: bytes, now: float) -> None:
        if self._probation.stalled(disk, now):
            self.stalled.append(disk)

    def _hangs(self, disk: bytes, late: Sequence[Flight], now: float) -> bool:
        """A disk that delivers other things meanwhile is merely slow with this one; when nothing comes from anywhere,
        it may be us."""
        oldest = min(late, key=lambda flight: flight.started)
        if self._progress.get(disk, -math.inf) > oldest.started:
            return False
        others = any(when > oldest.started for when in self._progress.values())
        return others or now - oldest.started >= 3 * (self._late_at(oldest) - oldest.started)

    def _affordable(self, size: int) -> bool:
        """Whether that much may be fetched twice; if so it is booked."""
        if self._redundant + size > max(REDUNDANT * self._asked, REDUNDANT_FLOOR):
            return False
        self._redundant += size
        return True

    def _late_at(self, flight: Flight) -> float:
        estimate = self._book.estimate(flight.disk)
        expected = estimate.predict(flight.size, backlog=max(flight.expected - flight.size, flight.size))
        return flight.started + 2 * expected + self._floor(flight.disk)

    def _silent(self, disk: bytes, now: float) -> float:
        oldest = min((flight.started for flight in self._flying[disk]), default=now)
        return now - max(oldest, self._progress.get(disk, oldest))

    # -------------------------------------------------------------------------------------------------------- the plan
    def _room(self, disk: bytes) -> bool:
        """Whether one more request would keep the disk's link busy, rather than just wait in line."""
        flights = self._flying[disk]
        if self._probation.wary(disk):
            return not flights
        if len(flights) >= self._connections[disk]:
            return False
        estimate = self._book.estimate(disk)
        line = estimate.rate * (2 * estimate.latency + REQUEST)
        return len(flights) < 2 or (estimate.known and sum(flight.size for flight in flights) < line)

    def _busy(self, disk: bytes, now: float) -> float:
        """Seconds until the disk's link could move the first byte of one more request."""
        estimate, flights = self._book.estimate(disk), self._flying[disk]
        if not flights:
            return estimate.latency
        oldest = min(flight.started for flight in flights)
        since = max(self._progress.get(disk, -math.inf), oldest + estimate.latency)
        left = sum(flight.size for flight in flights) / estimate.rate - (now - since)
        return max(left if left > 0 else -left, estimate.latency)  # overdue: as much again

    def _refine(self) -> None:
        """Cut rows smaller when few are left to ask for, so that all disks end together."""
        if len(self._rows) >= HORIZON:
            return
        unmet = [row for row in self._rows if len(row.covered()) < row.enough and not row.task.whole]
        if len(unmet) < 2 * len(self._flying):
            for row in unmet:
                if row.stop - row.start >= 2 * SPLIT:
                    self._halve(row)

    def _stagger(self, queues: Mapping[bytes, Sequence[tuple[Row, int]]]) -> bool:
        """Halve what idle disks would be asked for first; True if anything was.

        Requests of one size sent together end together, and the link idles until the next ones' first bytes."""
        heads = {id(q[0][0]): q[0][0] for disk, q in queues.items() if len(q) > 1 and not self._flying[disk]}
        long = [row for row in heads.values() if row.stop - row.start >= 2 * SPLIT and not row.task.whole]
        for row in long:
            self._halve(row)
        return bool(long)

    def _halve(self, row: Row) -> list[Row]:
        at = self._rows.index(row)
        self._rows[at : at + 1] = parts = row.halves()
        return parts

    def _plan(self, now: float) -> dict[bytes, list[tuple[Row, int]]]:
        """What each disk is to be asked for, in order."""
        busy = {disk: self._busy(disk, now) for disk in self._flying}
        rates = {disk: self._book.estimate(disk).rate for disk in self._flying}
        open_to = {disk for disk in self._flying if self._usable(disk) and not self._probation.shut(disk, now)}
        queues: dict[bytes, list[tuple[Row, int]]] = {disk: [] for disk in self._flying}
        for row in islice(self._rows, HORIZON):
            if not row.options(row.sizes.keys()):
                continue
            chosen = self._pick(row, self._offers(row, open_to, busy, rates))
            if chosen is None:  # whoever is left, as a last resort
                chosen = self._pick(row, self._offers(row, self._flying.keys(), busy, rates)) or []
            for candidate in chosen:
                busy[candidate.disk] = candidate.finish
                queues[candidate.disk].append((row, candidate.index))
        return queues

    def _pick(self, row: Row, offers: Sequence[Candidate]) -> list[Candidate] | None:
        """The pieces to ask for; None if these offers do not complete the row."""
        best: list[Candidate] | None = None
        for need, indices in row.options({offer.index for offer in offers}):
            fitting = [offer for offer in offers if offer.index in indices]
            chosen = choose(need, fitting)
            if self._doubtful(row, need, chosen):
                chosen = choose(need + 1, fitting)
            # Decoding a small piece from quick disks beats waiting for the slow one that holds it.
            small = row.stop - row.start <= SMALL and self._asked <= 4 * SMALL
            if len(chosen) >= need and (best is None or (small and _last(chosen) < _last(best) / 2)):
                best = chosen
        return best

    @staticmethod
    def _offers(
        row: Row, disks: Set[bytes], busy: Mapping[bytes, float], rates: Mapping[bytes, float]
    ) -> list[Candidate]:
        """Who could bring which shard of the row, and when, of those that have not been asked yet."""
        asked = {(flight.index, flight.disk) for flight in row.flights}
        return [
            Candidate(i, d, busy[d] + row.sizes[i] / rates[d]) for i, d in row.task.holders
            if d in disks and i in row.sizes and i not in row.have
            and (i, d) not in row.task.bad and (i, d) not in asked
        ]  # fmt: skip

    def _doubtful(self, row: Row, need: int, chosen: Sequence[Candidate]) -> bool:
        """Whether waiting for the slowest of a few small answers would be a gamble, so that one more is asked for."""
        size = row.stop - row.start
        if not need or not row.fresh or size > SMALL or self._asked > 4 * SMALL or need < row.enough:
            return False
        estimates = [self._book.estimate(candidate.disk) for candidate in chosen]
        unsure = any(not estimate.known or estimate.spread > 0.5 for estimate in estimates)
        return unsure and self._affordable(size)

    def _send(self, disk: bytes, queue: list[tuple[Row, int]], now: float) -> Flight:
        """The first piece of the queue, with those that follow it in the same shard, up to a sensible request."""
        row, index = queue.pop(0)
        rows, size = [row], row.sizes[index]
        limit = int(self._book.estimate(disk).rate * REQUEST) if self._book.known(disk) else 0
        while queue and not row.task.whole and size < limit:
            after, other = queue[0]
            joined = after.task is row.task and other == index and after.start == rows[-1].stop
            if not joined or size + after.sizes[index] > limit:
                break
            queue.pop(0)
            rows.append(after)
            size += after.sizes[index]
        return self._start(disk, index, rows, size, now)

    def _start(self, disk: bytes, index: int, rows: list[Row], size: int, now: float) -> Flight:
        before = sum(flight.size for flight in self._flying[disk])
        mark = self._book.began(disk, now)
        flight = Flight(rows[0].task, disk, index, rows, rows[0].start, size, now, before + size, mark)
        self._flying[disk].append(flight)
        for row in rows:
            row.flights.append(flight)
        return flight

    def _race(self, now: float) -> list[Flight]:
        """Everything left is on its way: idle disks ask again for what a much slower one will bring last."""
        sent = []
        busy = {disk: self._busy(disk, now) for disk in self._flying}
        rates = {disk: self._book.estimate(disk).rate for disk in self._flying}
        idle = {d for d in self._flying if self._room(d) and self._usable(d) and not self._probation.wary(d)}
        for row in sorted(self._rows, key=lambda row: -max((busy[f.disk] for f in row.flights), default=0.0)):
            slowest = max((busy[f.disk] for f in row.flights if not f.late), default=0.0)
            raced = len(row.flights) + len(row.have) > row.enough
            if not row.flights or raced or slowest < self._floor(row.flights[0].disk):
                continue
            offers = [
                offer for offer in self._offers(row, idle, busy, rates)
                if (row.task.k == 1 or offer.index not in row.covered()) and offer.finish < slowest / 2
            ]  # fmt: skip
            best = choose(1, offers)
            if best and self._affordable(row.sizes[best[0].index]):
                idle.discard(best[0].disk)
                sent.append(self._start(best[0].disk, best[0].index, [row], row.sizes[best[0].index], now))
        return sent


def _last(chosen: Sequence[Candidate]) -> float:
    return max(candidate.finish for candidate in chosen)


def _cut(row: Row) -> list[Row]:
    """A row in pieces that grow from less than SPLIT: different sizes tell latency and rate apart."""
    if row.stop - row.start < SPLIT:
        return [row]
    first, second = row.halves()
    return [*_cut(first), second]
