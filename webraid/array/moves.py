"""Which shard goes to which disk when a disk is lost, replaced or emptied.  Pure: no I/O, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from webraid.array.placement import Seat
from webraid.model import Code, Geometry, Home, Pack

Sizes = Callable[[Pack], Sequence[int]]  # bytes of each shard object of a pack, by index
Barred = Callable[[bytes, int, bytes], bool]  # (pack, index, disk): that name was used there and never returns


@dataclass(frozen=True, slots=True)
class Move:
    """A shard of ``size`` bytes gets a home on ``target``: copied from ``source``, or (b'') made from k others.
    ``margin``: how many more shards of its stripe may be lost while it is on its way."""

    pack: bytes
    index: int
    source: bytes
    target: bytes
    size: int
    margin: int = 0


@dataclass(slots=True)
class Plan:
    """``moves``: the most urgent first.  ``homeless``: (pack, index, bytes) of shards that no disk can take."""

    moves: list[Move] = field(default_factory=list)
    homeless: list[tuple[bytes, int, int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes to be written."""
        return sum(move.size for move in self.moves)

    @property
    def short(self) -> int:
        """Bytes that find no legal home."""
        return sum(size for _, _, size in self.homeless)

    def per_target(self) -> dict[bytes, int]:
        """Bytes that each disk takes."""
        taken: dict[bytes, int] = {}
        for move in self.moves:
            taken[move.target] = taken.get(move.target, 0) + move.size
        return taken

    def most(self, limit: int | None) -> list[Move]:
        """The first moves, as many as ``limit`` bytes allow (but always one)."""
        if limit is None:
            return self.moves
        chosen: list[Move] = []
        total = 0
        for move in self.moves:
            total += move.size
            if chosen and total > limit:
                break
            chosen.append(move)
        return chosen


class Rooms:
    """The seats, with the room that is left on them as shards are given to them.  Not thread-safe."""

    def __init__(self, seats: Iterable[Seat], barred: Barred = lambda pack, index, disk: False) -> None:
        self.seats = {seat.id: seat for seat in seats}
        self.taken: Counter[bytes] = Counter()
        self._barred = barred
        self._more: set[tuple[bytes, int, bytes]] = set()
        known = [seat.free for seat in self.seats.values() if seat.free is not None]
        self._usual = max(1, *known, 0) if known else 1 << 40  # what is assumed of a disk that does not tell

    def left(self, disk: bytes) -> int | None:
        """Bytes that may still go there; None where nobody knows."""
        free = self.seats[disk].free
        return None if free is None else free - self.taken[disk]

    def fits(self, disk: bytes, size: int) -> bool:
        """Whether the disk can take so many bytes more."""
        left = self.left(disk)
        return left is None or left >= size

    def bar(self, pack: bytes, index: int, disk: bytes) -> None:
        """That shard does not go there any more."""
        self._more.add((pack, index, disk))

    def take(self, disk: bytes, size: int) -> None:
        """The disk was given so many bytes."""
        self.taken[disk] += size

    def legal(
        self, pack: Pack, index: int, others: Collection[Home], size: int, tried: Collection[bytes] = ()
    ) -> list[Seat]:
        """Seats that may take shard ``index`` of ``pack``, whose other shards lie at ``others``."""
        disks = {home.disk for home in others}
        held = self.held(others)
        cap = cap_of(pack.geometry)
        return [
            seat for seat in self.seats.values()
            if seat.writable and seat.id not in disks and seat.id not in tried and held[seat.domain] < cap
            and self.fits(seat.id, size) and (pack.id, index, seat.id) not in self._more
            and not self._barred(pack.id, index, seat.id)
        ]  # fmt: skip

    def held(self, homes: Iterable[Home]) -> Counter[str]:
        """Shards of a stripe by failure domain."""
        return Counter(self.seats[home.disk].domain for home in homes if home.disk in self.seats)

    def pick(
        self, pack: Pack, index: int, others: Collection[Home], size: int, *, prefer: Sequence[bytes] = (),
        tried: Collection[bytes] = (),
    ) -> bytes | None:  # fmt: skip
        """The best disk for a shard, or None: the first of ``prefer`` that is legal, else one in a failure domain that
        has none of the stripe yet, and of these the one that has been given least for the room it has."""
        legal = self.legal(pack, index, others, size, tried)
        for wanted in prefer:
            if any(seat.id == wanted for seat in legal):
                return wanted
        held = self.held(others)
        best = min(
            legal, default=None,
            key=lambda seat: (held[seat.domain], seat.suspect, self._pressure(seat, size), seat.id),
        )  # fmt: skip
        return best.id if best else None

    def _pressure(self, seat: Seat, size: int) -> float:
        room = seat.free if seat.free is not None else self._usual
        return (self.taken[seat.id] + size) / max(1, room)


def cap_of(geometry: Geometry) -> int:
    """The most shards of a stripe that may lie in one failure domain."""
    return geometry.m or geometry.n


def leaving(pack: Pack, disk: bytes) -> list[int]:
    """The shards of ``pack`` (with the homes that count) that would be missing without ``disk``."""
    here = [home.index for home in pack.homes if home.disk == disk]
    others = [home for home in pack.homes if home.disk != disk]
    if pack.geometry.code is Code.COPIES:
        return here[:1] if here and len({home.disk for home in others}) < pack.geometry.n else []
    held = {home.index for home in others}
    return sorted({index for index in here if index not in held})


def evacuation(
    packs: Iterable[Pack], disk: bytes, rooms: Rooms, sizes: Sizes, *, readable: bool, prefer: Sequence[bytes] = ()
) -> Plan:
    """Homes elsewhere for everything that would be missing without ``disk``.

    ``packs``: with the homes that count; those on ``disk`` among them.  ``readable``: the shards can be copied from it,
    else they are made from others.  ``prefer``: disks that get what they may legally have.
    """
    found = ((pack, leaving(pack, disk)) for pack in packs)
    wanted = [(_margin(pack, disk), pack, indices) for pack, indices in found if indices]
    plan = Plan()
    for margin, pack, indices in sorted(wanted, key=lambda item: (item[0], item[1].id)):
        others = [home for home in pack.homes if home.disk != disk]
        for index in indices:
            size = sizes(pack)[index]
            target = rooms.pick(pack, index, others, size, prefer=prefer)
            if target is None:
                plan.homeless.append((pack.id, index, size))
                continue
            rooms.take(target, size)
            others.append(Home(index, target))
            plan.moves.append(Move(pack.id, index, disk if readable else b"", target, size, margin))
    return plan


def _margin(pack: Pack, disk: bytes) -> int:
    """Shards that may still be lost, without those on ``disk``."""
    others = [home for home in pack.homes if home.disk != disk]
    if pack.geometry.code is Code.COPIES:
        return len({home.disk for home in others}) - 1
    empty = sum(not digest for digest in pack.shards[: pack.geometry.k])
    return len({home.index for home in others}) + empty - pack.geometry.k
