"""A machine that was taken over signs and uploads what it likes: the pool goes on, and what was ended stays ended."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pool.machine import PASSPHRASE, QUICK, Home
from tests.pool.test_devices import context, join, put, shots
from webraid.codec.records import Header, record_name, seal_record
from webraid.errors import NotEnoughShards, NotInTable, PoolBusy
from webraid.jobs.access.keys import drop_slots
from webraid.jobs.access.owner import open_owner
from webraid.jobs.base.context import Context
from webraid.table.records import (
    AnyOp,
    Body,
    ChunkAt,
    Commit,
    Forget,
    Prepare,
    RemoveDisk,
    RootDir,
    Snapshot,
    TablePack,
    encode_body,
)


@pytest.fixture
def one(home: Callable[[str, int], Home], tmp_path: Path) -> Home:
    (tmp_path / "file").write_text("content")
    return home("raid5", 3)


def forge(one: Home, thief: Context, *ops: AnyOp, seq: int = 0, lamport: int = 0) -> None:
    """A record that the thief's own key signs, laid onto every disk; ``seq``: under that number, used or not."""
    me, root = thief.identity.key, thief.identity.root
    head = thief.table.book.head(me.id)
    assert head is not None
    seq = seq or head.seq + 1
    below = thief.table.book.logs[me.id].get(seq - 1, {})
    prev = next(iter(below), bytes(32))
    header = Header(thief.pool, me.id, root.epoch, seq, prev, 0)
    body = Body(lamport=lamport or thief.table.state.lamport + 1, ops=ops)
    blob = seal_record(root.meta, header, encode_body(body), me.private, thief.env)
    name = record_name(me.id, seq, hashlib.sha256(blob).digest())
    for number in (1, 2, 3):
        (one.disk(number) / name).parent.mkdir(parents=True, exist_ok=True)
        (one.disk(number) / name).write_bytes(blob)


def odd(level: str, time_ms: int) -> Commit:
    root = RootDir(name=b"x", origin=b"/x")
    shot = Snapshot(root=bytes(16), time_ms=time_ms, host="h", level=level, roots=(root,))
    return Commit(run=b"odd" + bytes(13), snapshot=shot)


@pytest.mark.parametrize(
    ("op", "how"),
    [
        (Prepare(run=b"a" * 16), {"lamport": 2**64 - 1}),
        (Prepare(run=b"a" * 16), {"seq": 9_999_999_999}),
        (odd("junk", 0), {}),
        (odd("raid5", 10**18), {}),
    ],
)
def test_no_record_of_it_stops_the_others(one: Home, tmp_path: Path, op: AnyOp, how: dict[str, int]) -> None:
    thief = context(join(one, tmp_path / "b", "nas", "append"))
    thief.open_table()
    forge(one, thief, op, **how)
    thief.close()
    assert put(one, tmp_path / "file") in shots(one)
    with one.open() as pool:
        assert pool.remove_device(PASSPHRASE, "nas").seq <= 2
        assert pool.prune(dry_run=True).exit_code == 0
    (tmp_path / "file").write_text("more")
    assert put(one, tmp_path / "file") in shots(one)


def test_an_index_that_it_announced_and_never_stored_is_passed_over_once_it_is_removed(
    one: Home, tmp_path: Path
) -> None:  # fmt: skip
    kept = put(one, tmp_path / "file")
    thief = context(join(one, tmp_path / "b", "nas", "append"))
    thief.open_table()
    pack = TablePack(id=b"p" * 16, length=1000, sha256=bytes(32))
    place = ChunkAt(id=b"t" * 16, kind=3, pack=0, number=1, offset=100, stored=100, plain=100, compressed=False)
    forge(one, thief, Commit(run=b"r" * 16, segments=(b"s" * 16, b"t" * 16), packs=(pack,), places=(place,)))
    thief.close()
    with pytest.raises((NotInTable, NotEnoughShards)):
        put(one, tmp_path / "file")
    with one.open() as pool:
        pool.remove_device(PASSPHRASE, "nas")
    (tmp_path / "file").write_text("more")
    assert {kept, put(one, tmp_path / "file")} <= shots(one)
    with one.open() as pool:
        assert pool.prune(dry_run=True).exit_code == 0


def test_a_stolen_machine_that_is_revoked_cannot_go_on_under_its_old_numbers(one: Home, tmp_path: Path) -> None:
    kept = put(one, tmp_path / "file")
    thief = context(join(one, tmp_path / "b", "laptop"))
    thief.open_table()
    for number in range(3):
        thief.table.append(Prepare(run=bytes([number]) * 16))
    mine = put(join(one, tmp_path / "c", "desk"), tmp_path / "file")
    with one.open() as pool:
        pool.revoke_device(PASSPHRASE, "laptop", kdf=QUICK)
    snapshot = next(shot.id for shot in thief.table.state.shots)
    disk = next(info.id for info in thief.table.state.members())
    for seq in (2, 3, 4, 5):
        forge(one, thief, Forget(snapshots=(snapshot,)), RemoveDisk(disk=disk), seq=seq)
    thief.close()
    for machine in (one, join(one, tmp_path / "d", "new", disk=2)):
        assert {kept, mine} <= shots(machine)
        seen = context(machine)
        view = seen.open_table()
        assert len(seen.table.state.members()) == 3 and not view.forks and not view.gaps and not view.alarms()
        seen.close()
    with one.open() as pool:
        assert pool.prune(dry_run=True).exit_code == 0


def test_two_machines_that_remove_one_key_each_do_not_close_the_pool_for_ever(one: Home, tmp_path: Path) -> None:
    two = join(one, tmp_path / "b", "desk")
    here, there = context(one), context(two)
    for ctx in (here, there):
        ctx.open_table()
    first, second = sorted(slot.hex() for slot in here.table.state.slots)
    opened = open_owner(here, PASSPHRASE)
    drop_slots(here, opened.owner, [first])
    with pytest.raises(PoolBusy, match="same moment"):
        drop_slots(there, opened.owner, [second])
    here.close()
    there.close()
    with one.open() as pool:
        (left,) = pool.key_slots()
    assert left.id not in (first, second)
