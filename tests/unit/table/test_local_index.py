"""What this machine knows of packs: pending until a segment names them, homes that grow, shards that are bad."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from webraid.codec.pack import ChunkKind, Place
from webraid.model import Code, Geometry, Home, Pack, PackKind
from webraid.table.index import Index
from webraid.table.local import Database
from webraid.table.local_index import LocalIndex

RUN, SEGMENT = b"r" * 16, b"s" * 16


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LocalIndex]:
    database = Database(tmp_path / "table.db")
    yield LocalIndex(database)
    database.close()


def disk(number: int) -> bytes:
    return bytes([number]) * 8


def pack(number: int, *homes: Home, kind: PackKind = PackKind.DATA) -> Pack:
    shards = (bytes([number]) * 32, b"", bytes(32))
    return Pack(number.to_bytes(16, "big"), kind, Geometry(Code.RS, 2, 3, False), 1 << 40, shards, homes)


def place(chunk: int, number: int = 2) -> Place:
    return Place(chunk.to_bytes(16, "big"), ChunkKind.PAGE, number, 1 << 33, 40, 24, True)


def of(*packs: tuple[Pack, list[Place]]) -> Index:
    made = Index()
    for found, places in packs:
        made.add(found, places)
    return made


ONE = pack(1, Home(0, disk(1), "locator", bytes(16)), Home(2, disk(2)))
TWO = pack(2)


def test_packs_and_places_come_back_whole(index: LocalIndex) -> None:
    index.add(of((ONE, [place(7), place(8, 3)])), segment=SEGMENT)
    assert index.pack(ONE.id) == ONE
    assert index.places(ONE.id) == [place(7), place(8, 3)]
    assert index.find([place(7).id, place(9).id]) == {place(7).id: [(ONE.id, place(7))]}
    assert index.counts() == (1, 2)
    assert index.pack(TWO.id) is None and index.places(TWO.id) == []


def test_a_pack_is_pending_until_a_segment_names_it(index: LocalIndex) -> None:
    index.add(of((ONE, []), (TWO, [])), run=RUN)
    assert index.pending() == [(ONE.id, RUN), (TWO.id, RUN)]
    assert index.segments() == set()
    index.add(of((ONE, [])), segment=SEGMENT)
    assert index.pending() == [(TWO.id, RUN)]
    assert index.segments() == {SEGMENT}


def test_a_pack_that_a_segment_names_does_not_become_pending_again(index: LocalIndex) -> None:
    index.add(of((ONE, [])), segment=SEGMENT)
    index.add(of((ONE, [])), run=RUN)
    assert index.pending() == []


def test_homes_are_unrecorded_until_a_segment_says_them(index: LocalIndex) -> None:
    index.add(of((ONE, [])), segment=SEGMENT)
    assert index.unrecorded() == set()
    repaired = replace(ONE, homes=(Home(1, disk(3)),))
    index.add_homes(repaired, fresh=True)
    assert index.unrecorded() == {ONE.id}
    found = index.pack(ONE.id)
    assert found is not None and [home.index for home in found.homes] == [0, 1, 2]
    index.add(of((repaired, [])), segment=b"t" * 16)
    assert index.unrecorded() == set()


def test_what_a_segment_says_is_not_unrecorded_for_being_said_again(index: LocalIndex) -> None:
    index.add(of((ONE, [])), segment=SEGMENT)
    index.add_homes(ONE, fresh=True)
    assert index.unrecorded() == set()


def test_pending_packs_are_unrecorded(index: LocalIndex) -> None:
    index.add(of((TWO, [])), run=RUN)
    assert index.unrecorded() == {TWO.id}


def test_a_newer_locator_replaces_the_older(index: LocalIndex) -> None:
    index.add(of((ONE, [])), segment=SEGMENT)
    index.add_homes(replace(ONE, homes=(Home(0, disk(1), "moved", b""),)), fresh=False)
    found = index.pack(ONE.id)
    assert found is not None and found.homes[0] == Home(0, disk(1), "moved", b"")


# ------------------------------------------------------------------------------------------------------------- segments
def test_a_segment_gives_back_what_it_brought(index: LocalIndex) -> None:
    first, second = of((ONE, [place(7)])), of((TWO, [place(8)]))
    index.add(first, segment=SEGMENT)
    index.add(second, segment=b"t" * 16)
    index.add(of((pack(3), [])), run=RUN)
    assert index.of_segments([SEGMENT]) == first
    both = index.of_segments([SEGMENT, b"t" * 16])
    assert set(both.packs) == {ONE.id, TWO.id}
    assert index.of_segments([b"x" * 16]) == Index()


def test_an_empty_segment_is_known_all_the_same(index: LocalIndex) -> None:
    index.add(Index(), segment=SEGMENT)
    assert index.segments() == {SEGMENT}
    assert index.of_segments([SEGMENT]) == Index()


def test_forgetting_a_segment_keeps_what_it_said(index: LocalIndex) -> None:
    index.add(of((ONE, [place(7)])), segment=SEGMENT)
    index.forget_segments([SEGMENT])
    assert index.segments() == set()
    assert index.pack(ONE.id) == ONE and index.find([place(7).id])


def test_adding_a_segment_is_all_or_nothing(index: LocalIndex) -> None:
    with pytest.raises(KeyboardInterrupt), index.db.transaction():
        index.add(of((ONE, [place(7)])), segment=SEGMENT)
        raise KeyboardInterrupt
    assert index.counts() == (0, 0) and index.segments() == set()


def test_a_dropped_pack_leaves_nothing(index: LocalIndex) -> None:
    index.add(of((ONE, [place(7)]), (TWO, [place(8)])), run=RUN)
    index.mark_bad(ONE.id, 0, disk(1), "missing")
    index.drop(ONE.id)
    assert index.pack(ONE.id) is None and not index.find([place(7).id]) and not index.bad()
    assert index.pending() == [(TWO.id, RUN)] and index.unrecorded() == {TWO.id}


# --------------------------------------------------------------------------------------------------------------- asking
def test_many_chunks_are_found_at_once(index: LocalIndex) -> None:
    places = [place(i, 2 + i) for i in range(1200)]
    index.add(of((ONE, places)), segment=SEGMENT)
    found = index.find([place(i).id for i in range(1300)])
    assert len(found) == 1200 and all(len(where) == 1 for where in found.values())


def test_a_chunk_in_two_packs_is_found_in_both(index: LocalIndex) -> None:
    index.add(of((ONE, [place(7)]), (TWO, [place(7, 5)])), segment=SEGMENT)
    assert sorted(index.find([place(7).id])[place(7).id]) == [(ONE.id, place(7)), (TWO.id, place(7, 5))]


def test_packs_are_told_by_kind_in_the_order_of_their_ids(index: LocalIndex) -> None:
    table = pack(3, kind=PackKind.TABLE)
    index.add(of((table, []), (TWO, []), (ONE, [])), segment=SEGMENT)
    assert list(index.packs()) == [ONE, TWO, table]
    assert list(index.packs(PackKind.TABLE)) == [table]
    assert index.some(TWO.id, 5) == [TWO, table]
    assert index.some(b"", 1) == [ONE]


# ------------------------------------------------------------------------------------------------------------------ bad
def test_bad_shards_are_told_until_they_are_good(index: LocalIndex) -> None:
    index.mark_bad(ONE.id, 0, disk(1), "missing")
    index.mark_bad(ONE.id, 0, disk(1), "corrupt")
    index.mark_bad(ONE.id, 2, disk(2), "missing")
    assert index.bad() == {ONE.id: {(0, disk(1)), (2, disk(2))}}
    index.mark_good(ONE.id, 0, disk(1))
    index.mark_good(TWO.id, 0, disk(1))
    assert index.bad() == {ONE.id: {(2, disk(2))}}
