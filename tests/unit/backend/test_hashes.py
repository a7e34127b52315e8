"""What a provider's hash must be, and that a check by listing uses it."""

from __future__ import annotations

import hashlib

import pytest
from dropbox.content_hash import content_hash

from webraid.backend.hashes import DROPBOX_BLOCK, expected
from webraid.jobs.care.findings import DiskCheck, Expected, listed_well
from webraid.model import Code, Geometry, Pack, PackKind, Stored


def digests(data: bytes) -> dict[str, str]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "md5": hashlib.md5(data, usedforsecurity=False).hexdigest()}


@pytest.mark.parametrize("size", [0, 1, 1000, DROPBOX_BLOCK - 1, DROPBOX_BLOCK])
def test_dropbox_hash_of_one_block_follows_from_its_sha256(size: int) -> None:
    data = b"x" * size
    assert expected("dropbox", **digests(data), size=size) == content_hash(data)


def test_dropbox_hash_of_more_than_a_block_cannot_be_known() -> None:
    assert expected("dropbox", sha256="00" * 32, md5="", size=DROPBOX_BLOCK + 1) is None


def test_the_usual_hashes_are_what_we_know_of_them() -> None:
    known = digests(b"abc")
    assert expected("sha256", **known, size=3) == known["sha256"]
    assert expected("md5", **known, size=3) == known["md5"]


def test_what_is_not_known_cannot_be_told() -> None:
    assert expected("md5", sha256="00" * 32, md5="", size=3) is None
    assert expected("sha256", sha256="", md5="", size=3) is None
    assert expected("dropbox", sha256="", md5="", size=3) is None
    assert expected("quickxor", sha256="00" * 32, md5="00" * 16, size=3) is None


SHARD = b"a shard of some bytes"


def listed(*hashes: tuple[str, str], size: int = len(SHARD), md5: bytes = b"") -> tuple[bool, int]:
    """Whether a listing that tells ``hashes`` of SHARD is taken for good, and how many hashes were compared."""
    pack = Pack(b"p" * 16, PackKind.DATA, Geometry(Code.COPIES, 1, 2), 10, (b"",), ())
    item = Expected(pack, 0, len(SHARD), hashlib.sha256(SHARD).digest(), md5, "")
    report = DiskCheck("d", "current")
    return listed_well(item, Stored("n", size, hashes=hashes), report), report.hashed


GOOD = {**digests(SHARD), "dropbox": content_hash(SHARD)}


@pytest.mark.parametrize("algorithm", ["sha256", "dropbox"])
def test_a_listing_with_a_hash_that_follows_from_the_sha256_is_compared(algorithm: str) -> None:
    assert listed((algorithm, GOOD[algorithm])) == (True, 1)
    assert listed((algorithm, "00" * 32)) == (False, 1)
    assert listed((algorithm, GOOD[algorithm]), size=3) == (False, 1)


def test_a_listing_with_an_md5_is_compared_where_ours_is_known() -> None:
    assert listed(("md5", GOOD["md5"])) == (True, 0)
    assert listed(("md5", GOOD["md5"]), md5=bytes.fromhex(GOOD["md5"])) == (True, 1)
    assert listed(("md5", "00" * 16), md5=bytes.fromhex(GOOD["md5"])) == (False, 1)


def test_every_hash_of_a_listing_must_fit() -> None:
    assert listed(("sha256", GOOD["sha256"]), ("dropbox", "00" * 32)) == (False, 1)
    assert listed(("quickxor", "00"), ("dropbox", GOOD["dropbox"])) == (True, 1)


def test_without_hashes_the_size_decides() -> None:
    assert listed() == (True, 0)
    assert listed(size=3) == (False, 0)
