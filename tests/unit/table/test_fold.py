"""From records to state: the same whatever order they come in, and only what a device may do."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.table.rig import ALICE, BOB, OWNER, enroll, fake, genesis, run_id
from webraid.table.fold import APPEND, Record, State, fold
from webraid.table.records import (
    Abort,
    AddDisk,
    AnyOp,
    Close,
    Commit,
    Condemn,
    Genesis,
    Joined,
    Prepare,
    RemoveDisk,
    RootDir,
    Snapshot,
)

A, B = ALICE.id, BOB.id
FIRST = fake(A, 1, genesis(), enroll(ALICE))


def disk(number: int) -> bytes:
    return bytes([number]) * 8


def add(number: int, name: str = "") -> AddDisk:
    return AddDisk(disk=disk(number), name=name or f"d{number}", kind="memory", domain="x", identity="")


def snapshot(name: bytes = b"photos", level: str = "raid6") -> Snapshot:
    root = RootDir(name=name, origin=b"/" + name)
    return Snapshot(root=bytes(16), time_ms=0, host="h", level=level, roots=(root,))


def commit(run: int, *, shot: Snapshot | None = None, **more: object) -> Commit:
    return Commit(run=run_id(run), snapshot=shot, **more)  # type: ignore[arg-type]


OPS = st.one_of(
    st.builds(add, st.integers(1, 3), st.sampled_from("xyz")),
    st.builds(lambda i: Joined(disk=disk(i)), st.integers(1, 3)),
    st.builds(lambda i: RemoveDisk(disk=disk(i)), st.integers(1, 3)),
    st.builds(lambda r, i: Prepare(run=run_id(r), creates=(run_id(i),)), st.integers(1, 4), st.integers(9, 12)),
    st.builds(lambda r: commit(r, shot=snapshot()), st.integers(1, 4)),
    st.builds(lambda r: Close(run=run_id(r)), st.integers(1, 4)),
    st.builds(lambda r: Abort(run=run_id(r)), st.integers(1, 4)),
    st.builds(lambda i: Condemn(packs=(run_id(i),)), st.integers(9, 12)),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Record]:
    """What two devices write, knowing of each other now and then; numbers of records in order."""
    records = [FIRST, fake(B, 1, enroll(BOB, rights=draw(st.sampled_from([("append",), ("append", "sweep")]))))]
    for _ in range(draw(st.integers(0, 12))):
        device = draw(st.sampled_from([A, B]))
        own = [record for record in records if record.device == device]
        lamport = own[-1].body.lamport + draw(st.integers(1, 3))
        ops = draw(st.lists(OPS, min_size=0, max_size=3))
        acked = {disk(1): len(own)}
        records.append(fake(device, len(own) + 1, *ops, lamport=lamport, acked=acked))
    return records


@given(histories(), st.integers())
def test_the_state_is_the_same_for_every_order_of_the_records(records: list[Record], seed: int) -> None:
    shuffled = list(records)
    random.Random(seed).shuffle(shuffled)
    assert fold(shuffled) == fold(records)
    assert fold(reversed(records)) == fold(records)


def test_records_apply_in_the_order_of_their_lamport_numbers_not_of_their_devices() -> None:
    state = fold([FIRST, fake(B, 1, enroll(BOB), lamport=2), fake(A, 2, add(1, "late"), lamport=9),
                  fake(B, 2, add(1, "early"), lamport=3)])  # fmt: skip
    assert state.disks[disk(1)].name == "late"
    assert state.lamport == 9
    assert state.heads == {A: 2, B: 2}


def test_the_first_genesis_stands() -> None:
    usurper = Genesis(name="mine", level="raid0", owner=bytes(32))
    state = fold([FIRST, fake(B, 1, usurper, enroll(BOB), lamport=2)])
    assert (state.name, state.level, state.owner) == ("pool", "raid6", OWNER.public)


# --------------------------------------------------------------------------------------------------------------- rights
@pytest.mark.parametrize("op", [RemoveDisk(disk=disk(1)), Condemn(packs=(run_id(1),))], ids=["remove", "condemn"])
def test_what_takes_away_needs_the_right_to_sweep(op: AnyOp) -> None:
    begun = [FIRST, fake(A, 2, add(1), Joined(disk=disk(1))), fake(B, 1, enroll(BOB, rights=(APPEND,)), lamport=3)]
    refused = fold([*begun, fake(B, 2, op, lamport=4)])
    assert refused.joined() and not refused.condemned
    assert [(record.device, why) for record, why in refused.refused] == [(B, "the device has no right to sweep")]
    allowed = fold([*begun, fake(A, 3, op, lamport=4)])
    assert not allowed.refused
    assert not allowed.joined() or allowed.condemned


def test_a_device_without_a_certificate_changes_nothing() -> None:
    state = fold([FIRST, fake(B, 1, add(1), commit(1, shot=snapshot()), Condemn(packs=(run_id(9),)), lamport=2)])
    assert not state.disks and not state.shots and not state.condemned and not state.runs
    assert len(state.refused) == 3


def test_a_certificate_counts_in_a_first_record_only() -> None:
    """Only there was it checked."""
    state = fold([FIRST, fake(B, 1, lamport=2), fake(B, 2, enroll(BOB), lamport=3), fake(B, 3, add(1), lamport=4)])
    assert B not in state.devices and not state.disks
    widened = fold([FIRST, fake(B, 1, enroll(BOB, rights=(APPEND,)), lamport=2), fake(B, 2, enroll(BOB), lamport=3)])
    assert widened.devices[B].rights == (APPEND,)


# ----------------------------------------------------------------------------------------------------------- membership
def test_a_disk_is_a_member_when_added_and_counts_when_joined_until_it_is_removed() -> None:
    records = [FIRST, fake(A, 2, add(1))]
    assert [info.id for info in fold(records).members()] == [disk(1)] and not fold(records).joined()
    records.append(fake(A, 3, Joined(disk=disk(1))))
    assert [info.id for info in fold(records).joined()] == [disk(1)]
    records.append(fake(A, 4, RemoveDisk(disk=disk(1))))
    assert not fold(records).members() and not fold(records).joined()


def test_a_changed_connection_leaves_the_disk_where_it_stands() -> None:
    renamed = fold([FIRST, fake(A, 2, add(1), Joined(disk=disk(1))), fake(A, 3, add(1, "attic"))])
    assert [(info.name, info.joined) for info in renamed.joined()] == [("attic", True)]
    removed = fold([FIRST, fake(A, 2, add(1), RemoveDisk(disk=disk(1))), fake(A, 3, add(1))])
    assert not removed.members()


def test_joined_or_removed_without_a_seat_means_nothing() -> None:
    assert not fold([FIRST, fake(A, 2, Joined(disk=disk(1)), RemoveDisk(disk=disk(2)))]).disks


def test_losses_are_those_of_the_widest_level_in_use() -> None:
    joined = [fake(A, 2, *(op for i in range(1, 7) for op in (add(i), Joined(disk=disk(i)))))]
    assert State().losses() == 0
    assert fold([FIRST, *joined]).losses() == 2
    state = fold([FIRST, *joined, fake(A, 3, commit(1, shot=snapshot(level="raid1:4")))])
    assert state.losses() == 3
    assert fold([FIRST]).losses() == 2  # as if there were as many disks as it takes


# ----------------------------------------------------------------------------------------------------------------- runs
def test_pins_last_until_the_run_is_closed_or_aborted() -> None:
    prepare = fake(A, 2, Prepare(run=run_id(1), creates=(b"new",), reuses=(b"old",)))
    assert fold([FIRST, prepare]).pins() == {b"new", b"old"}
    assert fold([FIRST, prepare, fake(A, 3, commit(1))]).pins() == {b"new", b"old"}
    assert fold([FIRST, prepare, fake(A, 3, commit(1)), fake(A, 4, Close(run=run_id(1)))]).pins() == set()
    assert fold([FIRST, prepare, fake(A, 3, Abort(run=run_id(1)))]).pins() == set()


def test_runs_belong_to_their_device() -> None:
    """Nobody closes or aborts what another one is about."""
    records = [
        FIRST,
        fake(B, 1, enroll(BOB), lamport=2),
        fake(A, 2, Prepare(run=run_id(1), creates=(b"p",)), lamport=3),
    ]
    assert fold([*records, fake(B, 2, Abort(run=run_id(1)), lamport=4)]).pins() == {b"p"}


def test_an_aborted_run_is_invisible() -> None:
    state = fold([FIRST, fake(A, 2, Prepare(run=run_id(1), creates=(b"p",))), fake(A, 3, Abort(run=run_id(1)))])
    assert not state.shots and not state.commits and not state.segments()
    assert state.runs[A, run_id(1)].settled


@pytest.mark.parametrize("order", [(2, 3), (3, 2)], ids=["commit first", "abort first"])
def test_beside_a_commit_an_abort_means_nothing(order: tuple[int, int]) -> None:
    at_commit, at_abort = order
    records = [FIRST, fake(A, at_commit, commit(1, shot=snapshot())), fake(A, at_abort, Abort(run=run_id(1)))]
    state = fold(records)
    assert [shot.id for shot in state.shots] == [run_id(1)]
    assert not state.runs[A, run_id(1)].aborted


def test_superseded_segments_are_out() -> None:
    one = fake(A, 2, commit(1, segments=(b"s1", b"s2")))
    two = fake(A, 3, commit(2, segments=(b"s3",), supersedes=(b"s1",)))
    assert fold([FIRST, one, two]).segments() == [b"s2", b"s3"]


# ------------------------------------------------------------------------------------------------------------ conflicts
def conflicts(seen: dict[bytes, int], name: bytes = b"photos") -> list[list[str]]:
    """Alice puts, then Bob, who has ``seen`` that much."""
    state = fold([
        FIRST, fake(B, 1, enroll(BOB), lamport=2), fake(A, 2, commit(1, shot=snapshot()), lamport=3),
        fake(B, 2, commit(2, shot=snapshot(name)), lamport=3, vector=seen),
    ])  # fmt: skip
    return [[other.name for other in state.conflicts(shot)] for shot in state.shots]


def test_snapshots_made_without_knowing_of_each_other_conflict() -> None:
    names = {run_id(1).hex()[:8], run_id(2).hex()[:8]}
    found = conflicts({A: 1})
    assert {name for others in found for name in others} == names
    assert all(len(others) == 1 for others in found)


def test_a_snapshot_made_in_knowledge_of_the_other_does_not_conflict() -> None:
    assert conflicts({A: 2}) == [[], []]


def test_snapshots_of_other_folders_do_not_conflict() -> None:
    assert conflicts({}, b"music") == [[], []]


def test_a_device_never_conflicts_with_itself() -> None:
    state = fold([FIRST, fake(A, 2, commit(1, shot=snapshot())), fake(A, 3, commit(2, shot=snapshot()))])
    assert [state.conflicts(shot) for shot in state.shots] == [[], []]
    assert state.shots[1].saw(state.shots[0]) and not state.shots[0].saw(state.shots[1])


def test_what_a_disk_acknowledged_is_the_highest_that_any_record_says() -> None:
    records = [FIRST, fake(A, 2, acked={disk(1): 1}), fake(A, 3, acked={disk(1): 2, disk(2): 1})]
    assert fold(records).acked == {disk(1): {A: 2}, disk(2): {A: 1}}
