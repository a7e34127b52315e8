"""The count of what a scan is going to find: the same files and bytes, whatever is left out, and no file is opened."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from webraid.entry import EntryType
from webraid.files.roots import Root
from webraid.files.scan import root_for, scan
from webraid.files.select import Rules, lines
from webraid.files.sizes import STEP, Sizes

_opened: list[list[str]] = []


def _on_open(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _opened and isinstance(arguments[0], bytes | str):
        _opened[-1].append(os.fsdecode(arguments[0]))


sys.addaudithook(_on_open)


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """What is opened by a path or name."""
    _opened.append([])
    yield _opened[-1]
    _opened.pop()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Odd things, and names whose order is another one in folders than in paths."""
    top = tmp_path / "top"
    for number, name in enumerate(("a/b/1", "a/b/2.o", "a.x/3", "cache/CACHEDIR.TAG", "cache/4", "skip/.no", "skip/5")):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"x" * (number + 1))
    (top / "cache" / "CACHEDIR.TAG").write_bytes(b"Signature: 8a477f597d28d172789f06886806bc55")
    (top / "a" / ".gitignore").write_bytes(b"*.o\n")
    (top / "a" / "hard").hardlink_to(top / "a.x" / "3")
    (top / "soft").symlink_to("a")
    (top / "empty").touch()
    os.mkfifo(top / "fifo")
    with (top / "holes").open("wb") as file:
        file.truncate(1 << 20)
    (top / "large").write_bytes(b"x" * 5000)
    return top


def met(roots: list[Root], rules: Rules) -> tuple[int, int]:
    """Regular files and their bytes, by the scan itself."""
    files = [
        scanned.entry
        for scanned in scan(roots, on_problem=lambda _: None, rules=rules)
        if scanned.entry.type is EntryType.FILE
    ]
    return len(files), sum(entry.size for entry in files)


@pytest.mark.parametrize(
    "rules",
    [
        Rules(), Rules(lines(["*.o", "/a.x"])), Rules(gitignore=True), Rules(caches=True),
        Rules(if_present=(".no",)), Rules(larger_than=4000), Rules(one_file_system=True),
    ],
)  # fmt: skip
def test_the_count_is_what_the_scan_finds(tree: Path, rules: Rules) -> None:
    roots = [root_for(tree), root_for(tree.parent / "nowhere"), Root(os.fsencode(tree / "holes"), b"one file")]
    sizes = Sizes(roots, rules=rules)
    assert not list(sizes.steps())  # so few files need no step
    assert (sizes.files, sizes.bytes) == met(roots, rules)


def test_every_rule_of_these_leaves_something_out(tree: Path) -> None:
    whole = met([root_for(tree)], Rules())
    for rules in (Rules(gitignore=True), Rules(caches=True), Rules(if_present=(".no",)), Rules(larger_than=4000)):
        assert met([root_for(tree)], rules) < whole


def test_of_a_list_only_what_it_names_is_counted(tree: Path) -> None:
    root = Root(os.fsencode(tree.parent), b"list", frozenset({b"top/a/b", b"top/large", b"top/nowhere"}))
    sizes = Sizes([root], rules=Rules())
    list(sizes.steps())
    assert (sizes.files, sizes.bytes) == (3, 5003) == met([root], Rules())


def test_nothing_but_folders_is_opened(tree: Path, opened: list[str]) -> None:
    list(Sizes([root_for(tree)], rules=Rules()).steps())
    assert opened
    assert all(Path(path).is_dir() for path in opened)


def test_a_mark_tells_what_lies_before_it_in_the_order_of_the_scan(tmp_path: Path) -> None:
    for number in range(3 * STEP):
        name = tmp_path / "top" / str(number % 7) / "below" / f"{number}"
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_bytes(b"x" * (number % 13))
    roots = [root_for(tmp_path / "top")]
    marks = {mark.path: (mark.files, mark.bytes) for mark in Sizes(roots, rules=Rules()).steps()}
    assert len(marks) >= 3
    files = size = 0
    for scanned in scan(roots, on_problem=pytest.fail):
        assert marks.pop(scanned.entry.path, (files, size)) == (files, size)
        files += scanned.entry.type is EntryType.FILE
        size += scanned.entry.size
    assert not marks


def test_a_count_that_is_given_up_leaves_no_folder_open(tmp_path: Path) -> None:
    for number in range(2 * STEP):
        (tmp_path / "top" / "below").mkdir(parents=True, exist_ok=True)
        (tmp_path / "top" / "below" / f"{number}").touch()
    before = set(os.listdir("/proc/self/fd"))
    steps = Sizes([root_for(tmp_path / "top")], rules=Rules()).steps()
    next(steps)
    assert len(os.listdir("/proc/self/fd")) > len(before)
    steps.close()
    assert len(os.listdir("/proc/self/fd")) == len(before)
