"""What hostile or rotten bytes must not do to a machine."""

from __future__ import annotations

import contextlib
import hashlib
import struct
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.table.rig import ALICE, BOB, POOL, World, Writer, enroll, fake, genesis, writer
from tests.unit.table.test_index import SAMPLE
from tests.unit.table.test_records import BYTES
from tests.unit.table.test_tree import LEAF, read
from webraid.codec.records import record_name
from webraid.entry import Entry
from webraid.errors import IntegrityError, SealBroken
from webraid.table.fold import fold
from webraid.table.index import decode_segment
from webraid.table.log import LogBook, Verdict
from webraid.table.records import Body, Enroll, decode_body
from webraid.table.verify import Verifier

from tests.unit.table.rig import OWNER, ROOT  # isort: skip


def unsigned(device: bytes, claimed: bytes) -> tuple[str, bytes]:
    """An object without any signature whose name says ``device`` and whose header says ``claimed``."""
    blob = struct.pack(">8s16s8sIQ32sQI", b"WRLOG\0\0\1", POOL, claimed, 0, 2, bytes(32), 0, 96) + bytes(96 + 64)
    return record_name(device, 2, hashlib.sha256(blob).digest()), blob


def test_a_record_whose_header_names_an_unknown_device_is_refused() -> None:
    """Found by review: KeyError."""
    verifier = Verifier(POOL, ROOT, OWNER.public)
    name, blob = writer().made[0]
    verifier.open(blob, name)
    with pytest.raises(IntegrityError):
        verifier.open(*reversed(unsigned(ALICE.id, b"stranger")))


def test_a_disk_that_plants_such_a_record_is_corrupt_and_stops_nobody(worlds: Callable[..., World]) -> None:
    """Found by review: every command of every machine ends with a traceback."""
    world = worlds(count=3)
    alice = world.founded()
    world.put(0, *unsigned(ALICE.id, b"stranger"))
    view = alice.open()
    assert [view.verdicts[disk].verdict for disk in world.ids] == [Verdict.CORRUPT, Verdict.EQUAL, Verdict.EQUAL]


def test_a_device_cannot_widen_its_rights_with_a_second_first_record() -> None:
    """Found by review: the certificate of a second record with seq 1 is never checked, and fold applies it first."""
    bob = Writer(BOB)
    bob.write(enroll(BOB, rights=("append",)), lamport=5)
    forger = Writer(BOB)
    forged = Enroll(public=BOB.public, name="bob", rights=("append", "forget", "sweep"), signature=bytes(64))
    forger.write(forged, lamport=1)
    verifier, records = Verifier(POOL, ROOT, OWNER.public), []
    records.append(verifier.open(*reversed(bob.made[0])))
    with contextlib.suppress(IntegrityError):
        records.append(verifier.open(*reversed(forger.made[0])))
    assert fold(records).devices[BOB.id].rights == ("append",)


def test_a_record_that_does_not_follow_the_one_before_it_is_noticed() -> None:
    """Found by review: nobody compares ``prev``; a fork of which one half is hidden looks whole."""
    book = LogBook()
    for record in (fake(ALICE.id, 1, genesis()), fake(ALICE.id, 2), fake(ALICE.id, 3, branch=1)):
        book.add(record)
    assert book.forks() or book.gaps() or book.wanted()


@pytest.mark.parametrize(("column", "value"), [(3, [9, 9]), (3, [0, 0]), (4, [999, 999])])
def test_a_geometry_that_cannot_be_is_no_segment(column: int, value: list[int]) -> None:
    """Found by review: ConfigError."""
    fields = msgspec.msgpack.decode(SAMPLE)
    fields[2][column] = value
    with pytest.raises(SealBroken):
        decode_segment(msgspec.msgpack.encode(fields))


def test_a_segment_of_a_later_format_is_refused() -> None:
    """Found by review: ``format`` is never looked at."""
    fields = msgspec.msgpack.decode(SAMPLE)
    fields[0] = 2
    with pytest.raises(SealBroken):
        decode_segment(msgspec.msgpack.encode(fields))


@given(st.integers(0, len(BYTES) - 1), st.integers(1, 255))
def test_a_damaged_body_ends_in_seal_broken_or_in_a_body(at: int, mask: int) -> None:
    """Found by review: UnicodeDecodeError (msgspec lets it out; it is no MsgspecError)."""
    spoilt = bytearray(BYTES)
    spoilt[at] ^= mask
    with contextlib.suppress(SealBroken):
        assert isinstance(decode_body(bytes(spoilt)), Body)


@given(st.integers(0, len(LEAF) - 1), st.integers(1, 255))
def test_a_damaged_page_ends_in_seal_broken_or_in_entries(at: int, mask: int) -> None:
    """Found by review: UnicodeDecodeError."""
    spoilt = bytearray(LEAF)
    spoilt[at] ^= mask
    with contextlib.suppress(SealBroken):
        assert all(isinstance(entry, Entry) for entry in read(bytes(spoilt)))


@given(st.integers(0, len(SAMPLE) - 1), st.integers(1, 255))
def test_a_damaged_segment_ends_in_seal_broken_or_in_an_index(at: int, mask: int) -> None:
    """Bug 4."""
    spoilt = bytearray(SAMPLE)
    spoilt[at] ^= mask
    with contextlib.suppress(SealBroken):
        decode_segment(bytes(spoilt))
