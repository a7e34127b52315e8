"""Tolerance: the number of arbitrary domains that may vanish, against brute force."""

from __future__ import annotations

from itertools import combinations
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from webraid.array.tolerance import losses_survived, pack_tolerance
from webraid.model import Code, Geometry, Home, Pack, PackKind


def brute(held: list[set[int]], k: int) -> int:
    """By trying every subset."""
    held = [h for h in held if h]
    for lost in range(len(held) + 1):
        for kept in combinations(held, len(held) - lost):
            if len(set().union(*kept)) < k:
                return lost - 1
    return len(held)


def test_one_shard_a_domain_survives_m() -> None:
    assert losses_survived([{i} for i in range(6)], 4) == 2


def test_two_shards_in_one_domain_count_as_one_loss_of_two() -> None:
    assert losses_survived([{0, 1}, {2}, {3}, {4}, {5}], 4) == 1
    assert losses_survived([{0, 1, 2}, {3, 4, 5}], 4) == 0


def test_fewer_than_k_shards_is_minus_one() -> None:
    assert losses_survived([{0}, {1}, {2}], 4) == -1
    assert losses_survived([], 1) == -1


def test_copies_survive_all_but_one() -> None:
    assert losses_survived([{0}] * 20, 1) == 19


def test_a_rebuilt_duplicate_does_not_count_twice() -> None:
    assert losses_survived([{0}, {1}, {2}, {2}], 3) == 0
    assert losses_survived([{0, 1}, {1, 2}, {2, 0}], 3) == 1


def test_a_wide_stripe_is_quick() -> None:
    assert losses_survived([{i} for i in range(255)], 200) == 55


def test_too_long_a_search_never_flatters() -> None:
    held = [{i, (i * 7 + 1) % 40, (i * 11 + 5) % 40} for i in range(40)]
    survived = losses_survived(held, 20)
    rng = Random(1)
    for _ in range(2000):  # keep only what lies within 19 indices: the rest is a fatal loss
        kept = set(rng.sample(range(40), 19))
        assert survived < sum(1 for indices in held if not indices <= kept)
    assert survived >= 13, "and is no useless answer either"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sets(st.integers(0, 6), max_size=4), max_size=8), st.integers(1, 6))
def test_it_agrees_with_brute_force(held: list[set[int]], k: int) -> None:
    assert losses_survived(held, k) == brute(held, k)


def test_of_a_pack_empty_shards_need_no_disk_and_unknown_disks_do_not_count() -> None:
    digest = bytes(32)
    homes = tuple(Home(i, bytes([i]) * 8) for i in (0, 4, 5))
    pack = Pack(bytes(16), PackKind.DATA, Geometry(Code.RS, 4, 6), 9, (digest, b"", b"", b"", digest, digest), homes)
    domains = {home.disk: f"d{home.index}" for home in homes}
    assert pack_tolerance(pack, domains) == 2
    assert pack_tolerance(pack, domains, homes[:1]) == 0
    del domains[homes[1].disk]
    assert pack_tolerance(pack, domains) == 1
