"""Plans of who gets what: nothing illegal, no byte moved that need not be, even enough in the end."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from webraid.array.balance import EVEN, balance
from webraid.array.moves import Rooms, evacuation, leaving
from webraid.array.placement import Seat
from webraid.model import Code, Geometry, Home, Pack, PackKind

SIZE = 100


def disk(number: int) -> bytes:
    return bytes([number]) * 8


def seats(count: int, free: int | None = 10**9, domains: dict[int, str] | None = None) -> list[Seat]:
    return [Seat(disk(n), (domains or {}).get(n, f"d{n}"), free, True) for n in range(count)]


def sizes(pack: Pack) -> list[int]:
    return [SIZE] * pack.geometry.n


def stripes(count: int, disks: int, k: int = 2, m: int = 1, code: Code = Code.RS, seed: int = 1) -> list[Pack]:
    """Packs whose shards lie on random disks."""
    rng = Random(seed)
    copies = code is Code.COPIES
    geometry = Geometry(code, 1 if copies else k, k + m)
    made = []
    for _ in range(count):
        homes = [
            Home(0 if copies else i, disk(n)) for i, n in enumerate(rng.sample(range(disks), geometry.n))
        ]  # fmt: skip
        shards = (b"h",) * (1 if copies else geometry.n)
        made.append(Pack(rng.randbytes(16), PackKind.DATA, geometry, SIZE * k, shards, tuple(homes)))
    return sorted(made, key=lambda pack: pack.id)


def after(packs: list[Pack], moves: list) -> dict[bytes, list[Home]]:  # type: ignore[type-arg]
    lying = {pack.id: list(pack.homes) for pack in packs}
    for move in moves:
        homes = lying[move.pack]
        if move.source:
            homes.remove(next(h for h in homes if (h.index, h.disk) == (move.index, move.source)))
        homes.append(Home(move.index, move.target))
    return lying


def check_legal(packs: list[Pack], lying: dict[bytes, list[Home]], domains: dict[bytes, str]) -> None:
    for pack in packs:
        homes = lying[pack.id]
        assert len({home.disk for home in homes}) == len(homes)
        assert max(Counter(domains[home.disk] for home in homes).values()) <= (pack.geometry.m or pack.geometry.n)


@pytest.mark.parametrize("code", [Code.RS, Code.COPIES])
@pytest.mark.parametrize("readable", [True, False])
def test_everything_on_a_disk_finds_a_legal_home(code: Code, readable: bool) -> None:
    packs = stripes(200, 6, code=code)
    rooms = Rooms([seat if seat.id != disk(0) else Seat(seat.id, seat.domain, 0, False) for seat in seats(6)])
    plan = evacuation(packs, disk(0), rooms, sizes, readable=readable)
    assert not plan.homeless
    assert len(plan.moves) == sum(home.disk == disk(0) for pack in packs for home in pack.homes)
    assert all(move.source == (disk(0) if readable else b"") and move.target != disk(0) for move in plan.moves)
    gone = [
        Pack(p.id, p.kind, p.geometry, p.length, p.shards, tuple(h for h in p.homes if h.disk != disk(0)))
        for p in packs
    ]
    moved = [
        move if not readable else type(move)(move.pack, move.index, b"", move.target, move.size) for move in plan.moves
    ]
    check_legal(packs, after(gone, moved), {seat.id: seat.domain for seat in seats(6)})
    taken = plan.per_target()
    assert max(taken.values()) <= 2 * min(taken.values()), "it is spread over all of them"


def test_the_disk_that_is_preferred_gets_all_that_it_may_have() -> None:
    packs = stripes(100, 6)
    plan = evacuation(packs, disk(0), Rooms(_without(seats(6), 0)), sizes, readable=True, prefer=[disk(5)])
    for move in plan.moves:
        homes = next(pack.homes for pack in packs if pack.id == move.pack)
        assert (move.target == disk(5)) == all(home.disk != disk(5) for home in homes)


def _without(all_seats: list[Seat], number: int) -> list[Seat]:
    return [Seat(s.id, s.domain, s.free, s.id != disk(number)) for s in all_seats]


def test_no_more_than_m_shards_of_a_stripe_go_to_one_failure_domain() -> None:
    domains = {3: "attic", 4: "attic", 5: "attic"}
    packs = [
        Pack(p.id, p.kind, p.geometry, p.length, p.shards, (Home(0, disk(0)), Home(1, disk(1)), Home(2, disk(3))))
        for p in stripes(20, 3)
    ]
    plan = evacuation(packs, disk(0), Rooms(_without(seats(6, domains=domains), 0)), sizes, readable=True)
    assert plan.per_target() == {disk(2): 20 * SIZE}
    small = [Seat(s.id, s.domain, SIZE if s.id == disk(2) else s.free, s.writable) for s in seats(6, domains=domains)]
    plan = evacuation(packs, disk(0), Rooms(_without(small, 0)), sizes, readable=True)
    assert len(plan.moves) == 1 and plan.short == 19 * SIZE, "the attic has a shard of each already"


def test_room_is_counted_and_what_finds_none_is_told() -> None:
    packs = stripes(40, 4, k=2, m=2)
    count = len([pack for pack in packs if leaving(pack, disk(0))])
    small = [Seat(s.id, s.domain, 3 * SIZE if s.id == disk(4) else 10**9, s.writable) for s in _without(seats(5), 0)]
    plan = evacuation(packs, disk(0), Rooms(small), sizes, readable=True)
    assert plan.per_target() == {disk(4): 3 * SIZE}
    assert plan.short == (count - 3) * SIZE


def test_a_name_is_never_used_again_where_it_was() -> None:
    packs = stripes(30, 5)
    rooms = Rooms(_without(seats(6), 0), lambda pack, index, where: where == disk(5))
    plan = evacuation(packs, disk(0), rooms, sizes, readable=True)
    assert plan.moves and disk(5) not in plan.per_target()


def test_the_weakest_stripes_come_first_and_a_limit_cuts_the_rest() -> None:
    packs = stripes(30, 6, k=2, m=2)
    weak = next(pack for pack in reversed(packs) if any(home.disk == disk(0) for home in pack.homes))
    other = next(home for home in weak.homes if home.disk != disk(0))
    thin = tuple(home for home in weak.homes if home is not other)
    packs[packs.index(weak)] = Pack(weak.id, weak.kind, weak.geometry, weak.length, weak.shards, thin)
    plan = evacuation(packs, disk(0), Rooms(_without(seats(6), 0)), sizes, readable=False)
    assert plan.moves[0].pack == weak.id
    assert [move.pack for move in plan.most(SIZE - 1)] == [weak.id]
    assert len(plan.most(3 * SIZE)) == 3 and plan.most(None) == plan.moves


@pytest.mark.parametrize("seed", range(3))
def test_added_disks_are_filled_with_as_few_bytes_as_that_takes(seed: int) -> None:
    packs = stripes(400, 5, seed=seed)
    found = balance(packs, Rooms(seats(8)), sizes)
    due = 400 * 3 * SIZE / 8
    assert all(abs(size - due) <= EVEN * due for size in found.after.values()), found.after
    surplus = sum(max(0, size - due) for size in found.before.values())
    assert found.plan.size <= surplus + 5 * SIZE
    check_legal(packs, after(packs, found.plan.moves), {seat.id: seat.domain for seat in seats(8)})
    assert len({(move.pack, move.index) for move in found.plan.moves}) == len(found.plan.moves), "each moves once"


def test_a_disk_twice_as_large_gets_twice_as_much() -> None:
    packs = stripes(400, 5, k=1, m=1)
    big = 400 * 2 * SIZE * 10
    free = [Seat(s.id, s.domain, 2 * big if s.id == disk(5) else big, True) for s in seats(6)]
    found = balance(packs, Rooms(free), sizes)
    others = [size for where, size in found.after.items() if where != disk(5)]
    assert found.after[disk(5)] == pytest.approx(2 * sum(others) / 5, rel=0.15)


def test_what_is_even_already_stays() -> None:
    packs = stripes(300, 5)
    lying = after(packs, balance(packs, Rooms(seats(6)), sizes).plan.moves)
    moved = [Pack(p.id, p.kind, p.geometry, p.length, p.shards, tuple(lying[p.id])) for p in packs]
    found = balance(moved, Rooms(seats(6)), sizes)
    assert not found.plan.moves and found.before == found.after


def test_what_an_interrupted_run_has_copied_is_dropped_where_it_was_and_not_copied_again() -> None:
    packs = stripes(60, 4)
    moves = balance(packs, Rooms(seats(6)), sizes).plan.moves
    copies = {move.pack: move for move in moves}
    both = [
        Pack(p.id, p.kind, p.geometry, p.length, p.shards, (*p.homes, Home(copies[p.id].index, copies[p.id].target)))
        if p.id in copies else p
        for p in packs
    ]  # fmt: skip
    found = balance(both, Rooms(seats(6)), sizes)
    gone = {(pack, home.index): home.disk for pack, home in found.surplus}
    assert sum(gone[move.pack, move.index] == move.source for move in copies.values()) >= 0.9 * len(copies)
    assert not [move for move in found.plan.moves if gone.get((move.pack, move.index)) == move.target]


def test_crowded_domains_are_put_right_first() -> None:
    domains = {0: "attic", 1: "attic"}
    packs = stripes(100, 6)
    found = balance(packs, Rooms(seats(6, domains=domains)), sizes)
    both = sum({disk(0), disk(1)} <= {home.disk for home in pack.homes} for pack in packs)
    assert found.crowded == both > 0
    named = {seat.id: seat.domain for seat in seats(6, domains=domains)}
    lying = after(packs, found.plan.moves)
    assert all(max(Counter(named[h.disk] for h in homes).values()) == 1 for homes in lying.values())


def test_where_there_are_too_few_domains_m_shards_may_lie_in_one() -> None:
    domains = {0: "a", 1: "a", 2: "b", 3: "b", 4: "c", 5: "c"}
    packs = stripes(60, 6, k=2, m=2)
    found = balance(packs, Rooms(seats(6, domains=domains)), sizes)
    assert found.crowded == 0 and not [m for m in found.plan.moves if found.after == found.before]


def test_what_lies_twice_is_dropped_from_the_disk_that_is_to_be_emptied() -> None:
    (pack,) = stripes(1, 3)
    twice = Home(pack.homes[0].index, disk(4))
    pack = Pack(pack.id, pack.kind, pack.geometry, pack.length, pack.shards, (*pack.homes, twice))
    found = balance([pack], Rooms(_without(seats(5), 4)), sizes)
    assert found.surplus == [(pack.id, twice)]


def test_disks_that_cannot_be_written_to_take_nothing() -> None:
    packs = stripes(100, 4)
    found = balance(packs, Rooms(_without(seats(6), 5)), sizes)
    assert found.plan.moves and disk(5) not in found.plan.per_target()


def test_where_nobody_knows_what_is_free_all_get_alike() -> None:
    packs = stripes(300, 4)
    found = balance(packs, Rooms(seats(6, free=None)), sizes)
    assert max(found.after.values()) <= 1.25 * min(found.after.values())
