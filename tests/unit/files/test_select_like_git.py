"""What is left out is what git ignores: the same trees and patterns given to both."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import DEEP
from webraid.files.scan import root_for, scan
from webraid.files.select import Rules, lines_of

NAMES = ["a", "b", "ab", "a.o", "b.o", "foo", "Foo", ".a", " a", "a ", "#a", "!a", "[a]", "a-b", "a\\b", "a\n", "7"]
PIECES = [
    *NAMES, "a", "b", "foo", "*", "?", "**", "/", "/", "*.o", "a*", "[ab]", "[!a]", "[^a-b]", "[]a]", "[a-]", "[b-a]",
    "[[:alpha:]]", "[[:digit:]b]", "[[:bad:]]", "[a/]", "[a", "\\", "\\a", "\\*", "\\!", "\\#", "[\\]a]", "[a\\-b]",
    " ", "\\ ", "\t", "***", "/**/", "**/", "/**", "//", ".", "(", "|", "{a,b}", "+", "$", "^",
]  # fmt: skip
part = st.sampled_from(NAMES)
path = st.lists(part, min_size=1, max_size=4).map("/".join)
trees = st.lists(path, min_size=1, max_size=12)
pattern = st.builds(
    lambda sign, pieces, end: sign + "".join(pieces) + end,
    st.sampled_from(["", "", "", "!", "/"]), st.lists(st.sampled_from(PIECES), min_size=0, max_size=5),
    st.sampled_from(["", "", "/", " "]),
)  # fmt: skip
files = st.lists(pattern, min_size=1, max_size=5)
EXAMPLES = settings(max_examples=2500 if DEEP else 250)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository of git's, and nothing in its config."""
    folder = tmp_path_factory.mktemp("git")
    (folder / "home").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder / "home"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        subprocess.run(["git", "init", "-q", "-b", "main", str(folder / "tree")], check=True)
        shutil.rmtree(folder / "tree" / ".git" / "info", ignore_errors=True)
        (folder / "tree" / ".git").rename(folder / "repository")
        yield folder


def plant(top: Path, tree: list[str], ignore_files: Mapping[str, list[str]]) -> None:
    """Files (folders where another path goes on) and .gitignore files in folders that are there."""
    if top.exists():
        shutil.rmtree(top)
    top.mkdir()
    for item in tree:
        target = top / item
        if any(above.is_file() for above in target.parents) or target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    for folder, patterns in ignore_files.items():
        if (top / folder).is_dir():
            (top / folder / ".gitignore").write_bytes(os.fsencode("\n".join(patterns) + "\n"))


def ignored_by_git(repository: Path) -> set[bytes]:
    """Paths below the tree's top."""
    top = repository / "tree"
    everything = [os.fsencode(str(item.relative_to(top))) for item in top.rglob("*")]
    done = subprocess.run(
        ["git", f"--git-dir={repository / 'repository'}", f"--work-tree={top}", "check-ignore", "--no-index", "--stdin",
         "-z"],
        input=b"\0".join([*everything, b""]), cwd=top, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return {item for item in done.stdout.split(b"\0") if item}


def left_out(top: Path, rules: Rules) -> set[bytes]:
    stored = {item.entry.path for item in scan([root_for(top)], on_problem=pytest.fail, rules=rules)}
    everything = {os.fsencode(str(item.relative_to(top.parent))) for item in top.rglob("*")}
    return {item.removeprefix(b"tree/") for item in everything - stored}


@EXAMPLES
@given(trees, files)
def test_an_exclude_file_leaves_out_what_git_ignores(repository: Path, tree: list[str], patterns: list[str]) -> None:
    plant(repository / "tree", tree, {"": patterns})
    theirs = ignored_by_git(repository)
    (repository / "tree" / ".gitignore").rename(repository / "patterns")
    (repository / "tree" / ".gitignore").touch()
    assert left_out(repository / "tree", Rules(lines_of(repository / "patterns"))) == theirs


@EXAMPLES
@given(trees, st.dictionaries(st.one_of(st.just(""), part, path), files, max_size=4))
def test_gitignore_files_leave_out_what_git_ignores(
    repository: Path, tree: list[str], ignore_files: dict[str, list[str]]
) -> None:
    plant(repository / "tree", tree, ignore_files)
    assert left_out(repository / "tree", Rules(gitignore=True)) == ignored_by_git(repository)
