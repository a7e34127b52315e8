"""Packs: sealed chunks, their sealed directory, nothing in clear but 32 bytes of commitment.  See docs/spec/pack.md."""

from __future__ import annotations

import struct
from collections.abc import Callable, MutableSequence, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol

import zstandard

from webraid.codec import Bytes
from webraid.codec.seal import TAG, PackCipher, pack_cipher
from webraid.errors import SealBroken

MAX_CHUNKS = 1 << 20  # a reader allocates no more than a directory of that many on a pack's word
PACK_OVERHEAD = 32 + (12 + TAG) + TAG + TAG  # commitment, preamble, the tags of directory and padding
CHUNK_OVERHEAD = 34 + TAG  # directory entry and tag

_PREAMBLE = struct.Struct(">III")  # sealed directory's length, chunks, bytes of padding
_ENTRY = struct.Struct(">16sBBQII")  # id, kind, flags, offset, stored, plain
_DIRECTORY_AT = 32 + _PREAMBLE.size + TAG
_TYPE_PREAMBLE, _TYPE_DIRECTORY, _TYPE_PADDING = b"PDZ"
_ZSTD = 1
AUTO, OFF, MAX = "auto", "off", "max"
_LEVELS = {AUTO: 3, MAX: 12}
_PROBE = 64 << 10  # from this length on a sample decides whether to compress at all


class Shuffler(Protocol):
    """What of random.Random is needed here."""

    def shuffle(self, x: MutableSequence[Any], /) -> None: ...


class ChunkKind(IntEnum):
    """What a chunk holds."""

    DATA = 1
    PAGE = 2
    INDEX = 3


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk to be sealed; ``id`` 16 bytes."""

    id: bytes
    kind: ChunkKind
    plain: Bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed chunk lies: ``offset`` from the pack's first byte, ``stored`` bytes with the 16 of the tag.

    ``number`` is its nonce; ``plain`` its length once opened (and decompressed if ``compressed``)."""

    id: bytes
    kind: ChunkKind
    number: int
    offset: int
    stored: int
    plain: int
    compressed: bool


@dataclass(frozen=True, slots=True)
class Sealed:
    """A pack's bytes and, in the order the chunks were given, their places."""

    data: bytearray = field(repr=False)
    places: list[Place]


def padme(length: int) -> int:
    """``length`` rounded up so that only its upper bits tell anything; at most 12 % more, less the longer it is."""
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (length + mask) & ~mask


def seal_pack(
    root_key: bytes, pool: bytes, pack_id: bytes, chunks: Sequence[Chunk], *, shuffle: Shuffler | None,
    compression: str = AUTO,
) -> Sealed:  # fmt: skip
    """Seal the chunks as pack ``pack_id``, which MUST be fresh: its keys follow from it alone.

    ``shuffle`` orders the chunks inside (None: as given).  ``compression``: AUTO, OFF or MAX.
    """
    if len(chunks) > MAX_CHUNKS:
        raise ValueError(f"a pack holds at most {MAX_CHUNKS} chunks")
    parts = _compressed(chunks, compression)
    order = list(range(len(chunks)))
    if shuffle is not None:
        shuffle.shuffle(order)
    directory_size = len(chunks) * _ENTRY.size + TAG
    places: dict[int, Place] = {}
    offset = _DIRECTORY_AT + directory_size
    for number, which in enumerate(order, start=2):
        chunk, stored = chunks[which], len(parts[which]) + TAG
        compressed = parts[which] is not chunk.plain
        places[which] = Place(chunk.id, chunk.kind, number, offset, stored, len(chunk.plain), compressed)
        offset += stored
    total = padme(offset + TAG)
    data = bytearray(total)  # once, and sealed into: twice as fast as joining the pieces
    cipher, view, padding = PackCipher(root_key, pool, pack_id), memoryview(data), total - offset - TAG
    view[:32] = cipher.commitment
    preamble = _PREAMBLE.pack(directory_size, len(chunks), padding)
    cipher.seal_into(0, _TYPE_PREAMBLE, preamble, view[32:_DIRECTORY_AT])
    directory = b"".join(_entry(places[which]) for which in order)
    cipher.seal_into(1, _TYPE_DIRECTORY, directory, view[_DIRECTORY_AT : _DIRECTORY_AT + directory_size])
    for which, place in places.items():
        cipher.seal_into(place.number, place.kind, parts[which], view[place.offset : place.offset + place.stored])
    cipher.seal_into(len(chunks) + 2, _TYPE_PADDING, bytes(padding), view[offset:])
    return Sealed(data, [places[which] for which in range(len(chunks))])


def open_chunk(root_key: bytes, pool: bytes, pack_id: bytes, place: Place, sealed: Bytes) -> bytes:
    """The chunk's plaintext from its ``stored`` bytes.  Comparing it with its id is the caller's part.

    Raises SealBroken on anything but exactly what was sealed.
    """
    if len(sealed) != place.stored:
        raise SealBroken(f"a sealed chunk has {len(sealed)} bytes instead of {place.stored}")
    inside = pack_cipher(root_key, pool, pack_id).open(place.number, place.kind, sealed)
    plain = _decompressed(inside, place.plain) if place.compressed else inside
    if len(plain) != place.plain:
        raise SealBroken(f"a chunk has {len(plain)} bytes instead of {place.plain}")
    return plain


def read_directory(root_key: bytes, pool: bytes, pack_id: bytes, read: Callable[[int, int], bytes]) -> list[Place]:
    """The places of all chunks, in the pack's order, by two calls of ``read(offset, size)``.  Raises SealBroken."""
    head = read(0, _DIRECTORY_AT)
    cipher = pack_cipher(root_key, pool, pack_id)
    if len(head) != _DIRECTORY_AT or head[:32] != cipher.commitment:
        raise SealBroken("a pack was sealed with another key, or is damaged")
    size, count, _ = _PREAMBLE.unpack(_exactly(cipher.open(0, _TYPE_PREAMBLE, head[32:]), _PREAMBLE.size))
    if count > MAX_CHUNKS or size != count * _ENTRY.size + TAG:
        raise SealBroken(f"a pack tells of {count} chunks in a directory of {size} bytes")
    sealed = read(_DIRECTORY_AT, size)
    directory = _exactly(cipher.open(1, _TYPE_DIRECTORY, sealed), count * _ENTRY.size)
    places = [_place(number, *entry) for number, entry in enumerate(_ENTRY.iter_unpack(directory), start=2)]
    offset = _DIRECTORY_AT + size
    for place in places:
        if place.offset != offset:
            raise SealBroken("the chunks of a pack do not lie back to back")
        offset += place.stored
    return places


def _entry(place: Place) -> bytes:
    flags = _ZSTD if place.compressed else 0
    return _ENTRY.pack(place.id, place.kind, flags, place.offset, place.stored, place.plain)


def _place(number: int, id: bytes, kind: int, flags: int, offset: int, stored: int, plain: int) -> Place:
    try:
        known = ChunkKind(kind)
    except ValueError:
        raise SealBroken(f"a pack holds a chunk of kind {kind}, which is not known here") from None
    compressed = bool(flags & _ZSTD)
    if flags & ~_ZSTD or stored < TAG or (not compressed and stored != plain + TAG):
        raise SealBroken("an entry of a pack's directory contradicts itself")
    return Place(id, known, number, offset, stored, plain, compressed)


def _exactly(plain: bytes, size: int) -> bytes:
    if len(plain) != size:
        raise SealBroken(f"a piece of a pack has {len(plain)} bytes instead of {size}")
    return plain


# -------------------------------------------------------------------------------------------------------- compression
def _compressed(chunks: Sequence[Chunk], compression: str) -> list[Bytes]:
    """Each chunk's bytes: its own ``plain`` object, or a zstd frame that is at least 5 % shorter."""
    if compression == OFF:
        return [chunk.plain for chunk in chunks]
    compressor = zstandard.ZstdCompressor(level=_LEVELS[compression])
    parts: list[Bytes] = []
    for chunk in chunks:
        plain, best = chunk.plain, chunk.plain
        if len(plain) < _PROBE or _pays(compressor.compress(_sample(plain)), 4 * _SAMPLE):
            frame = compressor.compress(plain)
            best = frame if _pays(frame, len(plain)) else plain
        parts.append(best)
    return parts


_SAMPLE = 2048


def _sample(plain: Bytes) -> bytes:
    """8 KiB from four places: enough to tell text from what is compressed already, at a hundredth of the cost."""
    step = (len(plain) - _SAMPLE) // 3
    return b"".join(plain[at : at + _SAMPLE] for at in range(0, 3 * step + 1, step))


def _pays(frame: bytes, size: int) -> bool:
    return len(frame) * 20 <= size * 19


def _decompressed(frame: bytes, size: int) -> bytes:
    # The frame's own word on its length is checked first: it decides how much memory is taken.
    try:
        if zstandard.get_frame_parameters(frame).content_size != size:
            raise SealBroken("a compressed chunk is not as long as its directory says")
        return zstandard.ZstdDecompressor().decompress(frame, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError:
        raise SealBroken("a compressed chunk is damaged") from None
