"""The protocols, explored to the last state: the right ones hold, and each plausible wrong one is caught.

W and R are those of webraid/table/quorum.py.
"""

from __future__ import annotations

import pytest

from tests.models.commit_gc import Protocol
from tests.models.evict import Eviction
from tests.models.replace import Replacement
from webraid.table.quorum import majority, read_quorum, write_quorum


def quorums(n: int, m: int) -> tuple[int, int]:
    """W and R of n disks and m losses."""
    return write_quorum(n, m), read_quorum(n)


COMMIT = [
    (2, 1),
    (3, 1),
    (3, 2),
    pytest.param(4, 1, marks=pytest.mark.deep),
    pytest.param(4, 2, marks=pytest.mark.deep),
]


@pytest.mark.parametrize(("n", "m"), COMMIT)
def test_commit_and_collection_hold_whatever_is_interleaved_and_lost(n: int, m: int) -> None:
    w, r = quorums(n, m)
    assert Protocol(n, w, r, losses=min(m, n - majority(n))).check().holds


def test_a_commit_acknowledged_by_a_majority_alone_meets_every_fresh_read() -> None:
    for n in (2, 3, 4):
        assert Protocol(n, majority(n), read_quorum(n), losses=0).check().holds


def test_a_collector_that_stopped_half_way_is_carried_on_by_another_one() -> None:
    for n, m in ((2, 1), (3, 1)):
        w, r = quorums(n, m)
        assert Protocol(n, w, r, losses=0, condemned_by_another=True).check().holds


def test_deletes_that_land_late_do_no_harm() -> None:
    w, r = quorums(3, 1)
    assert Protocol(3, w, r, deletes_land_late=True).check().holds


WRONG_COMMITS = {
    "no condemn record": Protocol(3, 2, 2, condemns=False),
    "the writer does not look again": Protocol(3, 2, 2, looks_again=False),
    "the writer looks before it publishes": Protocol(3, 2, 2, looks_before_publishing=True),
    "names are used twice": Protocol(3, 2, 2, reuses_names=True, deletes_land_late=True),
    "a failed listing counts as empty": Protocol(3, 2, 2, losses=0, failed_listing_is_empty=True),
    "a disk that comes back empty counts": Protocol(3, 2, 2, replaced="empty"),
    "a disk is replaced and the writer does not look at the membership again": Protocol(3, 2, 2, replaced="copied"),
    "deleted before that is recorded": Protocol(3, 2, 2, losses=0, deletes_before_swept=True),
    "the collector goes on without R": Protocol(3, 2, 2, losses=0, collects_without_r=True),
    "the collector believes a stale index": Protocol(3, 2, 2, losses=0, stale_index=True),
    "what another collector condemned is relied upon before it is durable": Protocol(
        3, 2, 2, losses=0, condemned_by_another=True, spreads_first=False
    ),
    "W too small": Protocol(3, 1, 2),
    "R too small": Protocol(3, 2, 1),
}


@pytest.mark.parametrize("wrong", WRONG_COMMITS.values(), ids=WRONG_COMMITS)
def test_wrong_ways_to_commit_and_collect_are_caught(wrong: Protocol) -> None:
    found = wrong.check()
    assert not found.holds
    assert found.trace


@pytest.mark.parametrize(("n", "m"), [(2, 1), (3, 1), (4, 2)])
def test_evicting_a_device_that_may_be_alive_cuts_off_nothing_acknowledged(n: int, m: int) -> None:
    w, r = quorums(n, m)
    assert Eviction(n, w, r, losses=min(m, n - majority(n))).check().holds
    assert not Eviction(n, w, r, losses=1, device_looks=False).check().holds
    assert not Eviction(n, w, r, losses=1, intent_first=False).check().holds


def test_replacing_a_dead_disk_is_fenced() -> None:
    w, r = quorums(3, 1)
    assert Replacement(3, w, r).check().holds
    assert not Replacement(3, w, r, writer_looks=False).check().holds
    assert not Replacement(3, w, r, copies=False).check().holds
