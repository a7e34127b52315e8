"""Authenticated encryption of pack chunks and of envelopes (small sealed objects).  docs/spec/keys.md, pack.md."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from webraid.codec import Bytes
from webraid.env import Env
from webraid.errors import SealBroken

TAG = 16
PACK_FORMAT = b"WRPK\x01"
ENVELOPE_FORMAT = b"WRSEAL\x00\x01"
ENVELOPE_OVERHEAD = 8 + 8 + 32 + 32 + TAG
ENVELOPE_LIMIT = 64 << 20
_ONLY_NONCE = bytes(12)  # right where a key seals exactly one message: the key follows from a fresh random salt


def expand(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256; an empty salt means 32 zero bytes, as RFC 5869 has it."""
    return HKDF(algorithm=SHA256(), length=length, salt=salt or None, info=info).derive(secret)


@dataclass(frozen=True, slots=True)
class PackKeys:
    """What seals one pack: ``key`` 32 bytes, ``commitment`` 32 bytes (stands at the pack's head, tells a wrong key)."""

    key: bytes = field(repr=False)
    commitment: bytes


def pack_keys(key: bytes, pool: bytes, pack_id: bytes) -> PackKeys:
    """The keys of a pack from root.data (or root.meta for a table pack), pool id 16 and pack id 16."""
    both = expand(key, b"", PACK_FORMAT + pool + pack_id, 64)
    return PackKeys(both[:32], both[32:])


class PackCipher:
    """Seals and opens the numbered pieces of one pack.  Pack ids are fresh, so a (key, number) is used once."""

    def __init__(self, key: bytes, pool: bytes, pack_id: bytes) -> None:
        keys = pack_keys(key, pool, pack_id)
        self.commitment = keys.commitment
        self._cipher = ChaCha20Poly1305(keys.key)
        self._context = PACK_FORMAT + pool + pack_id
        self._last = -1

    def seal_into(self, number: int, kind: int, plain: Bytes, out: memoryview) -> None:
        """Write ciphertext and tag into ``out``, which has exactly len(plain) + 16 bytes.

        Numbers must ascend: a second use of one would give the plaintext away, so it is refused (RuntimeError).
        """
        if number <= self._last:
            raise RuntimeError(f"piece {number} of a pack would be sealed a second time")
        self._last = number
        self._cipher.encrypt_into(number.to_bytes(12, "big"), plain, self._aad(number, kind), out)

    def open(self, number: int, kind: int, sealed: Bytes) -> bytes:
        """The plaintext.  Raises SealBroken."""
        try:
            return self._cipher.decrypt(number.to_bytes(12, "big"), sealed, self._aad(number, kind))
        except InvalidTag:
            raise SealBroken(f"piece {number} of a pack fails its authentication") from None

    def _aad(self, number: int, kind: int) -> bytes:
        return self._context + number.to_bytes(4, "big") + bytes((kind,))


@lru_cache(maxsize=64)
def pack_cipher(key: bytes, pool: bytes, pack_id: bytes) -> PackCipher:
    """The cipher of a pack, kept for the packs used last (deriving it costs more than opening a small chunk)."""
    return PackCipher(key, pool, pack_id)


def seal_once(keys: bytes, plain: Bytes, aad: bytes) -> bytes:
    """Commitment 32 | ciphertext | tag, under keys = key 32 | commitment 32 that seal nothing else."""
    return keys[32:] + ChaCha20Poly1305(keys[:32]).encrypt(_ONLY_NONCE, plain, aad)


def committed(keys: bytes, blob: bytes) -> bool:
    """Whether commitment | ciphertext was made with these keys."""
    return hmac.compare_digest(keys[32:], blob[:32])


def open_once(keys: bytes, blob: bytes, aad: bytes) -> bytes:
    """The inverse of seal_once.  Raises SealBroken."""
    if not committed(keys, blob):
        raise SealBroken("a sealed object was made with another key, or is damaged")
    try:
        return ChaCha20Poly1305(keys[:32]).decrypt(_ONLY_NONCE, blob[32:], aad)
    except InvalidTag:
        raise SealBroken("a sealed object fails its authentication") from None


def _info(pool: bytes, kind: bytes) -> bytes:
    if len(pool) != 16 or not 1 <= len(kind) <= 8 or b"\0" in kind:
        raise ValueError("a pool id has 16 bytes, an envelope's type 1 to 8")
    return pool + kind.ljust(8, b"\0") + ENVELOPE_FORMAT


def seal_envelope(key: bytes, pool: bytes, kind: bytes, plain: Bytes, env: Env) -> bytes:
    """Magic 8 | type 8 | salt 32 | commitment 32 | ciphertext and tag.  ``kind``: 1 to 8 ASCII bytes, zero-padded."""
    info = _info(pool, kind)
    salt = env.random(32)
    return ENVELOPE_FORMAT + info[16:24] + salt + seal_once(expand(key, salt, info, 64), plain, info)


def open_envelope(key: bytes, pool: bytes, kind: bytes, blob: Bytes, limit: int = ENVELOPE_LIMIT) -> bytes:
    """The plaintext (at most ``limit`` bytes).  Raises SealBroken on anything else."""
    info = _info(pool, kind)
    size = len(blob)
    if not ENVELOPE_OVERHEAD <= size <= ENVELOPE_OVERHEAD + limit:
        raise SealBroken(f"a sealed object has {size} bytes: too few or too many")
    raw = bytes(blob)
    if raw[:8] != ENVELOPE_FORMAT:
        raise SealBroken("this is not a sealed object of a version that is known here")
    if raw[8:16] != info[16:24]:
        raise SealBroken("a sealed object is of another type than its place says")
    return open_once(expand(key, raw[16:48], info, 64), raw[48:], info)
