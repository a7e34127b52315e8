"""Real processes on real folders, killed by the kernel at any moment."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

from tests.conftest import DEEP
from tests.crash.reader import Found, Objects, Reader
from tests.crash.world import PASSPHRASE, QUICK
from webraid.jobs.base.settings import Settings
from webraid.pool import init_pool, open_pool, recover_pool, settings

KILLS = 60 if DEEP else 6
CHILD = """
import sys
from webraid.pool import open_pool
import webraid.jobs.storing.put
with open_pool() as pool:
    print("ready", flush=True)
    pool.put([sys.argv[1]])
    print("done", flush=True)
"""


def environ(folder: Path) -> dict[str, str]:
    return {
        "WEBRAID_CONFIG": str(folder / "config.toml"),
        "WEBRAID_STATE_DIR": str(folder / "state"),
        "WEBRAID_LIMITS_MEMORY": "4 MiB",
    }


def machine(folder: Path) -> Settings:
    return settings(environ=environ(folder))


def objects(folder: Path) -> Objects:
    """What lies in the disks' folders, but for files that are being written."""
    found: dict[str, dict[str, bytes]] = {}
    for disk in sorted(folder.glob("d?")):
        files = [path for path in disk.rglob("*") if path.is_file() and not path.name.startswith(".")]
        found[disk.name] = {str(path.relative_to(disk)): path.read_bytes() for path in files}
    return found


def change(source: Path, rng: Random) -> None:
    for number in rng.sample(range(12), 4):
        (source / f"f{number}").write_bytes(rng.randbytes(rng.randrange(1, 300_000)))


def put_and_kill(folder: Path, source: Path, after: float) -> str:
    """What the process had said when it was killed ``after`` seconds."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(source)], env={**os.environ, **environ(folder)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None and child.stderr is not None
    assert child.stdout.readline() == "ready\n", child.stderr.read()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(after)
    child.kill()
    said = child.communicate()[0]
    assert child.returncode in (0, -9)
    return said


def read(folder: Path) -> Found:
    held = objects(folder)
    found = Reader(held, PASSPHRASE).read(held)
    assert not found.problems, found.problems
    return found


def test_a_put_killed_by_the_kernel_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    rng = Random(20)
    source = tmp_path / "home"
    source.mkdir()
    for number in range(12):
        (source / f"f{number}").write_bytes(rng.randbytes(rng.randrange(1, 200_000)))
    init_pool(machine(tmp_path), name="home", level="raid6", passphrase=PASSPHRASE, kdf=QUICK)
    with open_pool(machine(tmp_path)) as pool:
        for disk in ("d1", "d2", "d3", "d4"):
            pool.add_backend("local", disk, {"path": str(tmp_path / disk)})
    acknowledged: dict[bytes, dict[bytes, bytes | None]] = {}
    killed = 0
    tried: list[dict[bytes, bytes | None]] = []
    for _ in range(KILLS):
        change(source, rng)
        said = put_and_kill(tmp_path, source, rng.uniform(0.0, 0.08))
        killed += "done" not in said
        found = read(tmp_path)
        for shot, files in acknowledged.items():
            assert found.snapshots[shot] == files
        now = {b"home": None, **{b"home/" + path.name.encode(): path.read_bytes() for path in source.iterdir()}}
        new = [files for shot, files in found.snapshots.items() if shot not in acknowledged]
        tried.append(now)  # a commit that only this machine had is carried through by the next run: then it is older
        assert all(files in tried for files in new)
        acknowledged |= found.snapshots  # whatever is visible now stays for ever
    assert killed, "no process was killed in time"
    with open_pool(machine(tmp_path)) as pool:
        result = pool.put([str(source)])
    assert result.exit_code == 0
    assert result.survives == 2
    found = read(tmp_path)
    assert acknowledged.keys() < found.snapshots.keys()
    assert all(run.settled for run in found.state.runs.values())
    recovered, pool = recover_pool(
        machine(tmp_path / "other"), kind="local", options={"path": str(tmp_path / "d2")}, secret=PASSPHRASE
    )  # fmt: skip
    with pool:
        assert not recovered.alarms
        assert not pool.get(to=tmp_path / "out").exit_code
    for path in source.iterdir():
        assert (tmp_path / "out" / "home" / path.name).read_bytes() == path.read_bytes()
    shutil.rmtree(tmp_path)
