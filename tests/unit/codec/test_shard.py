"""The unit layout, shard objects and their footers."""

from __future__ import annotations

import hashlib
import random
import zlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webraid.codec.parity import Coder, _agree, _engine, coder
from webraid.codec.parity_isal import Array
from webraid.codec.shard import (
    FOOTER,
    Shard,
    _compare,
    join_pack,
    make_shards,
    open_shard,
    parse_footer,
    rebuild,
    shard_sizes,
    spans,
)
from webraid.errors import ConfigError, NotEnoughShards, ShardCorrupt
from webraid.model import UNIT, Code, Geometry, Pack, PackKind

POOL, PACK_ID = bytes(range(16)), bytes(range(16, 32))
RAID6 = Geometry(Code.RS, 3, 5)


def some_bytes(length: int) -> bytes:
    return random.Random(length).randbytes(length)


def made(data: bytes, geometry: Geometry) -> tuple[Pack, dict[int, Shard]]:
    shards = {shard.index: shard for shard in make_shards(POOL, PACK_ID, PackKind.DATA, geometry, data, md5=True)}
    count = 1 if geometry.code is Code.COPIES else geometry.n
    digests = tuple(shards[index].sha256 if index in shards else b"" for index in range(count))
    return Pack(PACK_ID, PackKind.DATA, geometry, len(data), digests), shards


# ------------------------------------------------------------------------------------------------------------- layout
lengths = st.integers(0, 40 * UNIT) | st.sampled_from(
    [unit * UNIT + more for unit in range(9) for more in (-1, 0, 1)][1:]
)


@given(lengths, st.integers(1, 12))
def test_shard_sizes_sum_up_and_never_grow_from_one_shard_to_the_next(length: int, k: int) -> None:
    sizes = shard_sizes(length, k)
    assert sum(sizes) == length
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] - sizes[-1] <= UNIT


@given(lengths, st.integers(1, 12), st.data())
def test_spans_name_every_byte_of_a_range_once_in_order_by_the_layouts_definition(
    length: int, k: int, data: st.DataObject
) -> None:
    offset = data.draw(st.integers(0, length))
    size = data.draw(st.integers(0, length - offset))
    sizes, at = shard_sizes(length, k), offset
    for span in spans(offset, size, length, k):
        assert span.pack_offset == at
        assert span.shard_offset + span.size <= sizes[span.shard]
        for byte in (0, span.size - 1):
            unit, inside = divmod(span.pack_offset + byte, UNIT)
            assert span.shard == unit % k
            assert span.shard_offset + byte == unit // k * UNIT + inside
        at += span.size
    assert at == offset + size


@pytest.mark.parametrize(("offset", "size"), [(-1, 5), (0, 101), (100, 1), (50, -1)])
def test_a_range_outside_the_pack_is_refused(offset: int, size: int) -> None:
    with pytest.raises(ValueError, match="not inside"):
        spans(offset, size, 100, 3)


@pytest.mark.parametrize("length", [1, UNIT - 1, UNIT, UNIT + 1, 3 * UNIT, 4 * UNIT + 5, 7 * UNIT - 3])
@pytest.mark.parametrize("geometry", [Geometry(Code.NONE, 3, 3), Geometry(Code.COPIES, 1, 4), RAID6], ids=str)
def test_a_pack_comes_back_from_its_data_shards(length: int, geometry: Geometry) -> None:
    data = some_bytes(length)
    pack, shards = made(data, geometry)
    payloads = {index: open_shard(shard.object, pack, index) for index, shard in shards.items()}
    assert join_pack(payloads, length, geometry.k) == data


def test_an_empty_data_shard_is_not_made_and_any_shard_of_a_tiny_pack_restores_it() -> None:
    data = some_bytes(200)
    pack, shards = made(data, RAID6)
    assert sorted(shards) == [0, 3, 4]
    for index in shards:
        have = {1: b"", 2: b"", index: bytes(open_shard(shards[index].object, pack, index))}
        assert coder(RAID6).decode(have, [0], 200)[0] == data


def test_joining_names_what_is_missing_and_refuses_a_wrong_length() -> None:
    parts = {0: bytes(UNIT), 1: bytes(5)}
    assert len(join_pack(parts, UNIT + 5, 3)) == UNIT + 5
    with pytest.raises(NotEnoughShards) as caught:
        join_pack({1: bytes(5)}, UNIT + 5, 3)
    assert (caught.value.have, caught.value.need) == (2, 3)
    with pytest.raises(ShardCorrupt, match="4 bytes instead of 5"):
        join_pack({**parts, 1: bytes(4)}, UNIT + 5, 3)


# ------------------------------------------------------------------------------------------------------------- shards
def test_every_loss_of_m_shard_objects_is_rebuilt_to_the_same_object() -> None:
    data = some_bytes(4 * UNIT + 99)
    pack, shards = made(data, RAID6)
    for lost in combinations(range(5), 2):
        have = {index: open_shard(shards[index].object, pack, index) for index in shards if index not in lost}
        for index in lost:
            again = rebuild(have, pack, index, POOL)
            assert again == shards[index]


def test_a_shard_is_not_rebuilt_from_a_wrong_payload() -> None:
    pack, shards = made(some_bytes(3000), RAID6)
    wrong = bytearray(shards[3].object[:-FOOTER])
    wrong[77] ^= 4
    with pytest.raises(ShardCorrupt, match="not what was stored"):
        rebuild({3: wrong}, pack, 0, POOL)


def test_digests_are_those_of_the_whole_object_and_the_footers_is_the_payloads() -> None:
    _, shards = made(some_bytes(2 * UNIT + 9), RAID6)
    for shard in shards.values():
        assert shard.sha256 == hashlib.sha256(shard.object).digest()
        assert shard.md5 == hashlib.md5(shard.object, usedforsecurity=False).digest()
        footer = parse_footer(shard.object)
        assert footer.sha256 == hashlib.sha256(shard.object[:-FOOTER]).digest()
        assert (footer.pool, footer.pack, footer.index, footer.k, footer.n) == (POOL, PACK_ID, shard.index, 3, 5)
    quiet = make_shards(POOL, PACK_ID, PackKind.TABLE, RAID6, b"x", md5=False, verify=False)
    assert quiet[0].md5 == b""
    assert parse_footer(quiet[0].object[-FOOTER:]).kind is PackKind.TABLE


def test_all_copies_are_one_object_whatever_their_number() -> None:
    data = some_bytes(5000)
    two, four = (made(data, Geometry(Code.COPIES, 1, n))[1] for n in (2, 4))
    assert two == four
    assert list(two) == [0]
    assert two[0].object[:-FOOTER] == data


def test_wrong_parity_is_found_before_it_leaves() -> None:
    data = [bytearray(some_bytes(1000)), bytearray(some_bytes(600)), bytearray()]
    for geometry in (RAID6, Geometry(Code.XOR, 3, 4), Geometry(Code.RS, 3, 8)):
        code = coder(geometry)
        parity = code.encode(data, 1000)
        payloads = [memoryview(shard) for shard in (*data, *parity)]
        _compare(code, payloads, 1000)
        for index in range(3, geometry.n):
            for at in (0, 599, 600, 999):
                payloads[index][at] ^= 1
                with pytest.raises(ShardCorrupt, match="parity made just now"):
                    _compare(code, payloads, 1000)
                payloads[index][at] ^= 1


class FaultyLibrary:
    """Does the sums as broken memory would: one bit of the last shard is wrong."""

    def rebuild(
        self, have: tuple[int, ...], blocks: Sequence[Array | None], want: tuple[int, ...], outs: Sequence[Array]
    ) -> None:
        _engine(RAID6, "zfec").rebuild(have, blocks, want, outs)
        outs[-1][5] ^= 16


def test_nothing_is_made_with_a_library_that_miscalculates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webraid.codec.parity.coder", lambda geometry: Coder(geometry, FaultyLibrary()))
    with pytest.raises(ShardCorrupt, match="parity made just now"):
        make_shards(POOL, PACK_ID, PackKind.DATA, RAID6, some_bytes(900), md5=False)
    assert make_shards(POOL, PACK_ID, PackKind.DATA, RAID6, some_bytes(900), md5=False, verify=False)


def test_a_library_that_does_not_give_zfecs_parity_is_not_used() -> None:
    with pytest.raises(ConfigError, match="does not give zfec's parity"):
        _agree(FaultyLibrary(), _engine(RAID6, "zfec"), RAID6)


def test_open_shard_refuses_every_flipped_byte_truncation_extension_and_other_shard() -> None:
    pack, shards = made(some_bytes(100), RAID6)
    good = bytes(shards[0].object)
    for at in range(len(good)):
        with pytest.raises(ShardCorrupt):
            open_shard(good[:at] + bytes((good[at] ^ 1 << at % 8,)) + good[at + 1 :], pack, 0)
        with pytest.raises(ShardCorrupt):
            open_shard(good[:at], pack, 0)
    for other in (good + b"\0", bytes(shards[3].object)):
        with pytest.raises(ShardCorrupt):
            open_shard(other, pack, 0)
    planted = replace(pack, shards=(pack.shards[3], *pack.shards[1:]))
    with pytest.raises(ShardCorrupt, match="another shard"):
        open_shard(shards[3].object, planted, 0)


def test_a_footer_is_refused_for_every_flipped_bit_and_truncation() -> None:
    _, shards = made(some_bytes(100), RAID6)
    good = bytes(shards[0].object[-FOOTER:])
    assert parse_footer(good).payload == 100
    for bit in range(8 * FOOTER):
        wrong = bytearray(good)
        wrong[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ShardCorrupt):
            parse_footer(wrong)
    for size in range(FOOTER):
        with pytest.raises(ShardCorrupt):
            parse_footer(good[:size])


@pytest.mark.parametrize(
    ("at", "value"),
    [(8, 2), (9, 2), (10, 4), (10, 2), (10, 0), (10, 1), (11, 1), (13, 0), (15, 2), (17, 5), (18, 1), (23, 1), (31, 99),
     (103, 101), (104, 1), (108, 1), (123, 1)],
)  # fmt: skip
def test_a_footer_with_a_right_checksum_but_a_field_that_cannot_be_is_refused(at: int, value: int) -> None:
    _, shards = made(some_bytes(100), RAID6)
    wrong = bytearray(shards[0].object[-FOOTER:])
    wrong[at] = value
    wrong[-4:] = zlib.crc32(wrong[:-4]).to_bytes(4, "big")
    with pytest.raises(ShardCorrupt):
        parse_footer(wrong)
