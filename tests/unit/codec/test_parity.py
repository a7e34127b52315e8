"""Parity against an oracle of our own: plain Python, from the definition of the code, sharing nothing with zfec."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webraid.codec.levels import parse_level
from webraid.codec.parity import Implementation, coder, generator, implementations
from webraid.errors import ConfigError, NotEnoughShards
from webraid.model import Code, Geometry

# ------------------------------------------------------------------------------------------------------------- oracle
POLYNOMIAL = 0x11D


def times(a: int, b: int) -> int:
    """Carry-less multiplication, reduced by the field's polynomial."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 0x100:
            a ^= POLYNOMIAL
        b >>= 1
    return product


TABLE = [bytes(times(a, b) for b in range(256)) for a in range(256)]
INVERSE = [0, *(TABLE[a].index(1) for a in range(1, 256))]


def power(a: int, exponent: int) -> int:
    result = 1
    for _ in range(exponent):
        result = TABLE[result][a]
    return result


def solve(left: list[list[int]], right: list[list[int]]) -> list[list[int]]:
    """X with left X = right, by Gauss and Jordan."""
    rows = [[*a, *b] for a, b in zip(left, right, strict=True)]
    size = len(left)
    for column in range(size):
        pivot = next(row for row in range(column, size) if rows[row][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        scale = INVERSE[rows[column][column]]
        rows[column] = [TABLE[scale][value] for value in rows[column]]
        for row in range(size):
            factor = rows[row][column]
            if row != column and factor:
                rows[row] = [a ^ TABLE[factor][b] for a, b in zip(rows[row], rows[column], strict=True)]
    return [row[size:] for row in rows]


def oracle_matrix(k: int, n: int) -> list[list[int]]:
    """Vandermonde over the points 0, 1, 2, 4, 8 ... (0 and the powers of 2), made systematic: G times top = V."""
    points = [0, *(power(2, exponent) for exponent in range(n - 1))]
    vandermonde = [[power(point, column) for column in range(k)] for point in points]
    top = vandermonde[:k]
    transposed = solve(
        [list(column) for column in zip(*top, strict=True)], [list(c) for c in zip(*vandermonde, strict=True)]
    )
    return [list(row) for row in zip(*transposed, strict=True)]


def combine(row: Sequence[int], shards: Sequence[bytes]) -> bytes:
    total = bytes(len(shards[0]))
    for factor, shard in zip(row, shards, strict=True):
        scaled = shard.translate(TABLE[factor])
        total = bytes(a ^ b for a, b in zip(total, scaled, strict=True))
    return total


def oracle_shards(geometry: Geometry, data: Sequence[bytes], length: int) -> list[bytes]:
    full = [shard.ljust(length, b"\0") for shard in data]
    if geometry.code is Code.NONE:
        return full
    if geometry.code is Code.COPIES:
        return full * geometry.n
    if geometry.code is Code.XOR:
        return [*full, combine([1] * geometry.k, full)]
    return [combine(row, full) for row in oracle_matrix(geometry.k, geometry.n)]


# ------------------------------------------------------------------------------------------------------------ helpers
LENGTH = 45


def small_geometries() -> list[Geometry]:
    """What any level is over up to 8 disks."""
    found = {parse_level(f"rs:{k}+{n - k}").geometry(n) for n in range(2, 9) for k in range(1, n)}
    for name in ("raid0", "raid1", "raid4", "raid5", "raid6"):
        least = parse_level(name).least
        found.update(parse_level(name).geometry(disks) for disks in range(least, 9))
    found.update(Geometry(Code.RS, k, k + 1) for k in range(1, 8))
    return sorted(found, key=lambda shape: (shape.code, shape.n, shape.k, shape.rotates))


def uneven(geometry: Geometry, seed: int = 7) -> list[bytes]:
    """Data shards as a pack leaves them: full ones, one cut short, empty ones."""
    source = random.Random(seed)
    lengths = [LENGTH] + [source.choice((LENGTH, 17, 0)) for _ in range(geometry.k - 1)]
    return [source.randbytes(length) for length in sorted(lengths, reverse=True)]


def losses(n: int, most: int) -> Iterator[tuple[int, ...]]:
    for count in range(1, most + 1):
        yield from combinations(range(n), count)


def stripe(data: Sequence[bytes], parity: Sequence[bytearray]) -> list[bytes]:
    return [*data, *map(bytes, parity)]


def each(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(name, implementations())


# -------------------------------------------------------------------------------------------------------------- tests
def test_the_fast_library_is_here_so_that_it_is_tested() -> None:
    assert implementations() == ("isal", "zfec")


@pytest.mark.parametrize(("k", "n"), [*((k, n) for n in range(2, 9) for k in range(1, n)), (10, 14), (20, 40)])
def test_zfec_has_the_generator_that_the_specification_defines(k: int, n: int) -> None:
    assert generator(k, n).tolist() == oracle_matrix(k, n)


@each("implementation")
@pytest.mark.parametrize("geometry", small_geometries(), ids=str)
def test_every_loss_of_up_to_m_shards_is_decoded(geometry: Geometry, implementation: Implementation) -> None:
    code = coder(geometry, implementation)
    data = uneven(geometry)
    expected = oracle_shards(geometry, data, LENGTH)
    made = code.encode(data, LENGTH)
    copies = geometry.code is Code.COPIES
    assert made == ([] if copies else expected[geometry.k :])
    stored = [*data, *expected[1:]] if copies else stripe(data, made)
    for lost in losses(geometry.n, geometry.m):
        have = {index: shard for index, shard in enumerate(stored) if index not in lost}
        found = code.decode(have, lost, LENGTH)
        assert found == {index: expected[index] for index in lost}, lost


@each("implementation")
@pytest.mark.parametrize("geometry", small_geometries(), ids=str)
def test_one_loss_more_than_m_is_refused_loudly(geometry: Geometry, implementation: Implementation) -> None:
    code = coder(geometry, implementation)
    shards = oracle_shards(geometry, uneven(geometry), LENGTH)
    for lost in combinations(range(geometry.n), geometry.m + 1):
        have = {index: shard for index, shard in enumerate(shards) if index not in lost}
        with pytest.raises(NotEnoughShards) as caught:
            code.decode(have, lost, LENGTH)
        assert (caught.value.have, caught.value.need) == (geometry.k - 1, geometry.k)


@each("implementation")
def test_data_and_parity_are_rebuilt_from_any_k_not_only_from_the_first(implementation: Implementation) -> None:
    geometry = Geometry(Code.RS, 4, 7)
    code = coder(geometry, implementation)
    shards = oracle_shards(geometry, uneven(geometry), LENGTH)
    for present in combinations(range(7), 4):
        found = code.decode({index: shards[index] for index in reversed(present)}, range(7), LENGTH)
        assert found == dict(enumerate(shards)), present


@given(st.integers(1, 20), st.integers(1, 8), st.integers(0, 700), st.randoms(use_true_random=False))
def test_isal_gives_zfecs_bytes(k: int, m: int, length: int, source: random.Random) -> None:
    geometry = Geometry(Code.RS, k, k + m)
    fast, reference = coder(geometry, "isal"), coder(geometry, "zfec")
    data = [source.randbytes(source.choice((length, length // 2))) for _ in range(k)]
    parity = fast.encode(data, length)
    assert parity == reference.encode(data, length)
    present = source.sample(range(k + m), k)
    have = {index: stripe(data, parity)[index] for index in present}
    assert fast.decode(have, range(k + m), length) == reference.decode(have, range(k + m), length)


def test_isal_gives_zfecs_bytes_for_the_widest_stripes_and_over_many_tiles() -> None:
    source = random.Random(3)
    for k, n, length in ((100, 255, 100), (254, 255, 33), (1, 255, 64), (4, 6, 700_001)):
        geometry = Geometry(Code.RS, k, n)
        data = [source.randbytes(length) for _ in range(k)]
        assert coder(geometry, "isal").encode(data, length) == coder(geometry, "zfec").encode(data, length)


@each("implementation")
@given(st.integers(0, 299), st.integers(1, 300), st.sampled_from([Code.XOR, Code.RS]))
def test_a_span_of_shards_is_coded_as_the_whole_is(
    implementation: Implementation, start: int, size: int, kind: Code
) -> None:
    geometry = Geometry(kind, 3, 4 if kind is Code.XOR else 5)
    code, source = coder(geometry, implementation), random.Random(start)
    data = [source.randbytes(length) for length in (300, 200, 90)]
    stop = min(300, start + size)
    whole = stripe(data, code.encode(data, 300))
    cut = [shard[start:stop] for shard in whole]
    assert code.encode(cut[:3], stop - start) == cut[3:]
    have = dict(list(enumerate(cut))[geometry.m :])
    rebuilt = code.decode(have, [0], stop - start)[0]
    assert rebuilt == cut[0]


def test_a_stripe_whose_sources_are_all_empty_decodes_to_zeros() -> None:
    for implementation in implementations():
        code = coder(Geometry(Code.RS, 2, 4), implementation)
        assert code.decode({1: b"", 2: bytes(9)}, [0], 9) == {0: bytes(9)}
        assert code.encode([b"", b""], 9) == [bytes(9), bytes(9)]
        assert code.encode([b"", b""], 0) == [b"", b""]


def test_a_shard_longer_than_the_span_or_of_an_unknown_number_is_refused() -> None:
    code = coder(Geometry(Code.RS, 2, 4))
    with pytest.raises(ValueError, match="longer"):
        code.encode([bytes(5), bytes(6)], 5)
    with pytest.raises(ValueError, match="no such number"):
        code.decode({0: b"", 1: b""}, [4], 5)
    with pytest.raises(ValueError, match="data shards"):
        code.encode([bytes(5)], 5)


def test_an_implementation_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(ConfigError, match="no abacus"):
        coder(Geometry(Code.RS, 2, 4), cast("Implementation", "abacus"))


def test_one_coder_serves_many_threads() -> None:
    geometry = Geometry(Code.RS, 5, 8)
    code, source = coder(geometry), random.Random(5)
    stripes = [[source.randbytes(5000) for _ in range(5)] for _ in range(24)]

    def round_trip(data: list[bytes]) -> bool:
        parity = code.encode(data, 5000)
        lost = random.Random(data[0]).sample(range(8), 3)
        have = {index: shard for index, shard in enumerate(stripe(data, parity)) if index not in lost}
        return code.decode(have, range(5), 5000) == dict(enumerate(data))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(round_trip, stripes))
