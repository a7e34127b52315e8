"""A device that somebody has taken over signs what it likes: nobody stops at it, and what was ended stays ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.table.rig import ALICE, BOB, OWNER, enroll, fake, genesis, run_id
from webraid.codec.sign import sign
from webraid.table.fold import ALL_RIGHTS, Record, State
from webraid.table.fold import fold as folded
from webraid.table.log import LogBook
from webraid.table.plausible import AHEAD, LATEST_MS
from webraid.table.records import (
    AddDisk,
    Body,
    ChunkAt,
    Commit,
    Evict,
    Forget,
    Genesis,
    Grant,
    Prepare,
    RemoveDisk,
    RootDir,
    Snapshot,
    TablePack,
    encode_body,
    evict_message,
    grant_message,
)
from webraid.table.rights import heads_of

A, B = ALICE.id, BOB.id
FIRST = fake(A, 1, genesis(), enroll(ALICE))
BOBS = [
    fake(B, 1, enroll(BOB), lamport=2),
    fake(B, 2, Prepare(run=run_id(1)), lamport=3),
    fake(B, 3, Prepare(run=run_id(2)), lamport=4),
]
FORGERY = (Forget(snapshots=(run_id(7),)), RemoveDisk(disk=b"d" * 8))


def fold(*records: Record) -> State:
    disk = AddDisk(disk=b"d" * 8, name="d1", kind="local", domain="", identity="")
    return folded((FIRST, fake(A, 2, disk), *BOBS, *records), OWNER.public)


def evict(seq: int, heads: tuple[bytes, ...]) -> Record:
    signature = sign(OWNER.private, evict_message(B, seq, heads))
    return fake(A, 3, Evict(device=B, seq=seq, heads=heads, signature=signature), lamport=5)


def grant(after: int, heads: tuple[bytes, ...], seq: int = 3, serial: int = 1) -> Record:
    rights = ("append",)
    signature = sign(OWNER.private, grant_message(B, rights, serial, after, heads))
    said = Grant(device=B, rights=rights, serial=serial, after=after, heads=heads, signature=signature)
    return fake(A, seq, said, lamport=seq + 2)


def untouched(state: State) -> bool:
    return not state.forgotten and not state.disks[b"d" * 8].removed


def test_a_device_that_is_out_cannot_write_anew_under_an_old_number() -> None:
    forged = [fake(B, seq, *FORGERY, lamport=9, branch=1) for seq in (2, 3)]
    heads = heads_of(BOBS, 3)
    assert heads == (BOBS[2].digest,)
    assert not untouched(fold(*forged))  # it may all this as long as it is in
    for records in (forged, forged[1:], [replace(forged[1], prev=BOBS[1].digest)]):
        state = fold(*records, evict(3, heads))
        assert untouched(state) and len(state.refused) == len(records)
        assert {run for _, run in state.runs} == {run_id(1), run_id(2)}


def test_rights_that_were_taken_do_not_come_back_with_an_old_number() -> None:
    forged = fake(B, 2, *FORGERY, lamport=9, branch=1)
    assert not untouched(fold(forged))
    assert untouched(fold(forged, grant(3, heads_of(BOBS, 3))))


def test_what_the_owner_had_seen_counts_in_all_its_branches() -> None:
    branch = fake(B, 3, Forget(snapshots=(run_id(9),)), branch=1)
    branch = replace(branch, prev=BOBS[1].digest)
    heads = heads_of([*BOBS, branch], 3)
    assert len(heads) == 2
    assert fold(branch, evict(3, heads)).forgotten == {run_id(9)}


def test_below_a_record_that_is_not_shown_nothing_is_passed_over() -> None:
    signature = sign(OWNER.private, evict_message(B, 3, heads := heads_of(BOBS, 3)))
    said = fake(A, 3, Evict(device=B, seq=3, heads=heads, signature=signature), lamport=5)
    state = folded((FIRST, BOBS[0], BOBS[2], said), OWNER.public)
    assert not state.refused and {run for _, run in state.runs} == {run_id(2)}


def test_the_heads_are_signed_too() -> None:
    real = evict(3, heads_of(BOBS, 3)).body.ops[0]
    assert isinstance(real, Evict)
    for heads in ((), (bytes(32),), (*real.heads, bytes(32))):
        forged = fake(A, 3, Evict(device=B, seq=1, heads=heads, signature=real.signature))
        assert not fold(forged).ends


def test_a_number_far_ahead_leaves_no_room_to_write_into_after_the_end() -> None:
    far = fake(B, 9_999_999_999, Prepare(run=run_id(5)), lamport=4)
    assert fold(far).heads == {A: 2, B: 3}
    book = LogBook()
    for record in (FIRST, *BOBS, far):
        book.add(record)
    assert book.gaps() == [f"{B.hex()}/4-9999999998"]
    assert not book.gaps({B: 3}) and not book.forks({B: 3})


def test_branches_that_do_not_count_are_no_alarm() -> None:
    book, forged = LogBook(), fake(B, 3, *FORGERY, branch=1)
    for record in (FIRST, *BOBS, forged):
        book.add(record)
    assert book.forks() == [(B, 3)] and book.gaps() == [f"{B.hex()}/2"]
    strays = fold(forged, evict(3, heads_of(BOBS, 3))).strays
    assert not book.forks({B: 3}, strays) and not book.gaps({B: 3}, strays)


@pytest.mark.parametrize("lamport", [2**64 - 1, 2**63, 10**12])
def test_a_lamport_beyond_all_reason_is_last_and_leaves_numbers_for_others(lamport: int) -> None:
    mad = fake(B, 4, Prepare(run=run_id(5)), lamport=lamport)
    state = fold(mad)
    assert state.lamport <= 6 + AHEAD
    assert encode_body(Body(lamport=state.lamport + 1, ops=()))
    after = fake(A, 3, Prepare(run=run_id(6)), lamport=state.lamport + 1)
    assert fold(mad, after).lamport == state.lamport + 1


@pytest.mark.parametrize("rights", [("append",), ("append", "forget"), ALL_RIGHTS])
def test_the_pool_has_no_other_beginning(rights: tuple[str, ...]) -> None:
    other = Genesis(name="other", level="raid0", owner=bytes(32)), enroll(BOB, rights=rights)
    state = folded((FIRST, fake(B, 1, *other, lamport=-5, branch=1)), OWNER.public)
    assert (state.name == "other") == (rights == ALL_RIGHTS)  # the owner's own machines are what a pool is made by
    broken = Genesis(name="other", level="raid99x", owner=bytes(32)), enroll(BOB)
    assert folded((FIRST, fake(B, 1, *broken, lamport=-5)), OWNER.public).level == "raid6"


def shot(level: str = "raid6", time_ms: int = 0) -> Snapshot:
    return Snapshot(root=bytes(16), time_ms=time_ms, host="h", level=level, roots=(RootDir(name=b"x", origin=b"/x"),))


def at(kind: int, pack: int) -> ChunkAt:
    return ChunkAt(bytes(16), kind, pack, 0, 0, 1, 1, False)


@pytest.mark.parametrize(
    "commit",
    [
        Commit(run=run_id(4), snapshot=shot(level="junk")),
        Commit(run=run_id(4), snapshot=shot(level="")),
        Commit(run=run_id(4), snapshot=shot(time_ms=LATEST_MS)),
        Commit(run=run_id(4), snapshot=shot(time_ms=-1)),
        Commit(run=run_id(4), places=(at(1, 0),)),
        Commit(run=run_id(4), packs=(TablePack(id=run_id(1), length=1, sha256=bytes(32)),), places=(at(99, 0),)),
        Commit(run=run_id(4), packs=(TablePack(id=run_id(1), length=1, sha256=bytes(32)),), places=(at(1, -1),)),
    ],
)
def test_a_commit_that_nobody_can_have_meant_is_passed_over(commit: Commit) -> None:
    state = fold(fake(B, 4, commit))
    assert not state.commits and not state.shots and len(state.refused) == 1
    assert state.losses() == 2 and state.heads[B] == 4
