"""Which disks count for certain: by what is known of joins and removals, and of who has these records."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.table.rig import ALICE, BOB, enroll, fake, genesis
from webraid.table.fold import Record, State, fold
from webraid.table.quorum import Membership
from webraid.table.records import ACTIVE, DRAINING, LEAVING, LOST, AddDisk, AnyOp, Joined, RemoveDisk, SetRole
from webraid.table.standing import Step, What, could_leave, grown, standing

A, B = ALICE.id, BOB.id


def disk(number: int) -> bytes:
    return bytes([number]) * 8


def add(number: int) -> AddDisk:
    return AddDisk(disk=disk(number), name=f"d{number}", kind="local", domain="x", identity="")


class Log:
    """A pool's log as one machine knows it; ``held``: record -> disks that have it, all of the pool's where unsaid."""

    def __init__(self, disks: int) -> None:
        self.everyone = frozenset(disk(number) for number in range(disks))
        self.records = [fake(A, 1, genesis(), enroll(ALICE)), fake(B, 1, enroll(BOB), lamport=2, vector={A: 1})]
        self.held: dict[bytes, frozenset[bytes]] = {}
        for number in range(disks):
            self.write(A, add(number))
            self.write(A, Joined(disk=disk(number)))

    def write(self, device: bytes, *ops: AnyOp, on: set[int] | None = None, knowing: int | None = None) -> Record:
        """``on``: disks that have it; ``knowing``: how many of the other device's records its writer knew."""
        mine = [record for record in self.records if record.device == device]
        other = len(self.records) - len(mine) if knowing is None else knowing
        vector = {B if device == A else A: other}
        self.records.append(fake(device, len(mine) + 1, *ops, lamport=len(self.records) + 3, vector=vector))
        if on is not None:
            self.held[self.records[-1].digest] = frozenset(disk(number) for number in on)
        return self.records[-1]

    def state(self) -> State:
        return fold(self.records)

    def counts(self) -> tuple[set[int], set[int]]:
        """Numbers of the disks that count for certain, and of the undecided ones."""
        state = self.state()
        found = state.changes.membership(state.disks, 1, lambda record: self.held.get(record.digest, self.everyone))
        return {one[0] for one in found.joined}, {one[0] for one in found.joining}


def test_disks_that_joined_one_after_the_other_count() -> None:
    assert Log(5).counts() == ({0, 1, 2, 3, 4}, set())


def test_disks_that_joined_in_one_record_count_together() -> None:
    log = Log(0)
    log.write(A, add(0), add(1), add(2), on=set())
    log.write(A, *[Joined(disk=disk(number)) for number in range(3)], on={1, 2})
    assert log.counts() == ({0, 1, 2}, set())


@pytest.mark.parametrize(("on", "known"), [({5}, False), ({0, 5}, False), ({0, 1, 5}, False), ({0, 1, 2}, True)])
def test_a_join_counts_once_a_majority_of_the_others_has_it(on: set[int], known: bool) -> None:
    log = Log(5)
    log.write(A, add(5))
    log.write(A, Joined(disk=disk(5)), on=on)
    assert log.counts() == (({0, 1, 2, 3, 4, 5}, set()) if known else ({0, 1, 2, 3, 4}, {5}))


def test_who_announces_makes_a_disk_undecided() -> None:
    log = Log(3)
    log.write(A, add(3))
    log.write(B, SetRole(disk=disk(0), role=LEAVING))
    assert log.counts() == ({1, 2}, {0, 3})


@pytest.mark.parametrize(("on", "known"), [({1, 2}, False), ({1, 2, 3}, True), ({0, 1, 2}, True), ({0, 1}, False)])
def test_a_removal_counts_once_a_majority_of_all_has_it_the_disk_among_them(on: set[int], known: bool) -> None:
    log = Log(4)
    log.write(A, SetRole(disk=disk(0), role=LEAVING))
    log.write(A, RemoveDisk(disk=disk(0)), on=on)
    assert log.counts() == ({1, 2, 3}, set() if known else {0})


def test_a_lost_disk_is_out_at_once_and_so_is_one_that_nobody_announced() -> None:
    log = Log(2)
    log.write(A, SetRole(disk=disk(0), role=LOST), on=set())
    assert log.counts() == ({1}, set())
    older = Log(2)
    older.write(A, RemoveDisk(disk=disk(0)), on=set())
    assert older.counts() == ({1}, set())


def test_a_join_that_another_change_may_hide_needs_more_disks() -> None:
    """Who does not know the join of 4 may count 3 as well, or not."""
    log = Log(3)
    before = len(log.records) - 1
    log.write(A, add(3))
    log.write(B, add(4), knowing=before)
    join = log.write(B, Joined(disk=disk(4)), on={0, 1}, knowing=before)
    assert log.counts() == ({0, 1, 2}, {3, 4})
    log.held[join.digest] = frozenset({disk(0), disk(1), disk(3)})
    assert log.counts() == ({0, 1, 2, 4}, {3})


def test_what_follows_a_change_and_is_known_to_all_takes_it_along() -> None:
    log = Log(3)
    log.write(A, add(3))
    log.write(A, Joined(disk=disk(3)), on=set())
    log.write(B, add(4))
    log.write(B, Joined(disk=disk(4)), on={0, 1, 2, 3})
    assert log.counts() == ({0, 1, 2, 3, 4}, set())


def test_only_who_announced_a_removal_takes_that_back() -> None:
    log = Log(3)
    log.write(A, SetRole(disk=disk(0), role=LEAVING))
    assert log.state().disks[disk(0)].role == DRAINING
    log.write(B, SetRole(disk=disk(0), role=ACTIVE))
    assert log.counts() == ({1, 2}, {0})
    log.write(A, SetRole(disk=disk(0), role=ACTIVE))
    assert log.counts() == ({0, 1, 2}, set())


def test_a_login_renewed_later_announces_nothing() -> None:
    log = Log(3)
    log.write(B, add(1))
    assert log.counts() == ({0, 1, 2}, set())


def test_what_the_writer_of_a_change_knew_and_nobody_shows_is_told() -> None:
    log = Log(3)
    log.write(A, add(3), knowing=7)
    newest = {A: 8, B: 1}
    assert [(device, seq) for _, device, seq in log.state().changes.unseen(lambda one: newest[one])] == [(B, 7)]
    newest[B] = 7
    assert not log.state().changes.unseen(lambda one: newest[one])


def test_only_what_could_not_be_known_before_makes_one_send_again() -> None:
    def counting(joined: str, joining: str) -> Membership:
        return Membership(frozenset(joined.encode()), frozenset(joining.encode()), 1)  # type: ignore[arg-type]

    assert not grown(counting("ab", "cd"), counting("abc", "d"))
    assert not grown(counting("ab", "cd"), counting("ab", ""))
    assert grown(counting("ab", ""), counting("ab", "c"))
    assert grown(counting("abc", ""), counting("ab", "c"))


def test_a_silent_disk_may_leave_without_a_word_where_a_majority_of_all_answers() -> None:
    assert [could_leave(n - 1, n - 1) for n in (1, 2, 3, 4)] == [False, False, True, True]
    assert not could_leave(3, 2) and could_leave(4, 3)


steps = st.lists(
    st.builds(
        Step, st.sampled_from(What), st.integers(0, 4), st.integers(0, 3), st.frozensets(st.integers(0, 4), max_size=5)
    ),
    max_size=9,
)


@given(steps, st.frozensets(st.integers(0, 4), max_size=1), st.randoms())
def test_the_order_in_which_changes_are_told_does_not_matter(
    told: list[Step[int]], lost: frozenset[int], rng: object
) -> None:
    def follows(one: int, other: int) -> bool:
        return one >= other

    found = standing(told, follows, lost)
    mixed = list(told)
    rng.shuffle(mixed)  # type: ignore[attr-defined]
    assert standing(mixed, follows, lost) == found
    assert not found[0] & found[1] and not (found[0] | found[1]) & lost


def test_of_two_things_that_can_be_concluded_neither_hides_the_other() -> None:
    """A removal that is known ends what could be said of its join, and what follows from that join."""
    told = [
        Step(What.REMOVE, 3, 0), Step(What.JOIN, 3, 1, frozenset({0})), Step(What.ADD, 0, 0), Step(What.REMOVE, 0, 1),
    ]  # fmt: skip
    found = {standing(order, lambda one, other: one >= other) for order in permutations(told)}
    assert found == {(frozenset(), frozenset())}
