from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from webraid.files.entry import Entry, EntryType, stream_length, stream_to_file
from webraid.files.problem import Problem
from webraid.files.scan import Scanned, SourceFile, open_source, root_for, scan

StepDown = Callable[[], AbstractContextManager[None]]


def look(path: Path) -> Scanned:
    return next(scan([root_for(path)], on_problem=pytest.fail))


def read_all(file: SourceFile, block: int = 1 << 20) -> bytes:
    result = bytearray()
    buffer = bytearray(block)
    while count := file.readinto(memoryview(buffer)):
        result += buffer[:count]
    return bytes(result)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 1000)
    os.utime(path, ns=(1_000, 2_000))
    return path


@pytest.mark.parametrize("block", [1, 7, 4096, 1 << 20])
def test_a_file_is_read_whole_in_blocks_of_any_size(path: Path, block: int) -> None:
    path.write_bytes(bytes(range(256)) * 4)
    scanned = look(path)
    with open_source(scanned) as file:
        assert read_all(file, block) == path.read_bytes()
        assert not file.changed()
        assert file.as_read() == scanned.entry


def test_reading_leaves_the_time_of_access_alone(path: Path) -> None:
    with open_source(look(path)) as file:
        read_all(file)
    assert path.stat().st_atime_ns == 1_000


def test_somebody_else_s_file_is_read_all_the_same(space: Path, step_down: StepDown) -> None:
    """O_NOATIME is the owner's and root's alone: without it, then."""
    (space / "file").write_bytes(b"public")
    (space / "file").chmod(0o644)
    with step_down(), open_source(look(space / "file")) as file:
        assert read_all(file) == b"public"


def test_only_data_is_read_of_a_file_with_holes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(1 << 40)
        for offset, text in ((1 << 20, b"first"), (1 << 39, b"second")):
            file.seek(offset)
            file.write(text)
    scanned = look(path)
    with open_source(scanned) as source:
        content = read_all(source)
        assert not source.changed()
    assert len(content) == stream_length(scanned.entry) < 1 << 20
    rebuilt = {
        place: content[at : at + 6]
        for at in (content.index(b"first"), content.index(b"second"))
        for place, _ in stream_to_file(scanned.entry, at, 6)
    }
    assert rebuilt == {1 << 20: b"first\0", 1 << 39: b"second"}


def test_a_whole_hole_has_no_content(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1 << 30)
    with open_source(look(tmp_path / "file")) as source:
        assert read_all(source) == b""
        assert not source.changed()


# ------------------------------------------------------------------------------------------------------------ change
def test_what_is_appended_is_left_for_the_next_run_and_told(path: Path) -> None:
    scanned = look(path)
    with path.open("ab") as file:
        file.write(b"more")
    with open_source(scanned) as source:
        assert len(read_all(source)) == scanned.entry.size
        assert source.changed()
        assert source.as_read() == scanned.entry


def test_a_file_cut_short_while_read_is_told_and_its_size_is_what_was_read(path: Path) -> None:
    scanned = look(path)
    with open_source(scanned) as source:
        first = bytearray(1000)
        assert source.readinto(first) == 1000
        os.truncate(path, 1500)
        assert len(read_all(source)) == 500
        assert source.changed()
        assert source.as_read().size == 1500
        assert source.as_read().path == b"file"


def test_a_file_with_holes_cut_short_keeps_a_map_that_fits_its_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        for offset in (1 << 20, 8 << 20):
            file.seek(offset)
            file.write(b"d" * 65536)
        file.truncate(16 << 20)
    scanned = look(path)
    with open_source(scanned) as source:
        os.truncate(path, (1 << 20) + 100)
        content = read_all(source)
        entry = source.as_read()
    assert (entry.size, entry.sparse, len(content)) == ((1 << 20) + 100, ((1 << 20, 100),), 100)
    with open_source(scanned) as source:
        os.truncate(path, 0)
        assert read_all(source) == b""
        entry = source.as_read()
    assert (entry.size, stream_length(entry)) == (1 << 20, 0)


def test_a_write_in_place_and_a_new_time_are_told(path: Path) -> None:
    scanned = look(path)
    with open_source(scanned) as source:
        read_all(source)
        with path.open("r+b") as file:
            file.write(b"other")
        os.utime(path, ns=(1_000, 2_000))  # puts the mtime back: the ctime still tells
        assert source.changed()


def test_a_file_replaced_meanwhile_is_not_taken_for_the_scanned_one(path: Path, tmp_path: Path) -> None:
    scanned = look(path)
    (tmp_path / "new").write_bytes(b"another")
    (tmp_path / "new").rename(path)
    with pytest.raises(OSError) as caught:
        open_source(scanned)
    assert caught.value.errno == errno.ESTALE
    assert Problem.of(scanned.source, caught.value).vanished


@pytest.mark.parametrize("other", ["symlink", "fifo", "folder", "nothing"])
def test_whatever_stands_there_instead_is_refused_at_once(path: Path, tmp_path: Path, other: str) -> None:
    scanned = look(path)
    path.rename(tmp_path / "secret")
    if other == "symlink":
        path.symlink_to("secret")
    elif other == "fifo":
        os.mkfifo(path)
    elif other == "folder":
        path.mkdir()
    with pytest.raises(OSError) as caught:
        open_source(scanned)
    assert Problem.of(scanned.source, caught.value).vanished


def test_an_unreadable_file_raises_and_has_not_vanished(space: Path, as_nobody: None) -> None:
    (space / "file").write_bytes(b"x")
    (space / "file").chmod(0)
    with pytest.raises(PermissionError) as caught:
        open_source(look(space / "file"))
    problem = Problem.of(b"/x", caught.value)
    assert (problem.reason, problem.vanished) == ("permission denied", False)


def test_reprs_tell_no_names(path: Path) -> None:
    assert "file" not in repr(look(path))


# ----------------------------------------------------------------------------------------------------------- streams
def test_stream_offsets_map_to_file_offsets() -> None:
    entry = Entry(path=b"x", type=EntryType.FILE, size=1000, sparse=((100, 10), (200, 0), (300, 20)))
    assert stream_to_file(entry, 0, 30) == [(100, 10), (300, 20)]
    assert stream_to_file(entry, 5, 10) == [(105, 5), (300, 5)]
    assert stream_to_file(entry, 10, 1) == [(300, 1)]
    assert stream_to_file(entry, 29, 5) == [(319, 1)]
    assert stream_to_file(entry, 30, 5) == []
    dense = Entry(path=b"x", type=EntryType.FILE, size=1000)
    assert stream_to_file(dense, 10, 20) == [(10, 20)]
    assert stream_to_file(Entry(path=b"x", type=EntryType.FILE), 0, 1) == []
