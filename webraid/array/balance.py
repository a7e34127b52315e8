"""Which shards move where so that all disks are equally full and every stripe lies as it should.  Pure: no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from webraid.array.moves import Move, Plan, Rooms, Sizes, cap_of
from webraid.model import Code, Home, Pack

EVEN = 0.1  # a disk that has this share more or less than its due is left as it is


@dataclass(slots=True)
class Balance:
    """``plan``: what moves, stripes that lie wrongly first.  ``crowded``: stripes of which too many shards lie in one
    failure domain; ``surplus``: (pack, home) of shards that lie on more disks than they need to.  ``before`` and
    ``after``: bytes by disk; ``due``: what each ought to have."""

    plan: Plan = field(default_factory=Plan)
    crowded: int = 0
    surplus: list[tuple[bytes, Home]] = field(default_factory=list)
    before: dict[bytes, int] = field(default_factory=dict)
    after: dict[bytes, int] = field(default_factory=dict)
    due: dict[bytes, float] = field(default_factory=dict)


def balance(packs: Sequence[Pack], rooms: Rooms, sizes: Sizes) -> Balance:
    """Moves until no disk is more than EVEN off its due, as few bytes as that takes.

    ``packs``: data packs with the homes that count, on any joined disk.  Disks that cannot be written to keep what they
    have.  What a disk is due follows from its size: what lies there and what is free; where nobody knows, from the
    largest of the others.
    """
    found = Balance()
    used = Counter(dict.fromkeys(rooms.seats, 0))
    for pack in packs:
        for home in pack.homes:
            used[home.disk] += sizes(pack)[home.index]
    lying = _once(packs, rooms, sizes, used, found)
    found.before = dict(used)
    moves = _uncrowd(packs, lying, rooms, sizes, used, found)
    found.due = _due(used, rooms)
    settled = {move.pack for move in moves}
    moves += _level([pack for pack in packs if pack.id not in settled], lying, rooms, sizes, used, found.due)
    found.plan.moves = moves
    found.after = dict(used)
    return found


def _once(
    packs: Sequence[Pack], rooms: Rooms, sizes: Sizes, used: Counter[bytes], found: Balance
) -> dict[bytes, list[Home]]:
    """The homes by pack, each shard once (each copy on a disk of its own): what lies twice is surplus."""
    lying, due = {}, _due(used, rooms)
    for pack in packs:
        homes = lying[pack.id] = list(pack.homes)
        for home in _surplus(pack, rooms, {disk: used[disk] - due.get(disk, 0) for disk in {h.disk for h in homes}}):
            homes.remove(home)
            used[home.disk] -= sizes(pack)[home.index]
            found.surplus.append((pack.id, home))
            rooms.bar(pack.id, home.index, home.disk)
    return lying


def _surplus(pack: Pack, rooms: Rooms, over: Mapping[bytes, float]) -> list[Home]:
    """Homes that are not needed: first those on disks that are to be emptied, then where a failure domain has most of
    the stripe, then on the disks that are fullest (``over``: bytes beyond what they are due)."""
    held, seats = rooms.held(pack.homes), rooms.seats
    needed = pack.geometry.n if pack.geometry.code is Code.COPIES else 1
    left = Counter(home.index for home in pack.homes)
    extra: list[Home] = []
    order = sorted(
        pack.homes, reverse=True,
        key=lambda home: (not _writable(home, rooms), held[seats[home.disk].domain], over[home.disk], home.disk),
    )  # fmt: skip
    for home in order:
        if left[home.index] > needed:
            extra.append(home)
            left[home.index] -= 1
    return extra


def _writable(home: Home, rooms: Rooms) -> bool:
    return rooms.seats[home.disk].writable


def _uncrowd(
    packs: Sequence[Pack], lying: Mapping[bytes, list[Home]], rooms: Rooms, sizes: Sizes, used: Counter[bytes],
    found: Balance,
) -> list[Move]:  # fmt: skip
    """At most one shard of a stripe in a failure domain where there are enough of them, else at most m."""
    domains = {seat.domain for seat in rooms.seats.values() if seat.writable}
    urgent: list[Move] = []
    for pack in packs:
        homes = lying[pack.id]
        cap = 1 if len(domains) >= len(homes) else cap_of(pack.geometry)
        wrong = False
        while crowded := [home for home in homes if rooms.held(homes)[rooms.seats[home.disk].domain] > cap]:
            wrong = True
            move = _away(pack, crowded, homes, rooms, sizes, used, cap)
            if move is None:
                break
            urgent.append(move)
        found.crowded += wrong
    return urgent


def _away(
    pack: Pack, crowded: Sequence[Home], homes: list[Home], rooms: Rooms, sizes: Sizes, used: Counter[bytes], cap: int
) -> Move | None:
    """One shard of a crowded domain moves to another domain that has fewer than ``cap``."""
    for home in sorted(crowded, key=lambda home: (-used[home.disk], home.disk)):
        others = [other for other in homes if other is not home]
        size = sizes(pack)[home.index]
        held = rooms.held(others)
        legal = [seat for seat in rooms.legal(pack, home.index, others, size) if held[seat.domain] < cap]
        better = [seat.id for seat in legal if held[seat.domain] < held[rooms.seats[home.disk].domain]]
        if better:
            target = min(better, key=lambda disk: (held[rooms.seats[disk].domain], used[disk], disk))
            return _moved(pack, home, target, homes, rooms, size, used)
    return None


def _moved(
    pack: Pack, home: Home, target: bytes, homes: list[Home], rooms: Rooms, size: int, used: Counter[bytes]
) -> Move:
    homes[homes.index(home)] = Home(home.index, target)
    rooms.take(target, size)
    used[home.disk] -= size
    used[target] += size
    return Move(pack.id, home.index, home.disk, target, size, pack.geometry.m)


def _due(used: Mapping[bytes, int], rooms: Rooms) -> dict[bytes, float]:
    """Bytes that each writable disk ought to have: all alike in proportion to their sizes."""
    able = [seat for seat in rooms.seats.values() if seat.writable]
    told = {seat.id: used[seat.id] + seat.free for seat in able if seat.free is not None}
    usual = max(told.values(), default=1)
    whole = {seat.id: max(1, told.get(seat.id, usual)) for seat in able}
    total = sum(used[disk] for disk in whole)
    return {disk: total * size / sum(whole.values()) for disk, size in whole.items()}


def _level(
    packs: Iterable[Pack], lying: Mapping[bytes, list[Home]], rooms: Rooms, sizes: Sizes, used: Counter[bytes],
    due: Mapping[bytes, float],
) -> list[Move]:  # fmt: skip
    """From disks that have more than their due to those that have less; each byte moves once."""
    if all(abs(used[disk] - share) <= EVEN * share for disk, share in due.items()):
        return []
    moves: list[Move] = []
    for pack in packs:
        homes = lying[pack.id]
        for home in sorted(homes, key=lambda home: (due.get(home.disk, 0) - used[home.disk], home.disk)):
            size = sizes(pack)[home.index]
            if home.disk not in due or used[home.disk] - due[home.disk] < size / 2:
                continue
            target = _emptier(pack, home, homes, rooms, size, used, due)
            if target is not None:
                moves.append(_moved(pack, home, target, homes, rooms, size, used))
    return moves


def _emptier(
    pack: Pack, home: Home, homes: Sequence[Home], rooms: Rooms, size: int, used: Counter[bytes],
    due: Mapping[bytes, float],
) -> bytes | None:  # fmt: skip
    """The legal disk that lacks most of its due, if the stripe lies there as well as it does now."""
    others = [other for other in homes if other is not home]
    held = rooms.held(others)
    now = held[rooms.seats[home.disk].domain]
    legal = [
        seat.id for seat in rooms.legal(pack, home.index, others, size)
        if seat.id in due and due[seat.id] - used[seat.id] >= size / 2 and held[seat.domain] <= now
    ]  # fmt: skip
    return max(legal, key=lambda disk: (due[disk] - used[disk], disk), default=None)
