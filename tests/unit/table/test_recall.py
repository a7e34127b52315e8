"""What a machine kept of the log is read back whole, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable

from tests.unit.table.rig import ALICE, BOB, ENV, OWNER, POOL, ROOT, World, enroll, name_of, prepare, writer
from tests.unit.table.test_epochs import begin
from webraid.codec.keys import next_root
from webraid.table.log import LogBook
from webraid.table.recall import admit, whole
from webraid.table.records import Enroll
from webraid.table.verify import Verifier

Worlds = Callable[..., World]


def test_a_device_that_came_after_the_keys_were_changed_is_read_back_whole(worlds: Worlds) -> None:
    """All its records are of the newer epoch: none of them can be opened before the one that begins it was read."""
    world = worlds(count=3)
    alice = world.founded()
    begin(alice, next_root(ROOT, ENV), ALICE.public)
    alice.flush(1.0)
    begun = alice.state.heads[ALICE.id]
    bob = world.machine("bob", BOB)
    bob.take_root(alice.identity.root)
    bob.open()
    bob.append(enroll(BOB))
    for number in range(begun + 2):
        bob.append(prepare(number))
    bob.flush(1.0)
    alice.open()
    again = world.machine("alice", ALICE)  # its own slot holds the first root only
    assert again.state.heads == alice.state.heads and again.state.heads[BOB.id] > begun
    assert again.state.pins() == alice.state.pins()


def test_a_row_of_the_cache_that_tells_another_number_is_made_good_from_the_own_log(worlds: Worlds) -> None:
    world = worlds(count=3)
    alice = world.founded()
    alice.append(prepare(1))
    alice.flush(1.0)
    head = alice.book.head(ALICE.id)
    assert head is not None
    for store in world.stores:  # no disk has it any more, so it is sent again from what lies here
        store.discard(name_of(head))
    with alice.local.db.transaction() as tx:
        tx.execute("UPDATE records SET seq=seq+64 WHERE seq=?", (head.seq,))
        tx.execute("DELETE FROM served")
    again = world.machine("alice", ALICE)
    assert again.local.blob(head.device, head.seq, head.digest)
    again.open()
    again.append(prepare(2))


def test_what_is_not_what_its_name_says_is_left_out() -> None:
    (first, blob), (second, other) = writer().made[0], writer(BOB).made[0]
    assert [row[3] for row in whole({first: blob, second: blob})] == [blob]
    assert not whole({second: other[:-1]})


def test_a_record_whose_signature_is_broken_is_not_taken_in() -> None:
    alice = writer()
    alice.write(prepare(1))
    rows = [
        (device, seq, digest, blob if seq == 1 else blob[:-1] + bytes((blob[-1] ^ 1,)))
        for device, seq, digest, blob in whole(dict(alice.made))
    ]
    book = LogBook()
    admit(book, Verifier(POOL, ROOT, OWNER.public), rows)
    assert [record.seq for record in book.records()] == [1]
    assert any(isinstance(op, Enroll) for record in book.records() for op in record.body.ops)
