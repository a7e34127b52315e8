"""Hashes that we compute are those that rclone computes."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from tests.conformance.servers import rclone_binary
from webraid.backend.base import Digest
from webraid.env import seeded
from webraid_rclone.hashes import KNOWN, chosen, expected, quickxor

DATA = seeded(7).random(300_001)


def digest(data: bytes) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest(), hashlib.md5(data, usedforsecurity=False).hexdigest())


@pytest.mark.parametrize("algorithm", KNOWN)
def test_ours_are_rclones(algorithm: str, tmp_path: Path) -> None:
    sizes = (0, 1, 19, 20, 21, 159, 160, 161, 319, 320, 321, 480, 12_345, 300_001)
    for size in sizes:
        (tmp_path / str(size)).write_bytes(DATA[:size])
    command = [rclone_binary(), "hashsum", algorithm, str(tmp_path), "--config", ""]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    theirs = {name: value for value, name in (line.split() for line in done.stdout.splitlines())}
    assert theirs == {str(size): expected(algorithm, DATA[:size], digest(DATA[:size])) for size in sizes}


def test_quickxor_takes_any_buffer() -> None:
    assert quickxor(memoryview(bytearray(DATA))[1:500]) == quickxor(DATA[1:500])


@pytest.mark.parametrize("algorithm", ["sha1", "quickxor"])
def test_a_digest_of_other_bytes_proves_nothing(algorithm: str) -> None:
    assert expected(algorithm, b"damaged", digest(b"meant")) == ""


def test_md5_is_computed_where_nobody_did() -> None:
    assert expected("md5", DATA, Digest(digest(DATA).sha256)) == digest(DATA).md5


def test_the_cheapest_that_a_remote_has_is_chosen() -> None:
    assert chosen(("crc32", "md5", "sha1", "sha256")) == "sha256"
    assert chosen(("quickxor",)) == "quickxor"
    assert chosen(("blake3", "whirlpool")) == ""
