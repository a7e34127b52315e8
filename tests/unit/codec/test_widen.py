"""A stripe made wider keeps its shards; only the new parity is made, the same whatever way it became so wide."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from webraid.codec.parity import coder, generator
from webraid.codec.shard import FOOTER, make_shards, open_shard, parse_footer, rebuild, widen
from webraid.errors import NotEnoughShards
from webraid.model import MIB, Code, Geometry, Pack, PackKind

POOL = bytes(range(16))


def made(geometry: Geometry, length: int = 3 * MIB + 17) -> tuple[Pack, dict[int, bytes], bytes]:
    """A pack, its shard objects, and its bytes."""
    data = Random(length).randbytes(length)
    shards = {s.index: s for s in make_shards(POOL, b"p" * 16, PackKind.DATA, geometry, data, md5=False)}
    hashes = tuple(shards[i].sha256 if i in shards else b"" for i in range(geometry.n))
    pack = Pack(b"p" * 16, PackKind.DATA, geometry, length, hashes)
    return pack, {index: bytes(shard.object) for index, shard in shards.items()}, data


def payloads(objects: dict[int, bytes], numbers: range | list[int]) -> dict[int, bytes]:
    return {index: objects[index][:-FOOTER] for index in numbers if index in objects}


@pytest.mark.parametrize(("k", "n", "wider"), [(1, 3, 5), (2, 4, 5), (4, 6, 7), (4, 6, 9), (10, 12, 20)])
def test_the_parity_of_a_wider_stripe_continues_that_of_the_narrower(k: int, n: int, wider: int) -> None:
    assert (generator(k, wider)[:n] == generator(k, n)).all()
    data = [Random(i).randbytes(999) for i in range(k)]
    narrow, wide = Geometry(Code.RS, k, n), Geometry(Code.RS, k, wider)
    assert coder(wide).encode(data, 999)[: n - k] == coder(narrow).encode(data, 999)


@pytest.mark.parametrize("code", [Code.RS, Code.NONE])
def test_only_the_new_shards_are_made_and_any_k_give_everything_back(code: Code) -> None:
    geometry = Geometry(Code.RS, 4, 6) if code is Code.RS else Geometry(Code.NONE, 4, 4)
    pack, objects, _ = made(geometry)
    fresh = widen(payloads(objects, range(4)), pack, 7, POOL, md5=True)
    assert [shard.index for shard in fresh] == list(range(geometry.n, 7)) and all(shard.md5 for shard in fresh)
    wide = replace(
        pack, geometry=Geometry(Code.RS, 4, 7), shards=(*pack.shards, *(shard.sha256 for shard in fresh))
    )  # fmt: skip
    everything = {**objects, **{shard.index: bytes(shard.object) for shard in fresh}}
    for index, whole in everything.items():
        assert open_shard(whole, wide, index) == whole[:-FOOTER]
        others = [other for other in sorted(everything, reverse=True) if other != index][:4]
        again = rebuild(payloads(everything, others), wide, index, POOL, md5=False)
        assert bytes(again.object) == whole, f"shard {index}"


def test_it_does_not_matter_in_how_many_steps_a_stripe_became_so_wide() -> None:
    pack, objects, _ = made(Geometry(Code.RS, 3, 4))
    at_once = widen(payloads(objects, range(3)), pack, 6, POOL)
    (first,) = widen(payloads(objects, range(1, 4)), pack, 5, POOL)
    five = replace(pack, geometry=Geometry(Code.RS, 3, 5), shards=(*pack.shards, first.sha256))
    (second,) = widen(payloads(objects, range(3)), five, 6, POOL)
    assert [shard.sha256 for shard in at_once] == [first.sha256, second.sha256]
    assert [parse_footer(shard.object).n for shard in at_once] == [5, 6]


def test_a_short_pack_has_empty_shards_and_can_be_made_wider_too() -> None:
    pack, objects, _ = made(Geometry(Code.RS, 4, 6), length=MIB + 5)
    assert pack.shards[2] == b""
    (fresh,) = widen(payloads(objects, [1, 4]), pack, 7, POOL)
    wide = replace(pack, geometry=Geometry(Code.RS, 4, 7), shards=(*pack.shards, fresh.sha256))
    again = rebuild({5: objects[5][:-FOOTER], 6: bytes(fresh.object)[:-FOOTER]}, wide, 0, POOL, md5=False)
    assert bytes(again.object) == objects[0]


def test_too_few_shards_and_codes_that_cannot_grow_are_refused() -> None:
    pack, objects, _ = made(Geometry(Code.RS, 4, 6))
    with pytest.raises(NotEnoughShards):
        widen(payloads(objects, range(3)), pack, 7, POOL)
    pack, objects, _ = made(Geometry(Code.XOR, 3, 4))
    with pytest.raises(ValueError, match="cannot be made"):
        widen(payloads(objects, range(3)), pack, 5, POOL)
