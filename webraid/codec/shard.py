"""Shards: a pack becomes n objects (payload, footer) for n disks, and a shard is taken apart.  docs/spec/shard.md."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from webraid.codec import Bytes
from webraid.codec.footer import FOOTER, Footer, make_footer, parse_footer
from webraid.codec.layout import Span, join_pack, pieces, shard_sizes, spans
from webraid.errors import ShardCorrupt
from webraid.model import Code, Geometry, Pack, PackKind

if TYPE_CHECKING:
    from webraid.codec.parity import Coder

__all__ = [
    "FOOTER",
    "Footer",
    "Shard",
    "Span",
    "join_pack",
    "make_shards",
    "open_shard",
    "parse_footer",
    "rebuild",
    "shard_sizes",
    "spans",
]


@dataclass(frozen=True, slots=True)
class Shard:
    """An object to store: payload, then footer.  ``sha256``: 32 bytes, of the whole; ``md5``: 16 bytes, or b''."""

    index: int
    object: bytearray = field(repr=False)
    sha256: bytes
    md5: bytes


class _Stripe(NamedTuple):
    pool: bytes
    pack_id: bytes
    kind: PackKind
    geometry: Geometry
    length: int


def make_shards(
    pool: bytes, pack_id: bytes, kind: PackKind, geometry: Geometry, pack: Bytes, *, md5: bool, verify: bool = True
) -> list[Shard]:
    """All shards of a pack, but for data shards that would be empty; one shard where the code is copies.

    ``verify``: decode from the parity and compare before anything leaves.  Raises ShardCorrupt if that fails (broken
    memory or a broken library).
    """
    k, m = geometry.k, 0 if geometry.code is Code.COPIES else geometry.m
    sizes = shard_sizes(len(pack), k)
    lengths = sizes + [sizes[0]] * m
    objects = [bytearray(size + FOOTER) if size else bytearray() for size in lengths]
    payloads = [memoryview(whole)[:size] for whole, size in zip(objects, lengths, strict=True)]
    view = memoryview(pack)
    for shard, at, piece in pieces(view, k):
        payloads[shard][at : at + len(piece)] = piece
    if m:
        code = _coder(geometry)
        code.encode_into(payloads[:k], sizes[0], payloads[k:])
        if verify:
            _compare(code, payloads, sizes[0])
    stripe = _Stripe(pool, pack_id, kind, geometry, len(pack))
    return [_finish(stripe, index, whole, md5) for index, whole in enumerate(objects) if whole]


def open_shard(object: Bytes, pack: Pack, index: int) -> memoryview:
    """The payload, if the object is exactly the one that ``pack.shards[index]`` names.  Raises ShardCorrupt.

    Copies are all shard 0.
    """
    if pack.geometry.code is Code.COPIES:
        index = 0
    if hashlib.sha256(object).digest() != pack.shards[index]:
        raise ShardCorrupt(f"shard {index} of pack {pack.id.hex()} is not what was stored")
    footer = parse_footer(object)
    if footer.pack != pack.id or footer.index != index or footer.pack_length != pack.length:
        raise ShardCorrupt(f"shard {index} of pack {pack.id.hex()} is another shard's bytes")
    return memoryview(object)[:-FOOTER]


def _finish(stripe: _Stripe, index: int, whole: bytearray, md5: bool) -> Shard:
    payload = memoryview(whole)[:-FOOTER]
    sha256 = hashlib.sha256(payload)  # one pass gives both: the payload's digest, and on past the footer the object's
    footer = make_footer(
        stripe.pool, stripe.pack_id, stripe.kind, stripe.geometry, index, stripe.length, len(payload), sha256.digest()
    )
    memoryview(whole)[-FOOTER:] = footer
    sha256.update(footer)
    return Shard(index, whole, sha256.digest(), hashlib.md5(whole, usedforsecurity=False).digest() if md5 else b"")


_TILE = 1 << 20


def _coder(geometry: Geometry) -> Coder:
    """Imported with the first stripe that is coded: numpy takes as long to load as many a command to run."""
    from webraid.codec.parity import coder

    return coder(geometry)


def _compare(code: Coder, payloads: Sequence[memoryview], length: int) -> None:
    """Rebuild as many data shards as parity can stand in for, from it and the other data; then any parity left over.

    Each lost data shard takes one parity shard, so wrong parity has nowhere to hide.
    """
    k, n = code.geometry.k, code.geometry.n
    lost = min(k, n - k)
    use, want = range(lost, k + lost), (*range(lost), *range(k + lost, n))
    for at in range(0, length, _TILE):
        size = min(_TILE, length - at)
        have = {index: payloads[index][at : at + size] for index in use}
        for index, rebuilt in code.decode(have, want, size).items():
            if rebuilt != bytes(payloads[index][at : at + size]).ljust(size, b"\0"):
                raise ShardCorrupt(
                    f"parity made just now does not give shard {index} back",
                    hint="Nothing was uploaded. Test this machine's memory; 'pip uninstall pyeclib' rules out ISA-L.",
                )


def rebuild(have: Mapping[int, Bytes], pack: Pack, index: int, pool: bytes, *, md5: bool = True) -> Shard:
    """Shard ``index`` as it was stored, from any k payloads (empty data shards may be left away).

    Raises NotEnoughShards, or ShardCorrupt if the result is not the shard that ``pack`` names.
    """
    geometry = pack.geometry
    sizes = shard_sizes(pack.length, geometry.k)
    known = {**{shard: b"" for shard, size in enumerate(sizes) if not size}, **have}
    index = 0 if geometry.code is Code.COPIES else index
    size = sizes[index] if index < geometry.k else sizes[0]
    whole = _coder(geometry).decode(known, [index], sizes[0])[index][:size]
    whole.extend(bytes(FOOTER))
    for form in _forms(geometry, index):
        shard = _finish(_Stripe(pool, pack.id, pack.kind, form, pack.length), index, whole, md5)
        if shard.sha256 == pack.shards[index]:
            return shard
    raise ShardCorrupt(f"shard {index} of pack {pack.id.hex()} was rebuilt but is not what was stored")


def _forms(geometry: Geometry, index: int) -> Iterator[Geometry]:
    """What the footer of a shard may say of its stripe: one that was made wider keeps the shards that it had."""
    yield geometry
    if geometry.code is Code.RS:
        for n in range(max(geometry.k, index + 1), geometry.n):
            yield replace(geometry, n=n)
        if index < geometry.k:
            yield Geometry(Code.NONE, geometry.k, geometry.k)


def widen(have: Mapping[int, Bytes], pack: Pack, n: int, pool: bytes, *, md5: bool = True) -> list[Shard]:
    """Shards pack.geometry.n ... n - 1 of the same stripe made wider, from any k payloads; the others stay as they are.

    Each says in its footer that it is the last of its stripe, so that it is the same object however wide the stripe
    becomes in the end.  For code none and rs only: the rows of the generator for more shards continue those for fewer.
    Raises NotEnoughShards.
    """
    geometry = pack.geometry
    if geometry.code not in (Code.NONE, Code.RS) or n < geometry.n:
        raise ValueError(f"a stripe of {geometry} cannot be made {n} wide")
    sizes = shard_sizes(pack.length, geometry.k)
    known = {**{shard: b"" for shard, size in enumerate(sizes) if not size}, **have}
    fresh = range(geometry.n, n)
    made = _coder(Geometry(Code.RS, geometry.k, n)).decode(known, fresh, sizes[0])
    shards = []
    for index in fresh:
        whole = made[index]
        whole.extend(bytes(FOOTER))
        own = Geometry(Code.RS, geometry.k, index + 1)
        shards.append(_finish(_Stripe(pool, pack.id, pack.kind, own, pack.length), index, whole, md5))
    return shards
