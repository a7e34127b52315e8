"""Redundant shards: XOR for one, zfec's systematic code for more (by ISA-L where it is found).  docs/spec/parity.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np
import zfec  # type: ignore[import-untyped]

from webraid.codec import Bytes
from webraid.codec.parity_isal import Array, Engine, IsaL, library
from webraid.errors import ConfigError, NotEnoughShards
from webraid.model import Code, Geometry

Implementation = Literal["isal", "zfec"]

_TILE = 256 << 10  # bytes worked on at a time: what is read stays in the processor's cache until it is used up


class Coder:
    """Encodes and decodes stripes of one geometry.  Use ``coder()``.  Safe for use by many threads at once.

    Byte j of any shard depends only on byte j of k others, so spans of shards (the same span of each) are coded just as
    whole shards are.
    """

    def __init__(self, geometry: Geometry, engine: Engine) -> None:
        self.geometry = geometry
        self._engine = engine
        coded = geometry.code in (Code.XOR, Code.RS)
        self._all_data = tuple(range(geometry.k))
        self._redundant = tuple(range(geometry.k, geometry.n)) if coded else ()

    def encode(self, data: Sequence[Bytes], length: int) -> list[bytearray]:
        """The n - k redundant shards of ``length`` bytes each; shorter data shards (even empty) end in virtual zeros.

        [] where the code is none or copies.
        """
        outs = [bytearray(length) for _ in self._redundant]
        self.encode_into(data, length, outs)
        return outs

    def encode_into(self, data: Sequence[Bytes], length: int, outs: Sequence[bytearray | memoryview]) -> None:
        """The same into zeroed buffers of ``length`` bytes."""
        if len(data) != self.geometry.k or len(outs) != len(self._redundant):
            raise ValueError("encode takes k data shards and n - k outputs")
        if self._redundant:
            self._run(self._all_data, data, self._redundant, outs, length)

    def decode(self, have: Mapping[int, Bytes], want: Sequence[int], length: int) -> dict[int, bytearray]:
        """The wanted shards (data or parity), ``length`` bytes each, from any k that are there.

        Short ones end in virtual zeros; an empty data shard, which no disk stores, is there as b''.  Shard numbers mean
        nothing where the code is copies.  Raises NotEnoughShards.
        """
        found = {index: bytearray(length) for index in want}
        missing = []
        for index, out in found.items():
            if index in have:
                out[: len(have[index])] = _fitting(have[index], length)
            else:
                missing.append(index)
        if missing:
            self._decode_missing(have, missing, found, length)
        return found

    def _decode_missing(
        self, have: Mapping[int, Bytes], missing: list[int], found: dict[int, bytearray], length: int
    ) -> None:
        k = self.geometry.k
        if len(have) < k:
            raise NotEnoughShards(f"{len(have)} of the {k} shards needed of a stripe are here", have=len(have), need=k)
        if not all(0 <= index < self.geometry.n for index in (*have, *missing)):
            raise ValueError(f"a stripe of {self.geometry.n} shards has no such number")
        sources = tuple(sorted(have)[:k])
        outs = [found[index] for index in missing]
        self._run(sources, [have[index] for index in sources], tuple(missing), outs, length)

    def _run(
        self,
        numbers: tuple[int, ...],
        blocks: Sequence[Bytes],
        want: tuple[int, ...],
        outs: Sequence[bytearray | memoryview],
        length: int,
    ) -> None:
        sources = [np.frombuffer(_fitting(block, length), np.uint8) for block in blocks]
        targets = [np.frombuffer(out, np.uint8) for out in outs]
        for start, stop in _segments([len(source) for source in sources], length):
            there = [source[start:stop] if len(source) > start else None for source in sources]
            self._engine.rebuild(numbers, there, want, [target[start:stop] for target in targets])


def _fitting(block: Bytes, length: int) -> Bytes:
    if len(block) > length:
        raise ValueError(f"a shard of {len(block)} bytes is longer than the span of {length} that is coded")
    return block


def _segments(lengths: Sequence[int], length: int) -> Iterator[tuple[int, int]]:
    """Tiles of [0, length) in which no source ends: the virtual zeros behind its end are never made real."""
    edges = sorted({0, length, *lengths})
    for begin, end in pairwise(edges):
        for start in range(begin, end, _TILE):
            yield start, min(start + _TILE, end)


# ------------------------------------------------------------------------------------------------------------ engines
class _Xor:
    """k sources, all but one of k + 1 shards: their XOR is the missing one."""

    def rebuild(
        self, have: tuple[int, ...], blocks: Sequence[Array | None], want: tuple[int, ...], outs: Sequence[Array]
    ) -> None:
        (out,) = outs
        there = [block for block in blocks if block is not None]
        if len(there) < 2:
            out[:] = there[0] if there else 0
            return
        np.bitwise_xor(there[0], there[1], out=out)
        for block in there[2:]:
            np.bitwise_xor(out, block, out=out)


class _Copies:
    """Every shard is the pack."""

    def rebuild(
        self, have: tuple[int, ...], blocks: Sequence[Array | None], want: tuple[int, ...], outs: Sequence[Array]
    ) -> None:
        if blocks[0] is not None:
            for out in outs:
                out[:] = blocks[0]


class _Zfec:
    """The reference: zfec's own encoder and decoder.  Both are read-only once made, and release the GIL."""

    def __init__(self, k: int, n: int) -> None:
        self._k = k
        self._encoder = zfec.Encoder(k, n)
        self._decoder = zfec.Decoder(k, n)

    def rebuild(
        self, have: tuple[int, ...], blocks: Sequence[Array | None], want: tuple[int, ...], outs: Sequence[Array]
    ) -> None:
        zeros = bytes(len(outs[0]))
        data: Sequence[Bytes] = [zeros if block is None else block.data for block in blocks]
        if have[-1] >= self._k:
            data = self._decoder.decode(data, have)
        parity = [index for index in want if index >= self._k]
        made = dict(zip(parity, self._encoder.encode(data, parity), strict=True)) if parity else {}
        for index, out in zip(want, outs, strict=True):
            out[:] = np.frombuffer(data[index] if index < self._k else made[index], np.uint8)


def generator(k: int, n: int) -> Array:
    """zfec's n by k generator matrix, read through its public API: the code of the unit vectors, a byte each."""
    rows = np.zeros((n, k), np.uint8)
    encoder, numbers = zfec.Encoder(k, n), tuple(range(n))
    for column in range(k):
        unit = tuple(bytes((shard == column,)) for shard in range(k))
        rows[:, column] = [shard[0] for shard in encoder.encode(unit, numbers)]
    return rows


# -------------------------------------------------------------------------------------------------------------- doors
@lru_cache(maxsize=1)
def implementations() -> tuple[Implementation, ...]:
    """What can do Reed-Solomon on this machine, fastest first."""
    return ("isal", "zfec") if library() is not None else ("zfec",)


@lru_cache(maxsize=256)
def coder(geometry: Geometry, implementation: Implementation | None = None) -> Coder:
    """The coder of a geometry.  ``implementation``: which does Reed-Solomon, None for the fastest that is there.

    Raises ConfigError if that one is not there.
    """
    if implementation is not None and implementation not in implementations():
        raise ConfigError(
            f"there is no {implementation} on this machine", hint="Install Debian's libisal2, or pyeclib."
        )
    return Coder(geometry, _engine(geometry, implementation or implementations()[0]))


def _engine(geometry: Geometry, implementation: Implementation) -> Engine:
    if geometry.code is Code.XOR:
        return _Xor()
    if geometry.code is not Code.RS:
        return _Copies()
    reference = _Zfec(geometry.k, geometry.n)
    found = library()
    if implementation == "zfec" or found is None:
        return reference
    fast = IsaL(found, generator(geometry.k, geometry.n))
    _agree(fast, reference, geometry)
    return fast


def _agree(fast: Engine, reference: Engine, geometry: Geometry) -> None:
    """A library found by its name may be any build: it must give zfec's bytes here and now before data is given it."""
    k, n = geometry.k, geometry.n
    data = np.frombuffer(bytes(range(256)) * 5, np.uint8)
    blocks = [data[shard : shard + 1021] for shard in range(k)]
    results = []
    for engine in (fast, reference):
        outs = [np.zeros(1021, np.uint8) for _ in range(n - k)]
        engine.rebuild(tuple(range(k)), blocks, tuple(range(k, n)), outs)
        results.append(b"".join(out.tobytes() for out in outs))
    if results[0] != results[1]:
        raise ConfigError(
            "the ISA-L library on this machine does not give zfec's parity",
            hint="Remove that libisal (or pyeclib), zfec alone does it all; and report this.",
        )
