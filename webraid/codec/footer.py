"""The 128 bytes in clear at a shard's end: what the object is and whether it is whole, told without any key."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from webraid.codec import Bytes
from webraid.codec.layout import shard_sizes
from webraid.errors import ShardCorrupt
from webraid.model import UNIT, Code, Geometry, PackKind

FOOTER = 128

_MAGIC = b"WRSHARD1"
# magic, version, kind, code, 0 | k, n, index, 0 | payload length, pool, pack, SHA-256 | pack length, unit, 0 | CRC-32
_FIELDS = struct.Struct(">8sBBBxHHH6xQ16s16s32sQI16xI")
_KINDS = (PackKind.DATA, PackKind.TABLE)
_CODES = (Code.NONE, Code.COPIES, Code.XOR, Code.RS)


@dataclass(frozen=True, slots=True)
class Footer:
    """What a shard says of itself.  ``n`` and ``index`` are 0 for copies, which are all alike.  Lengths in bytes."""

    kind: PackKind
    code: Code
    k: int
    n: int
    index: int
    payload: int
    pool: bytes
    pack: bytes
    sha256: bytes
    pack_length: int


def make_footer(
    pool: bytes, pack_id: bytes, kind: PackKind, geometry: Geometry, index: int, pack_length: int, payload: int,
    sha256: bytes,
) -> bytes:  # fmt: skip
    """The footer of shard ``index``; ``payload`` its length, ``sha256`` its digest."""
    n = 0 if geometry.code is Code.COPIES else geometry.n
    fields = _FIELDS.pack(
        _MAGIC, 1, _KINDS.index(kind), _CODES.index(geometry.code), geometry.k, n, index, payload, pool, pack_id,
        sha256, pack_length, UNIT, 0,
    )  # fmt: skip
    return fields[:-4] + zlib.crc32(fields[:-4]).to_bytes(4, "big")


def parse_footer(object_tail: Bytes) -> Footer:
    """The footer in the last 128 bytes of a shard (or of its tail).  Raises ShardCorrupt on anything odd."""
    raw = bytes(memoryview(object_tail)[-FOOTER:])
    if len(raw) != FOOTER or raw[:8] != _MAGIC:
        raise ShardCorrupt("this does not end as a shard does")
    magic, version, kind, code, k, n, index, payload, pool, pack, sha256, length, unit, crc = _FIELDS.unpack(raw)
    if zlib.crc32(raw[:-4]) != crc:
        raise ShardCorrupt("a shard's footer is damaged")
    if version != 1 or unit != UNIT or kind >= len(_KINDS) or code >= len(_CODES):
        raise ShardCorrupt("a shard is of a version, kind or code that is not known here")
    # Packing what was unpacked finds any byte that ought to be zero.
    again = _FIELDS.pack(magic, version, kind, code, k, n, index, payload, pool, pack, sha256, length, unit, crc)
    footer = Footer(_KINDS[kind], _CODES[code], k, n, index, payload, pool, pack, sha256, length)
    if again != raw or not _consistent(footer):
        raise ShardCorrupt("a shard's footer contradicts itself")
    return footer


def _consistent(footer: Footer) -> bool:
    k, n, index = footer.k, footer.n, footer.index
    if footer.code is Code.COPIES:
        return (k, n, index) == (1, 0, 0) and footer.payload == footer.pack_length
    if not (1 <= k <= n <= 255 and index < n) or footer.pack_length >= 1 << 48:
        return False
    if (footer.code is Code.NONE and n != k) or (footer.code is Code.XOR and n != k + 1):
        return False
    sizes = shard_sizes(footer.pack_length, k)
    return footer.payload == (sizes[index] if index < k else sizes[0])
