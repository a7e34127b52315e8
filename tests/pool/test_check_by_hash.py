"""A check by listing: what a provider tells of the hashes finds damage without a download."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.dropbox import FakeDropbox, fake_dropbox
from tests.fakes.dropbox_words import content_hash
from tests.pool.machine import Home
from webraid.errors import EXIT_ALARM, EXIT_OK
from webraid.jobs.care.check import CheckResult, DiskCheck


@dataclass
class Place:
    """A pool of a folder and a Dropbox, with 3 MiB in it."""

    home: Home
    dropbox: FakeDropbox

    def check(self) -> tuple[CheckResult, DiskCheck]:
        """Without reading data; the whole result and the Dropbox's part."""
        with self.home.open() as pool:
            result = pool.check(sample=0.0)
        return result, next(disk for disk in result.disks if disk.name == "x1")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").write_bytes(os.urandom(3 << 20))
    with fake_dropbox() as dropbox:
        home = Home(tmp_path / "home").make("raid1:2", 1)
        with home.open() as pool:
            options = {"app_key": dropbox.app_key, "token": dropbox.token_json(), "endpoint": dropbox.url}
            pool.add_backend("dropbox", "x1", options)
            assert pool.put([str(tree)]).exit_code == EXIT_OK
        yield Place(home, dropbox)


def test_all_shards_are_compared_with_dropboxs_hash(place: Place) -> None:
    result, disk = place.check()
    assert result.exit_code == EXIT_OK
    assert disk.hashed == disk.listed > 1
    assert disk.corrupt == 0


def test_damage_in_a_dropbox_is_found_by_its_hash_without_a_download(place: Place) -> None:
    node = max(
        (node for name, node in place.dropbox.store.nodes.items() if "/shards/" in name and node.data),
        key=lambda node: len(node.data or b""),
    )
    assert node.data is not None
    node.data = node.data[:-1] + bytes([node.data[-1] ^ 1])
    node.hash = content_hash(node.data)
    place.dropbox.faults.journal.clear()
    result, disk = place.check()
    assert result.exit_code == EXIT_ALARM
    assert disk.corrupt == 1
    fetched = [
        seen.told for seen in place.dropbox.faults.journal if seen.route == "files/download" and seen.status < 300
    ]
    assert all(isinstance(told, dict) and told["id"] != node.id for told in fetched)
