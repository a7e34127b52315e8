"""What a provider's own hash of an object must be, from what we know of its bytes.  No I/O here."""

from __future__ import annotations

import hashlib

DROPBOX_BLOCK = 4 << 20  # bytes


def expected(algorithm: str, *, sha256: str, md5: str, size: int) -> str | None:
    """The hex digest by ``algorithm`` of ``size`` bytes with these digests (hex, '' where unknown); None: can't tell.

    'dropbox' is Dropbox's content_hash, the SHA-256 of the SHA-256s of all blocks of 4 MiB: for an object of one block
    it follows from the block's own.  https://www.dropbox.com/developers/reference/content-hash
    """
    if algorithm == "sha256":
        return sha256 or None
    if algorithm == "md5":
        return md5 or None
    if algorithm == "dropbox" and sha256 and size <= DROPBOX_BLOCK:
        return hashlib.sha256(bytes.fromhex(sha256) if size else b"").hexdigest()
    return None
