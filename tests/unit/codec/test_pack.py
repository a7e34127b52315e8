"""Packs: what goes in comes out, and nothing else does."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from webraid.codec.pack import (
    CHUNK_OVERHEAD,
    PACK_OVERHEAD,
    Chunk,
    ChunkKind,
    Place,
    Sealed,
    open_chunk,
    padme,
    read_directory,
    seal_pack,
)
from webraid.codec.seal import PackCipher, pack_keys
from webraid.errors import SealBroken

KEY, POOL, PACK_ID = bytes(range(32)), b"p" * 16, b"k" * 16
TEXT = b"It was the best of times, it was the worst of times, " * 4000
NOISE = random.Random(1).randbytes(200_000)


def sealed_with(*plains: bytes, shuffle: random.Random | None = None, pack_id: bytes = PACK_ID) -> Sealed:
    chunks = [Chunk(bytes((at,)) * 16, ChunkKind(at % 3 + 1), plain) for at, plain in enumerate(plains)]
    return seal_pack(KEY, POOL, pack_id, chunks, shuffle=shuffle)


def piece(sealed: Sealed, place: Place) -> memoryview:
    return memoryview(sealed.data)[place.offset : place.offset + place.stored]


def directory_of(data: bytes | bytearray) -> list[Place]:
    return read_directory(KEY, POOL, PACK_ID, lambda offset, size: bytes(data[offset : offset + size]))


@given(st.lists(st.binary(max_size=300) | st.integers(0, 3000).map(lambda n: TEXT[:n]), max_size=12), st.integers())
def test_chunks_come_back_and_the_directory_says_where_they_are(plains: list[bytes], seed: int) -> None:
    sealed = sealed_with(*plains, shuffle=random.Random(seed))
    for at, (place, plain) in enumerate(zip(sealed.places, plains, strict=True)):
        assert (place.id, place.kind) == (bytes((at,)) * 16, at % 3 + 1)
        assert open_chunk(KEY, POOL, PACK_ID, place, piece(sealed, place)) == plain
    assert directory_of(sealed.data) == sorted(sealed.places, key=lambda place: place.number)
    assert len(sealed.data) == padme(len(sealed.data))


def test_an_empty_pack_and_an_empty_chunk_are_whole() -> None:
    assert directory_of(sealed_with().data) == []
    sealed = sealed_with(b"")
    assert open_chunk(KEY, POOL, PACK_ID, sealed.places[0], piece(sealed, sealed.places[0])) == b""


def test_compression_is_used_where_it_pays_and_only_there() -> None:
    sealed = sealed_with(TEXT, NOISE, TEXT[:500], NOISE[:500], TEXT + NOISE)
    assert [place.compressed for place in sealed.places] == [True, False, True, False, True]
    assert sealed.places[0].stored < len(TEXT) / 20
    hardly = NOISE[:1000] + bytes(60)
    assert len(zstandard.ZstdCompressor(level=3).compress(hardly)) < len(hardly)
    assert not sealed_with(hardly).places[0].compressed
    assert sealed.places[1].stored == len(NOISE) + 16


def test_shuffling_moves_chunks_and_the_callers_order_of_places_stays() -> None:
    plains = [NOISE[at : at + 100 + at] for at in range(40)]
    straight, mixed = sealed_with(*plains), sealed_with(*plains, shuffle=random.Random(9))
    assert [place.number for place in straight.places] == list(range(2, 42))
    assert [place.number for place in mixed.places] != list(range(2, 42))
    assert [place.id for place in mixed.places] == [place.id for place in straight.places]


def test_the_size_of_a_pack_can_be_told_before_it_is_sealed() -> None:
    plains = [NOISE[:1000], NOISE[:70_000], b""]
    expected = PACK_OVERHEAD + sum(CHUNK_OVERHEAD + len(plain) for plain in plains)
    assert len(sealed_with(*plains).data) == padme(expected)


def test_nothing_of_a_pack_shows_but_random_looking_bytes() -> None:
    data = sealed_with(bytes(50_000), bytes(70_000)).data
    assert bytes(8) not in data
    padding = sealed_with(NOISE[:4000]).data[-64:]
    assert bytes(4) not in padding


def test_two_packs_share_no_bytes_and_two_pools_no_keys() -> None:
    one, two = sealed_with(NOISE), sealed_with(NOISE, pack_id=b"K" * 16)
    assert one.data[:32] != two.data[:32]
    assert one.data[200:232] != two.data[200:232]
    keys = {
        pack_keys(key, pool, pack).key
        for key in (KEY, bytes(32))
        for pool in (POOL, PACK_ID)
        for pack in (POOL, PACK_ID)
    }
    assert len(keys) == 8


def test_no_number_is_sealed_twice_under_one_key() -> None:
    cipher, out = PackCipher(KEY, POOL, PACK_ID), memoryview(bytearray(17))
    cipher.seal_into(3, 1, b"x", out)
    for number in (3, 2, 0):
        with pytest.raises(RuntimeError, match="second time"):
            cipher.seal_into(number, 1, b"y", out)
    places = sealed_with(*[b"a", b"b", b"c"]).places
    assert {place.number for place in places} | {0, 1, 5} == set(range(6))


def test_a_chunk_opens_only_in_its_own_place() -> None:
    sealed = sealed_with(TEXT, NOISE)
    place = sealed.places[0]
    good = bytes(piece(sealed, place))
    wrong_places = [
        replace(place, number=3),
        replace(place, kind=ChunkKind.PAGE),
        replace(place, plain=place.plain - 1),
        replace(place, plain=place.plain + 1),
        replace(place, compressed=False),
        replace(place, stored=place.stored + 1),
        replace(sealed.places[1], compressed=True),
    ]
    for wrong in wrong_places:
        with pytest.raises(SealBroken):
            open_chunk(KEY, POOL, PACK_ID, wrong, good if wrong.id == place.id else piece(sealed, wrong))
    for key, pool, pack in ((bytes(32), POOL, PACK_ID), (KEY, b"q" * 16, PACK_ID), (KEY, POOL, b"l" * 16)):
        with pytest.raises(SealBroken):
            open_chunk(key, pool, pack, place, good)
    for at in range(len(good)):
        with pytest.raises(SealBroken):
            open_chunk(KEY, POOL, PACK_ID, place, good[:at] + bytes((good[at] ^ 1 << at % 8,)) + good[at + 1 :])


def test_a_compressed_chunk_never_grows_beyond_what_its_place_says() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 24))
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1 << 20))
    cut = zstandard.ZstdCompressor().compress(NOISE)[:-9]
    followed = zstandard.ZstdCompressor().compress(NOISE) + b"more"
    for number, frame in enumerate((bomb, unsized, cut, followed, b"no frame at all"), start=2):
        out = bytearray(len(frame) + 16)
        PackCipher(KEY, POOL, PACK_ID).seal_into(number, 1, frame, memoryview(out))
        place = Place(bytes(16), ChunkKind.DATA, number, 0, len(out), len(NOISE), True)
        with pytest.raises(SealBroken, match="compressed"):
            open_chunk(KEY, POOL, PACK_ID, place, out)


def test_a_directory_is_refused_for_every_flipped_bit_and_truncation_of_the_packs_head() -> None:
    sealed = sealed_with(NOISE[:50], NOISE[:9])
    head = 32 + 28 + 2 * 34 + 16
    for bit in range(8 * head):
        wrong = bytearray(sealed.data)
        wrong[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealBroken):
            directory_of(wrong)
    for size in range(head):
        with pytest.raises(SealBroken):
            directory_of(sealed.data[:size])


def forged(preamble: bytes, directory: bytes) -> bytes:
    """A pack's head as someone with the key but a faulty program would write it."""
    cipher = PackCipher(KEY, POOL, PACK_ID)
    out = bytearray(32 + len(preamble) + 16 + len(directory) + 16)
    view, at = memoryview(out), 32 + len(preamble) + 16
    view[:32] = cipher.commitment
    cipher.seal_into(0, ord("P"), preamble, view[32:at])
    cipher.seal_into(1, ord("D"), directory, view[at:])
    return bytes(out)


@pytest.mark.parametrize(
    ("count", "fields"),
    [
        (1, ("0101", 110, 9, 9)),  # stored too short for a tag
        (1, ("0100", 110, 25, 10)),  # not compressed, yet of another length
        (1, ("0104", 110, 25, 9)),  # an unknown flag
        (1, ("0900", 110, 25, 9)),  # an unknown kind
        (1, ("0100", 111, 25, 9)),  # a gap before it
        (2, ("0100", 110, 25, 9)),  # fewer entries than told
    ],
)
def test_a_directory_that_contradicts_itself_is_refused(count: int, fields: tuple[str, int, int, int]) -> None:
    flags, offset, stored, plain = fields
    entry = (
        bytes(16)
        + bytes.fromhex(flags)
        + offset.to_bytes(8, "big")
        + stored.to_bytes(4, "big")
        + plain.to_bytes(4, "big")
    )
    assert directory_of(
        forged(preamble_of(1), bytes(16) + bytes.fromhex("0100") + b"\0\0\0\0\0\0\0\x6e\0\0\0\x19\0\0\0\x09")
    )
    with pytest.raises(SealBroken):
        directory_of(forged(preamble_of(count), entry))


def preamble_of(count: int) -> bytes:
    return (count * 34 + 16).to_bytes(4, "big") + count.to_bytes(4, "big") + bytes(4)


def test_a_directory_too_long_to_be_true_is_not_even_read() -> None:
    reads: list[int] = []
    head = forged(preamble_of((1 << 20) + 1), b"")

    def read(offset: int, size: int) -> bytes:
        reads.append(size)
        return head[offset : offset + size]

    with pytest.raises(SealBroken, match="1048577 chunks"):
        read_directory(KEY, POOL, PACK_ID, read)
    assert reads == [60]


@given(st.integers(0, 1 << 40))
def test_padme_adds_at_most_12_percent_and_leaks_only_upper_bits(length: int) -> None:
    padded = padme(length)
    assert length <= padded <= length * 1.12
    assert padme(padded) == padded
    if length > 1:
        exponent = length.bit_length() - 1
        assert padded % (1 << exponent - exponent.bit_length()) == 0


@pytest.mark.parametrize(
    ("length", "padded"),
    [(0, 0), (1, 1), (2, 2), (9, 10), (100, 104), (1000, 1024), (1 << 20, 1 << 20), (1_048_577, 1_081_344)],
)
def test_padme_is_padme(length: int, padded: int) -> None:
    assert padme(length) == padded
