"""tools/webraid_recover.py among damaged and hostile things: a clear word, and nothing outside of its target."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pool.machine import PASSPHRASE, QUICK, Home
from tests.pool.test_devices import context, join
from tests.pool.test_taken_over import forge, odd
from tests.tools.loaded import PATH, TOOL
from tests.tools.test_webraid_recover import recover
from webraid.pool import init_pool
from webraid.table.fold import ALL_RIGHTS
from webraid.table.records import Enroll, Forget


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pool of three folders with one snapshot of a few files; tests that change something copy it."""
    folder = tmp_path_factory.mktemp("kept")
    source = folder / "photos"
    (source / "2024").mkdir(parents=True)
    (source / "2024" / "a").write_text("of a")
    (source / "b").write_text("of b")
    (source / "long").write_bytes(bytes(range(256)) * 20_000)
    machine = Home(folder / "home").make("raid5", 3)
    with machine.open() as pool:
        pool.put([str(source)])
    return folder


def disks(folder: Path) -> list[Path]:
    return [folder / "home" / f"d{number}" for number in (1, 2, 3)]


@pytest.fixture
def copy(kept: Path, tmp_path: Path) -> Path:
    shutil.copytree(kept / "home", tmp_path / "copy" / "home")
    return tmp_path / "copy"


def run(*args: str | Path, environ: dict[str, str], **more: Any) -> subprocess.CompletedProcess[str]:
    """The tool with other surroundings than ``recover`` gives it; no terminal, and nothing to read from."""
    command = [sys.executable, str(PATH), *map(str, args)]
    return subprocess.run(
        command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        start_new_session=True, **more,
    )  # fmt: skip


# ------------------------------------------------------------ the passphrase
def test_the_passphrase_may_come_from_a_file(kept: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\xef\xbb\xbf" + PASSPHRASE.encode() + b"\r\n")
    by_flag = run("--password-file", secret, "--list", *disks(kept), environ={"WEBRAID_PASSWORD": "wrong"})
    by_name = run("--list", *disks(kept), environ={"WEBRAID_PASSWORD_FILE": str(secret)})
    assert [(done.returncode, done.stdout.count("'photos'")) for done in (by_flag, by_name)] == [(0, 1), (0, 1)]
    done = run("--password-file", tmp_path / "nowhere", "--list", *disks(kept), environ={})
    assert (done.returncode, "No such file" in done.stderr) == (1, True)


def test_with_nobody_to_ask_it_says_what_to_give(kept: Path) -> None:
    done = run("--list", *disks(kept), environ={})
    assert done.returncode == 1
    assert "use --password-file, WEBRAID_PASSWORD_FILE or WEBRAID_PASSWORD" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_library_is_named() -> None:
    done = run("-h", environ={"PYTHONPATH": ""}, cwd=PATH.parent)
    assert done.returncode == 0
    code = f"import sys, runpy; sys.modules['blake3'] = None; runpy.run_path({str(PATH)!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "pip install" in done.stderr and "Traceback" not in done.stderr


# ------------------------------------------------------------ the folders
def test_folders_that_are_no_disks_and_odd_files_in_them_are_passed_over(copy: Path, tmp_path: Path) -> None:
    one = disks(copy)[0]
    record = next(one.glob("log/*/*"))
    os.mkfifo(one / "log" / record.parent.name / ("0000000009-" + "0" * 16))
    (one / "slots" / ("0" * 16)).write_bytes(b"short")
    (one / "pool").write_bytes(b"\xff not json")
    (one / "log" / "carpool").write_text("none of ours")
    empty = tmp_path / "empty"
    empty.mkdir()
    done = recover("--to", tmp_path / "out", tmp_path / "nowhere", empty, *disks(copy))
    assert done.returncode == 0
    assert done.stderr == f"note: '{tmp_path / 'nowhere'}' cannot be read: No such file or directory\n"
    assert (tmp_path / "out" / "photos" / "b").read_text() == "of b"


def forged_slot(honest: bytes, pool: bytes, passes: int, memory: int) -> bytes:
    """A key slot that asks for more than it may."""
    blob = honest[:10] + struct.pack(">HI", passes, memory) + os.urandom(len(honest) - 16)
    return blob[:-4] + struct.pack(">I", zlib.crc32(blob[:-4] + pool))


def test_a_slot_that_asks_for_the_impossible_is_not_even_tried(kept: Path) -> None:
    blobs = [path.read_bytes() for path in disks(kept)[0].glob("slots/*")]
    pool = next(disks(kept)[0].glob("log/*/*")).read_bytes()[8:24]
    honest = next(blob for blob in blobs if blob[8] == 1)
    for passes, memory in ((11, 1024), (1, (2 << 20) + 1), (0, 1024), (1, 7)):
        with pytest.raises(TOOL.Refused, match="too much"):
            TOOL.open_slot(forged_slot(honest, pool, passes, memory), pool, PASSPHRASE)


def test_two_pools_in_one_folder_are_told_apart_by_the_passphrase(copy: Path, tmp_path: Path) -> None:
    words = {"other": "a passphrase that only opens the other", "same": PASSPHRASE}
    for name, passphrase in words.items():
        machine = Home(copy / name)
        init_pool(machine.settings, name=name, level="raid1", passphrase=passphrase, kdf=QUICK)
        with machine.open() as pool:
            pool.add_backend("local", "d1", {"path": str(machine.disk(1))})
    done = recover("--to", tmp_path / "out", copy / "home", copy / "other")
    assert (done.returncode, done.stderr) == (0, "")
    done = recover("--list", copy / "home", copy / "other", secret=words["other"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = recover("--list", copy / "home", copy / "same")
    assert done.stderr == "of 2 pools in these folders this passphrase or code opens 2, not one\n"


# ------------------------------------------------------------ machines that were taken over
def test_a_removed_machine_cannot_sign_anew_under_its_old_numbers(tmp_path: Path) -> None:
    one = Home(tmp_path / "home").make("raid5", 3)
    (tmp_path / "file").write_text("content")
    with one.open() as pool:
        mine = pool.put([str(tmp_path / "file")]).snapshot
    other = join(one, tmp_path / "b", "laptop")
    with other.open() as pool:
        theirs = pool.put([str(tmp_path / "file")]).snapshot
    thief = context(other)
    thief.open_table()
    shots = [shot.id for shot in thief.table.state.shots]
    with one.open() as pool:
        pool.remove_device(PASSPHRASE, "laptop")
    for seq in (2, 3, 50):
        forge(one, thief, Forget(snapshots=tuple(shots)), seq=seq, lamport=1)
    thief.close()
    listed = recover("--list", *[one.disk(number) for number in (1, 2, 3)]).stdout.splitlines()
    assert [line.split()[0] for line in listed] == [mine, theirs]


def test_a_second_first_record_brings_no_rights(tmp_path: Path) -> None:
    one = Home(tmp_path / "home").make("raid5", 3)
    (tmp_path / "file").write_text("content")
    with one.open() as pool:
        mine = pool.put([str(tmp_path / "file")]).snapshot
    thief = context(join(one, tmp_path / "b", "nas", "append"))
    thief.open_table()
    shots = tuple(shot.id for shot in thief.table.state.shots)
    enroll = Enroll(public=thief.identity.key.public, name="nas", rights=ALL_RIGHTS, signature=bytes(64))
    forge(one, thief, enroll, Forget(snapshots=shots), seq=1, lamport=1)
    forge(one, thief, Forget(snapshots=shots))
    forge(one, thief, odd("raid5", 10**18))
    thief.close()
    done = recover("--list", *[one.disk(number) for number in (1, 2, 3)])
    assert [line.split()[0] for line in done.stdout.splitlines()] == [mine]
    assert done.stderr.count("is refused: ") == done.returncode == 1


SHOT: dict[str, Any] = {"root": bytes(16), "time_ms": 1, "host": "h", "level": "raid5", "roots": []}


@pytest.mark.parametrize(
    "odd",
    [
        {"run": []}, {"run": "x"}, {"packs": [1]}, {"packs": 5}, {"places": [[1]]}, {"segments": [[]]}, {"segments": 5},
        {"snapshot": [1]}, {"snapshot": {}}, *({"snapshot": SHOT | more} for more in (
            {"time_ms": 1e20}, {"time_ms": float("nan")}, {"time_ms": "x"}, {"time_ms": -1}, {"roots": 5},
            {"roots": [{}]}, {"replaces": [[]]},
        )),
    ],
)  # fmt: skip
def test_a_commit_that_nobody_can_have_meant_stops_nothing(odd: dict[str, Any]) -> None:
    device = b"a machine"

    class Saying(TOOL.Pool):  # type: ignore[misc]
        """A pool whose log says something odd, then something sound."""

        def _counting(self, records: object) -> Iterator[tuple[bytes, Any]]:
            yield device, {"op": "commit", "run": bytes(16), "snapshot": SHOT | {"partial": "yes", "files": "x"}, **odd}
            yield device, {"op": "forget", "snapshots": [[]]}
            yield device, {"op": "forget"}
            yield device, {"op": "commit", "run": b"r" * 16, "snapshot": SHOT}

    pool = Saying.__new__(Saying)
    pool.snapshots, pool.packs, pool.places, pool.problems, pool.reason = [], {}, {}, [], ""
    pool._apply([])
    assert [(shot["id"], shot["hidden"]) for shot in pool.snapshots][-1] == (b"r" * 16, False)
    assert all(isinstance(shot["about"], str) and shot["partial"] in (True, False) for shot in pool.snapshots)


# ------------------------------------------------------------ hostile trees
class Nothing:
    """A pool without any chunk."""

    content = TOOL.Pool.content

    def chunk(self, id: bytes) -> bytes:
        raise TOOL.Refused("no pack that is known holds it")


class Target:
    """An empty folder with something precious beside it, and the tool writing into it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.outside = folder / "target", folder / "outside"
        self.folder.mkdir()
        self.outside.mkdir(mode=0o750)
        (self.outside / "mine").write_text("precious")
        (self.outside / "mine").chmod(0o640)
        self.folders: dict[bytes, Any] = {}
        self.linked: set[bytes] = set()

    def write(self, path: bytes, type: str = "f", **more: Any) -> bool:
        """Whether the tool takes an entry."""
        entry = {
            "path": path, "type": type, "mode": 0o777, "uid": os.getuid(), "gid": os.getgid(), "mtime": 0, "atime": 0,
            "size": 0, "nlink": 1, "chunks": b"", **more,
        }  # fmt: skip
        try:
            TOOL.write(Nothing(), entry, os.fsencode(self.folder), self.folders, self.linked)
        except (*TOOL.WRONG, OSError):
            return False
        return True

    def finish(self) -> None:
        for path, entry in reversed(self.folders.items()):
            TOOL.dress(os.path.join(os.fsencode(self.folder), path), entry)

    def untouched(self) -> bool:
        there = [(path.name, stat.S_IMODE(path.lstat().st_mode)) for path in self.outside.iterdir()]
        mode = stat.S_IMODE(self.outside.stat().st_mode)
        return (there, mode, (self.outside / "mine").read_text()) == ([("mine", 0o640)], 0o750, "precious")


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path)


@pytest.mark.parametrize(
    "path", [b"../outside/x", b"..", b"/etc/x", b"a/../../outside/x", b"a//b", b"./a", b"", b"a/", b"a\0b", b"n" * 300]
)
@pytest.mark.parametrize("type", ["f", "d", "l", "p"])
def test_no_name_leads_elsewhere(target: Target, path: bytes, type: str) -> None:
    assert not target.write(path, type, target=b"x")
    assert target.untouched()
    assert sorted(path.name for path in target.folder.parent.iterdir()) == ["outside", "target"]


def test_nothing_goes_through_a_link_or_over_what_is_there(target: Target) -> None:
    outside = os.fsencode(target.outside)
    assert target.write(b"folder", "l", target=outside)
    assert target.write(b"file", "l", target=outside + b"/mine", nlink=2)
    assert not target.write(b"folder/x")
    assert not target.write(b"folder", "d")
    assert not target.write(b"folder/mine", "d")
    assert not target.write(b"file")
    assert target.write(b"linked", hardlink=b"file")  # to no file that was restored: it gets its own content
    assert target.write(b"real", nlink=2)
    assert target.write(b"again", hardlink=b"real")
    assert not target.write(b"again", hardlink=b"real")
    assert not target.write(b"real", "l", target=b"x")
    assert target.untouched()
    assert os.lstat(target.folder / "linked").st_nlink == 1
    assert os.lstat(target.folder / "again").st_ino == os.lstat(target.folder / "real").st_ino


@pytest.mark.parametrize(
    "odd",
    [
        {"type": "c", "rdev": [1, 3]}, {"type": "b"}, {"type": "s"}, {"type": "?"}, {"uid": 0xFFFFFFFF},
        {"gid": -2}, {"mode": 0o100644}, {"mode": "7"}, {"mtime": 1 << 100}, {"size": -1}, {"size": 1 << 70},
        {"size": 5}, {"chunks": b"x" * 7}, {"chunks": 3}, {"sparse": [[0]]}, {"sparse": [[0, 1 << 62]]},
        {"type": "l", "target": b""}, {"type": "l", "target": b"\0"}, {"type": "l"}, {"xattrs": [[b"a"]]},
        {"hardlink": []},
    ],
)  # fmt: skip
def test_what_no_system_call_takes_is_refused(target: Target, odd: dict[str, Any]) -> None:
    entry = {
        "path": b"x", "type": "f", "mode": 0o600, "uid": 0, "gid": 0, "mtime": 0, "atime": 0, "size": 0, "nlink": 1,
        "chunks": b"", **odd,
    }  # fmt: skip
    with pytest.raises((*TOOL.WRONG, OSError)):
        TOOL.write(Nothing(), entry, os.fsencode(target.folder), {}, set())


def test_rights_are_given_last_and_setuid_by_root_alone(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert target.write(b"shut", "d", mode=0o500)
    assert target.write(b"shut/tool", mode=0o6755, uid=0, gid=0)
    assert stat.S_IMODE(os.lstat(target.folder / "shut").st_mode) == 0o700
    target.finish()
    assert stat.S_IMODE(os.lstat(target.folder / "shut").st_mode) == 0o500
    assert stat.S_IMODE(os.lstat(target.folder / "shut" / "tool").st_mode) == 0o755


def test_a_file_system_without_attributes_or_hard_links_gets_the_rest(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(os, "setxattr", refuse)
    monkeypatch.setattr(os, "link", refuse)
    assert target.write(b"one", nlink=2, xattrs=[[b"user.a", b"b"]])
    assert target.write(b"two", hardlink=b"one")
    assert os.lstat(target.folder / "two").st_nlink == 1


# ------------------------------------------------------------ the target
def test_a_file_that_does_not_fit_is_named_and_the_rest_is_there(kept: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    out = tmp_path / "out"
    done = run("--to", out, *disks(kept), environ={"WEBRAID_PASSWORD": PASSPHRASE}, preexec_fn=limit)
    assert done.returncode == 1
    assert "'photos/long' is not restored: " in done.stderr and done.stderr.count("not restored") == 1
    assert sorted(path.name for path in out.rglob("*")) == ["2024", "a", "b", "photos"]


def test_a_target_that_cannot_be_is_told(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for target in (tmp_path / "file", tmp_path / "file" / "below"):
        done = recover("--to", target, *disks(kept))
        assert done.returncode == 1
        assert str(target) in done.stderr and "Traceback" not in done.stderr


# ------------------------------------------------------------ listing, choosing
def test_files_are_listed_and_one_path_is_restored(kept: Path, tmp_path: Path) -> None:
    snapshot = recover("--list", *disks(kept)).stdout.split()[0]
    listed = recover("--list", "--snapshot", snapshot[:3].upper(), *disks(kept)).stdout.splitlines()
    paths = [f"'photos{path}'" for path in ("", "/2024", "/2024/a", "/b", "/long")]
    assert [line.split()[-1] for line in listed] == paths
    done = recover("--to", tmp_path / "out", "--path", "photos/2024/", *disks(kept))
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == ["2024", "a", "photos"]
    done = recover("--to", tmp_path / "none", "--snapshot", "0123456789", *disks(kept))
    assert (done.returncode, done.stderr) == (1, "0 snapshots begin with '0123456789': see --list\n")
    assert not (tmp_path / "none").exists()
