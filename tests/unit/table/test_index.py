"""Index segments: round trip, merging, and what is none."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webraid.codec.pack import ChunkKind, Place
from webraid.errors import SealBroken
from webraid.model import Code, Geometry, Home, Pack, PackKind
from webraid.table import index as segments
from webraid.table.index import Index, decode_segment, encode_segments, merge_homes

IDS = st.binary(min_size=16, max_size=16)
DISKS = st.binary(min_size=8, max_size=8)
NUMBERS = st.integers(0, 2**32 - 1)
GEOMETRIES = st.tuples(st.sampled_from(Code), st.integers(1, 6), st.integers(0, 3), st.booleans()).map(
    lambda drawn: Geometry(drawn[0], drawn[1], drawn[1] + drawn[2], drawn[3])
)
HOMES = st.builds(Home, st.integers(0, 8), DISKS, st.text(max_size=4), st.sampled_from([b"", bytes(16)]))
PACKS = st.builds(
    Pack, IDS, st.sampled_from(PackKind), GEOMETRIES, st.integers(0, 2**50),
    st.lists(st.sampled_from([b"", bytes(32)]), max_size=4).map(tuple), st.lists(HOMES, max_size=4).map(tuple),
)  # fmt: skip


PLACES = st.lists(
    st.builds(Place, IDS, st.sampled_from(ChunkKind), st.just(0), NUMBERS, NUMBERS, NUMBERS, st.booleans()),
    max_size=5, unique_by=lambda place: place.id,
)  # fmt: skip
CONTENTS = st.lists(st.tuples(PACKS, PLACES), max_size=5, unique_by=lambda item: item[0].id)


def numbered(contents: list[tuple[Pack, list[Place]]]) -> Index:
    index = Index()
    for found, places in contents:
        index.add(found, [replace(place, number=number) for number, place in enumerate(places, start=2)])
    return index


def pack(number: int, *homes: Home) -> Pack:
    return Pack(number.to_bytes(16, "big"), PackKind.DATA, Geometry(Code.XOR, 2, 3), 99, (bytes(32),) * 3, homes)


def place(number: int, chunk: int = 0) -> Place:
    return Place((chunk or number).to_bytes(16, "big"), ChunkKind.DATA, number, 60, 20, 4, False)


def joined(encoded: list[bytes]) -> Index:
    whole = Index()
    for data in encoded:
        part = decode_segment(data)
        for pack_id, found in part.packs.items():
            whole.add(found, part.places[pack_id])
    return whole


@settings(max_examples=60)
@given(CONTENTS, st.sampled_from([1, 4, 1 << 16]))
def test_what_goes_in_comes_out_in_however_many_segments(contents: list[tuple[Pack, list[Place]]], size: int) -> None:
    index = numbered(contents)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "SEGMENT_CHUNKS", size)
        encoded = encode_segments(index)
    assert joined(encoded) == index


def test_nothing_is_no_segment() -> None:
    assert encode_segments(Index()) == []


def test_a_segment_holds_whole_packs() -> None:
    index = Index()
    for i in range(4):
        index.add(pack(i), [place(2), place(3), place(4)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "SEGMENT_CHUNKS", 5)
        parts = [decode_segment(data) for data in encode_segments(index)]
    assert [sorted(part.packs) for part in parts] == [[pack(0).id, pack(1).id], [pack(2).id, pack(3).id]]


def test_the_same_index_gives_the_same_bytes() -> None:
    one, other = Index(), Index()
    for i in range(3):
        one.add(pack(i, Home(0, b"a" * 8)), [place(2), place(3, 9)])
        other.add(pack(2 - i, Home(0, b"a" * 8)), [place(2), place(3, 9)])
    assert encode_segments(one) == encode_segments(other)


# -------------------------------------------------------------------------------------------------------------- merging
def test_homes_only_grow() -> None:
    a, b, again = Home(0, b"a" * 8, "old"), Home(1, b"b" * 8), Home(0, b"a" * 8, "new")
    assert merge_homes(pack(1, a), pack(1, b)).homes == (a, b)
    assert merge_homes(pack(1, a, b), pack(1)).homes == (a, b)
    assert merge_homes(pack(1, a, b), pack(1, again)).homes == (again, b), "the newer locator wins"


def test_an_index_on_two_disks_is_two_homes() -> None:
    homes = Home(0, b"a" * 8), Home(0, b"b" * 8)
    assert merge_homes(pack(1, homes[1]), pack(1, homes[0])).homes == homes


def test_adding_a_pack_again_merges_it() -> None:
    index = Index()
    index.add(pack(1, Home(0, b"a" * 8)), [place(2)])
    index.add(pack(1, Home(1, b"b" * 8)), [place(2), place(3)])
    assert [home.index for home in index.packs[pack(1).id].homes] == [0, 1]
    assert [found.number for found in index.places[pack(1).id]] == [2, 3]


# --------------------------------------------------------------------------------------------------------------- damage
def sample() -> bytes:
    index = Index()
    index.add(pack(1, Home(0, b"a" * 8, "locator"), Home(1, b"b" * 8)), [place(2), place(3, 9)])
    index.add(pack(2, Home(0, b"b" * 8)), [place(2, 4)])
    return encode_segments(index)[0]


SAMPLE = sample()


def test_no_beginning_of_a_segment_is_a_segment() -> None:
    for size in range(len(SAMPLE)):
        with pytest.raises(SealBroken):
            decode_segment(SAMPLE[:size])
    with pytest.raises(SealBroken):
        decode_segment(SAMPLE + b"\0")


@given(st.binary(max_size=64))
def test_garbage_is_no_segment(garbage: bytes) -> None:
    with pytest.raises(SealBroken):
        decode_segment(garbage)


PACK_COLUMN, CHUNK_COLUMN = 2, 3


@pytest.mark.parametrize(
    ("group", "column"), [(PACK_COLUMN, i) for i in range(9)] + [(CHUNK_COLUMN, i) for i in range(1, 8)]
)
def test_columns_of_unequal_length_are_no_segment(group: int, column: int) -> None:
    fields = msgspec.msgpack.decode(SAMPLE)
    fields[group][column] = fields[group][column][:-1]
    with pytest.raises(SealBroken):
        decode_segment(msgspec.msgpack.encode(fields))


@pytest.mark.parametrize(
    ("group", "column", "value"),
    [
        (PACK_COLUMN, 1, ["nonsense"] * 2), (PACK_COLUMN, 2, ["nonsense"] * 2), (PACK_COLUMN, 3, ["2"] * 2),
        (PACK_COLUMN, 8, [[[0, 7, "", b""]], []]), (CHUNK_COLUMN, 1, [5, 0, 0]), (CHUNK_COLUMN, 2, [9, 9, 9]),
        (CHUNK_COLUMN, 0, bytes(32)),
    ],
)  # fmt: skip
def test_values_that_mean_nothing_are_no_segment(group: int, column: int, value: object) -> None:
    fields = msgspec.msgpack.decode(SAMPLE)
    fields[group][column] = value
    with pytest.raises(SealBroken):
        decode_segment(msgspec.msgpack.encode(fields))
