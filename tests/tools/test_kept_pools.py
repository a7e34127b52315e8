"""Pools that earlier versions wrote come back, by this version and without it."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from tests.pool.machine import Home
from tests.tools.keep import AFTER, KEPT, LEVELS, content, digest
from tests.tools.test_webraid_recover import recover
from webraid import __version__
from webraid.errors import EXIT_OK
from webraid.pool import recover_pool

POOLS = sorted(KEPT.glob("*.tar.xz"))


def unpacked(archive: Path, folder: Path) -> list[Path]:
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return sorted(folder.iterdir())


def test_this_version_keeps_its_own() -> None:
    assert {f"{__version__}-{level.replace(':', '-')}.tar.xz" for level in LEVELS} <= {pool.name for pool in POOLS}


@pytest.mark.parametrize("archive", POOLS, ids=lambda path: path.name.removesuffix(".tar.xz"))
def test_a_kept_pool_comes_back_without_webraid(archive: Path, tmp_path: Path) -> None:
    disks = unpacked(archive, tmp_path / "disks")
    expected = content() | {"text": content()["text"] + b"!"}
    done = recover("--to", tmp_path / "out", *disks, secret=AFTER)
    assert (done.returncode, done.stderr) == (0, "")
    assert digest(tmp_path / "out" / "kept") == expected
    listed = recover("--list", *disks, secret=AFTER).stdout.splitlines()
    assert len(listed) == 2
    older = listed[0].split()[0]
    assert recover("--to", tmp_path / "older", "--snapshot", older, *disks, secret=AFTER).returncode == 0
    assert digest(tmp_path / "older" / "kept") == content()


@pytest.mark.parametrize("archive", POOLS, ids=lambda path: path.name.removesuffix(".tar.xz"))
def test_a_kept_pool_comes_back_with_webraid(archive: Path, tmp_path: Path) -> None:
    disks = unpacked(archive, tmp_path / "disks")
    machine = Home(tmp_path / "machine")
    _, pool = recover_pool(machine.settings, kind="local", options={"path": str(disks[2])}, secret=AFTER)
    with pool:
        for disk in disks:  # the log says where they lay; here they lie elsewhere
            if disk != disks[2]:
                pool.keep_login(pool.log_in_again(disk.name, {"path": str(disk)}))
    with machine.open() as pool:
        assert [shot.info.tags for shot in pool.snapshots()] == [("kept",), ()]
        got = pool.get(to=tmp_path / "out")
        assert (got.exit_code, got.problems) == (EXIT_OK, [])
    assert digest(tmp_path / "out" / "kept") == content() | {"text": content()["text"] + b"!"}
