"""What the log says of shards that moved and of levels that changed, and what the local index makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.table.rig import ALICE, BOB, enroll, fake, genesis, run_id
from webraid.model import Code, Geometry, Home, Pack, PackKind
from webraid.table.fold import APPEND, FORGET, State, fold
from webraid.table.index import Index, merge_homes
from webraid.table.local import Database
from webraid.table.local_index import LocalIndex
from webraid.table.records import (
    ACTIVE,
    DRAINING,
    AddDisk,
    Commit,
    Dropped,
    Joined,
    Relevel,
    SetRole,
    Snapshot,
    decode_body,
    encode_body,
)

A, B = ALICE.id, BOB.id
ONE, TWO = b"1" * 8, b"2" * 8
PACK, OTHER = b"p" * 16, b"q" * 16
FIRST = fake(A, 1, genesis(), enroll(ALICE))


def test_dropped_shards_are_told_apart_by_pack_index_and_disk() -> None:
    gone = Dropped(disk=ONE, shards=PACK + b"\x03" + OTHER + b"\x00")
    state = fold([FIRST, fake(A, 2, gone)])
    assert state.left(ONE, PACK, 3) and state.left(ONE, OTHER, 0)
    assert not state.left(TWO, PACK, 3) and not state.left(ONE, PACK, 2) and not state.left(ONE, OTHER, 3)


def test_half_a_name_at_the_end_names_nothing() -> None:
    state = fold([FIRST, fake(A, 2, Dropped(disk=ONE, shards=PACK + b"\x03" + OTHER))])
    assert len(state.dropped[ONE]) == 1


def test_the_first_record_that_drops_a_shard_gives_its_age() -> None:
    records = [replace(fake(A, seq, Dropped(disk=ONE, shards=PACK + b"\x01")), time_ms=seq * 10) for seq in (2, 3)]
    assert fold([FIRST, *records]).dropped[ONE][PACK + b"\x01"] == 20


@pytest.mark.parametrize("op", [Dropped(disk=ONE, shards=PACK + b"\x00"), Relevel(snapshot=run_id(1), level="raid6")])
def test_both_need_their_right(op: Dropped | Relevel) -> None:
    begun = [FIRST, fake(B, 1, enroll(BOB, rights=(APPEND,)), lamport=2)]
    (refused,) = fold([*begun, fake(B, 2, op, lamport=3)]).refused
    assert refused[1].startswith("the device has no right to")
    other = APPEND if isinstance(op, Dropped) else FORGET
    assert not fold([FIRST, fake(A, 2, op, lamport=3)]).refused, other


def _snapshot(level: str) -> Commit:
    shot = Snapshot(root=b"r" * 16, time_ms=0, host="h", level=level, roots=())
    return Commit(run=run_id(1), snapshot=shot)


def test_a_snapshots_level_is_the_last_one_that_was_said() -> None:
    disks = [
        AddDisk(disk=bytes([n]) * 8, name=f"d{n}", kind="local", domain=f"d{n}", identity=f"{n}") for n in range(5)
    ]
    joined = [Joined(disk=op.disk) for op in disks]
    begun = [fake(A, 1, genesis("raid5"), enroll(ALICE), *disks, *joined), fake(A, 2, _snapshot("raid5"))]
    assert fold(begun).losses() == 1
    later = [
        *begun,
        fake(A, 3, Relevel(snapshot=run_id(1), level="rs:2+3")),
        fake(A, 4, Relevel(snapshot=run_id(2), level="x")),
    ]
    state = fold(later)
    assert [shot.info.level for shot in state.shots] == ["rs:2+3"] and state.losses() == 3


def test_a_deadline_goes_with_the_role() -> None:
    disk = [AddDisk(disk=ONE, name="d", kind="local", domain="d", identity="d"), Joined(disk=ONE)]
    begun = [FIRST, fake(A, 2, *disk), fake(A, 3, SetRole(disk=ONE, role=DRAINING, deadline_ms=7))]

    def info(state: State) -> tuple[str, int]:
        return state.disks[ONE].role, state.disks[ONE].deadline_ms

    assert info(fold(begun)) == (DRAINING, 7)
    assert info(fold([*begun, fake(A, 4, disk[0])])) == (DRAINING, 7), "a new connection changes nothing of it"
    assert info(fold([*begun, fake(A, 4, SetRole(disk=ONE, role=ACTIVE))])) == (ACTIVE, 0)


def test_they_survive_the_wire() -> None:
    ops = (Dropped(disk=ONE, shards=PACK + b"\x03"), Relevel(snapshot=run_id(1), level="raid6"))
    body = replace_ops(ops)
    assert decode_body(encode_body(body)).ops == ops


def replace_ops(ops: tuple[Dropped | Relevel, ...]):  # type: ignore[no-untyped-def]
    return fake(A, 2, *ops).body


# ---------------------------------------------------------------------------------------------------------------- index
def _pack(n: int, *homes: Home) -> Pack:
    return Pack(PACK, PackKind.DATA, Geometry(Code.RS, 2, n), 100, tuple(bytes([i]) * 32 for i in range(n)), homes)


@pytest.mark.parametrize("order", [(3, 5), (5, 3)])
def test_of_two_widths_the_larger_counts_in_whatever_order_they_come(order: tuple[int, int], tmp_path: Path) -> None:
    first, second = (_pack(n, Home(n - 1, ONE)) for n in order)
    merged = merge_homes(first, second)
    assert (merged.geometry.n, len(merged.shards), len(merged.homes)) == (5, 5, 2)
    index = LocalIndex(Database(tmp_path / "db"))
    for pack in (first, second):
        one = Index()
        one.add(pack, [])
        index.add(one, segment=b"segment%d" % pack.geometry.n)
    found = index.pack(PACK)
    assert found is not None and (found.geometry.n, found.shards, len(found.homes)) == (5, merged.shards, 2)
    index.widen(_pack(4))
    assert index.pack(PACK) == found, "it never becomes narrower"
    index.widen(_pack(6))
    assert index.pack(PACK).geometry.n == 6  # type: ignore[union-attr]


def test_a_dropped_home_is_gone_and_so_is_what_was_wrong_with_it(tmp_path: Path) -> None:
    index = LocalIndex(Database(tmp_path / "db"))
    one = Index()
    one.add(_pack(3, Home(0, ONE), Home(1, ONE), Home(0, TWO)), [])
    index.add(one, segment=b"segment")
    index.mark_bad(PACK, 0, ONE, "missing")
    index.drop_homes(ONE, [PACK + b"\x00"])
    found = index.pack(PACK)
    assert found is not None and [(home.index, home.disk) for home in found.homes] == [(0, TWO), (1, ONE)]
    assert index.bad() == {}
