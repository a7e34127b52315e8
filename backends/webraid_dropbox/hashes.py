"""Dropbox's content_hash of any number of bytes."""

from __future__ import annotations

import hashlib

from webraid.backend.base import Digest
from webraid.backend.hashes import DROPBOX_BLOCK, expected
from webraid.errors import Unavailable

NAME = "dropbox"


def content_hash(data: memoryview) -> str:
    """The SHA-256 (hex) of the SHA-256s of all blocks of 4 MiB; the last may be shorter.

    https://www.dropbox.com/developers/reference/content-hash
    """
    whole = hashlib.sha256()
    for start in range(0, data.nbytes, DROPBOX_BLOCK):
        whole.update(hashlib.sha256(data[start : start + DROPBOX_BLOCK]).digest())
    return whole.hexdigest()


def hash_for(data: memoryview, digest: Digest) -> str:
    """The same for bytes that the caller has hashed already: up to 4 MiB nothing is hashed again, and beyond it is made
    sure that these are the bytes the digest is of.  Raises Unavailable."""
    known = expected(NAME, sha256=digest.sha256, md5=digest.md5, size=data.nbytes)
    if known is not None:
        return known
    if digest.sha256 and hashlib.sha256(data).hexdigest() != digest.sha256:
        raise Unavailable("the bytes are not those of the digest")
    return content_hash(data)
