"""The owner's word: rights, evictions, key slots and epochs count by his signature, wherever they stand."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.table.rig import ALICE, BOB, OWNER, enroll, fake, genesis, run_id
from webraid.codec.keys import new_owner
from webraid.codec.sign import sign
from webraid.env import seeded
from webraid.table.fold import Record, State
from webraid.table.fold import fold as folded
from webraid.table.records import (
    AddDisk,
    AddSlot,
    Close,
    Commit,
    Condemn,
    DropSlot,
    Evict,
    Grant,
    Prepare,
    Rotate,
    drop_message,
    evict_message,
    grant_message,
    rotate_message,
    slot_message,
)

A, B = ALICE.id, BOB.id
KNOWN = (fake(A, 1, genesis(), enroll(ALICE)), fake(B, 1, enroll(BOB), lamport=2))
THIEF = new_owner(seeded(99))


def fold(*records: Record) -> State:
    return folded((*KNOWN, *records), OWNER.public)


def grant(rights: tuple[str, ...], serial: int = 1, after: int = 1, by: bytes = OWNER.private) -> Grant:
    signature = sign(by, grant_message(B, rights, serial, after))
    return Grant(device=B, rights=rights, serial=serial, after=after, signature=signature)


def evict(seq: int, by: bytes = OWNER.private) -> Evict:
    return Evict(device=B, seq=seq, signature=sign(by, evict_message(B, seq)))


def add_slot(slot: int, by: bytes = OWNER.private) -> AddSlot:
    message = slot_message(bytes([slot]) * 8, b"sealed", "label", 5)
    return AddSlot(slot=bytes([slot]) * 8, sealed=b"sealed", label="label", time_ms=5, signature=sign(by, message))


def drop_slot(*slots: int, by: bytes = OWNER.private) -> DropSlot:
    ids = tuple(bytes([slot]) * 8 for slot in slots)
    return DropSlot(slots=ids, signature=sign(by, drop_message(ids)))


def rotate(epoch: int, by: bytes = OWNER.private) -> Rotate:
    boxes = {A: b"box a", B: b"box b"}
    message = rotate_message(epoch, b"c" * 16, boxes)
    return Rotate(epoch=epoch, check=b"c" * 16, boxes=boxes, signature=sign(by, message))


def condemn(pack: int) -> Condemn:
    return Condemn(packs=(run_id(pack),))


# -------------------------------------------------------------------------------------------------------------- rights
def test_rights_hold_by_the_devices_own_numbers() -> None:
    state = fold(
        fake(B, 2, condemn(2), lamport=3), fake(A, 2, grant(("append",), after=2), lamport=4),
        fake(B, 3, condemn(3), lamport=5), fake(A, 3, grant(("append", "sweep"), 2, after=3), lamport=6),
        fake(B, 4, condemn(4), lamport=7),
    )  # fmt: skip
    assert state.condemned.keys() == {run_id(2), run_id(4)}
    assert state.devices[B].rights == ("append", "sweep")


def test_a_record_that_is_dated_back_does_not_escape() -> None:
    state = fold(fake(A, 2, grant(("append",), after=1), lamport=9), fake(B, 2, condemn(2), lamport=3))
    assert not state.condemned and state.refused


def test_an_announced_grant_takes_rights_from_the_device_and_from_no_record_yet() -> None:
    state = fold(fake(A, 2, grant(("append",), after=-1), lamport=3), fake(B, 2, condemn(2), lamport=4))
    assert state.devices[B].rights == ("append",)
    assert state.condemned.keys() == {run_id(2)}
    more = fold(fake(A, 2, grant(("append",), 1, 1), grant(("append", "sweep"), 2, after=-1), lamport=3))
    assert more.devices[B].rights == ("append",)


def test_the_highest_serial_counts_whatever_order_they_come_in() -> None:
    newer, older = grant(("append",), 2), grant(("append", "sweep"), 1)
    for first, second in ((newer, older), (older, newer)):
        state = fold(fake(A, 2, first, lamport=3), fake(A, 3, second, lamport=4), fake(B, 2, condemn(2), lamport=5))
        assert not state.condemned and state.devices[B].rights == ("append",) and state.devices[B].serial == 2


def test_changing_the_disks_takes_the_right_to_sweep() -> None:
    add = AddDisk(disk=b"d" * 8, name="d", kind="local", domain="d", identity="d")
    assert fold(fake(B, 2, add, lamport=3)).disks
    assert not fold(fake(A, 2, grant(("append", "forget")), lamport=3), fake(B, 2, add, lamport=4)).disks


# ------------------------------------------------------------------------------------------------------------ evictions
def test_what_an_evicted_device_left_open_is_settled() -> None:
    done, open_ = Commit(run=run_id(1)), Prepare(run=run_id(2), creates=(run_id(9),))
    before = fold(
        fake(B, 2, Prepare(run=run_id(1), creates=(run_id(8),)), done, lamport=3), fake(B, 3, open_, lamport=4)
    )
    assert before.pins() == {run_id(8), run_id(9)}
    announced = fold(
        fake(B, 2, done, lamport=3), fake(B, 3, open_, lamport=4), fake(A, 2, evict(-1), lamport=5)
    )  # fmt: skip
    assert announced.devices[B].evicted and not announced.ends and announced.pins() == {run_id(9)}
    gone = fold(
        fake(B, 2, done, lamport=3), fake(B, 3, open_, lamport=4), fake(B, 4, Close(run=run_id(2)), lamport=5),
        fake(A, 2, evict(3), lamport=1),
    )  # fmt: skip
    assert gone.ends == {B: 3} and not gone.pins() and len(gone.commits) == 1
    assert [(run.closed, run.aborted) for run in gone.runs.values()] == [(True, False), (False, True)]


def test_of_two_evictions_the_smaller_number_counts() -> None:
    records = [fake(A, 2, evict(3), lamport=9), fake(A, 3, evict(2), lamport=10)]
    records += [fake(B, number, condemn(number), lamport=number + 1) for number in (2, 3, 4)]
    assert fold(*records).condemned.keys() == {run_id(2)}


# ---------------------------------------------------------------------------------------------------- slots and epochs
def test_slots_come_and_go_and_never_return() -> None:
    none = fold()
    assert not none.slots_known and not none.slots
    state = fold(
        fake(A, 2, add_slot(1), add_slot(2)), fake(A, 3, drop_slot(1), lamport=3), fake(B, 2, add_slot(1), lamport=9)
    )
    assert state.slots_known and state.slots.keys() == {bytes([2]) * 8}
    early = fold(fake(A, 2, drop_slot(1), lamport=3), fake(B, 2, add_slot(1), lamport=9))
    assert early.slots_known and not early.slots


def test_epochs_begin() -> None:
    state = fold(fake(A, 2, rotate(1), lamport=3), fake(B, 2, rotate(2), lamport=9))
    assert state.epoch == 2 and [op.epoch for op in state.rotations] == [1, 2]
    assert fold().epoch == 0


def test_only_the_owner_is_heeded() -> None:
    by = THIEF.private
    state = fold(
        fake(A, 2, grant((), by=by), evict(0, by=by), add_slot(1, by=by), drop_slot(2, by=by), rotate(1, by=by)),
        fake(A, 3, add_slot(2), lamport=3), fake(B, 2, condemn(2), lamport=4),
    )  # fmt: skip
    assert state.slots.keys() == {bytes([2]) * 8} and not state.ends and not state.rotations
    assert not state.devices[B].evicted and state.condemned
    assert [why for _, why in state.refused] == ["the owner has not signed it"] * 5


@pytest.mark.parametrize(
    ("op", "change"),
    [
        (grant(("append",)), {"rights": ("append", "sweep")}),
        (grant(("append",)), {"after": 0}),
        (grant(("append",)), {"serial": 7}),
        (evict(4), {"seq": 0}),
        (add_slot(1), {"sealed": b"another"}),
        (drop_slot(1), {"slots": (bytes([2]) * 8,)}),
        (rotate(1), {"boxes": {A: b"box b"}}),
        (rotate(1), {"epoch": 2}),
    ],
)
def test_every_member_is_signed(op: Grant | Evict | AddSlot | DropSlot | Rotate, change: dict[str, object]) -> None:
    import msgspec

    state = fold(fake(A, 2, msgspec.structs.replace(op, **change)))
    assert [why for _, why in state.refused] == ["the owner has not signed it"]


WORDS = st.sampled_from(
    [grant(("append",), 1, 2), grant(("append", "sweep"), 2, 3), grant(("append",), 3, -1), evict(-1), evict(3),
     add_slot(1), add_slot(2), drop_slot(1), rotate(1), condemn(1), Prepare(run=run_id(5), creates=(run_id(6),))]
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from([A, B]), st.integers(2, 9), WORDS), max_size=9), st.integers())
def test_the_state_is_the_same_for_every_order(said: list[tuple[bytes, int, Grant]], seed: int) -> None:
    numbers = {A: 1, B: 1}
    records = list(KNOWN)
    for device, lamport, op in said:
        numbers[device] += 1
        records.append(fake(device, numbers[device], op, lamport=lamport))
    shuffled = list(records)
    random.Random(seed).shuffle(shuffled)
    assert folded(shuffled, OWNER.public) == folded(records, OWNER.public)
