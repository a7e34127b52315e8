"""A disk that shows an older state, another disk's, or damaged bytes is named: by this machine and by an empty one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.pool.machine import PASSPHRASE, Home
from webraid.errors import EXIT_ALARM, EXIT_OK
from webraid.files.compare import compare_trees
from webraid.pool import recover_pool

NAME = "d3"


@pytest.fixture
def aged(home: Callable[[str, int], Home], tmp_path: Path) -> tuple[Home, Path, Path]:
    """A pool with two snapshots, its source, and a copy of disk 3 as it was after the first."""
    machine = home("raid6", 6)
    source = tmp_path / "photos"
    source.mkdir()
    for number in range(8):
        (source / f"{number}.jpg").write_bytes(os.urandom(150_000))
    with machine.open() as pool:
        pool.put([str(source)])
    older = tmp_path / "older"
    shutil.copytree(machine.disk(3), older)
    (source / "later.jpg").write_bytes(os.urandom(400_000))
    with machine.open() as pool:
        pool.put([str(source)])
    return machine, source, older


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.chmod(0o600)
    path.write_bytes(data)


def objects(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def empty_machine(machine: Home, folder: Path) -> Home:
    """Recovered from a disk that is in order."""
    other = Home(folder)
    _, pool = recover_pool(other.settings, kind="local", options={"path": str(machine.disk(1))}, secret=PASSPHRASE)
    pool.close()
    return other


def named_everywhere(machine: Home, source: Path, tmp_path: Path) -> None:
    """check and the next put name the disk, here and on an empty machine; what comes back is right all the same."""
    for number, here in enumerate((machine, empty_machine(machine, tmp_path / "empty"))):
        with here.open() as pool:
            checked = pool.check()
        assert checked.exit_code == EXIT_ALARM, checked
        told = any(alarm.startswith(NAME) for alarm in checked.alarms)
        assert told or next(disk for disk in checked.disks if disk.name == NAME).corrupt
        out = tmp_path / f"out {number}"
        with here.open() as pool:
            assert pool.get(to=out).unreadable == []
        assert compare_trees(source, out / "photos") == []
    for here in (machine, empty_machine(machine, tmp_path / "another empty")):
        with here.open() as pool:
            result = pool.put([str(source)])
        assert result.exit_code == EXIT_ALARM
        assert NAME in result.alarms


def healthy_after_repair(machine: Home, source: Path, tmp_path: Path) -> None:
    with machine.open() as pool:
        pool.repair()
    with machine.open() as pool:
        assert pool.check(read_data=True).exit_code == EXIT_OK
    with machine.open() as pool:
        assert pool.put([str(source)]).exit_code == EXIT_OK
    for number in (1, 5):
        shutil.rmtree(machine.disk(number))
    with machine.open() as pool:
        assert pool.get(to=tmp_path / "healed").exit_code == EXIT_OK
    assert compare_trees(source, tmp_path / "healed" / "photos") == []


def test_a_disk_rolled_back_to_an_older_copy(aged: tuple[Home, Path, Path], tmp_path: Path) -> None:
    machine, source, older = aged
    shutil.rmtree(machine.disk(3))
    shutil.copytree(older, machine.disk(3))
    named_everywhere(machine, source, tmp_path)
    healthy_after_repair(machine, source, tmp_path)


def test_a_disk_that_serves_flipped_bits(aged: tuple[Home, Path, Path], tmp_path: Path) -> None:
    machine, source, _ = aged
    for path in objects(machine.disk(3)):
        flip(path)
    named_everywhere(machine, source, tmp_path)


def test_a_disk_whose_shards_are_flipped(aged: tuple[Home, Path, Path], tmp_path: Path) -> None:
    machine, source, _ = aged
    for path in objects(machine.disk(3) / "shards"):
        flip(path)
    with machine.open() as pool:
        checked = pool.check()
    assert checked.exit_code == EXIT_ALARM
    with empty_machine(machine, tmp_path / "empty").open() as pool:
        result = pool.put([str(source)])
    assert (result.exit_code, result.alarms) == (EXIT_ALARM, [NAME])
    with machine.open() as pool:
        assert pool.get(to=tmp_path / "out").unreadable == []
    assert compare_trees(source, tmp_path / "out" / "photos") == []
    healthy_after_repair(machine, source, tmp_path)


def test_a_disk_whose_log_is_flipped(aged: tuple[Home, Path, Path], tmp_path: Path) -> None:
    machine, source, _ = aged
    for path in objects(machine.disk(3) / "log"):
        flip(path)
    named_everywhere(machine, source, tmp_path)
    healthy_after_repair(machine, source, tmp_path)


def test_a_disk_in_another_ones_place(aged: tuple[Home, Path, Path], tmp_path: Path) -> None:
    machine, source, _ = aged
    shutil.rmtree(machine.disk(3))
    shutil.copytree(machine.disk(4), machine.disk(3))
    with machine.open() as pool:
        result = pool.put([str(source)])
    assert (result.exit_code, result.alarms) == (EXIT_ALARM, [NAME])
    with machine.open() as pool:
        assert pool.get(to=tmp_path / "out").exit_code == EXIT_OK
    assert compare_trees(source, tmp_path / "out" / "photos") == []


def test_an_emptied_disk_is_named_and_never_filled_by_itself(aged: tuple[Home, Path, Path], tmp_path: Path) -> None:
    machine, source, _ = aged
    shutil.rmtree(machine.disk(3))
    machine.disk(3).mkdir()
    with machine.open() as pool:
        status = pool.status()
    assert next(disk for disk in status.disks if disk.name == NAME).state == "faulted"
    (source / "large.jpg").write_bytes(os.urandom(5 << 20))  # its stripe has a shard on every disk
    with machine.open() as pool:
        pool.repair()
        assert pool.put([str(source)]).survives == 1
    assert list(machine.disk(3).iterdir()) == []


def test_two_lying_disks_are_survived_by_raid6(aged: tuple[Home, Path, Path], tmp_path: Path) -> None:
    machine, source, older = aged
    shutil.rmtree(machine.disk(3))
    shutil.copytree(older, machine.disk(3))
    for path in objects(machine.disk(5)):
        flip(path)
    with machine.open() as pool:
        assert pool.get(to=tmp_path / "out").unreadable == []
    assert compare_trees(source, tmp_path / "out" / "photos") == []
