"""Placement: distinct disks, failure domains, unequal quotas used to the full, rotation."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webraid.array.placement import Placement, Seat, place, stand_in
from webraid.model import Code, Geometry

RAID6 = Geometry(Code.RS, 4, 6)
RAID5_OF_3 = Geometry(Code.XOR, 2, 3)
RAID4 = Geometry(Code.XOR, 3, 4, rotates=False)


def disk(number: int) -> bytes:
    return bytes([number]) * 8


def seats(count: int, **same: Any) -> list[Seat]:
    return [replace(Seat(disk(i), f"domain{i}", None, True), **same) for i in range(count)]


def homes_of(placement: Placement) -> list[bytes]:
    return [home for home in placement.homes if home is not None]


def test_every_shard_gets_a_disk_of_its_own() -> None:
    placement = place(RAID6, seats(9), [100] * 6, stripe_number=3)
    assert len(set(homes_of(placement))) == 6
    assert not placement.degraded
    assert placement.missing == ()
    assert placement.reason == ""


def test_with_as_many_disks_as_shards_parity_visits_every_disk_in_turn() -> None:
    parity = [place(RAID6, seats(6), [100] * 6, stripe_number=s).homes[5] for s in range(6)]
    assert set(parity) == {disk(i) for i in range(6)}
    data = [place(RAID6, seats(6), [100] * 6, stripe_number=s).homes[0] for s in range(12)]
    assert Counter(data) == {disk(i): 2 for i in range(6)}


def test_unequal_free_space_does_not_stop_the_rotation_when_all_disks_take_part() -> None:
    pool = [replace(seat, free=10_000 * (i + 1)) for i, seat in enumerate(seats(6))]
    assert len({place(RAID6, pool, [100] * 6, stripe_number=s).homes[5] for s in range(6)}) == 6


def test_raid4_keeps_parity_on_the_fixed_disk() -> None:
    for stripe in range(8):
        assert place(RAID4, seats(4), [9] * 4, stripe_number=stripe).homes[3] == disk(3)
        assert place(RAID4, seats(4), [9] * 4, stripe_number=stripe, fixed_parity=disk(1)).homes[3] == disk(1)


def test_raid4_without_its_parity_disk_still_stores_the_data() -> None:
    pool = seats(4)
    pool[3] = replace(pool[3], writable=False)
    placement = place(RAID4, pool, [9] * 4, stripe_number=1)
    assert placement.missing == (3,)
    assert set(placement.homes[:3]) == {disk(0), disk(1), disk(2)}


def test_with_too_few_writable_disks_all_of_them_are_used_and_the_rest_is_missing() -> None:
    pool = seats(6)
    pool[2] = replace(pool[2], writable=False)
    placement = place(RAID6, pool, [100] * 6, stripe_number=5)
    assert len(homes_of(placement)) == 5
    assert placement.missing == (5,), "parity goes without first"
    assert placement.degraded
    assert "1 of 6 shards" in placement.reason


def test_no_disk_at_all_is_no_crash() -> None:
    placement = place(RAID6, [], [100] * 6, stripe_number=0)
    assert placement.missing == (0, 1, 2, 3, 4, 5)
    assert placement.degraded


def test_empty_shards_need_no_disk() -> None:
    placement = place(RAID6, seats(6), [100, 0, 0, 0, 100, 100], stripe_number=4)
    assert [home is None for home in placement.homes] == [False, True, True, True, False, False]
    assert placement.missing == ()
    assert not placement.degraded


def test_copies_may_be_given_by_one_size() -> None:
    placement = place(Geometry(Code.COPIES, 1, 3), seats(3), [77], stripe_number=1)
    assert len(set(homes_of(placement))) == 3


def test_a_wrong_number_of_sizes_is_refused() -> None:
    with pytest.raises(ValueError, match="5 sizes for 6 shards"):
        place(RAID6, seats(6), [1] * 5, stripe_number=0)


def test_at_most_m_shards_lie_in_one_domain_while_that_is_possible() -> None:
    pool = [replace(seat, domain=f"company{i // 3}", free=1000 - i) for i, seat in enumerate(seats(9))]
    placement = place(RAID6, pool, [10] * 6, stripe_number=0)
    domains = Counter(next(s.domain for s in pool if s.id == home) for home in homes_of(placement))
    assert max(domains.values()) <= 2
    assert not placement.degraded


def test_too_few_domains_degrade_the_placement_but_spread_it_evenly() -> None:
    pool = [replace(seat, domain=f"company{i // 4}") for i, seat in enumerate(seats(8))]
    placement = place(RAID6, pool, [10] * 6, stripe_number=0)
    domains = Counter(next(s.domain for s in pool if s.id == home) for home in homes_of(placement))
    assert sorted(domains.values()) == [3, 3]
    assert placement.degraded
    assert placement.missing == ()
    assert "too few failure domains" in placement.reason


def test_raid0_may_use_one_domain_for_everything() -> None:
    placement = place(Geometry(Code.NONE, 4, 4), seats(4, domain="one"), [5] * 4, stripe_number=0)
    assert not placement.degraded


def test_a_suspect_disk_is_avoided_while_enough_others_are_there() -> None:
    pool = seats(4)
    pool[1] = replace(pool[1], suspect=True)
    for stripe in range(6):
        assert disk(1) not in place(RAID5_OF_3, pool, [5] * 3, stripe_number=stripe).homes
    assert disk(1) in place(RAID5_OF_3, pool[:3], [5] * 3, stripe_number=0).homes


def test_the_reserve_is_kept_free() -> None:
    pool = seats(4, free=100)
    assert place(RAID5_OF_3, pool, [60] * 3, stripe_number=0, reserve=40).missing == ()
    assert place(RAID5_OF_3, pool, [61] * 3, stripe_number=0, reserve=40).missing == (0, 1, 2)


def test_a_nearly_full_disk_gets_the_smaller_shard() -> None:
    pool = [replace(seat, free=free) for seat, free in zip(seats(3), (100, 50, 100), strict=True)]
    for stripe in range(3):
        placement = place(RAID5_OF_3, pool, [100, 50, 100], stripe_number=stripe)
        assert placement.homes[1] == disk(1)
        assert placement.missing == ()


def test_disks_that_tell_no_quota_are_used_in_proportion_to_their_speed() -> None:
    speeds = (4.0, 3.0, 2.0, 2.0, 1.0)  # shares 1.0, .75 .5 .5 .25 of the stripes
    pool = [replace(seat, speed=speed) for seat, speed in zip(seats(5), speeds, strict=True)]
    used: Counter[bytes] = Counter()
    for stripe in range(1000):
        used.update(homes_of(place(RAID5_OF_3, pool, [5] * 3, stripe_number=stripe)))
    assert [used[disk(i)] / 1000 for i in range(5)] == pytest.approx([1.0, 0.75, 0.5, 0.5, 0.25], abs=0.02)


def fill(pool: list[Seat], geometry: Geometry) -> int:
    """Stripes that find all their homes when shards of one byte are written to the brim."""
    free = {seat.id: seat.free or 0 for seat in pool}
    for stripe in range(1_000_000):
        now = [replace(seat, free=free[seat.id]) for seat in pool]
        placement = place(geometry, now, [1] * geometry.n, stripe_number=stripe)
        if placement.missing or placement.degraded:
            return stripe
        for home in homes_of(placement):
            free[home] -= 1
    raise AssertionError


def theoretical(capacities: list[int], width: int) -> int:
    """The largest T with sum(min(c, T)) >= width * T."""
    total = 0
    while sum(min(c, total + 1) for c in capacities) >= width * (total + 1):
        total += 1
    return total


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 120), min_size=4, max_size=9), st.integers(2, 3))
def test_unequal_quotas_are_used_to_the_full(capacities: list[int], k: int) -> None:
    geometry = Geometry(Code.XOR, k, k + 1)
    pool = [replace(seat, free=c) for seat, c in zip(seats(len(capacities)), capacities, strict=True)]
    assert fill(pool, geometry) >= 0.95 * theoretical(capacities, geometry.n)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(20, 100), st.integers(0, 3)), min_size=7, max_size=10))
def test_quotas_within_domains_are_used_well(disks: list[tuple[int, int]]) -> None:
    geometry = Geometry(Code.RS, 3, 5)
    pool = [replace(s, free=c, domain=f"d{d}") for s, (c, d) in zip(seats(len(disks)), disks, strict=True)]
    groups: dict[int, list[int]] = {}
    for capacity, domain in disks:
        groups.setdefault(domain, []).append(capacity)
    best = 0
    while sum(min(sum(min(c, best + 1) for c in group), 2 * (best + 1)) for group in groups.values()) >= geometry.n * (
        best + 1
    ):
        best += 1
    assert fill(pool, geometry) >= 0.8 * best - 2


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.integers(0, 50)), st.integers(0, 4), st.booleans(), st.booleans()), max_size=9
    ),
    st.lists(st.integers(0, 30), min_size=5, max_size=5),
    st.integers(0, 50),
)
def test_whatever_the_disks_placement_is_lawful(
    disks: list[tuple[int | None, int, bool, bool]], sizes: list[int], stripe: int
) -> None:
    pool = [Seat(disk(i), f"d{d}", free, ok, bad) for i, (free, d, ok, bad) in enumerate(disks)]
    by_id = {seat.id: seat for seat in pool}
    placement = place(Geometry(Code.RS, 3, 5), pool, sizes, stripe_number=stripe)
    homes = homes_of(placement)
    assert len(set(homes)) == len(homes)
    for index, home in enumerate(placement.homes):
        assert (home is None) == (sizes[index] == 0 or index in placement.missing)
        if home is not None:
            free = by_id[home].free
            assert by_id[home].writable
            assert free is None or free >= sizes[index]
    crowd = Counter(by_id[home].domain for home in homes)
    assert placement.degraded == bool(placement.missing or any(count > 2 for count in crowd.values()))
    assert place(Geometry(Code.RS, 3, 5), pool, sizes, stripe_number=stripe) == placement


def test_a_stand_in_is_the_roomiest_legal_disk() -> None:
    pool = [replace(seat, free=100 * (i + 1)) for i, seat in enumerate(seats(8))]
    homes = [disk(i) for i in (0, 1, 2, 3, 4)]
    assert stand_in(RAID6, pool, homes, 50) == disk(7)
    assert stand_in(RAID6, pool, homes, 50, tried={disk(7)}) == disk(6)
    assert stand_in(RAID6, pool, homes, 750, tried={disk(7)}) is None
    assert stand_in(RAID6, pool, homes, 750, reserve=100) is None
    pool[7] = replace(pool[7], suspect=True)
    assert stand_in(RAID6, pool, homes, 50) == disk(6)


def test_a_stand_in_keeps_to_the_rule_of_domains() -> None:
    pool = [replace(seat, domain="one" if i in (0, 1, 6) else seat.domain) for i, seat in enumerate(seats(7))]
    homes = [disk(i) for i in (0, 1, 2, 3, 4)]
    assert stand_in(RAID6, pool, homes, 1, tried={disk(5)}) is None, "two of its domain hold shards already"
    assert stand_in(RAID6, pool, homes[1:], 1, tried={disk(5), disk(0)}) == disk(6)
