"""System calls that fail at the wrong moment: told, never swallowed, never more lost than the thing itself."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from webraid.files import scan as scan_module
from webraid.files.compare import compare_trees
from webraid.files.entry import Entry, EntryType
from webraid.files.restore import Action, Problem, Restorer
from webraid.files.scan import root_for, scan
from webraid.files.target import open_target

Fault = Callable[..., None]
Fetch = Callable[..., Any]


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Fault:
    """``fault("chown", errno.EPERM)``: that call of os fails from now on, where ``when(*args)`` says so."""

    def install(name: str, number: int, when: Callable[..., bool] = lambda *_: True) -> None:
        real = getattr(os, name)

        def failing(*args: Any, **named: Any) -> Any:
            if when(*args):
                raise OSError(number, os.strerror(number))
            return real(*args, **named)

        monkeypatch.setattr(os, name, failing)

    return install


def file_entry(path: bytes, content: bytes = b"text", **more: Any) -> tuple[Entry, bytes]:
    me = {
        "uid": os.geteuid(),
        "gid": os.getegid(),
        "mode": 0o644,
        "size": len(content),
        "chunks": b"chunk of content" if content else b"",
    }
    return Entry(path=path, type=EntryType.FILE, **(me | more)), content


def scanned(path: Path) -> tuple[list[bytes], list[tuple[str, str]]]:
    problems: list[Problem] = []
    paths = [item.entry.path for item in scan([root_for(path)], on_problem=problems.append)]
    return paths, [(problem.path.removeprefix(str(path)), problem.reason) for problem in problems]


# -------------------------------------------------------------------------------------------------------------- scan
def test_a_file_system_without_attributes_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def unsupported(path: bytes, **_: Any) -> list[str]:
        asked.append(path)
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(os, "listxattr", unsupported)
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    assert scanned(tmp_path) == ([os.fsencode(tmp_path.name) + rest for rest in (b"", b"/a", b"/b")], [])
    assert len(asked) == 1


def test_attributes_that_cannot_be_read_are_a_problem_and_the_entry_stays(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "a").touch()
    fault("listxattr", errno.EIO, lambda path: path.endswith(b"/a"))
    paths, problems = scanned(tmp_path)
    assert len(paths) == 2
    assert problems == [("/a", "its attributes: input/output error")]


@pytest.mark.parametrize(("number", "told"), [(errno.ENODATA, 0), (errno.EIO, 1)])
def test_an_attribute_taken_away_meanwhile_is_none(
    tmp_path: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch, number: int, told: int
) -> None:
    (tmp_path / "a").touch()
    monkeypatch.setattr(os, "listxattr", lambda *_, **__: ["user.a"])
    fault("getxattr", number)
    assert len(scanned(tmp_path / "a")[1]) == told


def test_attributes_of_kinds_we_do_not_keep_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").touch()
    monkeypatch.setattr(os, "listxattr", lambda *_, **__: ["system.nfs4_acl", "user.a"])
    monkeypatch.setattr(os, "getxattr", lambda _, name, **__: name)
    entry = next(scan([root_for(tmp_path / "a")], on_problem=pytest.fail)).entry
    assert entry.xattrs == ((b"user.a", b"user.a"),)


def test_holes_that_cannot_be_asked_for_are_a_problem(tmp_path: Path, fault: Fault) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.truncate(1 << 20)
    fault("lseek", errno.EIO)
    assert scanned(tmp_path / "a") == ([], [("", "input/output error")])


def test_a_folder_that_stops_listing_is_a_problem(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "a").mkdir()
    descriptors = len(os.listdir("/proc/self/fd"))
    fault("listdir", errno.EIO, lambda where: isinstance(where, int))
    assert scanned(tmp_path) == ([os.fsencode(tmp_path.name)], [("", "input/output error")])
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_symlink_that_goes_between_two_looks_has_vanished(tmp_path: Path, fault: Fault) -> None:
    (tmp_path / "a").symlink_to("b")
    fault("readlink", errno.ENOENT)
    problems: list[Problem] = []
    assert len(list(scan([root_for(tmp_path)], on_problem=problems.append))) == 1
    assert [problem.vanished for problem in problems] == [True]


def test_a_deep_folder_moved_while_below_it_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond so many levels the upper folders are closed, and looked for again on the way back."""
    monkeypatch.setattr(scan_module, "OPEN_FOLDERS", 2)
    (tmp_path / "t" / "a" / "b" / "c" / "d").mkdir(parents=True)
    (tmp_path / "t" / "a" / "z").mkdir()
    problems: list[Problem] = []
    paths = []
    for item in scan([root_for(tmp_path / "t")], on_problem=problems.append):
        paths.append(item.entry.path)
        if item.entry.path == b"t/a/b/c/d":
            (tmp_path / "t" / "a").rename(tmp_path / "away")
            (tmp_path / "t" / "a").mkdir()
    assert paths[-1] == b"t/a/b/c/d"
    assert {problem.path for problem in problems} == {f"{tmp_path}/t/a", f"{tmp_path}/t/a/b/c/d"}
    assert all(problem.vanished for problem in problems)


def test_holes_of_an_unreadable_file_are_left_to_its_reader(space: Path, as_nobody: None) -> None:
    with (space / "file").open("wb") as file:
        file.truncate(1 << 20)
    (space / "file").chmod(0)
    assert scanned(space / "file") == ([b"file"], [])


# ----------------------------------------------------------------------------------------------------------- restore
@pytest.mark.parametrize(
    ("call", "number", "note"),
    [
        ("chown", errno.EPERM, "owner or group not set: operation not permitted"),
        ("setxattr", errno.ENOTSUP, "extended attributes or ACLs not set: the file system has none"),
        ("setxattr", errno.EPERM, "extended attributes not set: not permitted"),
    ],
)
def test_what_the_target_does_not_know_is_noted(
    tmp_path: Path, fetch: Fetch, fault: Fault, call: str, number: int, note: str
) -> None:
    fault(call, number)
    fault("listxattr", errno.ENOTSUP)
    done = fetch([file_entry(b"a", gid=7, xattrs=((b"user.a", b"1"),))], tmp_path)
    assert done.reasons == []
    assert note in done.notes
    assert (tmp_path / "a").read_bytes() == b"text"


@pytest.mark.parametrize(
    ("call", "number", "reason"),
    [
        ("chown", errno.EIO, "a: input/output error"),
        ("chmod", errno.EROFS, "a: read-only file system"),
        ("setxattr", errno.ENOSPC, "a: no space left on device"),
        ("listxattr", errno.EIO, "a: input/output error"),
        ("utime", errno.EIO, "a: input/output error"),
        ("pwrite", errno.ENOSPC, "a: no space left on device"),
        ("link", errno.EIO, "a: input/output error"),
    ],
)
def test_what_fails_for_good_is_a_problem_and_leaves_nothing(
    tmp_path: Path, fetch: Fetch, fault: Fault, call: str, number: int, reason: str
) -> None:
    fault(call, number)
    done = fetch([file_entry(b"a", gid=7, xattrs=((b"user.a", b"1"),))], tmp_path)
    assert done.reasons == [reason]
    assert os.listdir(tmp_path) == []


def test_a_symlink_that_cannot_be_dressed_leaves_nothing(tmp_path: Path, fetch: Fetch, fault: Fault) -> None:
    fault("utime", errno.EIO)
    done = fetch([(Entry(path=b"a", type=EntryType.SYMLINK, target=b"x"), b"")], tmp_path)
    assert (done.reasons, os.listdir(tmp_path)) == (["a: input/output error"], [])


def test_a_copy_instead_of_a_link_that_fails_leaves_nothing(tmp_path: Path, fetch: Fetch, fault: Fault) -> None:
    fault("link", errno.EPERM)
    fault("pread", errno.EIO)
    kept = [file_entry(b"a", nlink=2), file_entry(b"b", nlink=2, hardlink=b"a")]
    assert fetch(kept, tmp_path).reasons == ["b: input/output error"]
    assert os.listdir(tmp_path) == ["a"]


def test_without_links_what_appeared_is_still_not_replaced(tmp_path: Path, fault: Fault) -> None:
    fault("link", errno.EPERM)
    problems: list[Problem] = []
    entry, _ = file_entry(b"a")
    with Restorer(tmp_path, on_problem=problems.append) as restorer:
        restorer.prepare(entry)
        file = restorer.open_file(entry)
        file.pwrite(b"text", 0)
        (tmp_path / "a").write_bytes(b"user's")
        assert not file.finish()
    assert (tmp_path / "a").read_bytes() == b"user's"
    assert len(problems) == 1


def test_an_unfinished_file_that_cannot_be_taken_away_is_told(tmp_path: Path, fault: Fault) -> None:
    problems: list[Problem] = []
    entry, _ = file_entry(b"a")
    with Restorer(tmp_path, on_problem=problems.append) as restorer:
        restorer.prepare(entry)
        restorer.open_file(entry)
        fault("unlink", errno.EROFS)
    assert [problem.reason for problem in problems] == ["its unfinished part is still there: read-only file system"]


def test_a_folder_that_cannot_be_settled_is_told(tmp_path: Path, fetch: Fetch, fault: Fault) -> None:
    fault("chmod", errno.EROFS)
    folder = Entry(path=b"d", type=EntryType.DIR, mode=0o755, uid=os.geteuid(), gid=os.getegid())
    done = fetch([(folder, b""), (Entry(path=b"e/s", type=EntryType.SYMLINK, target=b"x"), b"")], tmp_path)
    assert done.reasons == [
        "d: its owner, mode or times: read-only file system",
        "e: its mode: read-only file system",
    ]


def test_a_socket_is_passed_over(tmp_path: Path, fetch: Fetch) -> None:
    done = fetch([(Entry(path=b"s", type=EntryType.SOCKET), b"")], tmp_path)
    assert (done.actions, done.reasons) == ({b"s": Action.SKIPPED}, [])
    assert done.notes == {"sockets are not restored": 1}


def test_opening_what_is_no_file_fails_softly(tmp_path: Path) -> None:
    problems: list[Problem] = []
    with Restorer(tmp_path, on_problem=problems.append) as restorer:
        for entry in (
            Entry(path=b"d", type=EntryType.DIR),
            Entry(path=b"../x", type=EntryType.FILE),
            file_entry(b"no/such/folder")[0],
        ):
            file = restorer.open_file(entry)
            file.pwrite(b"x", 0)
            assert file.failed
            assert not file.finish()
    assert len(problems) == 3
    assert os.listdir(tmp_path) == []


def test_a_target_that_cannot_be_locked_is_used_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr("fcntl.flock", no_locks)
    notes: list[str] = []
    os.close(open_target(tmp_path, notes.append))
    assert notes == ["the target could not be locked against other runs: no locks available"]


# ----------------------------------------------------------------------------------------------------------- compare
def test_a_comparison_without_attributes_goes_on(tmp_path: Path, fault: Fault) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").touch()
        os.utime(tmp_path / name / "f", ns=(1, 1))
    fault("listxattr", errno.ENOTSUP)
    assert compare_trees(tmp_path / "a", tmp_path / "b") == []
    fault("listxattr", errno.EIO)
    assert compare_trees(tmp_path / "a", tmp_path / "b") == ["f: can't be read: input/output error"]
