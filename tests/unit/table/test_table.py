"""A machine's table over disks: opening and its verdicts, appending, and what never may happen twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.table.rig import ALICE, POOL, World, name_of, prepare, run_id, verdicts
from webraid.backend.faulty import Fault
from webraid.codec.records import record_name
from webraid.errors import QuorumLost
from webraid.table.log import Verdict
from webraid.table.records import Close, RemoveDisk
from webraid.table.survey import marker
from webraid.table.table import Table

Worlds = Callable[..., World]


# -------------------------------------------------------------------------------------------------------------- opening
def test_another_machine_sees_what_was_written(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = world.founded()
    alice.append(prepare(1))
    bob = world.second()
    assert verdicts(world, bob) == [Verdict.EQUAL] * 3
    assert bob.view.fresh and (bob.view.counted, bob.view.needed) == (3, 2)
    assert bob.state.pins() == {run_id(1)}
    alice.open()
    assert set(alice.state.devices) == set(bob.state.devices)


def test_a_disk_that_is_away_is_silent_and_behind_when_it_is_back(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = world.founded()
    world.faults[0].down = True
    alice.open()
    assert verdicts(world, alice) == [Verdict.SILENT, Verdict.EQUAL, Verdict.EQUAL]
    assert alice.view.fresh and world.ids[0] in alice.view.errors
    acks = alice.append(prepare(1))
    assert acks.disks == {world.ids[1], world.ids[2]} and not acks.durable  # raid6 asks for three
    world.faults[0].down = False
    again = world.machine("alice", ALICE)
    again.open()
    assert verdicts(world, again) == [Verdict.BEHIND, Verdict.EQUAL, Verdict.EQUAL]
    assert again.spread_head().durable
    assert world.logs(0) == world.logs(1)


def test_too_few_answers_are_not_fresh(worlds: Worlds) -> None:
    world = worlds(count=4)
    alice = world.founded()
    for faults in world.faults[:2]:
        faults.down = True
    alice.open()
    assert alice.view.fresh, "2 of 4 meet every majority of 3"
    with pytest.raises(QuorumLost, match="2 of 4"):
        alice.require_quorum()
    world.faults[2].down = True
    alice.open()
    assert not alice.view.fresh and (alice.view.counted, alice.view.needed) == (1, 2)


def rolled_back(world: World) -> Table:
    """Alice's table, after disk 0 went back to an older state."""
    alice = world.founded()
    old = world.stores[0].snapshot()
    alice.append(prepare(1))
    alice.flush(1.0)
    alice.append(Close(run=run_id(1)))
    alice.flush(1.0)
    world.stores[0].restore(old)
    return alice


def test_a_disk_that_was_rolled_back_is_named_and_does_not_count(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = rolled_back(world)
    view = alice.open()
    assert verdicts(world, alice) == [Verdict.ROLLED_BACK, Verdict.EQUAL, Verdict.EQUAL]
    assert set(view.alarms()) == {world.ids[0]} and view.counted == 2
    assert len(view.verdicts[world.ids[0]].lost) == 2
    alice.append(prepare(2))
    alice.flush(1.0)
    assert len(world.logs(0)) < len(world.logs(1)) - 2, "nothing is sent to it"


def test_a_rollback_is_found_from_an_empty_machine(worlds: Worlds) -> None:
    """The devices' own records tell what each disk had acknowledged."""
    world = worlds(count=3)
    rolled_back(world)
    assert verdicts(world, world.second()) == [Verdict.ROLLED_BACK, Verdict.EQUAL, Verdict.EQUAL]


def test_a_machine_that_saw_it_knows_without_any_word_in_the_log(worlds: Worlds) -> None:
    """The last record tells of no acknowledgement of itself: only who was there remembers."""
    world = worlds(count=3)
    alice = world.founded()
    old = world.stores[0].snapshot()
    alice.append(prepare(1))
    alice.flush(1.0)
    world.stores[0].restore(old)
    empty = world.machine("empty", ALICE)
    empty.open()
    assert verdicts(world, empty)[0] is Verdict.BEHIND
    alice.open()
    assert verdicts(world, alice)[0] is Verdict.ROLLED_BACK


def test_all_disks_rolled_back_together_are_found_by_who_remembers(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = world.founded()
    old = [store.snapshot() for store in world.stores]
    alice.append(prepare(1))
    alice.flush(1.0)
    for store, before in zip(world.stores, old, strict=True):
        store.restore(before)
    alice.open()
    assert verdicts(world, alice) == [Verdict.ROLLED_BACK] * 3 and not alice.view.fresh


def test_a_trusted_disk_gets_what_it_lost(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = rolled_back(world)
    alice.open()
    alice.trust(world.ids[0], world.logs(0))
    assert world.ids[0] in alice.usable()
    alice.spread_head()
    alice.flush(1.0)
    assert world.logs(0) == world.logs(1)
    alice.open()
    assert verdicts(world, alice) == [Verdict.EQUAL] * 3


def test_an_empty_place_another_disk_and_damage_are_told_apart(worlds: Worlds) -> None:
    world = worlds(count=6)
    alice = world.founded()
    world.stores[0].restore({})
    world.put(1, "pool", marker(POOL, world.ids[2]))
    world.put(2, "pool", marker(bytes(16), world.ids[2]))
    world.put(3, "pool", b"{")
    world.stores[4].discard("pool")
    alice.open()
    assert verdicts(world, alice) == [
        Verdict.EMPTY, Verdict.FOREIGN, Verdict.FOREIGN, Verdict.CORRUPT, Verdict.CORRUPT, Verdict.EQUAL,
    ]  # fmt: skip
    assert not alice.view.fresh and alice.usable() == [world.ids[5]]
    assert "mounted" in alice.view.notes[world.ids[0]]
    alice.append(prepare(1), wait=False)
    alice.flush(1.0)
    assert not world.stores[0].snapshot(), "an empty place is never filled: the drive may not be mounted"


def test_a_disk_that_serves_damaged_records_is_corrupt_and_the_others_give_them(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = world.founded()
    alice.append(prepare(1))
    alice.flush(1.0)
    for name in world.logs(0):
        world.stores[0].flip(name, 100)
    bob = world.machine("bob", ALICE)
    for _ in range(3):
        bob.open(spot=True)
        assert verdicts(world, bob) == [Verdict.CORRUPT, Verdict.EQUAL, Verdict.EQUAL]
    assert bob.state.pins() == {run_id(1)}


def test_without_the_spot_check_what_is_known_is_not_read_again(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = world.founded()
    alice.open()
    gets = [sum(name.startswith("log/") and op == "get" for op, name in faults.journal) for faults in world.faults]
    assert gets == [0, 0, 0]


def test_a_disk_that_fails_while_it_is_asked_again_is_silent_not_accused(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = rolled_back(world)
    world.faults[0].script = [None, None, *[Fault.BEFORE] * 9]  # marker and listing come, then no more
    alice.open()
    assert verdicts(world, alice)[0] is Verdict.SILENT
    assert world.ids[0] in alice.view.errors


# ---------------------------------------------------------------------------------------------------- listings that lag
def lagging(world: World) -> None:
    world.caps_of = [replace(world.caps, list_consistency="eventual")] * world.count


def test_a_record_that_listings_do_not_show_yet_is_found_by_its_hint(worlds: Worlds) -> None:
    world = worlds(count=3)
    lagging(world)
    alice, bob = world.founded(), world.second()
    alice.open()
    for faults in world.faults:
        faults.stale_calls = 1000
    alice.append(prepare(1))
    alice.flush(1.0)
    bob.open()
    assert bob.state.pins() == {run_id(1)}
    assert bob.view.fresh and not bob.view.gaps


def test_the_predecessors_of_a_hinted_record_are_asked_for_by_name(worlds: Worlds) -> None:
    """The hint names the newest only; each record names the one before it."""
    world = worlds(count=3)
    lagging(world)
    alice, bob = world.founded(), world.second()
    alice.open()
    for faults in world.faults:
        faults.stale_calls = 1000
    for number in range(1, 5):
        alice.append(prepare(number))
    alice.flush(1.0)
    bob.open()
    assert bob.state.pins() == {run_id(number) for number in range(1, 5)}


def test_a_listing_that_lags_accuses_nobody(worlds: Worlds) -> None:
    """What a disk acknowledged is asked for by name before it is called rolled back."""
    world = worlds(count=3)
    alice = world.founded()
    for faults in world.faults:
        faults.stale_calls = 1000
    alice.append(prepare(1))
    alice.flush(1.0)
    alice.open()
    assert verdicts(world, alice) == [Verdict.EQUAL] * 3


def test_what_a_lagging_disk_does_not_show_even_by_name_is_told_only_when_it_stays_away(worlds: Worlds) -> None:
    """Google Drive's search by name lags, too: for an hour nobody is accused, and the disk does not count."""
    world = worlds(count=3)
    hours = [0.0]
    world.env = replace(world.env, now=lambda: 1e9 + hours[0] * 3600)
    world.caps_of[0] = replace(world.caps, list_consistency="eventual")
    alice = world.founded()
    newest = max(world.logs(0))
    data = world.stores[0].get(newest)[0]
    for after, verdict in ((0.0, Verdict.LAGGING), (0.9, Verdict.LAGGING), (1.1, Verdict.ROLLED_BACK)):
        world.stores[0].discard(newest)
        hours[0] = after
        assert alice.open().counted == 2
        assert verdicts(world, alice) == [verdict, Verdict.EQUAL, Verdict.EQUAL]
    world.stores[0].put(newest, data)
    alice.open()
    assert verdicts(world, alice) == [Verdict.EQUAL] * 3
    world.stores[0].discard(newest)
    alice.open()
    assert verdicts(world, alice)[0] is Verdict.LAGGING, "it begins anew"


def test_a_hinted_record_that_nobody_finds_yet_keeps_the_state_from_being_taken_for_the_newest(worlds: Worlds) -> None:
    world = worlds(count=3)
    hours = [0.0]
    world.env = replace(world.env, now=lambda: 1e9 + hours[0] * 3600)
    lagging(world)
    alice, bob = world.founded(), world.second()
    alice.open()
    alice.append(prepare(1))
    alice.flush(1.0)
    newest = alice.book.head(ALICE.id)
    name = record_name(newest.device, newest.seq, newest.digest)
    data = [store.get(name)[0] for store in world.stores]
    for store in world.stores:
        store.discard(name)  # neither listed nor found by name yet, but the hints tell of it
    bob.open()
    assert verdicts(world, bob) == [Verdict.LAGGING] * 3 and not bob.view.fresh
    with pytest.raises(QuorumLost):
        bob.require_quorum()
    for store, blob in zip(world.stores, data, strict=True):
        store.put(name, blob)
    bob.open()
    assert bob.view.fresh and run_id(1) in bob.state.pins()


def test_a_hint_is_believed_for_an_hour_at_most(worlds: Worlds) -> None:
    """Whoever plants one keeps his own disk from counting, and that not for long."""
    world = worlds(count=1)
    hours = [0.0]
    world.env = replace(world.env, now=lambda: 1e9 + hours[0] * 3600)
    lagging(world)
    alice = world.founded()
    world.stores[0].put(f"hint/{ALICE.id.hex()}", f"log/{ALICE.id.hex()}/{99:010d}-{'0' * 16}".encode())
    alice.open()
    assert verdicts(world, alice) == [Verdict.LAGGING]
    hours[0] = 1.1
    alice.open()
    assert verdicts(world, alice) == [Verdict.EQUAL]


def test_a_record_that_is_listed_and_not_delivered_is_not_taken_for_absent(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice, bob = world.founded(), world.second()
    alice.open()
    alice.append(prepare(1))
    alice.flush(1.0)
    for faults in world.faults:
        faults.script = [None, None, *[Fault.BEFORE] * 9]  # marker and listing come, then no more
    bob.open()
    assert verdicts(world, bob) == [Verdict.SILENT] * 3 and not bob.view.fresh
    with pytest.raises(QuorumLost):
        bob.require_quorum()
    for faults in world.faults:
        faults.script = []
    bob.open()
    assert bob.view.fresh and run_id(1) in bob.state.pins()


def test_hints_are_written_where_listings_lag_only(worlds: Worlds) -> None:
    world = worlds(count=2)
    world.caps_of[0] = replace(world.caps, list_consistency="eventual")
    alice = world.founded()
    alice.open()
    alice.append(prepare(1))
    alice.flush(1.0)
    assert world.stores[0].names("hint/") == [f"hint/{ALICE.id.hex()}"]
    assert world.stores[0].get(f"hint/{ALICE.id.hex()}")[0].decode() == max(world.logs(0))
    assert world.stores[1].names("hint/") == []


# ------------------------------------------------------------------------------------------------------------ appending
def test_a_record_that_no_majority_takes_is_not_acknowledged_and_goes_out_later(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = world.founded()
    world.faults[0].down = world.faults[1].down = True
    with pytest.raises(QuorumLost, match="1 of 3"):
        alice.append(prepare(1))
    world.faults[0].down = world.faults[1].down = False
    again = world.machine("alice", ALICE)
    assert again.state.pins() == {run_id(1)}, "it is in this machine's log"
    again.open()
    assert again.spread_head().durable
    assert world.logs(0) == world.logs(1) == world.logs(2)


def test_a_record_is_kept_here_before_any_disk_hears_of_it(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = world.founded()
    for faults in world.faults:
        faults.down = True
    with pytest.raises(QuorumLost):
        alice.append(prepare(1))
    assert alice.own.newest() == name_of(alice.book.head(ALICE.id))


def test_records_are_numbered_and_chained_and_tell_what_disks_acknowledged(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = world.founded()
    alice.open()
    alice.append(prepare(1))
    records = sorted(alice.book.records(), key=lambda record: record.seq)
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    assert [record.prev for record in records] == [bytes(32), *(record.digest for record in records[:-1])]
    assert records[-1].body.acked == dict.fromkeys(world.ids, len(records) - 1)
    assert [record.body.lamport for record in records] == sorted({record.body.lamport for record in records})


def test_the_vector_tells_what_was_seen_of_others(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice, bob = world.founded(), world.second()
    bob.append(prepare(1))
    head = bob.book.head(bob.identity.key.id)
    assert head is not None and head.body.vector == {ALICE.id: alice.book.head(ALICE.id).seq}


def test_a_removed_disk_is_not_asked_any_more(worlds: Worlds) -> None:
    world = worlds(count=4)
    alice = world.founded()
    alice.open()
    alice.append(RemoveDisk(disk=world.ids[0]))
    alice.flush(1.0)
    alice.open()
    before = world.logs(0)
    assert world.ids[0] not in alice.view.verdicts
    alice.append(prepare(1))
    alice.flush(1.0)
    assert world.logs(0) == before


def test_records_known_to_be_everywhere_leave_this_machines_own_log(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = world.founded()
    alice.open()
    alice.append(prepare(1))
    world.faults[0].down = True
    alice.append(prepare(2))
    alice.append(prepare(3))
    alice.flush(1.0)
    kept = list(alice.own.records())
    assert kept[-1] == name_of(alice.book.head(ALICE.id))
    assert len(kept) >= 2, "what disk 0 lacks is kept"
    world.faults[0].down = False
    again = world.machine("alice", ALICE)
    again.open()
    again.spread_head()
    again.flush(1.0)
    assert list(again.own.records()) == kept[-1:]
