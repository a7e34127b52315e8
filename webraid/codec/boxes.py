"""A new root, sealed for one device's Ed25519 key: X25519 with a fresh key of the sender's.  See docs/spec/keys.md."""

from __future__ import annotations

import hashlib
import struct

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from webraid.codec import Bytes
from webraid.codec.keys import DeviceKey, Root
from webraid.codec.seal import TAG, expand, open_once, seal_once
from webraid.env import Env
from webraid.errors import SealBroken

_FORMAT = b"WRBOX\x00\x00\x01"
_INSIDE = struct.Struct(">I32s")  # epoch, root secret
_BOX = 32 + 32 + _INSIDE.size + TAG
_P = 2**255 - 19


def seal_box(pool: bytes, public: bytes, root: Root, env: Env) -> bytes:
    """116 bytes that only the device with that Ed25519 key opens.  Older roots are not in it.

    Raises SealBroken where ``public`` is no point of the curve that a secret can be agreed on with.
    """
    ephemeral = X25519PrivateKey.from_private_bytes(env.random(32))
    sender = ephemeral.public_key().public_bytes_raw()
    keys, context = _keys(pool, ephemeral, _montgomery(public), sender, public)
    return sender + seal_once(keys, _INSIDE.pack(root.epoch, root.secret), context)


def open_box(blob: Bytes, pool: bytes, device: DeviceKey) -> Root:
    """The root in a box for this device.  Raises SealBroken."""
    raw = bytes(blob)
    if len(raw) != _BOX:
        raise SealBroken(f"a sealed root has {len(raw)} bytes instead of {_BOX}")
    scalar = hashlib.sha512(device.private).digest()[:32]  # RFC 8032's; X25519 clamps it in the same way
    mine = X25519PrivateKey.from_private_bytes(scalar)
    keys, context = _keys(pool, mine, raw[:32], raw[:32], device.public)
    epoch, secret = _INSIDE.unpack(open_once(keys, raw[32:], context))
    return Root(secret, epoch)


def _keys(pool: bytes, mine: X25519PrivateKey, other: bytes, sender: bytes, public: bytes) -> tuple[bytes, bytes]:
    """Key 32 | commitment 32, and what they are bound to."""
    try:
        shared = mine.exchange(X25519PublicKey.from_public_bytes(other))
    except ValueError:  # a point of low order
        raise SealBroken("a key is none that a secret can be agreed on with") from None
    context = _FORMAT + pool + sender + public
    return expand(shared, b"", context, 64), context


def _montgomery(public: bytes) -> bytes:
    """The X25519 public key of an Ed25519 one: u = (1 + y) / (1 - y) mod 2^255 - 19 (RFC 7748, section 4.1)."""
    y = int.from_bytes(public, "little") & (1 << 255) - 1
    if len(public) != 32 or y >= _P or y == 1:
        raise SealBroken("a device's key is no point of the curve")
    return ((1 + y) * pow(1 - y, -1, _P) % _P).to_bytes(32, "little")
