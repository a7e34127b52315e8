from __future__ import annotations

import os
import pwd
import struct
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from webraid.env import seeded
from webraid.errors import ConfigError, PoolBusy
from webraid.files.compare import compare_trees
from webraid.files.entry import Entry, EntryType
from webraid.files.part import is_part_name
from webraid.files.restore import Action, Problem, Restorer

Store = Callable[..., list[tuple[Entry, bytes]]]
Fetch = Callable[..., Any]
StepDown = Callable[[], AbstractContextManager[None]]

TIME = 1_500_000_000_987_654_321
USER, GROUP, UNDEFINED = 2, 8, 0xFFFFFFFF


def acl(*extra: tuple[int, int, int]) -> bytes:
    """A POSIX ACL as the kernel keeps it: owner rw, group r, mask rw, others nothing, and ``extra``."""
    rows = sorted([(1, 6, UNDEFINED), (4, 4, UNDEFINED), (16, 6, UNDEFINED), (32, 0, UNDEFINED), *extra])
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)


def try_xattr(path: Path, name: bytes, value: bytes) -> bool:
    """False where the file system of the test has no such attributes."""
    try:
        os.setxattr(path, name, value, follow_symlinks=False)
    except OSError:
        return False
    return True


def file_entry(path: bytes, content: bytes = b"", **more: Any) -> tuple[Entry, bytes]:
    me = {
        "uid": os.geteuid(),
        "gid": os.getegid(),
        "mode": 0o644,
        "mtime_ns": TIME,
        "size": len(content),
        "chunks": b"chunk of content" if content else b"",
    }
    return Entry(path=path, type=EntryType.FILE, **(me | more)), content


def leftovers(top: Path) -> list[str]:
    return [name for _, _, names in os.walk(top) for name in names if is_part_name(os.fsencode(name))]


@pytest.fixture
def tree(tmp_path: Path, is_root: bool) -> Path:
    """A bit of everything."""
    top = tmp_path / "tree"
    for name in ("a/b/c", "empty", "closed", "-rf", "new\nline", "z" * 255):
        (top / name).mkdir(parents=True)
    (top / "a" / "big").write_bytes(bytes(range(256)) * 2000)
    (top / "a" / "nil").touch()
    (top / "a" / "b" / "run").write_bytes(b"#!/bin/sh\n")
    (top / "a" / "b" / "run").chmod(0o755)
    os.link(top / "a" / "big", top / "empty.link")
    os.link(top / "a" / "big", top / "a" / "b" / "linked")
    (top / "dangling").symlink_to("/no/such/place")
    os.symlink(b"\xff\n", os.fsencode(top) + b"/\xfe")
    os.link(os.fsencode(top) + b"/\xfe", os.fsencode(top) + b"/\xfe.linked", follow_symlinks=False)
    os.mkfifo(top / "fifo", 0o642)
    with (top / "holes").open("wb") as file:
        for offset in (3 << 20, 1 << 35):
            file.seek(offset)
            file.write(b"data" * 30_000)
        file.truncate(1 << 40)
    with (top / "hole").open("wb") as file:
        file.truncate(1 << 30)
    try_xattr(top / "a" / "big", b"user.comment", b"\0\xff")
    try_xattr(top / "a", b"user.empty", b"")
    try_xattr(top / "a" / "nil", b"system.posix_acl_access", acl((USER, 7, 4242)))
    try_xattr(top / "a" / "b", b"system.posix_acl_default", acl((GROUP, 5, 4343)))
    if is_root:
        decorate_as_root(top)
    (top / "closed" / "file").write_bytes(b"in")
    (top / "closed").chmod(0o500)
    for number, path in enumerate(sorted(top.rglob("*"))):
        os.utime(path, ns=(TIME, TIME + number), follow_symlinks=False)
    os.utime(top, ns=(TIME, TIME))
    return top


def decorate_as_root(top: Path) -> None:
    os.mknod(top / "null", 0o020666, os.makedev(1, 3))
    os.mknod(top / "disk", 0o060660, os.makedev(259, 7))
    os.chown(top / "a" / "b" / "run", 1234, 2345)
    (top / "a" / "b" / "run").chmod(0o6755)
    os.chown(top / "dangling", 1234, 2345, follow_symlinks=False)
    os.chown(top / "fifo", 7, 8)
    (top / "empty").chmod(0o3777)
    capability = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
    (top / "a" / "cap").write_bytes(b"x")
    os.chown(top / "a" / "cap", 99, 99)
    try_xattr(top / "a" / "cap", b"security.capability", capability)
    try_xattr(top / "dangling", b"trusted.note", b"on the link itself")


# -------------------------------------------------------------------------------------------------------------- whole
def test_a_tree_comes_back_with_everything(tree: Path, tmp_path: Path, store: Store, fetch: Fetch) -> None:
    done = fetch(store([tree]), tmp_path / "out")
    assert done.reasons == []
    assert done.notes == {}
    assert compare_trees(tree, tmp_path / "out" / "tree") == []
    assert (tmp_path / "out" / "tree").stat().st_mtime_ns == TIME
    assert (tmp_path / "out" / "tree" / "hole").stat().st_blocks == 0
    assert set(done.actions.values()) == {Action.DONE, Action.CONTENT, Action.LINK}


def test_a_second_run_finds_everything_done(tree: Path, tmp_path: Path, store: Store, fetch: Fetch) -> None:
    kept = store([tree])
    fetch(kept, tmp_path / "out")
    before = {path: path.lstat().st_ino for path in (tmp_path / "out").rglob("*")}
    done = fetch(kept, tmp_path / "out")
    assert done.reasons == []
    assert {action for path, action in done.actions.items() if kept[0][0].path != path} <= {Action.SKIPPED, Action.DONE}
    assert {path: path.lstat().st_ino for path in (tmp_path / "out").rglob("*")} == before
    assert compare_trees(tree, tmp_path / "out" / "tree") == []


def test_few_descriptors_and_many_threads_are_enough(tmp_path: Path, store: Store) -> None:
    top = tmp_path / "tree"
    for number in range(60):
        (top / f"{number % 7}").mkdir(parents=True, exist_ok=True)
        (top / f"{number % 7}" / f"{number}").write_bytes(bytes([number]) * 5000)
    kept = store([top])
    problems: list[Problem] = []
    before = len(os.listdir("/proc/self/fd"))
    with Restorer(tmp_path / "out", on_problem=problems.append, max_open=4) as restorer:
        wanted = [(entry, content) for entry, content in kept if restorer.prepare(entry) is Action.CONTENT]
        files = [restorer.open_file(entry) for entry, _ in wanted]
        open_now = len(os.listdir("/proc/self/fd"))

        def write(part: int) -> None:
            for file, (_, content) in zip(files, wanted, strict=True):
                file.pwrite(content[part * 1000 : part * 1000 + 1000], part * 1000)

        threads = [threading.Thread(target=write, args=(part,)) for part in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(file.finish() for file in files)
        restorer.finish()
    assert problems == []
    assert open_now - before < 30
    assert compare_trees(top, tmp_path / "out" / "tree") == []


def test_five_thousand_small_files(tmp_path: Path, store: Store, fetch: Fetch) -> None:
    for number in range(5_000):
        if number % 100 == 0:
            (tmp_path / "tree" / f"{number // 100}").mkdir(parents=True)
        (tmp_path / "tree" / f"{number // 100}" / f"{number}").write_bytes(b"%d" % number)
    kept = store([tmp_path / "tree"])
    assert len(kept) == 5_051
    assert fetch(kept, tmp_path / "out").reasons == []
    assert compare_trees(tmp_path / "tree", tmp_path / "out" / "tree") == []


def test_a_file_without_holes_stays_without(tmp_path: Path, store: Store, fetch: Fetch) -> None:
    (tmp_path / "zeros").write_bytes(bytes(1 << 20))
    fetch(store([tmp_path / "zeros"]), tmp_path / "out")
    assert (tmp_path / "out" / "zeros").stat().st_blocks * 512 >= 1 << 20


def test_holes_are_filled_when_they_are_not_wanted(tmp_path: Path, store: Store, fetch: Fetch) -> None:
    with (tmp_path / "holes").open("wb") as file:
        file.seek(2 << 20)
        file.write(b"end")
    fetch(store([tmp_path / "holes"]), tmp_path / "out", sparse=False)
    assert (tmp_path / "out" / "holes").stat().st_blocks * 512 >= 2 << 20
    assert (tmp_path / "out" / "holes").read_bytes() == (tmp_path / "holes").read_bytes()


def test_a_part_of_a_snapshot_gets_the_folders_it_needs(tree: Path, tmp_path: Path, store: Store, fetch: Fetch) -> None:
    kept = [(entry, content) for entry, content in store([tree]) if entry.path == b"tree/a/b/run"]
    assert fetch(kept, tmp_path / "out").reasons == []
    assert (tmp_path / "out" / "tree" / "a" / "b" / "run").read_bytes() == b"#!/bin/sh\n"
    assert {(tmp_path / "out" / name).stat().st_mode & 0o7777 for name in ("tree", "tree/a", "tree/a/b")} == {0o700}


def test_a_hard_link_whose_first_is_not_wanted_is_a_file_of_its_own(tmp_path: Path, fetch: Fetch) -> None:
    kept = [file_entry(b"b", b"text", nlink=3, hardlink=b"a"), file_entry(b"c", b"text", nlink=3, hardlink=b"a")]
    done = fetch(kept, tmp_path / "out")
    assert (done.reasons, done.actions) == ([], {b"b": Action.CONTENT, b"c": Action.LINK})
    assert (tmp_path / "out" / "b").samefile(tmp_path / "out" / "c")


def test_a_link_to_a_file_that_failed_is_a_problem(tmp_path: Path, fetch: Fetch) -> None:
    first = file_entry(b"a", b"text", nlink=2)
    done = fetch([(first[0], b"te"), file_entry(b"b", b"", nlink=2, hardlink=b"a", size=4)], tmp_path / "out")
    assert done.reasons == [
        "a: its content is not complete",
        "b: the file it is a hard link of was not restored: a",
    ]
    assert os.listdir(tmp_path / "out") == []


def test_a_file_whose_content_was_never_stored_is_a_problem_not_an_empty_file(tmp_path: Path, fetch: Fetch) -> None:
    kept = [file_entry(b"a", b"text", nlink=2, chunks=b""), file_entry(b"b", b"text", nlink=2, hardlink=b"a")]
    done = fetch(kept, tmp_path / "out")
    assert done.reasons == ["a: the snapshot holds no content for it"]
    assert done.actions == {b"a": Action.REFUSED, b"b": Action.CONTENT}
    assert (tmp_path / "out" / "b").read_bytes() == b"text"


def test_where_links_are_impossible_the_content_is_copied(
    tmp_path: Path, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    kept = [
        file_entry(b"a", b"text" * 999, nlink=2),
        file_entry(b"b", b"", nlink=2, hardlink=b"a", size=3996),
        (Entry(path=b"c", type=EntryType.SYMLINK, target=b"x"), b""),
    ]
    done = fetch(kept, tmp_path / "out")
    assert done.reasons == []
    assert done.notes["hard links became copies: the file system has no links"] == 1
    assert (tmp_path / "out" / "b").read_bytes() == b"text" * 999
    assert (tmp_path / "out" / "b").stat().st_mtime_ns == TIME
    assert leftovers(tmp_path) == []


# ---------------------------------------------------------------------------------------------------------- metadata
def test_owners_go_by_name_and_by_number_when_asked(tmp_path: Path, fetch: Fetch, is_root: bool) -> None:
    someone = next(row for row in pwd.getpwall() if row.pw_uid not in (0, 31337))
    kept = [file_entry(b"a", uid=31337, gid=31338, user=someone.pw_name, group="no such group, surely")]
    fetch(kept, tmp_path / "names")
    fetch(kept, tmp_path / "numbers", numeric_ids=True)
    owners = [((now := (tmp_path / name / "a").stat()).st_uid, now.st_gid) for name in ("names", "numbers")]
    me = (os.geteuid(), os.getegid())
    assert owners == ([(someone.pw_uid, 31338), (31337, 31338)] if is_root else [me, me])


def test_without_root_what_only_root_may_set_is_noted_not_reported(space: Path, fetch: Fetch, as_nobody: None) -> None:
    kept = [
        file_entry(b"a", b"x", uid=1, gid=1, mode=0o6755, xattrs=((b"trusted.t", b"1"), (b"security.s", b"1"))),
        file_entry(b"b", b"x", uid=1, mode=0o644),
    ]
    done = fetch(kept, space / "out")
    assert done.reasons == []
    assert (space / "out" / "a").stat().st_mode & 0o7777 == 0o755
    assert sorted(done.notes.items()) == [
        ("owner not set: only root may give files away", 1),
        ("owner or group not set: operation not permitted", 1),
        ("setuid or setgid not set: only root may, and only with the owner the file had", 1),
        ("trusted and security attributes not set: only root may", 2),
    ]


def test_devices_are_for_root_only(space: Path, fetch: Fetch, as_nobody: None) -> None:
    kept = [(Entry(path=b"null", type=EntryType.CHAR, mode=0o666, rdev_major=1, rdev_minor=3), b"")]
    assert fetch(kept, space / "out").reasons == ["null: only root may make devices"]


def test_an_inherited_default_acl_does_not_stick(tmp_path: Path, fetch: Fetch) -> None:
    (tmp_path / "out").mkdir()
    if not try_xattr(tmp_path / "out", b"system.posix_acl_default", acl((USER, 7, 4242))):
        return  # no ACLs here, so nothing is inherited either
    folder = Entry(path=b"d", type=EntryType.DIR, mode=0o750, uid=os.geteuid(), gid=os.getegid(), mtime_ns=TIME)
    done = fetch([(folder, b""), file_entry(b"d/f", b"x", mode=0o604)], tmp_path / "out")
    assert done.reasons == []
    for name, mode in (("d", 0o750), ("d/f", 0o604)):
        assert os.listxattr(tmp_path / "out" / name) == []
        assert (tmp_path / "out" / name).stat().st_mode & 0o7777 == mode


def test_an_odd_umask_does_not_lock_us_out(
    space: Path, tmp_path: Path, store: Store, fetch: Fetch, step_down: StepDown
) -> None:
    top = space / "tree"
    for name in ("a/b", "c"):
        (top / name).mkdir(parents=True)
        (top / name / "one").write_bytes(b"x" * 3000)
        (top / name / "two").write_bytes(b"y" * 3000)
    with step_down():
        (space / "out").mkdir()
        before = os.umask(0o777)
        try:
            done = fetch(store([top]), space / "out", max_open=1, piece=500)
        finally:
            os.umask(before)
    assert done.reasons == []
    assert compare_trees(top, space / "out" / "tree", owner=False) == []


def test_files_are_nobody_else_s_until_they_are_whole(tmp_path: Path) -> None:
    entry, _ = file_entry(b"d/a", b"secret", mode=0o666)
    with Restorer(tmp_path / "out", on_problem=pytest.fail) as restorer:
        restorer.prepare(Entry(path=b"d", type=EntryType.DIR, mode=0o777))
        restorer.prepare(entry)
        file = restorer.open_file(entry)
        file.pwrite(b"sec", 0)
        assert [path.stat().st_mode & 0o7777 for path in (tmp_path / "out").rglob("*")] == [0o1700, 0o600]
        assert not (tmp_path / "out" / "d" / "a").exists()
        file.pwrite(b"ret", 3)
        assert file.finish()
        assert (tmp_path / "out" / "d" / "a").stat().st_mode & 0o7777 == 0o666
        restorer.finish()
    assert (tmp_path / "out" / "d").stat().st_mode & 0o7777 == 0o777


# ------------------------------------------------------------------------------------------------------ what is there
def test_existing_things_that_differ_are_left_alone(tmp_path: Path, fetch: Fetch) -> None:
    out = tmp_path / "out"
    (out / "folder").mkdir(parents=True)
    (out / "file").write_bytes(b"mine")
    (out / "link").symlink_to("mine")
    (out / "isdir").mkdir()
    before = {path: path.lstat() for path in out.rglob("*")}
    kept = [
        (Entry(path=b"file", type=EntryType.FIFO), b""),
        (Entry(path=b"folder", type=EntryType.DIR, mode=0o111, mtime_ns=TIME), b""),
        file_entry(b"isdir", b"theirs"),
        (Entry(path=b"link", type=EntryType.SYMLINK, target=b"theirs"), b""),
    ]
    done = fetch(kept, out)
    assert [problem.path for problem in done.problems] == ["file", "isdir", "link"]
    assert done.notes == {"folders that existed already keep their own owner, mode and times": 1}
    assert {path: path.lstat() for path in out.rglob("*")} == before


@pytest.mark.parametrize("policy", ["always", True])
def test_overwriting_replaces_files_and_links_but_no_folders(tmp_path: Path, fetch: Fetch, policy: Any) -> None:
    out = tmp_path / "out"
    (out / "folder" / "full").mkdir(parents=True)
    (out / "isdir").mkdir()
    (tmp_path / "outside").write_bytes(b"outside")
    (out / "file").symlink_to(tmp_path / "outside")
    (out / "link").write_bytes(b"mine")
    (out / "linked").write_bytes(b"mine")
    os.link(tmp_path / "outside", out / "shared")
    kept = [
        file_entry(b"file", b"theirs", nlink=2),
        (Entry(path=b"folder", type=EntryType.DIR, mode=0o711, uid=os.geteuid(), gid=os.getegid()), b""),
        file_entry(b"folder/full", b"theirs"),
        file_entry(b"isdir", b"theirs"),
        (Entry(path=b"link", type=EntryType.SYMLINK, target=b"theirs"), b""),
        file_entry(b"linked", b"", nlink=2, hardlink=b"file", size=6),
        file_entry(b"shared", b"theirs"),
    ]
    done = fetch(kept, out, overwrite=policy)
    assert done.reasons == ["folder/full: a folder stands there", "isdir: a folder stands there"]
    assert done.actions[b"isdir"] is Action.REFUSED  # at once: nothing is fetched for it
    assert (out / "file").read_bytes() == (out / "linked").read_bytes() == (out / "shared").read_bytes() == b"theirs"
    assert (out / "linked").samefile(out / "file")
    assert os.readlink(out / "link") == "theirs"
    assert (out / "folder").stat().st_mode & 0o7777 == 0o711
    assert (tmp_path / "outside").read_bytes() == b"outside"
    assert leftovers(out) == []


def test_what_appears_while_restoring_is_never_replaced(tmp_path: Path) -> None:
    """Also the way two names look that a file system takes for one (A and a): the second finds the first there."""
    out = tmp_path / "out"
    problems: list[Problem] = []
    entries = [
        Entry(path=b"A", type=EntryType.DIR),
        Entry(path=b"a", type=EntryType.DIR),
        Entry(path=b"a/in", type=EntryType.FIFO),
        file_entry(b"b", b"text")[0],
        Entry(path=b"c", type=EntryType.SYMLINK, target=b"x"),
    ]
    for policy in ("never", "always"):
        with Restorer(out / policy, on_problem=problems.append, overwrite=policy) as restorer:  # type: ignore[arg-type]
            (out / policy / "a").mkdir()
            (out / policy / "c").write_bytes(b"user's")
            actions = [restorer.prepare(entry) for entry in entries]
            assert actions == [Action.DONE, Action.REFUSED, Action.REFUSED, Action.CONTENT, Action.REFUSED]
            file = restorer.open_file(entries[3])
            file.pwrite(b"text", 0)
            (out / policy / "b").write_bytes(b"user's")
            assert not file.finish()
            restorer.finish()
        assert (out / policy / "b").read_bytes() == (out / policy / "c").read_bytes() == b"user's"
        assert os.listdir(out / policy / "a") == []
        assert leftovers(out) == []
    assert [problem.path for problem in problems] == ["a", "c", "b"] * 2
    assert all("takes for the same" in problem.reason for problem in problems)


def test_a_folder_that_appears_where_a_link_was_to_be_stays(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"old")
    problems: list[Problem] = []
    first, second = file_entry(b"a", b"text", nlink=2)[0], file_entry(b"b", b"text", nlink=2, hardlink=b"a")[0]
    with Restorer(tmp_path, on_problem=problems.append, overwrite="always") as restorer:
        assert [restorer.prepare(first), restorer.prepare(second)] == [Action.CONTENT, Action.LINK]
        file = restorer.open_file(first)
        file.pwrite(b"text", 0)
        assert file.finish()
        (tmp_path / "b").unlink()
        (tmp_path / "b").mkdir()
        restorer.finish()
    assert [(problem.path, problem.reason) for problem in problems] == [("b", "a folder stands there")]
    assert leftovers(tmp_path) == []


# ------------------------------------------------------------------------------------------------------------ resume
def die_half_way(kept: list[tuple[Entry, bytes]], out: Path, finished: int) -> None:
    """A run that ends as a power cut ends it: ``finished`` files are in place, the others half written."""
    pid = os.fork()
    if pid:
        assert os.waitpid(pid, 0)[1] == 0
        return
    code = 1
    try:
        restorer = Restorer(out, on_problem=lambda _: os._exit(2))
        count = 0
        for entry, content in kept:
            if restorer.prepare(entry) is Action.CONTENT:
                file = restorer.open_file(entry)
                count += 1
                file.write_stream(content if count <= finished else content[: len(content) // 2], 0)
                if count <= finished:
                    file.finish()
        code = 0
    finally:
        os._exit(code)


@pytest.mark.parametrize("finished", [0, 2, 100])
def test_a_run_that_died_is_taken_up_where_it_ended(
    tree: Path, tmp_path: Path, store: Store, fetch: Fetch, finished: int
) -> None:
    kept = store([tree])
    out = tmp_path / "out"
    die_half_way(kept, out, finished)
    assert bool(leftovers(out)) == (finished < 100)
    done = fetch(kept, out)
    assert done.reasons == []
    assert leftovers(out) == []
    assert compare_trees(tree, out / "tree") == []
    wanted = [action for action in done.actions.values() if action is Action.CONTENT]
    everything = [entry for entry, content in kept if content and not entry.hardlink]
    assert len(wanted) == max(0, len(everything) - finished)


def test_leaving_early_takes_unfinished_files_away(tmp_path: Path) -> None:
    entry, _ = file_entry(b"a", b"text")
    problems: list[Problem] = []
    with Restorer(tmp_path / "out", on_problem=problems.append) as restorer:
        restorer.prepare(entry)
        restorer.open_file(entry).pwrite(b"te", 0)
    assert os.listdir(tmp_path / "out") == []
    assert problems == []


def test_a_file_never_finished_is_a_problem_at_the_end(tmp_path: Path) -> None:
    entry, _ = file_entry(b"a", b"text")
    problems: list[Problem] = []
    with Restorer(tmp_path / "out", on_problem=problems.append) as restorer:
        restorer.prepare(entry)
        file = restorer.open_file(entry)
        file.pwrite(b"te", 0)
        restorer.finish()
        assert file.failed
        file.pwrite(b"xt", 2)
        assert not file.finish()
    assert [(problem.path, problem.reason) for problem in problems] == [("a", "its content never came")]
    assert os.listdir(tmp_path / "out") == []


def test_more_content_than_promised_is_refused(tmp_path: Path) -> None:
    for write in ("pwrite", "write_stream"):
        entry, _ = file_entry(b"a", b"text")
        problems: list[Problem] = []
        with Restorer(tmp_path / "out", on_problem=problems.append) as restorer:
            restorer.prepare(entry)
            file = restorer.open_file(entry)
            getattr(file, write)(b"texts", 0)
            assert file.failed
            assert not file.finish()
        assert len(problems) == 1
        assert os.listdir(tmp_path / "out") == []


def test_folders_nobody_may_enter_are_closed_after_all_below_them(space: Path, fetch: Fetch, as_nobody: None) -> None:
    me = {"uid": os.geteuid(), "gid": os.getegid(), "mtime_ns": TIME}
    kept = [(Entry(path=b"a", type=EntryType.DIR, mode=0, **me), b"")]
    for number in range(100):
        kept.append((Entry(path=b"a/%03d" % number, type=EntryType.DIR, mode=0, **me), b""))
        kept.append(file_entry(b"a/%03d/file" % number, b"x"))
    assert fetch(kept, space / "out").reasons == []
    assert (space / "out" / "a").stat().st_mode & 0o7777 == 0
    (space / "out" / "a").chmod(0o700)
    below = list((space / "out" / "a").iterdir())
    assert {(path.stat().st_mode & 0o7777, path.stat().st_mtime_ns) for path in below} == {(0, TIME)}
    assert len(below) == 100


def test_a_folder_that_cannot_be_written_to_is_a_problem_and_the_rest_goes_on(
    space: Path, fetch: Fetch, as_nobody: None
) -> None:
    (space / "out" / "closed").mkdir(parents=True)
    (space / "out" / "closed").chmod(0o500)
    kept = [
        file_entry(b"closed/a", b"1"),
        file_entry(b"closed/b", b"1"),
        (Entry(path=b"closed/c", type=EntryType.DIR), b""),
        (Entry(path=b"closed/c/d", type=EntryType.FIFO), b""),
        file_entry(b"open", b"1"),
    ]
    done = fetch(kept, space / "out")
    assert sorted(done.reasons) == [
        "closed/a: permission denied",
        "closed/b: permission denied",
        "closed/c: permission denied; nothing below it was restored",
    ]
    assert (space / "out" / "open").read_bytes() == b"1"


# ------------------------------------------------------------------------------------------------------------ target
def test_the_target_is_made_and_may_be_a_symlink_of_the_user_s(tmp_path: Path, fetch: Fetch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    fetch([file_entry(b"a", b"1")], tmp_path / "link" / "deep" / "er")
    assert (tmp_path / "real" / "deep" / "er" / "a").read_bytes() == b"1"


def test_a_target_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="can't restore into"):
        Restorer(tmp_path / "file", on_problem=pytest.fail)
    with pytest.raises(ConfigError):
        Restorer(tmp_path / "file" / "below", on_problem=pytest.fail)


def test_two_restores_into_one_folder_do_not_run_at_once(tmp_path: Path) -> None:
    with Restorer(tmp_path, on_problem=pytest.fail), pytest.raises(PoolBusy):
        Restorer(tmp_path, on_problem=pytest.fail)
    Restorer(tmp_path, on_problem=pytest.fail).close()


def test_all_descriptors_are_given_back(tree: Path, tmp_path: Path, store: Store, fetch: Fetch) -> None:
    kept = store([tree])
    before = len(os.listdir("/proc/self/fd"))
    fetch(kept, tmp_path / "out")
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_thousand_levels_come_back(space: Path, fetch: Fetch, store: Store) -> None:
    """Longer than any system call takes a path."""
    top = space / "tree"
    top.mkdir()
    fd = os.open(top, os.O_RDONLY)
    for level in range(1000):
        name = f"{level:04}" + "n" * 8
        os.mkdir(name, dir_fd=fd)
        deeper = os.open(name, os.O_RDONLY, dir_fd=fd)
        if level in (0, 500, 999):
            file = os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=deeper)
            os.write(file, b"level %d" % level)
            os.close(file)
            os.symlink("t", "link", dir_fd=deeper)
            os.mkfifo("pipe", dir_fd=deeper)
            os.link("file", "twin", src_dir_fd=deeper, dst_dir_fd=deeper)
        os.close(fd)
        fd = deeper
    os.close(fd)
    kept = store([top])
    assert max(len(entry.path) for entry, _ in kept) > 12_000
    done = fetch(kept, space / "out")
    assert done.reasons == []
    assert compare_trees(top, space / "out" / "tree") == []
    assert fetch(kept, space / "out").reasons == []


def test_times_beyond_what_the_file_system_knows_do_no_harm(tmp_path: Path, fetch: Fetch) -> None:
    kept = [file_entry(name, b"x", mtime_ns=time) for name, time in ((b"a", -(1 << 63)), (b"b", (1 << 63) - 1))]
    assert fetch(kept, tmp_path / "out").reasons == []


def test_the_same_random_part_names_do_not_stop_a_second_run(tmp_path: Path, fetch: Fetch) -> None:
    entry, content = file_entry(b"a", b"x")
    fetch([(entry, content)], tmp_path / "out")
    newer = msgspec.structs.replace(entry, mtime_ns=1)
    assert fetch([(newer, content)], tmp_path / "out", overwrite="always").reasons == []
    assert (tmp_path / "out" / "a").stat().st_mtime_ns == 1
    assert seeded(0).random(8) == seeded(0).random(8)
