from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from webraid.errors import ConfigError
from webraid.files import sparse
from webraid.files.entry import Entry, EntryType, sort_key
from webraid.files.problem import display
from webraid.files.scan import Problem, Root, root_for, roots_for, scan
from webraid.files.select import Rules, lines

ODD_NAMES = [
    b"new\nline",
    b"-rf",
    b" ",
    b"\xff\xfe not utf-8",
    b"x" * 255,
    "\U0001f600".encode(),
    b"\x01",
    b"a\\b",
    b"*",
]


def entries(*paths: Path, problems: list[Problem] | None = None) -> dict[bytes, Entry]:
    found: list[Problem] = [] if problems is None else problems
    result = {item.entry.path: item.entry for item in scan(roots_for(paths), on_problem=found.append)}
    assert problems is not None or found == []
    return result


def has_user_xattrs(path: Path) -> bool:
    try:
        os.setxattr(path, b"user.probe", b"1")
    except OSError:
        return False
    os.removexattr(path, b"user.probe")
    return True


# ------------------------------------------------------------------------------------------------------------- order
def test_entries_come_in_the_order_of_their_sort_keys(tmp_path: Path) -> None:
    for name in ("a", "a.b", "a/x", "a b", "a\x01", "b", "a/x/y", "B", "a/x.z"):
        (tmp_path / "t" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "t" / name / "file").touch()
    paths = [item.entry.path for item in scan([root_for(tmp_path / "t")], on_problem=pytest.fail)]
    assert paths == sorted(paths, key=sort_key)
    assert paths[0] == b"t"
    assert len(paths) == len(set(paths)) == 1 + 9 * 2


def test_several_roots_come_by_name_whatever_the_order_they_were_given_in(tmp_path: Path) -> None:
    for name in ("b", "a-b", "a"):
        (tmp_path / name / "in").mkdir(parents=True)
    assert list(entries(tmp_path / "b", tmp_path / "a", tmp_path / "a-b")) == [
        b"a", b"a/in", b"a-b", b"a-b/in", b"b", b"b/in",
    ]  # fmt: skip


def test_odd_names_are_kept_byte_for_byte(tmp_path: Path) -> None:
    base = os.fsencode(tmp_path) + b"/t/"
    os.mkdir(base)
    for name in ODD_NAMES:
        os.mkdir(base + name)
        with open(base + name + b"/" + name, "wb"):
            pass
    found = entries(tmp_path / "t")
    assert set(found) == {b"t"} | {b"t/" + name for name in ODD_NAMES} | {b"t/" + n + b"/" + n for n in ODD_NAMES}


def test_empty_folders_and_files_are_entries_too(tmp_path: Path) -> None:
    (tmp_path / "t" / "empty").mkdir(parents=True)
    (tmp_path / "t" / "nil").touch()
    found = entries(tmp_path / "t")
    assert found[b"t/empty"].type is EntryType.DIR
    assert (found[b"t/nil"].type, found[b"t/nil"].size, found[b"t/nil"].sparse) == (EntryType.FILE, 0, ())


# ------------------------------------------------------------------------------------------------------------- roots
def test_a_root_is_named_after_what_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real" / "sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "real")
    here = os.fsencode(tmp_path)
    assert root_for("/") == Root(b"/", b"root")
    assert root_for(".") == Root(here + b"/real", b"real")
    assert root_for("sub/") == root_for("sub//") == root_for("./sub") == Root(here + b"/real/sub", b"sub")
    assert root_for("sub/..") == Root(here + b"/real", b"real")
    assert root_for("../link/") == root_for("../link") == Root(here + b"/real", b"link")
    assert root_for("..") == Root(here, here.rpartition(b"/")[2])


def test_a_root_that_is_a_symlink_is_followed_once_and_the_ones_below_never(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"inside")
    (tmp_path / "real" / "loop").symlink_to("../real")
    (tmp_path / "link").symlink_to("real")
    found = entries(tmp_path / "link")
    assert list(found) == [b"link", b"link/file", b"link/loop"]
    assert (found[b"link"].type, found[b"link/loop"].target) == (EntryType.DIR, b"../real")


def test_a_single_file_can_be_a_root(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1234")
    assert entries(tmp_path / "file")[b"file"].size == 4


def test_two_roots_of_one_name_are_refused_with_advice(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "photos").mkdir(parents=True)
    with pytest.raises(ConfigError, match="photos") as caught:
        roots_for([tmp_path / "one" / "photos", tmp_path / "two" / "photos"])
    assert "two runs" in caught.value.hint
    with pytest.raises(ConfigError):
        scan([Root(b"/a", b"x"), Root(b"/b", b"x")], on_problem=pytest.fail)


@pytest.mark.parametrize("name", [b"", b"..", b".", b"a/b", b"a\0b", b"x" * 256])
def test_a_root_name_that_is_no_single_part_is_refused(name: bytes) -> None:
    with pytest.raises(ConfigError):
        scan([Root(b"/tmp", name)], on_problem=pytest.fail)


def test_a_root_given_twice_counts_once(tmp_path: Path) -> None:
    assert len(roots_for([tmp_path, f"{tmp_path}/", tmp_path / "."])) == 1


def test_a_missing_root_is_a_problem_and_the_others_go_on(tmp_path: Path) -> None:
    problems: list[Problem] = []
    (tmp_path / "there").mkdir()
    assert list(entries(tmp_path / "gone", tmp_path / "there", problems=problems)) == [b"there"]
    assert [(Path(item.path).name, item.vanished) for item in problems] == [("gone", False)]


def test_the_root_of_the_machine_joins_its_paths_with_one_slash() -> None:
    rules = Rules(lines(["/*", "!/etc", "/etc/*"]))
    found = scan([root_for("/")], on_problem=pytest.fail, rules=rules)
    assert [(item.entry.path, item.source) for item in found] == [(b"root", b"/"), (b"root/etc", b"/etc")]


# ---------------------------------------------------------------------------------------------------------- metadata
def test_mode_owner_and_times_are_kept_to_the_nanosecond(tmp_path: Path, is_root: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    path.chmod(0o4751)
    os.utime(path, ns=(1_000_000_000_123_456_789, -5_000_000_123))
    if is_root:
        os.chown(path, 54321, 1)
        path.chmod(0o4751)
    entry = entries(path)[b"file"]
    assert (entry.mode, entry.atime_ns, entry.mtime_ns) == (0o4751, 1_000_000_000_123_456_789, -5_000_000_123)
    now = path.stat()
    assert (entry.uid, entry.gid, entry.ctime_ns, entry.inode) == (now.st_uid, now.st_gid, now.st_ctime_ns, now.st_ino)
    assert (entry.device_id, entry.nlink, entry.size) == (now.st_dev, 1, 1)
    assert entry.user == ("" if is_root else path.owner())
    assert entry.group == path.group()


def test_links_fifos_and_devices_are_told_apart(tmp_path: Path, is_root: bool) -> None:
    tree = tmp_path / "t"
    tree.mkdir()
    os.mkfifo(tree / "fifo", 0o640)
    os.symlink(b"\xff/../nowhere", os.fsencode(tree / "link"))
    if is_root:
        os.mknod(tree / "null", 0o020666, os.makedev(1, 3))
        os.mknod(tree / "loop", 0o060660, os.makedev(7, 300))
    found = entries(tree)
    assert found[b"t/fifo"].type is EntryType.FIFO
    assert (found[b"t/link"].type, found[b"t/link"].target) == (EntryType.SYMLINK, b"\xff/../nowhere")
    assert found[b"t/link"].size == 0
    if is_root:
        shown = [(e.type, e.rdev_major, e.rdev_minor) for e in (found[b"t/null"], found[b"t/loop"])]
        assert shown == [(EntryType.CHAR, 1, 3), (EntryType.BLOCK, 7, 300)]


def test_sockets_are_counted_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s")
        running = scan([root_for(tmp_path)], on_problem=pytest.fail)
        assert len(list(running)) == 1
    assert running.sockets == 1


def test_the_first_of_a_hard_link_group_is_named_by_the_others(tmp_path: Path) -> None:
    tree = tmp_path / "t"
    (tree / "b").mkdir(parents=True)
    (tree / "z").write_bytes(b"same")
    os.link(tree / "z", tree / "b" / "y")
    os.link(tree / "z", tree / "c")
    (tree / "alone").write_bytes(b"same")
    found = entries(tree)
    groups = {path: entry.hardlink for path, entry in found.items() if entry.type is EntryType.FILE}
    assert groups == {b"t/b/y": b"", b"t/c": b"t/b/y", b"t/z": b"t/b/y", b"t/alone": b""}


def test_attributes_and_acls_are_kept(tmp_path: Path, is_root: bool) -> None:
    path = tmp_path / "file"
    path.touch(mode=0o640)
    expected = []
    if has_user_xattrs(path):
        os.setxattr(path, b"user.b", b"\0\1")
        os.setxattr(path, b"user.a", b"")
        expected = [(b"user.a", b""), (b"user.b", b"\0\1")]
    if is_root:
        os.setxattr(path, b"trusted.t", b"root's")
        expected.insert(0, (b"trusted.t", b"root's"))
    assert entries(path)[b"file"].xattrs == tuple(expected)


def test_what_is_root_s_is_not_kept_for_others(space: Path, as_nobody: None) -> None:
    path = space / "file"
    path.touch()
    os.symlink("file", space / "link")
    expected = ((b"user.mine", b"1"),) if has_user_xattrs(path) else ()
    for name, value in expected:
        os.setxattr(path, name, value)
    found = entries(path, space / "link")
    assert found[b"file"].xattrs == expected
    assert found[b"link"].xattrs == expected  # followed once, as a root


# ------------------------------------------------------------------------------------------------------------ sparse
def test_only_data_extents_of_a_file_with_holes_are_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(64 << 20)
        for offset in (1 << 20, 32 << 20):
            file.seek(offset)
            file.write(b"d" * 8192)
    entry = entries(path)[b"file"]
    assert entry.size == 64 << 20
    assert [offset for offset, _ in entry.sparse] == [1 << 20, 32 << 20]
    assert sparse.stream_length(entry) < 1 << 20


def test_a_file_that_is_one_hole_of_a_tebibyte_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    entry = entries(path)[b"file"]
    assert (entry.size, entry.sparse, sparse.stream_length(entry)) == (1 << 40, ((1 << 40, 0),), 0)


def test_small_holes_are_read_as_zeros(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        for offset in (8192, 40_000, 4 << 20):
            file.seek(offset)
            file.write(b"data")
        file.truncate((4 << 20) + 30_000)
    parts = entries(path)[b"file"].sparse
    assert [part[0] for part in parts] == [0, 4 << 20]
    assert sum(parts[1]) == (4 << 20) + 30_000


def test_a_full_file_has_no_sparse_map(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(300_000))
    assert entries(tmp_path / "file")[b"file"].sparse == ()


def test_the_map_of_a_file_in_very_many_pieces_stays_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "MOST_EXTENTS", 16)
    step = 256 << 10
    with (tmp_path / "file").open("wb") as file:
        for index in range(100):
            file.seek(index * step)
            file.write(b"data")
        file.truncate(200 * step)
    entry = entries(tmp_path / "file")[b"file"]
    assert 1 <= len(entry.sparse) <= 17
    covered = {
        index for index in range(100) for o, n in entry.sparse if o <= index * step and index * step + 4 <= o + n
    }
    assert covered == set(range(100))


# ---------------------------------------------------------------------------------------------------------- problems
def test_an_unreadable_folder_is_reported_and_kept_itself(space: Path, as_nobody: None) -> None:
    (space / "t" / "closed" / "in").mkdir(parents=True)
    (space / "t" / "open").mkdir()
    (space / "t" / "closed").chmod(0)
    problems: list[Problem] = []
    found = entries(space / "t", problems=problems)
    assert list(found) == [b"t", b"t/closed", b"t/open"]
    assert [(item.path, item.reason, item.vanished) for item in problems] == [
        (str(space / "t" / "closed"), "permission denied", False)
    ]


def test_what_vanishes_after_it_was_listed_is_reported_as_vanished(tmp_path: Path) -> None:
    tree = tmp_path / "t"
    for name in ("a", "b", "c", "d"):
        (tree / name).mkdir(parents=True)
    problems: list[Problem] = []
    seen = []
    for item in scan([root_for(tree)], on_problem=problems.append):
        seen.append(item.entry.path)
        if item.entry.path == b"t/a":
            (tree / "b").rmdir()
        if item.entry.path == b"t/c":
            (tree / "c").rmdir()
    assert seen == [b"t", b"t/a", b"t/c", b"t/d"]
    assert [(item.path, item.vanished) for item in problems] == [(str(tree / "b"), True), (str(tree / "c"), True)]


@pytest.mark.parametrize("trick", ["symlink", "other folder"])
def test_a_folder_swapped_while_scanning_is_not_entered(tmp_path: Path, trick: str) -> None:
    tree = tmp_path / "t"
    (tree / "a").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_bytes(b"not ours")
    problems: list[Problem] = []
    seen = []
    for item in scan([root_for(tree)], on_problem=problems.append):
        seen.append(item.entry.path)
        if item.entry.path == b"t/a":
            (tree / "a").rename(tmp_path / "moved")
            if trick == "symlink":
                (tree / "a").symlink_to(tmp_path / "secret")
            else:
                (tmp_path / "secret").rename(tree / "a")
    assert seen == [b"t", b"t/a"]
    assert [(item.path, item.vanished) for item in problems] == [(str(tree / "a"), True)]


def test_problems_are_safe_to_show(tmp_path: Path) -> None:
    assert display(b"a\n\x1b[2J\xff\xe2\x80\xae") == r"a\n\x1b[2J\xff\u202e"
    assert display("ü x".encode()) == "ü x"
    name = b"evil\n\x1b]0;title\x07"
    os.mkdir(os.fsencode(tmp_path) + b"/" + name)
    (tmp_path / "a").touch()
    problems: list[Problem] = []
    running = scan([root_for(tmp_path)], on_problem=problems.append)
    next(running)
    next(running)
    os.rmdir(os.fsencode(tmp_path) + b"/" + name)
    assert list(running) == []
    assert problems[0].path.isprintable()
    assert "evil" not in repr(problems[0])


# ----------------------------------------------------------------------------------------------------------- choices
def test_an_excluded_folder_is_left_out_with_all_below(tmp_path: Path) -> None:
    for name in ("keep/cache", "cache/keep", "b"):
        (tmp_path / "t" / name).mkdir(parents=True)
    (tmp_path / "t" / "b" / "cache").touch()
    running = scan([root_for(tmp_path / "t")], on_problem=pytest.fail, rules=Rules(lines(["cache/", "!/cache/keep"])))
    assert [item.entry.path for item in running] == [b"t", b"t/b", b"t/b/cache", b"t/keep"]
    assert running.excluded == 2


def test_a_mount_point_is_kept_empty_when_asked_for_one_file_system() -> None:
    wanted = (b"root", b"root/proc", b"root/proc/uptime")

    def paths(one_file_system: bool) -> list[bytes]:
        running = scan(
            [root_for("/")],
            on_problem=pytest.fail,
            rules=Rules(lines(["/*", "!/proc", "/proc/*", "!/proc/uptime"]), one_file_system=one_file_system),
        )
        return [item.entry.path for item in running]

    assert paths(True) == [b"root", b"root/proc"]
    assert paths(False) == list(wanted)


# ------------------------------------------------------------------------------------------------------------- depth
@pytest.fixture
def descriptors() -> Callable[[], int]:
    return lambda: len(os.listdir("/proc/self/fd"))


def test_a_thousand_levels_are_walked_with_few_descriptors(space: Path, descriptors: Callable[[], int]) -> None:
    top = space / "t"
    top.mkdir()
    fd = os.open(top, os.O_RDONLY)
    for level in range(1000):
        os.mkdir("folder", dir_fd=fd)
        os.symlink("nowhere", "zlink", dir_fd=fd)
        deeper = os.open("folder", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = deeper
        if level == 999:
            os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    before = descriptors()
    most = 0
    longest = b""
    count = 0
    for item in scan([root_for(top)], on_problem=pytest.fail):
        count += 1
        most = max(most, descriptors() - before)
        longest = max(longest, item.source, key=len)
    assert count == 1 + 1000 * 2 + 1
    assert longest.endswith(b"folder/file")
    assert len(longest) > 7000
    assert most <= 66
    assert descriptors() == before
    problems: list[Problem] = []
    assert list(scan([Root(longest, b"file")], on_problem=problems.append)) == []
    assert [problem.reason for problem in problems] == ["file name too long"]  # of roots only


def test_a_scan_left_early_gives_its_descriptors_back(tmp_path: Path, descriptors: Callable[[], int]) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    before = descriptors()
    running = scan([root_for(tmp_path)], on_problem=pytest.fail)
    next(running)
    next(running)
    assert descriptors() > before
    running.close()
    assert descriptors() == before
