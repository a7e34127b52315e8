"""Log records: signed in clear, sealed inside.  What a body means is the table's business.  See docs/spec/record.md."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from webraid.codec import Bytes
from webraid.codec.seal import ENVELOPE_LIMIT, ENVELOPE_OVERHEAD, open_envelope, seal_envelope
from webraid.codec.sign import SIGNATURE, sign, verify
from webraid.env import Env
from webraid.errors import SealBroken

KIND = b"log"
SEQ_LIMIT = 10**10  # a name has ten digits for it

_FORMAT = b"WRLOG\x00\x00\x01"
_HEAD = struct.Struct(">8s16s8sIQ32sQI")
_FIRST = "0000000001-"  # how the names of first records go on behind their devices
_NAME = re.compile(r"log/([0-9a-f]{16})/([0-9]{10})-([0-9a-f]{16})")


@dataclass(frozen=True, slots=True)
class Header:
    """``epoch``: of the root whose meta key seals the body.  ``prev``: digest of the record before (zeros at seq 0).
    ``time_ms``: milliseconds since 1970, informative only."""

    pool: bytes
    device: bytes
    epoch: int
    seq: int
    prev: bytes
    time_ms: int


@dataclass(frozen=True, slots=True)
class Record:
    """A verified record; ``digest`` is the SHA-256 of the whole object."""

    header: Header
    body: bytes
    digest: bytes


def seal_record(root_meta: bytes, header: Header, body: Bytes, device_private: bytes, env: Env) -> bytes:
    """The object to store; its name follows from device, seq and its SHA-256."""
    if len(header.pool) != 16 or len(header.device) != 8 or len(header.prev) != 32 or header.seq >= SEQ_LIMIT:
        raise ValueError("a field of the record's header has a wrong size")
    if len(body) > ENVELOPE_LIMIT:
        raise ValueError(f"the body of a record may have {ENVELOPE_LIMIT} bytes, not {len(body)}")
    sealed = seal_envelope(root_meta, header.pool, KIND, body, env)
    head = _HEAD.pack(
        _FORMAT, header.pool, header.device, header.epoch, header.seq, header.prev, header.time_ms, len(sealed)
    )
    return head + sealed + sign(device_private, head + hashlib.sha256(sealed).digest())


def peek(blob: Bytes) -> Header:
    """The header as it claims to be, unverified and without keys.  Raises SealBroken if this is no whole record."""
    if len(blob) < _HEAD.size + ENVELOPE_OVERHEAD + SIGNATURE:
        raise SealBroken(f"a log record of {len(blob)} bytes is cut off")
    magic, pool, device, epoch, seq, prev, time_ms, length = _HEAD.unpack_from(blob)
    if magic != _FORMAT:
        raise SealBroken("this is not a log record of a version that is known here")
    if len(blob) != _HEAD.size + length + SIGNATURE:
        raise SealBroken(f"a log record has {len(blob)} bytes where its header tells of {length} sealed ones")
    if seq >= SEQ_LIMIT:
        raise SealBroken(f"a log record has number {seq}, which no name can hold")
    return Header(pool, device, epoch, seq, prev, time_ms)


def open_record(blob: Bytes, root_meta: bytes, pool: bytes, public: Callable[[bytes], bytes]) -> Record:
    """Verify, then open.  ``public(device)`` gives the device's public key, or raises what the caller likes.

    Raises SealBroken (not whole, another pool's, seal) or SignatureInvalid.
    """
    header = peek(blob)
    if header.pool != pool:
        raise SealBroken("a log record belongs to another pool")
    raw = bytes(blob)
    sealed = raw[_HEAD.size : -SIGNATURE]
    verify(public(header.device), raw[: _HEAD.size] + hashlib.sha256(sealed).digest(), raw[-SIGNATURE:])
    return Record(header, open_envelope(root_meta, pool, KIND, sealed), hashlib.sha256(raw).digest())


def unverified_body(blob: Bytes, root_meta: bytes, pool: bytes, header: Header | None = None) -> bytes:
    """The body before its signature can be checked: a device's first record brings the key that it is signed with.

    The seal proves that a holder of root.meta wrote it, nothing more: check the owner's certificate inside, then
    open_record.  ``header``: its header where that was looked at.  Raises SealBroken.
    """
    if (header or peek(blob)).pool != pool:
        raise SealBroken("a log record belongs to another pool")
    return open_envelope(root_meta, pool, KIND, bytes(blob)[_HEAD.size : -SIGNATURE])


def record_name(device: bytes, seq: int, digest: bytes) -> str:
    """log/<device>/<seq>-<first 16 hex digits of the record's SHA-256>."""
    if len(device) != 8 or not 0 <= seq < SEQ_LIMIT:
        raise ValueError("a record's name needs a device id of 8 bytes and a number of ten digits at most")
    return f"log/{device.hex()}/{seq:010d}-{digest.hex()[:16]}"


def is_first(name: str) -> bool:
    """Whether a record of that name is its device's first one (number 1).  For records' names only."""
    return name[21:32] == _FIRST


def parse_name(name: str) -> tuple[bytes, int, str]:
    """(device, seq, first 16 hex digits of the digest).  Raises SealBroken for any other name."""
    match = _NAME.fullmatch(name)
    if not match:
        raise SealBroken("an object among the log's records does not have a record's name")
    return bytes.fromhex(match[1]), int(match[2]), match[3]
