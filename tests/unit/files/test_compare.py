"""The comparison is what other tests trust, so every kind of difference is made on purpose and must be named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from webraid.files.compare import compare_trees

TIME = 1_600_000_000_123_456_789


def build(top: Path) -> None:
    (top / "sub" / "empty").mkdir(parents=True)
    (top / "sub").chmod(0o755)
    (top / "file").write_bytes(b"x" * 300_000 + b"end")
    (top / "sub" / "other").write_bytes(b"other")
    os.link(top / "file", top / "sub" / "linked")
    (top / "link").symlink_to("file")
    os.mkfifo(top / "fifo")
    with (top / "holes").open("wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 39)
        file.write(b"data")
    for path in [*top.rglob("*"), top]:
        os.utime(path, ns=(TIME, TIME), follow_symlinks=False)


def rewrite(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    os.utime(path, ns=(TIME, TIME))


def fill(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(8 << 20))
    os.utime(path, ns=(TIME, TIME))


def unlink_group(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()
    rewrite(path, data)
    os.utime(path.parent, ns=(TIME, TIME))


def swap(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)
    os.utime(path, ns=(TIME, TIME), follow_symlinks=False)
    os.utime(path.parent, ns=(TIME, TIME))


def late_byte(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(1 << 39)
        file.write(b"DATA")
    os.utime(path, ns=(TIME, TIME))


DIFFERENCES: dict[str, tuple[Callable[[Path], object], str]] = {
    "content": (lambda top: rewrite(top / "sub" / "other", b"OTHER"), "sub/other: content at or after byte 0"),
    "size": (lambda top: rewrite(top / "sub" / "other", b"othe"), "sub/other: size 5 against 4"),
    "late content": (lambda top: late_byte(top / "holes"), f"holes: content at or after byte {1 << 39}"),
    "mtime": (lambda top: os.utime(top / "file", ns=(TIME, TIME + 1)), f"file: mtime {TIME} against {TIME + 1}"),
    "folder's mtime": (lambda top: os.utime(top / "sub", ns=(TIME, 1)), f"sub: mtime {TIME} against 1"),
    "symlink's mtime": (
        lambda top: os.utime(top / "link", ns=(TIME, 1), follow_symlinks=False),
        f"link: mtime {TIME} against 1",
    ),
    "mode": (lambda top: (top / "sub").chmod(0o1700), "sub: mode 0755 against 1700"),
    "target": (lambda top: swap(top / "link", lambda p: p.symlink_to("else")), "link: symlink to file against else"),
    "type": (lambda top: swap(top / "fifo", lambda p: p.symlink_to("file")), "fifo: FIFO against symlink"),
    "missing": (lambda top: (top / "sub" / "empty").rmdir(), "sub/empty: only in the first tree"),
    "extra": (lambda top: (top / "new").touch(), "new: only in the second tree"),
    "hard link": (lambda top: unlink_group(top / "sub" / "linked"), "sub/linked: hard link of file against sub/linked"),
    "holes filled": (lambda top: fill(top / "holes"), "holes: takes "),
}


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    one, other = tmp_path / "one", tmp_path / "other"
    build(one)
    build(other)
    return one, other


def test_two_like_trees_have_no_difference(trees: tuple[Path, Path]) -> None:
    assert compare_trees(*trees) == []


@pytest.mark.parametrize("what", DIFFERENCES)
def test_every_kind_of_difference_is_named(trees: tuple[Path, Path], what: str) -> None:
    change, line = DIFFERENCES[what]
    change(trees[1])
    found = compare_trees(*trees)
    assert any(item.startswith(line) for item in found), found


def test_owners_devices_and_attributes_are_compared_where_there_are_any(
    trees: tuple[Path, Path], is_root: bool
) -> None:
    expected = []
    try:
        os.setxattr(trees[1] / "file", b"user.x", b"1")
        expected += ["file: extended attribute user.x", "sub/linked: extended attribute user.x"]
    except OSError:
        assert compare_trees(*trees) == []
    if is_root:
        os.chown(trees[1] / "sub" / "other", 7, 8)
        for top, minor in zip(trees, (3, 5), strict=True):
            os.mknod(top / "dev", 0o020600, os.makedev(1, minor))
            os.utime(top / "dev", ns=(TIME, TIME))
        expected += ["dev: device number 259 against 261", "sub/other: uid 0 against 7", "sub/other: gid 0 against 8"]
    assert sorted(compare_trees(*trees)) == sorted(expected)
    assert not any("uid" in line or "gid" in line for line in compare_trees(*trees, owner=False))


def test_what_cannot_be_read_is_a_difference(space: Path, trees: tuple[Path, Path], as_nobody: None) -> None:
    one, other = space / "one", space / "other"
    for top in (one, other):
        (top / "sub").mkdir(parents=True)
        (top / "file").touch()
        for path in (top / "sub", top / "file", top):
            os.utime(path, ns=(TIME, TIME))
        (top / "sub").chmod(0)
        (top / "file").chmod(0)
    assert compare_trees(one, other) == [
        "file: can't be read: permission denied",
        "sub: can't be listed: permission denied",
    ]


def test_a_missing_tree_is_a_difference(trees: tuple[Path, Path]) -> None:
    shutil.rmtree(trees[1])
    assert compare_trees(*trees) == [".: the second tree: no such file or directory"]
