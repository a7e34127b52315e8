"""Hashes that providers tell and we can compute: which one to compare, and OneDrive's own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from webraid.backend.base import Bytes, Digest

# Best first: the first is there already, md5 is where caps ask for it, the others are computed here.
KNOWN = ("sha256", "md5", "sha1", "quickxor")
_CELL, _SHIFT, _WIDTH = 160, 11, 160  # bytes after which the shifts repeat; bits a byte shifts by; bits of the hash


def chosen(offered: Sequence[str]) -> str:
    """The hash to compare at a remote that offers these; '' where we can compute none."""
    return next((algorithm for algorithm in KNOWN if algorithm in offered), "")


def expected(algorithm: str, data: Bytes, digest: Digest) -> str:
    """What the provider must tell of ``data`` (hex); '' where ``data`` is not what ``digest`` speaks of."""
    if algorithm == "sha256":
        return digest.sha256
    if algorithm == "md5" and digest.md5:
        return digest.md5
    # The hash is of the bytes, not of the digest that came with them: these must fit, or it proves nothing.
    if hashlib.sha256(data).hexdigest() != digest.sha256:
        return ""
    if algorithm == "quickxor":
        return quickxor(data)
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()


def quickxor(data: Bytes) -> str:
    """QuickXorHash as hex, as rclone writes it: byte i is XORed in at bit 11 * i of a circle of 160; then the length.

    https://learn.microsoft.com/en-us/onedrive/developer/code-snippets/quickxorhash
    """
    view = memoryview(data).cast("B")
    column = 0  # bytes that are 160 apart land on the same bits, as 11 * 160 is a multiple of 160: fold them first
    whole = int.from_bytes(view, "little")
    count = -(-len(view) // _CELL)
    while count > 1:
        half = (count + 1) // 2
        bits = half * _CELL * 8
        whole = (whole & ((1 << bits) - 1)) ^ (whole >> bits)
        count = half
    for at, byte in enumerate(whole.to_bytes(_CELL, "little")):
        column ^= byte << (at * _SHIFT % _WIDTH)
    circle = (column ^ (column >> _WIDTH)) & ((1 << _WIDTH) - 1)
    circle ^= len(view) << (_WIDTH - 64)
    return circle.to_bytes(_WIDTH // 8, "little").hex()
