"""webraid_local: bytes, names, folders, options."""

from __future__ import annotations

import os
import shutil
import stat
import tracemalloc
from pathlib import Path

import pytest

from webraid.backend.base import Backend
from webraid.backend.conformance import Subject
from webraid.backend.conformance.subject import all_together, digest_of, put
from webraid.errors import (
    ConfigError,
    Misconfigured,
    ObjectNotFound,
    ProtocolError,
    Unavailable,
)
from webraid.model import MIB
from webraid_local import LocalBackend, LocalOptions


# --------------------------------------------------------------------------------------------------- bytes and folders
@pytest.mark.parametrize("shape", [bytes, bytearray, lambda data: memoryview(bytearray(data))[1:]])
def test_many_mib_are_written_without_a_copy_and_read_with_one_buffer(shape, disk: LocalBackend) -> None:
    data = shape(bytes(32 * MIB))
    digest = digest_of(data)
    tracemalloc.start()
    try:
        disk.put("shards/ab/x.0", data, digest=digest)
        written = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        body = disk.get("shards/ab/x.0")
        read = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert body == data
    assert written < MIB
    assert read < 33 * MIB


def test_a_write_taken_in_pieces_is_whole(disk: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    real_write, real_read = os.write, os.pread
    monkeypatch.setattr(os, "write", lambda fd, data: real_write(fd, data[:7]))
    monkeypatch.setattr(os, "pread", lambda fd, size, offset: real_read(fd, min(size, 11), offset))
    data = bytes(range(256))
    put(disk, "log/a", data)
    assert disk.get("log/a") == data
    assert disk.get("log/a", offset=3, size=100) == data[3:103]


def test_a_file_that_shrinks_while_it_is_read_is_unavailable(
    disk: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(disk, "log/a", b"0123456789")
    monkeypatch.setattr(os, "pread", lambda fd, size, offset: b"")
    with pytest.raises(Unavailable, match="shorter"):
        disk.get("log/a")


def test_files_are_for_the_owner_alone(root: Path, disk: LocalBackend) -> None:
    before = os.umask(0)
    try:
        put(disk, "shards/ab/x.0", b"1")
    finally:
        os.umask(before)
    for path, mode in ((root, 0o700), (root / "shards", 0o700), (root / "shards/ab/x.0", 0o600)):
        assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize(
    "name", ["..", "../x", "a/../../x", "/etc/passwd", "", "a//b", ".", "a/", "A", "a\0b", "./a", "..."]
)
def test_no_name_leads_out_of_the_folder(name: str, root: Path, disk: LocalBackend) -> None:
    (root.parent / "x").write_bytes(b"not yours")
    for action in (
        lambda: put(disk, name, b"1"),
        lambda: disk.get(name),
        lambda: disk.stat(name),
        lambda: disk.delete(name),
    ):
        with pytest.raises(ProtocolError):
            action()
    assert (root.parent / "x").read_bytes() == b"not yours"


def test_what_others_leave_in_the_folder_is_not_listed(root: Path, disk: LocalBackend) -> None:
    put(disk, "log/a", b"1")
    for name in (".DS_Store", "Thumbs.db", "log/.tmp_1_2", "log/a~", "log/\udcff"):
        (root / name).write_bytes(b"?")
    os.mkfifo(root / "log/pipe")
    (root / "log/dangling").symlink_to("nowhere")
    assert [stored.name for stored in disk.list("")] == ["log/a"]
    with pytest.raises(ObjectNotFound):
        disk.get("log/pipe")
    with pytest.raises(ObjectNotFound):
        disk.stat("log/pipe")


def test_delete_takes_emptied_folders_along_but_never_the_disk(root: Path, disk: LocalBackend) -> None:
    put(disk, "a/b/c", b"1")
    put(disk, "a/d", b"2")
    disk.delete("a/b/c")
    assert sorted(os.listdir(root / "a")) == ["d"]
    disk.delete("a/d")
    assert os.listdir(root) == []
    put(disk, "a/b/c", b"3")
    assert disk.get("a/b/c") == b"3"


def test_puts_and_deletes_that_fight_over_a_folder_both_succeed(root: Path) -> None:
    def work(disk: Backend, number: int) -> None:
        for turn in range(150):
            put(disk, f"shards/a/{number}", bytes([turn]))
            assert disk.get(f"shards/a/{number}") == bytes([turn])
            disk.delete(f"shards/a/{number}")

    options = LocalOptions(str(root), "batch")
    LocalBackend.connect(options, {}).prepare()
    all_together(Subject(lambda: LocalBackend.connect(options, {}), LocalBackend.caps, ""), 4, work)


def test_a_folder_that_another_process_removes_is_made_again_and_at_last_unavailable(
    root: Path, disk: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(disk, "log/a", b"1")
    shutil.rmtree(root / "log")
    put(disk, "log/a", b"2")
    assert disk.get("log/a") == b"2"
    real = os.replace

    def race(source: str, target: str) -> None:
        os.unlink(source)
        real(source, target)

    monkeypatch.setattr(os, "replace", race)
    with pytest.raises(Unavailable, match="somebody removes"):
        put(disk, "log/b", b"3")


# --------------------------------------------------------------------------------------------------- place and options
def test_prepare_makes_missing_folders_and_says_so_when_a_file_is_in_the_way(tmp_path: Path) -> None:
    deep = tmp_path / "not/there/yet"
    LocalBackend.connect(LocalOptions(str(deep)), {}).prepare()
    assert deep.is_dir()
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file/below"):
        disk = LocalBackend.connect(LocalOptions(str(path)), {})
        with pytest.raises(Misconfigured):
            disk.prepare()
    with pytest.raises(Misconfigured):
        LocalBackend.connect(LocalOptions(str(tmp_path / "file")), {}).get("log/a")


def test_identity_is_the_place_not_its_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    spellings = {str(tmp_path / "disk"), "disk", "~/disk", "link", f"{tmp_path}/./x/../disk/"}
    assert len({LocalBackend.identity(LocalOptions(path)) for path in spellings}) == 1
    assert LocalBackend.identity(LocalOptions("other")) == f"local|{tmp_path}/other"
    assert LocalBackend.identity(LocalOptions("disk")) != LocalBackend.identity(LocalOptions("other"))
    assert LocalOptions("~/disk").path == str(tmp_path / "disk")
    assert LocalBackend.default_domain(LocalOptions("disk"), "usb") == "usb"


@pytest.mark.parametrize("bad", [{"path": ""}, {"path": "a\0b"}, {"path": "x", "durability": "never"}])
def test_options_that_mean_nothing_are_refused(bad: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        LocalOptions(**bad)  # type: ignore[arg-type]
