"""What a read still needs: rows (the same bytes of every shard of a stripe) and the flights that fetch them.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from webraid.array.rates import Mark

SPLIT = 256 << 10  # bytes below which no row is cut further


@dataclass(eq=False, slots=True)
class Task:
    """One stripe that is being read.

    ``k``: distinct shards that give everything back.  ``lengths``: payload bytes by index (parity included; one entry
    for copies).  ``holders``: (index, disk) of every shard that should be there.  ``bad``: those that turned out not
    to be.  ``whole``: rows are whole shards, neither cut nor merged.
    """

    k: int
    lengths: Sequence[int]
    holders: Sequence[tuple[int, bytes]]
    whole: bool = False
    rows: list[Row] = field(default_factory=list, repr=False)
    bad: set[tuple[int, bytes]] = field(default_factory=set)

    def row(self, start: int, stop: int, wanted: Iterable[int]) -> Row:
        """A row of bytes ``start`` to ``stop`` of every shard, read for the sake of the ``wanted`` data shards."""
        sizes = {i: min(stop, length) - start for i, length in enumerate(self.lengths) if length > start}
        row = Row(self, start, stop, sizes, frozenset(i for i in wanted if i in sizes))
        self.rows.append(row)
        return row

    @property
    def done(self) -> bool:
        return all(row.done for row in self.rows)


@dataclass(eq=False, slots=True)
class Flight:
    """One request on its way: ``size`` bytes from ``offset`` of shard ``index``, for one or more rows.

    ``expected``: bytes of the link's work that stood before its end when it started.  ``late``: it is no longer
    counted on, though it may still come.
    """

    task: Task = field(repr=False)
    disk: bytes
    index: int
    rows: list[Row]
    offset: int
    size: int
    started: float
    expected: float
    mark: Mark
    late: bool = False


@dataclass(eq=False, slots=True)
class Row:
    """``sizes``: bytes of each shard inside the row; a data shard that is absent there is known to be zeros.
    ``have``: indices that are here."""

    task: Task = field(repr=False)
    start: int
    stop: int
    sizes: Mapping[int, int]
    wanted: frozenset[int]
    have: set[int] = field(default_factory=set)
    flights: list[Flight] = field(default_factory=list, repr=False)

    @property
    def enough(self) -> int:
        """How many distinct shards give all others back; those known to be zeros need not be fetched."""
        data = range(min(self.task.k, len(self.task.lengths)))
        return self.task.k - sum(1 for index in data if index not in self.sizes)

    @property
    def done(self) -> bool:
        return self.wanted <= self.have or len(self.have) >= self.enough

    @property
    def fresh(self) -> bool:
        """Nothing of it is here or on its way."""
        return not self.have and not self.flights

    def covered(self) -> set[int]:
        """Indices that are here or that a flight in time will bring."""
        return self.have | {flight.index for flight in self.flights if not flight.late}

    def options(self, able: Set[int]) -> list[tuple[int, Set[int]]]:
        """How many more pieces to ask for, and of which indices, best first; ``able``: those that can be asked for now.

        The wanted shards themselves, where that is less to fetch than any ``enough``; else, or where one of them is not
        to be had, whichever come first.  [] when nothing more is needed.
        """
        covered = self.covered()
        lacking = self.wanted - covered
        short = self.enough - len(covered)
        if not lacking or short <= 0:
            return []
        direct = [(len(lacking), lacking)] if len(lacking) < short and lacking <= able else []
        return [*direct, (short, able - covered)]

    def halves(self) -> list[Row]:
        """Two rows in the place of this one, with what is here and on its way; its task and flights know them too."""
        middle = (self.start + self.stop) // 2
        parts = [self.task.row(self.start, middle, self.wanted), self.task.row(middle, self.stop, self.wanted)]
        del self.task.rows[-2:]
        _replace(self.task.rows, self, parts)
        for flight in self.flights:
            _replace(flight.rows, self, [part for part in parts if flight.index in part.sizes])
        for part in parts:
            part.have = self.have & part.sizes.keys()
            part.flights = [flight for flight in self.flights if flight.index in part.sizes]
        return parts


def _replace(rows: list[Row], row: Row, parts: list[Row]) -> None:
    at = rows.index(row)
    rows[at : at + 1] = parts
