"""tools/webraid_recover.py: one file, without webraid, from docs/spec alone: every level comes back."""

from __future__ import annotations

import ast
import itertools
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pool.conftest import oddities
from tests.pool.machine import PASSPHRASE, QUICK, Home
from webraid.codec.levels import parse_level
from webraid.files.compare import compare_trees
from webraid.pool import recover_pool
from webraid.table.records import Forget

TOOL = Path(__file__).parents[2] / "tools" / "webraid_recover.py"
LEVELS = ["raid0", "raid1", "raid1:3", "raid4", "raid5", "raid5:4", "raid6", "raid6:5", "rs:2+3", "rs:3+1", "rs:1+5"]
WITHOUT = """
import runpy, sys
sys.modules["webraid"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def recover(*args: str | Path, secret: str = PASSPHRASE) -> subprocess.CompletedProcess[str]:
    """Run the tool where webraid cannot be imported."""
    command = [sys.executable, "-I", "-c", WITHOUT, str(TOOL), *map(str, args)]
    environ = {"WEBRAID_PASSWORD": secret, "TZ": "UTC"}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)


def material(folder: Path) -> Path:
    folder.mkdir(parents=True)
    oddities(folder / "odd")
    (folder / "long").write_bytes(random.Random(7).randbytes(9 << 20))
    (folder / "text").write_text("the same again\n" * 100_000)
    for number in range(60):
        (folder / f"small {number}").write_text(f"{number}\n")
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return material(tmp_path_factory.mktemp("source") / "photos")


def test_it_is_one_short_file_that_knows_nothing_of_webraid() -> None:
    text = TOOL.read_text()
    assert len(text.splitlines()) < 500
    roots = set()
    for node in ast.walk(ast.parse(text)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        roots |= {name.partition(".")[0] for name in names}
    assert roots - sys.stdlib_module_names == {"blake3", "cryptography", "msgspec", "zstandard"}


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_comes_back_with_m_disks_gone(level: str, source: Path, tmp_path: Path) -> None:
    machine = Home(tmp_path / "home").make(level, 6)
    with machine.open() as pool:
        pool.put([str(source)])
    losses = parse_level(level).losses(6)
    choices = list(itertools.combinations(range(1, 7), losses))
    gone = random.Random(level).choice(choices)
    left = [machine.disk(number) for number in range(1, 7) if number not in gone]
    done = recover("--to", tmp_path / "out", *left)
    assert (done.returncode, done.stderr) == (0, "")
    assert compare_trees(source, tmp_path / "out" / source.name) == []


def test_one_disk_more_names_what_is_missing_and_brings_the_rest(source: Path, tmp_path: Path) -> None:
    machine = Home(tmp_path / "home").make("raid5", 4)
    with machine.open() as pool:
        pool.put([str(source)])
    brought = set[str]()
    for left in ((1, 4), (2, 3)):  # each small file lies on one of the disks, by chance
        out = tmp_path / f"out{left}"
        done = recover("--to", out, *map(machine.disk, left))
        assert done.returncode == 1
        assert "'photos/long' is not restored: 2 of 3 shards are there" in done.stderr
        for path in out.rglob("*"):
            original = source.parent / path.relative_to(out)
            assert not path.is_file() or path.is_symlink() or path.read_bytes() == original.read_bytes()
        brought |= {path.name for path in out.rglob("small *") if path.is_file()}
    # All of them, but for those that lie across two disks.
    assert len(brought) > 50, "what lies whole on the disks that are left comes back, though its pack does not"


def test_copies_off_a_cloud_whose_names_lost_their_slashes_do_too(source: Path, tmp_path: Path) -> None:
    machine = Home(tmp_path / "home").make("raid6", 5)
    with machine.open() as pool:
        pool.put([str(source)])
    flat = tmp_path / "downloads"
    flat.mkdir()
    for number in (2, 3, 5):
        disk = machine.disk(number)
        for path in disk.rglob("*"):
            if path.is_file():
                name = str(path.relative_to(disk)).replace("/", "_")
                shutil.copy(path, flat / (name if name != "pool" else f"{number}_pool"))
    done = recover("--to", tmp_path / "out", "--path", "photos/odd", flat)
    assert (done.returncode, done.stderr) == (0, "")
    assert compare_trees(source / "odd", tmp_path / "out" / "photos" / "odd") == []
    assert os.listdir(tmp_path / "out" / "photos") == ["odd"]


def test_snapshots_are_listed_and_chosen_and_forgotten_ones_are_not_shown(tmp_path: Path) -> None:
    machine, folder = Home(tmp_path / "home").make("raid5", 3), tmp_path / "notes"
    folder.mkdir()
    with machine.open() as pool:
        names = []
        for text in ("first", "second", "third"):
            (folder / "note").write_text(text)
            names.append(pool.put([str(folder)]).snapshot)
        first = pool.snapshots()[0]
        pool._ctx.table.append(Forget(snapshots=(first.id,)))
    disks = [machine.disk(number) for number in (1, 2, 3)]
    listed = recover("--list", *disks)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == names[1:]
    assert [line.split()[0] for line in recover("--list", "--all", *disks).stdout.splitlines()] == names
    assert recover("--to", tmp_path / "out", "--snapshot", names[1], *disks).returncode == 0
    assert (tmp_path / "out" / "notes" / "note").read_text() == "second"


def test_new_keys_a_removed_machine_a_wider_level_and_deletions_are_understood(source: Path, tmp_path: Path) -> None:
    machine, other, notes = Home(tmp_path / "home").make("rs:2+1", 5), Home(tmp_path / "other"), tmp_path / "notes"
    notes.mkdir()
    (notes / "note").write_text("first")
    with machine.open() as pool:
        old = pool.put([str(source)]).snapshot
        pool.put([str(notes)])
        pool.forget([pool.put([str(source / "odd")]).snapshot])
    recover_pool(other.settings, kind="local", options={"path": str(machine.disk(1))}, secret=PASSPHRASE)[1].close()
    with machine.open() as pool:
        (there,) = [device.id for device in pool.devices() if not device.this]
        new = pool.revoke_device(PASSPHRASE, there, "a new one after the theft of that laptop", kdf=QUICK)
        assert new.rotated.epoch == 1
        (notes / "note").write_text("second")
        pool.put([str(notes)])
        pool.relevel(old, "rs:2+2")
        pool.prune(now=True, secret="a new one after the theft of that laptop")
    but_one = [machine.disk(number) for number in (1, 3, 4, 5)]  # which three of the five have the note is chance
    new_word = {"secret": "a new one after the theft of that laptop"}
    done = recover("--to", tmp_path / "out", "--path", "notes", *but_one, **new_word)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out" / "notes" / "note").read_text() == "second"
    everywhere = [machine.disk(number) for number in (1, 2, 4)]
    done = recover("--to", tmp_path / "all", "--snapshot", old, *everywhere, **new_word)
    assert (done.returncode, done.stderr) == (0, "")
    assert compare_trees(source, tmp_path / "all" / source.name) == []
    assert recover("--list", *but_one).returncode == 1, "the old passphrase opens nothing any more"


def test_a_wrong_passphrase_and_a_full_target_are_told(source: Path, tmp_path: Path) -> None:
    machine = Home(tmp_path / "home").make("raid1", 2)
    with machine.open() as pool:
        pool.put([str(source / "text")])
    done = recover("--list", machine.disk(1), secret="something else")
    assert done.returncode == 1
    assert done.stderr == "of 1 pools in these folders this passphrase or code opens 0, not one\n"
    done = recover("--list", source)
    assert done.stderr == "of 0 pools in these folders this passphrase or code opens 0, not one\n"
    done = recover("--to", tmp_path / "nothing", "--path", "no/such", machine.disk(1))
    assert (done.returncode, done.stderr) == (1, "'no/such' is not in this snapshot\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    done = recover("--to", tmp_path / "out", machine.disk(1))
    assert (done.returncode, done.stderr) == (1, f"{tmp_path / 'out'} is not empty\n")


def test_what_a_disk_forges_costs_nothing_where_others_are_whole_and_is_told_where_none_is(
    source: Path, tmp_path: Path
) -> None:
    machine = Home(tmp_path / "home").make("raid6", 4)
    with machine.open() as pool:
        pool.put([str(source)])
    disks = [machine.disk(number) for number in (1, 2, 3, 4)]
    for path in (*machine.disk(1).glob("shards/*/*"), *machine.disk(1).glob("log/*/*")):
        path.write_bytes(path.read_bytes()[:-40] + bytes(40))
    done = recover("--to", tmp_path / "out", *disks)
    assert done.returncode == 0
    assert all(line.startswith("note: ") and "is damaged" in line for line in done.stderr.splitlines())
    assert compare_trees(source, tmp_path / "out" / source.name) == []
    last = max(path.name for path in machine.disk(1).glob("log/*/*"))
    for disk in disks:
        (path,) = disk.glob(f"log/*/{last}")
        path.write_bytes(path.read_bytes()[:100])
    done = recover("--list", *disks)
    assert done.returncode == 1
    assert f"{last} is refused: it is no record\n" in done.stderr
