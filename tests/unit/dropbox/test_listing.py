"""A listing over several pages ends up as what is there, whatever happened in between."""

from __future__ import annotations

from typing import Any

from dropbox.files import DeletedMetadata, FileMetadata, FolderMetadata

from webraid_dropbox.listing import Listing


def file(path: str, size: int = 1) -> Any:
    made = FileMetadata(name=path.rpartition("/")[2], id="id:1")
    made.path_lower, made.size = path, size
    return made


def folder(path: str) -> Any:
    made = FolderMetadata(name=path.rpartition("/")[2], id="id:2")
    made.path_lower = path
    return made


def deleted(path: str) -> Any:
    made = DeletedMetadata(name=path.rpartition("/")[2])
    made.path_lower = path
    return made


def told(*pages: list[Any]) -> dict[str, int]:
    listing = Listing()
    for page in pages:
        listing.tell(page)
    return {path: entry.size for path, entry in listing}


def test_files_are_listed_and_folders_are_not() -> None:
    assert told([folder("/a"), file("/a/1"), file("/b")]) == {"/a/1": 1, "/b": 1}


def test_a_file_told_twice_is_there_once_as_told_last() -> None:
    assert told([file("/a", 1)], [file("/a", 2)]) == {"/a": 2}


def test_what_a_later_page_takes_back_is_gone() -> None:
    assert told([file("/a"), file("/b")], [deleted("/a"), deleted("/never")]) == {"/b": 1}


def test_a_deleted_folder_takes_along_what_was_in_it_and_nothing_else() -> None:
    assert told([file("/a/1"), file("/a/b/2"), file("/ab")], [deleted("/a")]) == {"/ab": 1}
    assert told([file("/a/1")], [deleted("/a"), file("/a/2")]) == {"/a/2": 1}


def test_a_file_in_the_place_of_a_folder_takes_away_what_was_in_it() -> None:
    assert told([file("/a/1")], [file("/a", 7)]) == {"/a": 7}


def test_a_folder_in_the_place_of_a_file_leaves_what_is_in_it() -> None:
    assert told([file("/a"), file("/b/1")], [folder("/a"), folder("/b")]) == {"/b/1": 1}


def test_what_is_not_mounted_has_no_path_and_is_left_out() -> None:
    gone = FileMetadata(name="x", id="id:1")
    assert told([gone]) == {}
