"""A pool on six simulated S3 clouds: killed, hung, lying and throttled ones, through the real SDK."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pool.machine import Home
from webraid import lab
from webraid.errors import EXIT_ALARM, EXIT_DEGRADED, EXIT_OK, EXIT_UNREADABLE, QuorumLost
from webraid.files.compare import compare_trees
from webraid.jobs.base.events import DiskNotice


@pytest.fixture
def clouds(tmp_path: Path) -> Iterator[lab.Lab]:
    running = lab.start(tmp_path / "lab", "fast6")
    yield running
    running.destroy()


@pytest.fixture
def machine(tmp_path: Path, clouds: lab.Lab) -> Home:
    return Home(tmp_path / "home").make_on("raid6", clouds)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files of all sizes, 20 MB: several stripes when the memory is small."""
    folder = tmp_path / "tree"
    for number in range(30):
        part = folder / f"part {number % 5}"
        part.mkdir(parents=True, exist_ok=True)
        (part / f"file {number}").write_bytes(os.urandom((number * 50_000) % 1_500_001))
    return folder


def put(machine: Home, tree: Path) -> object:
    with machine.open() as pool:
        return pool.put([str(tree)])


def got_back(machine: Home, tree: Path, name: str) -> tuple[int, list[str]]:
    out = machine.folder / name
    with machine.open() as pool:
        result = pool.get(to=out)
    return result.exit_code, compare_trees(tree, out / tree.name)


def test_any_two_clouds_may_be_killed_or_hang(machine: Home, clouds: lab.Lab, tree: Path) -> None:
    assert put(machine, tree).exit_code == EXIT_OK  # type: ignore[attr-defined]
    names = [cloud.name for cloud in clouds.clouds]
    for one, two in ((0, 1), (2, 5), (3, 4)):
        clouds.kill(names[one])
        clouds.hang(names[two])
        assert got_back(machine, tree, f"without {one} {two}") == (EXIT_OK, [])
        clouds.restore(names[one])
        clouds.restore(names[two])
    for name in names[:3]:
        clouds.kill(name)
    assert got_back(machine, tree, "three lost")[0] == EXIT_UNREADABLE


def test_a_cloud_that_flips_bits_is_named_and_never_believed(machine: Home, clouds: lab.Lab, tree: Path) -> None:
    put(machine, tree)
    liar = clouds.clouds[2].name
    clouds.corrupt(liar)
    assert got_back(machine, tree, "one lies") == (EXIT_OK, [])
    with machine.open() as pool:
        checked = pool.check()
    assert checked.exit_code == EXIT_ALARM
    assert any(liar in alarm for alarm in checked.alarms) or any(
        disk.corrupt for disk in checked.disks if disk.name == liar
    )
    with machine.open() as pool:
        again = pool.put([str(tree)])
    assert again.exit_code == EXIT_ALARM
    assert liar in again.alarms
    assert any(isinstance(event, DiskNotice) and event.alarm and event.disk == liar for event in machine.events)
    clouds.restore(liar)
    with machine.open() as pool:
        pool.repair()
        assert pool.check(read_data=True).exit_code == EXIT_OK


def test_a_put_without_one_cloud_is_honest_and_the_next_one_mends_it(
    machine: Home, clouds: lab.Lab, tree: Path
) -> None:
    clouds.kill(clouds.clouds[1].name)
    first = put(machine, tree)
    assert (first.exit_code, first.survives) == (EXIT_DEGRADED, 1)  # type: ignore[attr-defined]
    assert first.missing_shards  # type: ignore[attr-defined]
    clouds.restore(clouds.clouds[1].name)
    second = put(machine, tree)
    assert (second.exit_code, second.survives) == (EXIT_OK, 2)  # type: ignore[attr-defined]
    with machine.open() as pool:
        assert pool.check(read_data=True).exit_code == EXIT_OK
    for cloud in clouds.clouds[4:]:
        clouds.kill(cloud.name)
    assert got_back(machine, tree, "mended") == (EXIT_OK, [])


def test_with_too_few_clouds_nothing_is_written_and_everything_readable_is_read(
    machine: Home, clouds: lab.Lab, tree: Path
) -> None:
    put(machine, tree)
    for cloud in clouds.clouds[:3]:
        clouds.kill(cloud.name)
    with pytest.raises(QuorumLost), machine.open() as pool:
        pool.put([str(tree)])
    for cloud in clouds.clouds[:1]:
        clouds.restore(cloud.name)
    assert got_back(machine, tree, "enough again") == (EXIT_OK, [])


def test_a_wiped_cloud_is_not_believed_to_be_empty(machine: Home, clouds: lab.Lab, tree: Path) -> None:
    put(machine, tree)
    clouds.wipe(clouds.clouds[0].name)
    assert got_back(machine, tree, "one wiped") == (EXIT_OK, [])
    with machine.open() as pool:
        assert pool.check().exit_code != EXIT_OK
        assert pool.status().state != "online"


def test_a_hung_cloud_does_not_keep_the_process_alive(machine: Home, clouds: lab.Lab, tree: Path) -> None:
    put(machine, tree)
    clouds.hang(clouds.clouds[0].name)
    command = [sys.executable, "-m", "webraid", "get", "-t", str(machine.folder / "out")]
    began = time.monotonic()
    done = subprocess.run(command, env=machine.environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == EXIT_OK, done.stderr
    assert time.monotonic() - began < 20  # a hung request would be given up after 60 s at the earliest
    assert compare_trees(tree, machine.folder / "out" / tree.name) == []


def test_a_whole_disk_rolled_back_is_named(machine: Home, clouds: lab.Lab, tree: Path, tmp_path: Path) -> None:
    import shutil

    put(machine, tree)
    name = clouds.clouds[3].name
    folder = clouds.object_dir(name)
    shutil.copytree(folder, tmp_path / "older")
    (tree / "new file").write_bytes(os.urandom(300_000))
    put(machine, tree)
    clouds.down()
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "older", folder)
    lab.start(clouds.directory, "fast6")
    with machine.open() as pool:
        checked = pool.check()
    assert checked.exit_code == EXIT_ALARM
    assert any(alarm.startswith(f"{name}: rolled back") for alarm in checked.alarms)
    assert got_back(machine, tree, "rolled back") == (EXIT_OK, [])
