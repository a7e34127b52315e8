"""get --delete on the file system: exactly what is not in the snapshot goes, whatever stands there."""

from __future__ import annotations

import inspect
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from webraid.entry import sort_key
from webraid.files.folders import Folders
from webraid.files.part import PART
from webraid.files.surplus import Surplus

Problems = list[tuple[bytes, str]]


@pytest.fixture
def problems() -> Problems:
    return []


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Folders]:
    (tmp_path / "top").mkdir()
    fd = os.open(tmp_path / "top", os.O_RDONLY | os.O_DIRECTORY)
    made = Folders(fd, 8)
    yield made
    made.close()
    os.close(fd)


@pytest.fixture
def top(tmp_path: Path, folders: Folders) -> Path:
    return tmp_path / "top"


def plant(top: Path, *paths: str) -> None:
    for path in paths:
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        if path.endswith("/"):
            (top / path).mkdir(exist_ok=True)
        else:
            (top / path).write_text(path)


def left(top: Path) -> set[str]:
    return {str(path.relative_to(top)) + "/" * (path.is_dir() and not path.is_symlink()) for path in top.rglob("*")}


def follow(surplus: Surplus, *snapshot: str) -> None:
    """Tell of the snapshot's entries; a path that ends in '/' is a folder."""
    for path in sorted(snapshot, key=lambda path: sort_key(path.rstrip("/").encode())):
        surplus.saw(path.rstrip("/").encode())
        if path.endswith("/"):
            surplus.enter(path.rstrip("/").encode())


def everything(path: bytes, is_dir: bool) -> bool:
    return True


def clean(
    folders: Folders, problems: Problems, *snapshot: str, wanted: Callable[[bytes, bool], bool] = everything,
    remove: bool = True,
) -> list[str]:  # fmt: skip
    surplus, gone = Surplus(folders, wanted, lambda path, why: problems.append((path, why))), list[str]()
    follow(surplus, *snapshot)
    surplus.finish(lambda path: gone.append(path.decode()), remove=remove)
    return gone


def test_only_what_the_snapshot_does_not_have_goes(top: Path, folders: Folders, problems: Problems) -> None:
    plant(top, "a/keep", "a/b/keep", "a/b/old", "a/old", "a/gone/x/y", "a/gone/z", "a-b", "other/file")
    gone = clean(folders, problems, "a/", "a/keep", "a/b/", "a/b/keep")
    assert sorted(gone) == ["a/b/old", "a/gone", "a/gone/x", "a/gone/x/y", "a/gone/z", "a/old"]
    assert left(top) == {"a/", "a/keep", "a/b/", "a/b/keep", "a-b", "other/", "other/file"}
    assert problems == []


def test_telling_what_would_go_removes_nothing(top: Path, folders: Folders, problems: Problems) -> None:
    plant(top, "a/old/x", "a/keep")
    before = left(top)
    assert sorted(clean(folders, problems, "a/", "a/keep", remove=False)) == ["a/old", "a/old/x"]
    assert left(top) == before


def test_what_is_left_out_stays_with_the_folders_around_it(top: Path, folders: Folders, problems: Problems) -> None:
    plant(top, "a/old/x.jpg", "a/old/y.raw", "a/old/deep/z.raw")
    wanted: Callable[[bytes, bool], bool] = lambda path, is_dir: not path.endswith(b".jpg")  # noqa: E731
    assert sorted(clean(folders, problems, "a/", wanted=wanted)) == ["a/old/deep", "a/old/deep/z.raw", "a/old/y.raw"]
    assert left(top) == {"a/", "a/old/", "a/old/x.jpg"}
    assert problems == []


def test_symlinks_go_themselves_and_are_never_followed(
    top: Path, folders: Folders, problems: Problems, tmp_path: Path
) -> None:
    plant(tmp_path, "outside/file")
    plant(top, "a/keep")
    (top / "a" / "link").symlink_to(tmp_path / "outside")
    (top / "a" / "old").mkdir()
    (top / "a" / "old" / "link").symlink_to("../../../outside")
    assert sorted(clean(folders, problems, "a/", "a/keep")) == ["a/link", "a/old", "a/old/link"]
    assert (tmp_path / "outside" / "file").exists()


def test_a_link_in_the_place_of_a_folder_is_no_folder(
    top: Path, folders: Folders, problems: Problems, tmp_path: Path
) -> None:
    plant(tmp_path, "outside/file")
    (top / "a").symlink_to(tmp_path / "outside")
    assert clean(folders, problems, "a/", "a/keep") == []
    assert [path for path, _ in problems] == [b"a"]
    assert (tmp_path / "outside" / "file").exists()


def test_what_was_exchanged_meanwhile_stays(top: Path, folders: Folders, problems: Problems, tmp_path: Path) -> None:
    plant(tmp_path, "outside/file")
    plant(top, "a/old", "a/folder/x", "a/keep", "b")
    surplus = Surplus(folders, everything, lambda path, why: problems.append((path, why)))
    follow(surplus, "a/", "a/keep", "b")  # 'b' ends folder 'a': it has been listed
    (top / "a" / "old").unlink()
    plant(top, "new")
    (top / "new").rename(top / "a" / "old")
    shutil.move(top / "a" / "folder", top / "moved")
    (top / "a" / "folder").symlink_to(tmp_path / "outside")
    gone: list[bytes] = []
    surplus.finish(gone.append)
    assert gone == []
    assert (top / "a" / "old").read_text() == "new"
    assert (tmp_path / "outside" / "file").exists()


def test_names_that_a_file_system_takes_for_one_are_told_by_what_they_are(
    top: Path, folders: Folders, problems: Problems
) -> None:
    plant(top, "a/Photo.jpg", "a/photo.jpg", "a/\u00fc")  # on this file system two files
    os.link(top / "a" / "Photo.jpg", top / "a" / "PHOTO.JPG")  # as a file system without capitals shows it: the same
    gone = clean(folders, problems, "a/", "a/Photo.jpg", "a/u\u0308")
    assert gone == ["a/photo.jpg", "a/\u00fc"]
    assert left(top) == {"a/", "a/Photo.jpg", "a/PHOTO.JPG"}


def test_unfinished_parts_of_this_run_are_not_its_business(top: Path, folders: Folders, problems: Problems) -> None:
    part = (PART + b"0123456789abcdef").decode()
    plant(top, f"a/{part}")
    assert clean(folders, problems, "a/") == []
    assert left(top) == {"a/", f"a/{part}"}


def test_a_folder_that_is_not_there_is_no_trouble(top: Path, folders: Folders, problems: Problems) -> None:
    plant(top, "b/old")
    assert clean(folders, problems, "a/", "a/deep/", "b/") == ["b/old"]
    assert problems == []


def test_a_deep_tree_is_no_trouble(
    top: Path, folders: Folders, problems: Problems, monkeypatch: pytest.MonkeyPatch
) -> None:
    (top / "a").mkdir()
    monkeypatch.chdir(top / "a")
    for _ in range(300):
        os.mkdir("d")
        os.chdir("d")
    os.chdir("/")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)  # sooner than the limit of a path
    try:
        assert len(clean(folders, problems, "a/")) == 300
    finally:
        sys.setrecursionlimit(limit)
    assert (left(top), problems) == ({"a/"}, [])


def test_what_cannot_be_deleted_is_told(top: Path, folders: Folders, problems: Problems) -> None:
    plant(top, "a/old/x", "a/other")
    surplus, gone = Surplus(folders, everything, lambda path, why: problems.append((path, why))), []
    follow(surplus, "a/")

    def meddle(path: bytes) -> None:
        gone.append(path)
        if path == b"a/old/x":
            plant(top, "a/old/appeared")

    surplus.finish(meddle)
    assert gone == [b"a/old/x", b"a/other"]
    assert [path for path, _ in problems] == [b"a/old"]
    assert "could not be deleted" in problems[0][1]
