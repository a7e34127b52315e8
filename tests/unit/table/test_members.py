"""Disks that come and go, as a machine's table works with them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.table.rig import BOB, World, enroll, prepare
from webraid.errors import QuorumLost
from webraid.table.records import LEAVING, RemoveDisk, SetRole
from webraid.table.spread import in_order

Worlds = Callable[..., World]


def test_a_disk_gets_no_record_before_those_that_its_writer_knew(worlds: Worlds) -> None:
    """Whoever is stopped half way leaves a disk that has what came before whatever it has."""
    world = worlds(count=3)
    alice = world.founded()
    bob = world.second()
    for number in range(3):
        bob.open()
        bob.append(prepare(number))
        bob.flush(1.0)
        alice.open()
        alice.append(prepare(10 + number))
        alice.flush(1.0)
    names = in_order(alice.book, set())
    for at, name in enumerate(names):
        known = {(one.device, one.seq) for one in (alice.book.names[before] for before in names[:at])}
        assert all((device, seq) in known for device, seq in alice.book.names[name].body.vector.items() if seq)


def test_what_came_before_a_change_of_the_disks_is_asked_for_again_and_its_lack_is_told(worlds: Worlds) -> None:
    """A listing is no snapshot: it may show a record and miss one that was there before it."""
    world = worlds(count=3)
    alice = world.founded()
    bob = world.second()
    known = world.logs(0)
    bob.append(prepare(1))
    bob.flush(1.0)
    alice.open()
    alice.append(SetRole(disk=world.ids[2], role=LEAVING))
    alice.flush(1.0)
    whole = [store.snapshot() for store in world.stores]
    late = {name for name in world.logs(0) - known if name.startswith(f"log/{BOB.id.hex()}")}
    for store, objects in zip(world.stores, whole, strict=True):
        store.restore({name: blob for name, blob in objects.items() if name not in late})
    reader = world.machine("reader", BOB)
    assert late and not reader.open().fresh
    with pytest.raises(QuorumLost, match="not shown by any disk"):
        reader.require_quorum()
    for store, objects in zip(world.stores, whole, strict=True):
        store.restore(objects)
    assert reader.open().fresh
    reader.require_quorum()


def test_a_removal_said_twice_tells_everybody_that_the_disk_itself_has_it(worlds: Worlds) -> None:
    world = worlds(count=2)
    alice = world.founded("raid0")
    alice.open()
    gone = world.ids[1]
    alice.fence(alice.append(SetRole(disk=gone, role=LEAVING)))
    alice.fence(alice.append(RemoveDisk(disk=gone)))
    alice.flush(1.0)
    bob = world.machine("bob", BOB)
    world.faults[1].down = True
    bob.open()
    assert (bob.membership().joined, bob.membership().joining) == ({world.ids[0]}, {gone})
    alice.append(RemoveDisk(disk=gone))
    alice.flush(1.0)
    bob.open()
    assert (bob.membership().joined, bob.membership().joining) == ({world.ids[0]}, set())
    bob.append(enroll(BOB))
