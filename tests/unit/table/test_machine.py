"""What a machine may lose or copy of itself, and what strangers may leave on its disks."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.unit.table.rig import ALICE, World, enroll, fake, name_of, prepare, run_id, verdicts
from webraid.errors import Forked
from webraid.table.fold import DiskInfo
from webraid.table.log import Verdict

Worlds = Callable[..., World]


# -------------------------------------------------------------------------------------------- what the machine may lose
def test_a_machine_without_its_cache_goes_on(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = world.founded()
    alice.append(prepare(1))
    alice.flush(1.0)
    before = alice.book.head(ALICE.id)
    again = world.machine("alice", ALICE, cache="anew")
    again.open()
    assert again.append(prepare(2)).durable
    head = again.book.head(ALICE.id)
    assert (head.seq, head.prev) == (before.seq + 1, before.digest)
    assert not again.open().forks


def test_a_machine_without_cache_and_disks_writes_no_number_twice(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = world.founded()
    alice.open()
    alice.append(prepare(1))
    alice.flush(1.0)
    before = alice.book.head(ALICE.id)
    for faults in world.faults:
        faults.down = True
    again = world.machine("alice", ALICE, cache="anew")
    again.open()
    again.append(prepare(2), wait=False)
    head = again.book.head(ALICE.id)
    assert (head.seq, head.prev) == (before.seq + 1, before.digest)


def test_a_rotten_record_in_the_cache_comes_from_the_disks_again(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = world.founded()
    alice.append(prepare(1))
    alice.flush(1.0)
    with alice.local.db.transaction() as tx:
        tx.execute("UPDATE records SET blob=x'00' WHERE seq=1")
    again = world.machine("alice", ALICE)
    again.open()
    assert again.state.owner and again.state.pins() == {run_id(1)}
    assert verdicts(world, again) == [Verdict.EQUAL] * 3


@pytest.mark.parametrize("cache", ["cache", "anew"])
def test_a_machine_restored_from_an_older_copy_never_continues_its_log(worlds: Worlds, cache: str) -> None:
    world = worlds(count=3)
    world.founded().append(prepare(1))
    shutil.copytree(world.path / "alice" / "device", world.path / "copy")
    alice = world.machine("alice", ALICE)
    alice.open()
    alice.append(prepare(2))
    alice.flush(1.0)
    shutil.rmtree(world.path / "alice" / "device")
    (world.path / "copy").rename(world.path / "alice" / "device")
    restored = world.machine("alice", ALICE, cache=cache)
    restored.open()
    written = len(world.logs(0))
    with pytest.raises(Forked):
        restored.append(prepare(3))
    assert len(world.logs(0)) == written
    assert restored.state.pins() >= {run_id(1), run_id(2)}, "reading goes on"


def test_two_copies_that_both_wrote_are_found_and_neither_goes_on(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = world.founded()
    alice.append(prepare(1))
    alice.flush(1.0)
    shutil.copytree(world.path / "alice", world.path / "clone", ignore=shutil.ignore_patterns("*-shm", "*-wal", "*.db"))
    clone = world.machine("clone", ALICE)
    clone.open()
    alice.append(prepare(2))
    clone.append(prepare(3))
    for table in (alice, clone):
        view = table.open()
        assert [device for device, _ in view.forks] == [ALICE.id]
        assert table.state.pins() >= {run_id(2), run_id(3)}, "both branches are kept"
        with pytest.raises(Forked):
            table.append(prepare(4))


# ------------------------------------------------------------------------------------------------------------ strangers
def test_a_record_that_nobody_serves_though_others_follow_is_a_gap(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = world.founded()
    second = next(name for name in world.logs(0) if "/0000000002-" in name)
    alice.flush(1.0)
    for store in world.stores:
        store.discard(second)
    empty = world.machine("empty", ALICE)
    assert empty.open().gaps == [f"{ALICE.id.hex()}/2"]


def test_names_that_lead_nowhere_change_nothing(worlds: Worlds) -> None:
    world = worlds(count=3)
    world.founded()
    for name in (name_of(fake(b"\xff" * 8, 9)), name_of(fake(ALICE.id, 9_999_999_999)), "log/x"):
        world.put(0, name, b"nonsense")
    bob = world.second()
    assert verdicts(world, bob)[0] is Verdict.CORRUPT
    assert bob.state.owner and not bob.view.gaps and not bob.view.forks


def test_a_member_that_is_not_connected_is_asked_for_and_then_counts(worlds: Worlds) -> None:
    """A machine that knows one disk learns of the others from it."""
    world = worlds(count=3)
    world.founded()
    bob = world.machine("bob", ALICE)
    every = dict(bob.disks)
    bob.disks.clear()  # type: ignore[attr-defined]
    bob.disks[world.ids[0]] = every[world.ids[0]]  # type: ignore[index]

    def connect(info: DiskInfo) -> None:
        bob.disks[info.id] = every[info.id]  # type: ignore[index]

    bob.on_member = connect
    bob.open()
    assert verdicts(world, bob) == [Verdict.EQUAL] * 3 and bob.view.counted == 3


def test_enrolling_a_second_device_leaves_the_first_ones_rights(worlds: Worlds) -> None:
    world = worlds(count=3)
    world.founded()
    bob = world.second()
    assert bob.state.devices[ALICE.id].rights == enroll(ALICE).rights
    assert not bob.state.refused
