"""Records of a newer epoch: opened by whoever has a box for its root, set aside by others, and no disk is accused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.table.rig import ALICE, BOB, ENV, OWNER, POOL, ROOT, World, enroll, prepare, run_id, verdicts
from tests.unit.table.rig import world as made
from webraid.codec.boxes import seal_box
from webraid.codec.keys import Root, next_root
from webraid.codec.sign import sign
from webraid.errors import KeysChanged
from webraid.table.log import Verdict
from webraid.table.records import Rotate, rotate_message
from webraid.table.table import Table


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with made(tmp_path) as ready:
        yield ready


def begin(table: Table, root: Root, *publics: bytes, epoch: int | None = None) -> None:
    """What 'key rotate' writes."""
    devices = {device.id: device.public for device in table.state.devices.values() if device.public in publics}
    boxes = {device: seal_box(POOL, public, root, ENV) for device, public in devices.items()}
    number = root.epoch if epoch is None else epoch
    signature = sign(OWNER.private, rotate_message(number, root.check, boxes))
    table.append(Rotate(epoch=number, check=root.check, boxes=boxes, signature=signature))


def test_who_has_a_box_reads_on_and_writes_with_the_new_root(world: World) -> None:
    alice = world.founded()
    bob = world.second()
    bob.flush(1.0)
    alice.open()
    begin(alice, next_root(ROOT, ENV), ALICE.public, BOB.public)
    alice.append(prepare(1))
    begin(alice, next_root(alice.identity.root, ENV), ALICE.public, BOB.public)  # once more before Bob looks
    alice.append(prepare(2))
    alice.flush(1.0)
    view = bob.open()
    assert view.fresh and bob.state.heads[ALICE.id] == alice.state.heads[ALICE.id]
    assert bob.identity.root.epoch == 2 and bob.identity.root == alice.identity.root
    assert bob.identity.root.id == ROOT.id
    bob.append(prepare(3))
    alice.open()
    assert run_id(3) in alice.state.pins()


def test_the_cache_gives_the_roots_back_and_so_do_the_disks(world: World) -> None:
    alice = world.founded()
    begin(alice, next_root(ROOT, ENV), ALICE.public)
    alice.append(prepare(1))
    alice.flush(1.0)
    again = world.machine("alice", ALICE)  # its own slot holds the first root only
    assert again.identity.root.epoch == 1 and again.state.heads == alice.state.heads
    empty = world.machine("alice", ALICE, cache="lost")
    empty.open()
    assert empty.identity.root.epoch == 1 and empty.state.heads == alice.state.heads


def test_who_has_none_sets_newer_records_aside_and_writes_nothing(world: World) -> None:
    alice = world.founded()
    bob = world.second()
    bob.flush(1.0)
    alice.open()
    begin(alice, next_root(ROOT, ENV), ALICE.public)
    alice.append(prepare(1))
    alice.flush(1.0)
    view = bob.open()
    assert verdicts(world, bob) == [Verdict.EQUAL] * 3 and not view.alarms()
    assert bob.state.epoch == 1 and bob.identity.root == ROOT
    with pytest.raises(KeysChanged, match="not given the new ones"):
        bob.append(prepare(2))
    bob.take_root(alice.identity.root)
    bob.open()
    bob.append(prepare(2))
    assert bob.state.heads[ALICE.id] == alice.state.heads[ALICE.id]


def test_a_box_that_holds_something_else_is_none(world: World) -> None:
    alice = world.founded()
    one, other = next_root(ROOT, ENV), next_root(ROOT, ENV)
    boxes = {ALICE.id: seal_box(POOL, ALICE.public, other, ENV)}
    signature = sign(OWNER.private, rotate_message(1, one.check, boxes))
    with pytest.raises(KeysChanged):
        alice.append(Rotate(epoch=1, check=one.check, boxes=boxes, signature=signature))
        alice.append(prepare(1))
    assert alice.identity.root == ROOT


def test_a_record_of_an_epoch_that_never_began_is_a_lie(world: World) -> None:
    alice = world.founded()
    forged = world.machine("forger", ALICE, cache="x")
    forged.open()
    forged._verifier.root = forged.identity.root = Root(b"?" * 32, 7, (ROOT,))
    name, blob = next(iter(_sealed(forged)))
    world.put(0, name, blob)
    view = alice.open()
    assert verdicts(world, alice)[0] is Verdict.CORRUPT and verdicts(world, alice)[1:] == [Verdict.EQUAL] * 2
    assert "never began" in next(iter(view.notes.values()))


def _sealed(table: Table) -> Iterator[tuple[str, bytes]]:
    from webraid.codec.records import record_name

    blob, record = table._seal([prepare(9)])
    yield record_name(record.device, record.seq, record.digest), blob


def test_two_roots_of_one_epoch_are_both_read(world: World) -> None:
    alice = world.founded()
    bob = world.second()
    bob.flush(1.0)
    alice.open()
    begin(alice, next_root(ROOT, ENV), ALICE.public, BOB.public)
    begin(bob, next_root(ROOT, ENV), ALICE.public, BOB.public)  # he has not looked
    bob.append(prepare(2))
    alice.append(prepare(1))
    for table in (alice, bob, alice, bob):
        table.open()
        table.spread_head()
    assert len(alice.identity.root.of(1)) == len(bob.identity.root.of(1)) == 2
    assert {run_id(1), run_id(2)} <= alice.state.pins() == bob.state.pins()


def test_a_machine_that_enrolled_later_needs_no_box(world: World) -> None:
    alice = world.founded()
    begin(alice, next_root(ROOT, ENV), ALICE.public)
    alice.append(prepare(1))
    alice.flush(1.0)
    bob = world.machine("bob", BOB)
    bob.take_root(replace(alice.identity.root))  # a key slot held it
    bob.open()
    bob.append(enroll(BOB))
    alice.open()
    assert BOB.id in alice.state.devices
