"""What is left out of a put: patterns, markers, sizes, and lists of what alone is wanted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from webraid.errors import ConfigError
from webraid.files.listed import ListKind, read_list, roots_of
from webraid.files.scan import Problem, root_for, scan
from webraid.files.select import Line, Rules, lines, lines_of

SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    """Plant files below 'top'; a name that ends with '/' is a folder."""

    def plant(*names: str, **contents: bytes) -> Path:
        top = tmp_path / "top"
        top.mkdir(exist_ok=True)
        for name in names:
            path = top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                path.mkdir(exist_ok=True)
            else:
                path.write_bytes(contents.get(path.name, b""))
        return top

    return plant


def stored(top: Path, rules: Rules) -> set[str]:
    """What is below the top, folders without those that lead to something."""
    found = [item.entry for item in scan([root_for(top)], on_problem=pytest.fail, rules=rules)]
    paths = {os.fsdecode(entry.path).partition("/")[2] + ("/" if entry.type == "d" else "") for entry in found[1:]}
    return {path for path in paths if not any(other != path and other.startswith(path) for other in paths)}


def excluding(*patterns: str) -> Rules:
    return Rules(lines(patterns)).check()


# ----------------------------------------------------------------------------------------------------------- patterns
def test_a_name_counts_at_any_depth_and_a_slash_ties_a_pattern_to_the_path(tree: Callable[..., Path]) -> None:
    top = tree("a.o", "sub/a.o", "build/x", "sub/build/x", "doc/notes/x", "sub/doc/notes/x")
    assert stored(top, excluding("*.o", "/build", "doc/notes")) == {"doc/", "sub/build/x", "sub/doc/notes/x"}


def test_a_slash_at_the_end_means_folders(tree: Callable[..., Path]) -> None:
    assert stored(tree("cache/x", "sub/cache"), excluding("cache/")) == {"sub/cache"}


def test_the_last_pattern_that_matches_decides(tree: Callable[..., Path]) -> None:
    top = tree("a.log", "keep.log", "sub/keep.log")
    assert stored(top, excluding("*.log", "!keep.log")) == {"keep.log", "sub/keep.log"}
    assert stored(top, excluding("!keep.log", "*.log")) == {"sub/"}


def test_what_is_in_a_folder_that_is_left_out_cannot_be_brought_back(tree: Callable[..., Path]) -> None:
    assert stored(tree("cache/keep", "x"), excluding("cache", "!keep")) == {"x"}


def test_stars_cross_folders_only_in_pairs(tree: Callable[..., Path]) -> None:
    top = tree("a/b/c/x", "a/x", "a/b/x")
    assert stored(top, excluding("a/*/x")) == {"a/b/c/x", "a/x"}
    assert stored(top, excluding("a/**/x")) == {"a/b/c/"}


def test_capitals_do_not_matter_where_it_was_said(tree: Callable[..., Path]) -> None:
    top = tree("A.JPG", "b.jpg", "Ü.tmp", "ü.TMP")
    assert stored(top, Rules(lines(["*.jpg", "ü.*"], any_case=True))) == set()
    assert stored(top, excluding("*.jpg", "ü.*")) == {"A.JPG", "Ü.tmp"}


def test_a_question_mark_is_a_character_not_a_byte(tree: Callable[..., Path]) -> None:
    assert stored(tree("ä", "ab", "é"), excluding("?")) == {"ab"}
    assert stored(tree("ä", "ab", "é"), excluding("[é]")) == {"ab", "ä"}


def test_names_that_are_no_utf8_are_matched(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    for name in (b"\xff.tmp", b"\xff\n.tmp", b"\xfe"):
        Path(os.fsdecode(os.fsencode(top) + b"/" + name)).touch()
    assert {os.fsencode(name) for name in stored(top, excluding("*.tmp"))} == {b"\xfe"}
    assert {os.fsencode(name) for name in stored(top, excluding("?"))} == {b"\xff.tmp", b"\xff\n.tmp"}


def test_an_absolute_pattern_means_that_very_place(tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    top = tree("cache/x", "sub/cache/x", "y")
    assert stored(top, excluding(f"{top}/cache")) == {"sub/cache/x", "y"}
    assert stored(top, excluding("*", f"!{top}/y")) == {"y"}
    monkeypatch.setenv("HOME", str(top.parent))
    assert stored(top, excluding("~/top/cache/")) == {"sub/cache/x", "y"}


def test_a_path_itself_is_stored_if_it_is_a_folder_and_a_file_must_pass(tree: Callable[..., Path]) -> None:
    top = tree("a.o", "b.c")
    rules = excluding("top", "*.o")
    assert stored(top, rules) == {"b.c"}
    roots = [root_for(top / "a.o"), root_for(top / "b.c")]
    assert [item.entry.path for item in scan(roots, on_problem=pytest.fail, rules=rules)] == [b"b.c"]


def test_a_file_of_patterns_may_come_from_another_system(tmp_path: Path, tree: Callable[..., Path]) -> None:
    (tmp_path / "patterns").write_bytes(b"\xef\xbb\xbf*.o\r\n# a comment\r\n\r\n\\#x\r\nlast  ")
    assert lines_of(tmp_path / "patterns")[0] == Line("*.o")
    top = tree("a.o", "#x", "last", "b")
    assert stored(top, Rules(lines_of(tmp_path / "patterns"))) == {"b"}


@pytest.mark.parametrize("pattern", ["[a", "a\\", "[[:shoe:]]", "x[z-"])
def test_a_pattern_that_can_never_match_is_an_error_when_it_was_given(pattern: str) -> None:
    with pytest.raises(ConfigError, match="can never match"):
        excluding(pattern)


def test_a_list_of_patterns_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        lines_of(tmp_path / "gone")


# ------------------------------------------------------------------------------------------------------ .gitignore
def test_gitignore_files_count_only_on_request_and_deeper_ones_win(tree: Callable[..., Path]) -> None:
    top = tree(".gitignore", "a.o", "sub/.gitignore", "sub/a.o", "sub/deep/b.o")
    (top / ".gitignore").write_text("*.o\n")
    (top / "sub" / ".gitignore").write_text("!a.o\n")
    assert stored(top, Rules()) == {".gitignore", "a.o", "sub/.gitignore", "sub/a.o", "sub/deep/b.o"}
    assert stored(top, Rules(gitignore=True)) == {".gitignore", "sub/.gitignore", "sub/a.o", "sub/deep/"}


def test_what_was_given_goes_before_gitignore_files(tree: Callable[..., Path]) -> None:
    top = tree(".gitignore", "a.o", "b.o")
    (top / ".gitignore").write_text("*.o\n")
    assert stored(top, Rules(lines(["!b.o"]), gitignore=True)) == {".gitignore", "b.o"}


def test_a_gitignore_that_is_no_file_is_passed_over(tree: Callable[..., Path], tmp_path: Path) -> None:
    top = tree("a.o", "sub/b.o", "pipe/c.o")
    (tmp_path / "elsewhere").write_text("*.o\n")
    (top / ".gitignore").symlink_to(tmp_path / "elsewhere")
    (top / "sub" / ".gitignore").mkdir()
    os.mkfifo(top / "pipe" / ".gitignore")
    assert {"a.o", "sub/b.o", "pipe/c.o"} <= stored(top, Rules(gitignore=True))


# ---------------------------------------------------------------------------------------------------- markers and sizes
def test_of_a_cache_only_the_folder_and_its_tag_are_stored(tree: Callable[..., Path]) -> None:
    top = tree("c/CACHEDIR.TAG", "c/x", "c/sub/y", "d/CACHEDIR.TAG", "d/x")
    (top / "c" / "CACHEDIR.TAG").write_bytes(SIGNATURE + b"\n# made by a test\n")
    (top / "d" / "CACHEDIR.TAG").write_bytes(b"Signature: 8a477f597d28d172")
    assert stored(top, Rules(caches=True)) == {"c/CACHEDIR.TAG", "d/CACHEDIR.TAG", "d/x"}
    assert "c/sub/y" in stored(top, Rules())


def test_a_cache_tag_is_a_file_that_can_be_read(tree: Callable[..., Path], tmp_path: Path) -> None:
    top = tree("link/x", "folder/x", "pipe/x")
    (tmp_path / "tag").write_bytes(SIGNATURE)
    (top / "link" / "CACHEDIR.TAG").symlink_to(tmp_path / "tag")
    (top / "folder" / "CACHEDIR.TAG").mkdir()
    os.mkfifo(top / "pipe" / "CACHEDIR.TAG")
    assert {"link/x", "folder/x", "pipe/x"} <= stored(top, Rules(caches=True))


def test_a_marker_empties_its_folder(tree: Callable[..., Path]) -> None:
    top = tree("a/.nobackup", "a/x", "a/b/y", "c/.nobackup", "c/x", nobackup=b"")
    (top / "c" / ".nobackup").write_bytes(b"later")
    assert stored(top, Rules(if_present=(".nobackup",))) == {"a/.nobackup", "c/.nobackup"}
    assert stored(top, Rules(if_present=(".nobackup:late",))) == {"a/.nobackup", "a/x", "a/b/y", "c/.nobackup"}


def test_a_marker_in_the_path_itself_counts(tree: Callable[..., Path]) -> None:
    assert stored(tree(".nobackup", "x"), Rules(if_present=(".nobackup",))) == {".nobackup"}


@pytest.mark.parametrize("marker", ["", ":text", "a/b"])
def test_a_marker_needs_a_name(marker: str) -> None:
    with pytest.raises(ConfigError, match="not a marker"):
        Rules(if_present=(marker,)).check()


def test_files_larger_than_a_size_are_left_out_folders_are_not(tree: Callable[..., Path]) -> None:
    top = tree("big", "fits", "folder/x", big=b"x" * 101, fits=b"x" * 100)
    assert stored(top, Rules(larger_than=100)) == {"fits", "folder/x"}
    assert stored(top, Rules(larger_than=0)) == {"folder/x"}


def test_rules_add_up(tree: Callable[..., Path]) -> None:
    top = tree("a.o", "b.o", "c")
    both = Rules(lines(["*.o"]), larger_than=10) | Rules(lines(["!b.o"]), larger_than=5)
    assert stored(top, both) == {"b.o", "c"}
    assert both.larger_than == 5


# ---------------------------------------------------------------------------------------------------------------- lists
def listed(top: Path, *paths: str, problems: list[Problem] | None = None) -> list[str]:
    found: list[Problem] = []
    roots = roots_of(map(os.fsencode, paths))
    result = [os.fsdecode(item.entry.path) for item in scan(roots, on_problem=found.append)]
    if problems is None:
        assert found == []
    else:
        problems += found
    return result


def test_a_list_stores_what_it_names_under_its_whole_path(
    tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tree("a/x", "a/y", "b/x", "b/sub/z", "c")
    monkeypatch.chdir(top)
    assert listed(top, "a/x", "./b/x", "c") == ["top", "top/a", "top/a/x", "top/b", "top/b/x", "top/c"]
    assert listed(top, "b", "b/x") == ["top", "top/b", "top/b/sub", "top/b/sub/z", "top/b/x"]
    assert listed(top, ".", "a/x") == listed(top, ".")
    assert listed(top, str(top / "c"))[-1] == f"root{top}/c"
    assert listed(top, "a/../c", "../top/a/y") == ["top", "top/a", "top/a/y", "top/c"]


def test_a_list_reaches_through_links_but_stores_one_as_a_link(
    tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tree("real/x")
    (top / "link").symlink_to("real")
    monkeypatch.chdir(top)
    assert listed(top, "link/x") == ["top", "top/real", "top/real/x"]
    assert listed(top, "link") == ["top", "top/link"]


def test_what_a_list_names_and_is_not_there_is_a_problem(
    tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tree("x")
    monkeypatch.chdir(top)
    problems: list[Problem] = []
    assert listed(top, "x", "gone", problems=problems) == ["top", "top/x"]
    assert [problem.reason for problem in problems] == ["it vanished"]


def test_the_three_kinds_of_list_differ_in_what_a_line_is(
    tmp_path: Path, tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree("a1", "a2", " b", "#c"))
    (tmp_path / "list").write_bytes(b"# comment\n\n  a? \nno*match\n")
    assert read_list(str(tmp_path / "list"), ListKind.PATTERNS) == [b"a1", b"a2", b"no*match"]
    (tmp_path / "list").write_bytes(b" b\n#c\n\n")
    assert read_list(str(tmp_path / "list"), ListKind.VERBATIM) == [b" b", b"#c"]
    (tmp_path / "list").write_bytes(b"a\nb\0#c\0")
    assert read_list(str(tmp_path / "list"), ListKind.RAW) == [b"a\nb", b"#c"]


def test_a_raw_list_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"a\0b")
    with pytest.raises(ConfigError, match="NUL"):
        read_list(str(tmp_path / "list"), ListKind.RAW)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_list(str(tmp_path / "gone"), ListKind.PATTERNS)


def test_rules_hold_for_what_a_list_names(tree: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree("a/x.o", "a/y", "b.o"))
    found = scan(roots_of([b"a", b"b.o"]), on_problem=pytest.fail, rules=excluding("*.o"))
    assert [item.entry.path for item in found] == [b"top", b"top/a", b"top/a/y"]


def test_one_file_system_is_that_of_what_a_list_names() -> None:
    found = scan(roots_of([b"/proc/uptime"]), on_problem=pytest.fail, rules=Rules(one_file_system=True))
    assert b"root/proc/uptime" in [item.entry.path for item in found]
