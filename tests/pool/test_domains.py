"""Disks that fail together are one loss: the level's promise is kept in failure domains."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.pool.machine import PASSPHRASE, QUICK, Home
from webraid.errors import EXIT_OK
from webraid.files.compare import compare_trees
from webraid.pool import init_pool


def made(folder: Path, level: str, domains: str) -> Home:
    """A pool on folders d1, d2 ...; one letter of ``domains`` a disk."""
    home = Home(folder)
    init_pool(home.settings, name="home", level=level, passphrase=PASSPHRASE, kdf=QUICK)
    with home.open() as pool:
        for number, domain in enumerate(domains, 1):
            pool.add_backend("local", f"d{number}", {"path": str(home.disk(number))}, domain=domain)
    return home


@pytest.mark.parametrize(("level", "domains"), [("raid6", "aabcd"), ("raid6", "aaabbcd"), ("raid6:4", "aaabbcd")])
def test_two_domains_may_go_with_all_their_disks(tmp_path: Path, level: str, domains: str) -> None:
    home = made(tmp_path / "home", level, domains)
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(6):
        (tree / f"file {number}").write_bytes(os.urandom(4_000_000))
    with home.open() as pool:
        put = pool.put([str(tree)])
        assert (put.exit_code, put.promised, put.survives) == (EXIT_OK, 2, 2)
        assert (pool.status().state, pool.status().survives, pool.status().promised) == ("online", 2, 2)
    for number, domain in enumerate(domains, 1):
        if domain in "ab":
            home.disk(number).rename(home.folder / f"gone {number}")
    with home.open() as pool:
        assert pool.get(to=tmp_path / "out").exit_code == EXIT_OK
    assert compare_trees(tree, tmp_path / "out" / "tree") == []


def test_what_add_backend_says_counts_domains(tmp_path: Path) -> None:
    home = made(tmp_path / "home", "raid1", "aab")
    with home.open() as pool:
        added = pool.add_backend("local", "d4", {"path": str(home.disk(4))}, domain="b")
    assert (added.disks, added.survives) == (4, 1)
