"""Which disk gets which shard of a stripe, and how many failure domains that survives.  Pure: no I/O, no clock."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from webraid.model import Code, Geometry

PLENTY = 1 << 62  # bytes we assume where a disk does not tell what is free
_GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples modulo 1 spread evenly, for any number of stripes


@dataclass(frozen=True, slots=True)
class Seat:
    """A disk as placement sees it.  ``free``: bytes, None when unknown.  ``suspect``: slow or failing, avoided while
    enough others are there.  ``speed``: any unit; only its ratio to the other seats' matters."""

    id: bytes
    domain: str
    free: int | None
    writable: bool
    suspect: bool = False
    speed: float = 1.0

    def room(self, reserve: int) -> int:
        """Bytes that may still be written when ``reserve`` bytes are kept free."""
        return PLENTY if self.free is None else self.free - reserve


@dataclass(frozen=True, slots=True)
class Placement:
    """``homes``: a disk id per shard (None: no home).  ``missing``: the shards that ought to have a home and have none.
    ``degraded``: fewer losses are survived than the geometry promises; ``reason`` says why, '' otherwise."""

    homes: tuple[bytes | None, ...]
    missing: tuple[int, ...]
    degraded: bool
    reason: str


def place(
    geometry: Geometry, seats: Sequence[Seat], sizes: Sequence[int], *, stripe_number: int,
    fixed_parity: bytes | None = None, reserve: int = 0,
) -> Placement:  # fmt: skip
    """Homes for the shards of one stripe: distinct disks, at most m shards in one failure domain if possible.

    ``seats``: all disks of the pool in a stable order (an unwritable one keeps its turn in the rotation).  ``sizes``:
    bytes of each shard object by index (0: empty, needs no home); for copies one entry will do.  ``stripe_number``:
    counts the stripes of a run; turns the index -> disk map.  ``fixed_parity``: the disk that holds the parity of a
    geometry that does not rotate (default: the last seat).  Never refuses: what finds no legal home is in ``missing``.
    """
    sizes = _by_index(geometry, sizes)
    wanted = [index for index, size in enumerate(sizes) if size]
    pinned = _pinned(geometry, seats, sizes, fixed_parity, reserve)
    others = [seat for seat in seats if seat is not pinned]
    count = len(wanted) - (1 if pinned else 0)
    start = [pinned] if pinned else []
    order = _preference(others, sizes, stripe_number, reserve, count)
    chosen, crowded = _spread(order, start, len(wanted), geometry.m or geometry.n)
    homes: list[bytes | None] = [None] * len(sizes)
    free_indices = wanted
    if pinned:
        homes[-1] = pinned.id
        chosen = chosen[1:]
        free_indices = wanted[:-1]
    turned = _turned(geometry, others, chosen, stripe_number)
    for index, seat in _assign(free_indices, chosen, turned, sizes, reserve):
        homes[index] = seat.id
    missing = tuple(index for index in wanted if homes[index] is None)
    return Placement(tuple(homes), missing, bool(missing or crowded), _reason(geometry, missing, crowded))


def stand_in(
    geometry: Geometry, seats: Sequence[Seat], homes: Collection[bytes], size: int, *,
    tried: Collection[bytes] = (), reserve: int = 0,
) -> bytes | None:  # fmt: skip
    """Another disk for one shard of ``size`` bytes whose own failed: the best legal one, or None.

    ``homes``: disks that hold (or are getting) the stripe's other shards.  ``tried``: disks that failed."""
    held = Counter(seat.domain for seat in seats if seat.id in homes)
    cap = geometry.m or geometry.n
    legal = [
        seat for seat in seats
        if seat.writable and seat.id not in homes and seat.id not in tried
        and seat.room(reserve) >= size and held[seat.domain] < cap
    ]  # fmt: skip
    best = max(legal, key=lambda seat: (not seat.suspect, seat.room(reserve), seat.speed), default=None)
    return best.id if best else None


def _by_index(geometry: Geometry, sizes: Sequence[int]) -> tuple[int, ...]:
    if geometry.code is Code.COPIES and len(sizes) == 1:
        return (sizes[0],) * geometry.n
    if len(sizes) != geometry.n:
        raise ValueError(f"{len(sizes)} sizes for {geometry.n} shards")
    return tuple(sizes)


def _pinned(
    geometry: Geometry, seats: Sequence[Seat], sizes: Sequence[int], fixed_parity: bytes | None, reserve: int
) -> Seat | None:
    """The seat whose turn never changes: where parity is fixed and its disk can take it."""
    if geometry.rotates or geometry.m != 1 or geometry.code is Code.COPIES or not seats or not sizes[-1]:
        return None
    wanted = fixed_parity if fixed_parity is not None else seats[-1].id
    seat = next((seat for seat in seats if seat.id == wanted), None)
    return seat if seat and seat.writable and seat.room(reserve) >= sizes[-1] else None


def _preference(
    seats: Sequence[Seat], sizes: Sequence[int], stripe_number: int, reserve: int, count: int
) -> list[Seat]:
    """The seats that can take a shard at all, best first: healthy before suspect, most free first; equals by turns."""
    small, large = min((size for size in sizes if size), default=0), max(sizes, default=0)
    usable = [seat for seat in seats if seat.writable and seat.room(reserve) >= small]
    turn = _turns(usable, stripe_number, count)
    return sorted(usable, key=lambda s: (s.room(reserve) < large, s.suspect, -s.room(reserve), turn[s.id]))


def _turns(seats: Sequence[Seat], stripe_number: int, count: int) -> dict[bytes, int]:
    """Rank among equals: over many stripes each seat is among the first ``count`` in proportion to its speed.

    Systematic sampling: the seats lie on a line, each as long as its share, and a comb of ``count`` teeth is laid over
    them, shifted a little each stripe."""
    shares = _shares([max(seat.speed, 1e-9) for seat in seats], count)
    shift = (stripe_number * _GOLDEN) % 1.0
    position = 0.0
    first: list[Seat] = []
    later: list[Seat] = []
    for seat, share in zip(seats, shares, strict=True):
        hit = math.floor(position + share - shift) > math.floor(position - shift)
        (first if hit else later).append(seat)
        position += share
    return {seat.id: rank for rank, seat in enumerate([*first, *later])}


def _shares(speeds: Sequence[float], count: int) -> list[float]:
    """How often each seat is used, at most always (1.0), else in proportion to its speed; the sum is ``count``."""
    if count >= len(speeds):
        return [1.0] * len(speeds)
    always: set[int] = set()
    while True:
        rest = sum(speed for i, speed in enumerate(speeds) if i not in always)
        factor = (count - len(always)) / rest
        full = {i for i, speed in enumerate(speeds) if i not in always and speed * factor > 1.0}
        if not full:
            return [1.0 if i in always else speed * factor for i, speed in enumerate(speeds)]
        always |= full


def _spread(order: Sequence[Seat], start: Sequence[Seat], count: int, cap: int) -> tuple[list[Seat], bool]:
    """The first ``count`` seats in domains of their own where there are enough of these, else with at most ``cap`` in
    one domain; then, if need be, beyond the cap, evenly.  The flag tells that the cap was passed."""
    domains = len({seat.domain for seat in [*start, *order]})
    chosen, left = _first(order, start, count, 1 if domains >= count else cap)
    held = Counter(seat.domain for seat in chosen)
    crowded = False
    while len(chosen) < count and left:
        seat = min(left, key=lambda s: held[s.domain])  # min is stable: preference decides among equals
        left.remove(seat)
        chosen.append(seat)
        held[seat.domain] += 1
        crowded = True
    return chosen, crowded


def _first(order: Sequence[Seat], start: Sequence[Seat], count: int, cap: int) -> tuple[list[Seat], list[Seat]]:
    """The best seats with at most ``cap`` in one domain, and the others."""
    chosen, left = list(start), []
    held = Counter(seat.domain for seat in chosen)
    for seat in order:
        if len(chosen) < count and held[seat.domain] < cap:
            chosen.append(seat)
            held[seat.domain] += 1
        else:
            left.append(seat)
    return chosen, left


def _turned(geometry: Geometry, seats: Sequence[Seat], chosen: Sequence[Seat], stripe_number: int) -> list[Seat]:
    """The chosen seats in the stable order, turned by the stripe's number where the geometry rotates."""
    ids = {seat.id for seat in chosen}
    shift = stripe_number % len(seats) if geometry.rotates and seats else 0
    return [seat for seat in [*seats[shift:], *seats[:shift]] if seat.id in ids]


def _assign(
    indices: list[int], chosen: Sequence[Seat], turned: Sequence[Seat], sizes: Sequence[int], reserve: int
) -> list[tuple[int, Seat]]:
    """Who takes what.  Too few seats: parity goes without first, so that reading needs no decoding.  Where a seat is
    too full for its turn, the largest shards go to the seats with the most room instead."""
    pairs = list(zip(indices, turned, strict=False))
    if any(seat.room(reserve) < sizes[index] for index, seat in pairs):
        roomy = sorted(chosen, key=lambda seat: -seat.room(reserve))
        pairs = list(zip(sorted(indices, key=lambda index: -sizes[index]), roomy, strict=False))
    return [(index, seat) for index, seat in pairs if seat.room(reserve) >= sizes[index]]


def _reason(geometry: Geometry, missing: Sequence[int], crowded: bool) -> str:
    parts = []
    if missing:
        parts.append(f"{len(missing)} of {geometry.n} shards found no disk that can take them")
    if crowded:
        parts.append(f"too few failure domains: more than {geometry.m} shards of a stripe lie in one")
    return "; ".join(parts)
