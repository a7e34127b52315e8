"""The arithmetic that everything stands on: whoever reads meets whatever was acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations

import pytest

from webraid.table.quorum import Membership, majority, read_quorum, tolerance, write_quorum

POOLS = [(n, m) for n in range(1, 13) for m in range(n)]


@pytest.mark.parametrize(("n", "m"), POOLS)
def test_every_read_quorum_meets_every_write_quorum(n: int, m: int) -> None:
    assert read_quorum(n) + write_quorum(n, m) > n


@pytest.mark.parametrize("n", range(1, 13))
def test_every_read_quorum_meets_what_a_degraded_pool_acknowledged(n: int) -> None:
    assert read_quorum(n) + majority(n) > n
    assert read_quorum(n) - 1 + majority(n) == n, "one answer less would not do"


@pytest.mark.parametrize("n", range(1, 13))
def test_two_majorities_meet(n: int) -> None:
    assert 2 * majority(n) > n >= 2 * (majority(n) - 1)


@pytest.mark.parametrize(("n", "m"), POOLS)
def test_what_is_durable_outlives_the_losses_of_its_level(n: int, m: int) -> None:
    w = write_quorum(n, m)
    assert w - m >= 1 and majority(n) <= w <= n


@pytest.mark.parametrize("m", range(5))
def test_no_more_disks_are_asked_for_than_there_are(m: int) -> None:
    assert write_quorum(0, m) == read_quorum(0) == majority(0) == 0
    assert all(write_quorum(n, m) <= n for n in range(13))


def test_quorums_in_figures() -> None:
    """n: majority, R; and W for raid6."""
    table = {n: (majority(n), read_quorum(n), write_quorum(n, 2)) for n in range(1, 8)}
    assert table == {
        1: (1, 1, 1), 2: (2, 1, 2), 3: (2, 2, 3), 4: (3, 2, 3), 5: (3, 3, 3), 6: (4, 3, 4), 7: (4, 4, 4),
    }  # fmt: skip


def subsets(disks: frozenset[bytes]) -> Iterator[frozenset[bytes]]:
    return map(frozenset, chain.from_iterable(combinations(sorted(disks), size) for size in range(len(disks) + 1)))


@pytest.mark.parametrize("n", range(1, 5))
@pytest.mark.parametrize("more", range(3))
def test_what_is_acknowledged_while_disks_join_is_met_whichever_of_them_count_later(n: int, more: int) -> None:
    joined = frozenset(bytes([i]) for i in range(n))
    joining = frozenset(bytes([i]) for i in range(n, n + more))
    membership = Membership(joined, joining, 1)
    accepted = 0
    for holders in subsets(joined | joining):
        if not membership.acceptable(holders):
            assert not membership.durable(holders)
            continue
        accepted += 1
        for came in subsets(joining):
            later = joined | came
            assert len(holders & later) + read_quorum(len(later)) > len(later)
    assert accepted


def test_joining_disks_do_not_help_to_reach_a_quorum() -> None:
    membership = Membership(frozenset({b"a", b"b", b"c"}), frozenset({b"d"}), 1)
    assert not membership.acceptable({b"a", b"d"})
    assert membership.acceptable({b"a", b"b", b"d"})
    assert not membership.acceptable({b"a", b"b"}), "one that lacks it may be the next to count"
    assert membership.acceptable({b"a", b"b", b"c"})


@pytest.mark.parametrize(("n", "m"), [(n, m) for n, m in POOLS if n <= 6])
def test_durable_is_acceptable_and_more(n: int, m: int) -> None:
    disks = frozenset(bytes([i]) for i in range(n))
    membership = Membership(disks, frozenset(), m)
    for holders in subsets(disks):
        assert membership.durable(holders) == (len(holders) >= write_quorum(n, m))
        assert membership.acceptable(holders) or not membership.durable(holders)


def test_an_empty_pool_accepts_its_first_record() -> None:
    assert Membership(frozenset(), frozenset(), 2).acceptable(set())


def test_tolerance_is_that_of_the_weakest() -> None:
    assert tolerance(3, []) == 2
    assert tolerance(6, [2, 1, 2]) == 1
    assert tolerance(2, [2]) == 1
    assert tolerance(1, [2]) == tolerance(0, [0]) == tolerance(4, [-1]) == 0
