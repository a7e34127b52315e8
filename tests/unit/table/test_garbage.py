"""What may be deleted, and when: the decisions alone."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.table.rig import ALICE, BOB, enroll, fake, genesis, run_id
from webraid.model import PackKind
from webraid.table import garbage
from webraid.table.fold import Record, Shot, State, fold
from webraid.table.garbage import DAY_MS, Clock, Half, PackFacts
from webraid.table.records import (
    Abort,
    AnyOp,
    Close,
    Commit,
    Condemn,
    Forget,
    Prepare,
    RootDir,
    Snapshot,
    Swept,
    TablePack,
)

A, B = ALICE.id, BOB.id


def pack(number: int) -> bytes:
    return b"pack" + bytes(11) + bytes([number])


def segment(number: int) -> bytes:
    return b"segment" + bytes(8) + bytes([number])


def history(*records: tuple[bytes, AnyOp]) -> State:
    """One record an operation, in this order."""
    made = [fake(A, 1, genesis(), enroll(ALICE)), fake(B, 1, enroll(BOB))]
    count = {A: 1, B: 1}
    for lamport, (device, op) in enumerate(records, start=2):
        count[device] += 1
        made.append(fake(device, count[device], op, lamport=lamport))
    return fold(made)


def table(*numbers: int) -> tuple[TablePack, ...]:
    return tuple(TablePack(id=pack(number), length=1, sha256=bytes(32)) for number in numbers)


def snapshot(time_ms: int = 0, *, host: str = "h", root: int = 0, files: int = 100) -> Snapshot:
    where = (RootDir(name=b"photos", origin=b"/photos"),)
    return Snapshot(root=segment(root), time_ms=time_ms, host=host, level="raid6", roots=where, files=files)


def facts(number: int, *, sole: int = 0, m: int = 2, margin: int = 2, condemned: bool = False) -> PackFacts:
    return PackFacts(pack(number), PackKind.DATA, 200, 100, sole, m, margin, condemned)


# ------------------------------------------------------------------------------------------------------------ segments
def test_a_superseded_segment_is_live_until_the_commit_that_repeats_it_is_settled() -> None:
    first = (A, Commit(run=run_id(1), packs=table(1), segments=(segment(1),)))
    second = (B, Commit(run=run_id(2), packs=table(2), segments=(segment(2),), supersedes=(segment(1),)))
    opened = history((A, Prepare(run=run_id(1))), first, (A, Close(run=run_id(1))), second)
    assert opened.segments() == [segment(2)]
    assert set(garbage.live_segments(opened)) == {segment(1), segment(2)}
    closed = history((A, Prepare(run=run_id(1))), first, (A, Close(run=run_id(1))), second, (B, Close(run=run_id(2))))
    assert garbage.live_segments(closed) == [segment(2)]


def test_a_segment_stays_superseded_when_the_commit_that_said_so_is_swept() -> None:
    state = history(
        (A, Commit(run=run_id(1), packs=table(1, 9), segments=(segment(1),))),
        (A, Commit(run=run_id(2), packs=table(2), segments=(segment(2),), supersedes=(segment(1),))),
        (A, Commit(run=run_id(3), packs=table(3), segments=(segment(3),), supersedes=(segment(2),))),
        (A, Swept(packs=(pack(2), pack(1)))),
    )
    assert state.segments() == [segment(3)]  # of the first commit one table pack is left, which has no segment


def test_a_segment_that_is_written_anew_with_the_same_content_is_live_again() -> None:
    state = history(
        (A, Commit(run=run_id(1), packs=table(1), segments=(segment(1),))),
        (A, Commit(run=run_id(2), packs=table(2), segments=(segment(2),), supersedes=(segment(1),))),
        (A, Commit(run=run_id(3), packs=table(3), segments=(segment(1),), supersedes=(segment(2),))),
    )
    assert state.segments() == [segment(1)]


# ------------------------------------------------------------------------------------------------------------- orphans
def test_only_packs_that_a_settled_run_of_ours_made_can_be_orphans() -> None:
    state = history(
        (A, Prepare(run=run_id(1), creates=(pack(1), pack(2), pack(3)))),
        (A, Abort(run=run_id(1))),
        (B, Prepare(run=run_id(2), creates=(pack(4),), reuses=(pack(2),))),
        (B, Swept(packs=(pack(3),))),
    )
    listed = [pack(number) for number in range(1, 7)]  # 5 and 6: a stranger's, or another pool's
    assert garbage.orphans(state, listed, set()) == {pack(1)}
    assert garbage.orphans(state, listed, {pack(1)}) == set()


def test_what_an_unfinished_run_made_is_no_orphan_until_it_is_settled() -> None:
    opened = history((A, Prepare(run=run_id(1), creates=(pack(1),))))
    assert garbage.orphans(opened, [pack(1)], set()) == set()
    aborted = history((A, Prepare(run=run_id(1), creates=(pack(1),))), (A, Abort(run=run_id(1))))
    assert garbage.orphans(aborted, [pack(1)], set()) == {pack(1)}


# ---------------------------------------------------------------------------------------------------------------- used
def used(packs: list[PackFacts], shared: Mapping[tuple[bytes, ...], int]) -> set[bytes]:
    return set(garbage.used({fact.id: fact for fact in packs}, shared.items()))


def test_of_two_whole_packs_with_the_same_chunks_one_is_enough() -> None:
    packs = [facts(1), facts(2, sole=30)]
    assert used(packs, {(pack(1), pack(2)): 50}) == {pack(2)}


@pytest.mark.parametrize(
    "other",
    [facts(2, margin=1), facts(2, margin=-1), facts(2, m=1, margin=1), facts(2, condemned=True)],
    ids=["a shard is missing", "it cannot be read", "it survives less", "it is condemned"],
)
def test_a_duplicate_does_not_stand_in_for_a_pack_that_is_better(other: PackFacts) -> None:
    assert pack(1) in used([facts(1), other], {(pack(1), pack(2)): 50})


def test_where_no_pack_is_whole_none_of_them_goes() -> None:
    packs = [facts(1, margin=1), facts(2, margin=0)]
    assert used(packs, {(pack(1), pack(2)): 50}) == {pack(1), pack(2)}


def test_the_fuller_pack_is_kept_of_an_old_and_a_new_one() -> None:
    packs = [facts(1), facts(2)]
    shared = {(pack(1), pack(2)): 40, (pack(2), pack(3)): 60}
    assert used([*packs, facts(3)], shared) == {pack(2)}


@given(st.integers(0, 10_000))
def test_whatever_is_shared_every_live_chunk_keeps_its_best_pack(seed: int) -> None:
    rng = Random(seed)
    packs = {}
    for number in range(rng.randrange(2, 7)):
        m = rng.randrange(3)
        packs[pack(number)] = facts(
            number, sole=rng.choice([0, 0, 10]), m=m, margin=rng.randrange(-1, m + 1), condemned=rng.random() < 0.3
        )
    pairs = [pair for size in (2, 3) for pair in itertools.combinations(sorted(packs), size)]
    shared = {pair: 10 for pair in pairs if rng.random() < 0.4}
    kept = garbage.used(packs, shared.items())
    assert all(fact.id in kept for fact in packs.values() if fact.sole)
    for group in shared:
        there = [packs[one] for one in group]
        left = [one for one in there if one.id in kept]
        assert max(one.margin for one in left) >= max(min(one.margin, one.m) for one in there)
        assert len(left) == len(there) or any(one.whole and not one.condemned for one in left)


# ----------------------------------------------------------------------------------------------------------- decisions
def test_what_is_used_or_pinned_is_neither_condemned_nor_swept() -> None:
    packs = {1, 2, 3, 4}
    assert garbage.may_condemn(packs, used={1}, pinned={2}, condemned={3}) == {4}
    assert garbage.may_sweep(packs, used={1}, pinned={2}, swept={3}) == {4}
    assert garbage.may_reuse(packs, {4}) == {1, 2, 3}


def test_the_trash_time_counts_from_the_last_time_a_pack_was_condemned() -> None:
    state = history((A, Condemn(packs=(pack(1),))), (B, Condemn(packs=(pack(1),))))
    record = state.condemned[pack(1)]
    assert record.device == B
    assert not garbage.due(record, Clock(state, 6 * DAY_MS), 7 * DAY_MS)
    assert garbage.due(record, Clock(state, 7 * DAY_MS), 7 * DAY_MS)


def test_what_is_swept_is_condemned_as_well() -> None:
    assert pack(1) in history((A, Swept(packs=(pack(1),)))).condemned


def test_the_brake_counts_what_anybody_condemned_within_a_week() -> None:
    state = history((A, Condemn(packs=(pack(1),), size=70)), (B, Condemn(packs=(pack(2),), size=20)))
    more = history((A, Condemn(packs=(pack(1),), size=70, agreed=True)), (B, Condemn(packs=(pack(2),), size=20)))
    assert (garbage.recently(more, Clock(more, 0)), garbage.agreed(more)) == (20, {pack(1)})
    assert garbage.recently(state, Clock(state, 6 * DAY_MS)) == 90
    assert garbage.recently(state, Clock(state, 7 * DAY_MS)) == 0
    assert garbage.brakes(1000, 20, 90, 0.1)
    assert not garbage.brakes(1000, 10, 90, 0.1)
    assert not garbage.brakes(1000, 0, 500, 0.1), "nothing more would go"


def test_young_snapshots_and_those_of_the_future_hold_on_to_their_data() -> None:
    def shot(time_ms: int) -> Shot:
        return Shot(run_id(1), A, 2, (0, A, 2, b""), {}, snapshot(time_ms))

    now = 100 * DAY_MS
    clock = Clock(State(), now)
    assert garbage.locked(shot(now - 29 * DAY_MS), clock, 30 * DAY_MS)
    assert not garbage.locked(shot(now - 31 * DAY_MS), clock, 30 * DAY_MS)
    assert garbage.locked(shot(now + DAY_MS), clock, 30 * DAY_MS)


def test_successions_are_of_one_source_and_of_this_week_and_know_forgotten_ones() -> None:
    def made(number: int, day: int, host: str = "h") -> tuple[bytes, AnyOp]:
        return A, Commit(run=run_id(number), snapshot=snapshot(day * DAY_MS, host=host, root=number))

    state = history(
        made(1, 1), made(2, 11), made(3, 12, "other"), made(4, 13), (A, Forget(snapshots=(run_id(2),)))
    )  # fmt: skip
    found = [(one.id, other.id) for one, other in garbage.successions(state, 14 * DAY_MS)]
    assert found == [(run_id(1), run_id(2)), (run_id(2), run_id(4))]
    assert garbage.surges(100, 51) and not garbage.surges(100, 50)
    assert not garbage.surges(10, 10), "of few files any change is a large share"
    aged = [[age // DAY_MS for *_, age in pairs] for pairs in garbage.histories(state, 18 * DAY_MS) if pairs]
    assert aged == [[7, 5]]


def test_a_source_that_always_changes_is_known_by_it_after_a_week_and_not_before() -> None:
    def habit(*ages: int, calm: int = -1) -> bool:
        return garbage.habitual([(age * DAY_MS, age != calm) for age in ages])

    assert habit(*range(10)) and habit(7, 9, 13)
    assert not habit(*range(9)), "two nights of the week before"
    assert not habit(*range(14), calm=13), "what was calm two weeks ago has changed"
    assert not habit(*range(14), calm=0) and not habit()


# -------------------------------------------------------------------------------------------------------- wrong clocks
def dated(*records: tuple[int, AnyOp]) -> State:
    """Records of one device: (day that its clock showed, operation)."""
    made = [fake(A, 1, genesis(), enroll(ALICE))]
    for seq, (day, op) in enumerate(records, start=2):
        made.append(replace(fake(A, seq, op, lamport=seq), time_ms=day * DAY_MS))
    return fold(made)


def test_a_clock_that_was_behind_cuts_no_trash_time_short() -> None:
    state = dated((100, Forget(snapshots=())), (0, Condemn(packs=(pack(1),), size=7)))
    clock, record = Clock(state, 101 * DAY_MS), state.condemned[pack(1)]
    assert not garbage.due(record, clock, 7 * DAY_MS) and garbage.recently(state, clock) == 7
    assert garbage.due(record, Clock(state, 107 * DAY_MS), 7 * DAY_MS)
    shot = dated((100, Forget(snapshots=())), (0, Commit(run=run_id(1), snapshot=snapshot(0)))).shots[0]
    assert garbage.locked(shot, clock, 30 * DAY_MS)


def test_a_clock_that_was_ahead_does_not_keep_anything_for_years() -> None:
    state = dated((9000, Condemn(packs=(pack(1),))), (100, Condemn(packs=(pack(2),))))
    clock, ahead, right = Clock(state, 108 * DAY_MS), state.condemned[pack(1)], state.condemned[pack(2)]
    assert not garbage.due(ahead, clock, 7 * DAY_MS) and garbage.due(ahead, clock, 0)
    assert garbage.to_renew(ahead, clock, 7 * DAY_MS, spared=False)
    assert garbage.due(right, clock, 7 * DAY_MS), "what seems to be of the future says nothing of other records"
    assert not garbage.to_renew(right, clock, 7 * DAY_MS, spared=False)
    assert garbage.to_renew(right, clock, 7 * DAY_MS, spared=True)


# ------------------------------------------------------------------------------------------------------------ mistrust
def test_who_may_not_delete_cannot_stand_in_for_what_others_stored() -> None:
    mine = facts(1)
    theirs = replace(facts(2, sole=50, m=4, margin=4), device=B, trusted=False)
    assert used([mine, theirs], {(pack(1), pack(2)): 50}) == {pack(1), pack(2)}
    also = replace(facts(3), device=B, trusted=False)
    assert len(used([theirs, also], {(pack(2), pack(3)): 50})) == 1, "its own it may have twice"


# ----------------------------------------------------------------------------------------------------------- repacking
def halves() -> list[Half]:
    return [Half(pack(1), 10, 100), Half(pack(2), 45, 100), Half(pack(3), 60, 100), Half(pack(4), 100, 100)]


def test_the_emptiest_packs_are_repacked_first_and_no_more_than_allowed() -> None:
    assert garbage.to_repack(halves(), threshold=0.5) == [pack(1), pack(2)]
    assert garbage.to_repack(halves(), threshold=0.5, max_size=20) == [pack(1)]
    assert garbage.to_repack(halves(), threshold=0.5, max_unused=0.4) == [pack(1)]
    assert garbage.to_repack(halves(), threshold=0.5, max_unused=0.0) == [pack(1), pack(2), pack(3)]
    assert garbage.to_repack(halves(), threshold=1.0) == []


def test_a_condemned_pack_that_is_used_is_repacked_and_many_tiny_ones_are_merged() -> None:
    spared = Half(pack(9), 100, 100, spared=True)
    assert garbage.to_repack([*halves(), spared], threshold=1.0) == [pack(9)]
    tiny = [Half(pack(number), 5, 5, tiny=True) for number in range(20, 20 + garbage.MANY_TINY)]
    assert len(garbage.to_repack([*halves(), *tiny], threshold=1.0)) == garbage.MANY_TINY
    assert garbage.to_repack([*halves(), *tiny[1:]], threshold=1.0) == []


def test_every_record_is_kept_for_what_it_said() -> None:
    records: list[tuple[bytes, AnyOp]] = [(A, Condemn(packs=(pack(1),), size=5)), (A, Condemn(packs=(pack(1),)))]
    found: list[tuple[Record, Condemn]] = history(*records).condemnations
    assert [op.size for _, op in found] == [5, 0]
