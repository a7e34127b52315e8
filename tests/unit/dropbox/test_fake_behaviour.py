"""The fake behaves as the SDK's docstrings say: conflicts, the account's lock, ranges, listings, its own process."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import dropbox as sdk
import pytest
from dropbox import files

from tests.fakes.dropbox import FakeDropbox
from webraid.backend.conformance.subject import put
from webraid.errors import QuotaExceeded
from webraid_dropbox import DropboxBackend, DropboxOptions
from webraid_dropbox.client import Token, make_client

ADD, OVERWRITE = files.WriteMode.add, files.WriteMode.overwrite
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def client(dropbox: FakeDropbox) -> Iterator[Any]:
    options = DropboxOptions(dropbox.app_key, endpoint=dropbox.url)
    with closing(make_client(options, Token(dropbox.refresh_token()))) as made:
        yield made


def outcome(client: Any, data: bytes, path: str, mode: Any, **more: bool) -> str:
    """The name that was written, 'same' where nothing was, or the conflict."""
    before = {entry.rev for entry in client.files_list_folder("").entries if isinstance(entry, files.FileMetadata)}
    try:
        written = client.files_upload(data, path, mode=mode, **more)
    except sdk.exceptions.ApiError as error:
        return f"conflict {error.error.get_path().reason.get_conflict()._tag}"
    return "same" if written.rev in before else written.name


@pytest.mark.parametrize(
    ("mode", "strict", "same", "other", "none", "folder"),
    [
        ("add", False, "same", "conflict file", "New.txt", "conflict folder"),
        ("add", True, "conflict file", "conflict file", "New.txt", "conflict folder"),
        ("overwrite", False, "same", "Doc.txt", "New.txt", "conflict folder"),
        ("update", False, "same", "Doc.txt", "New.txt", "conflict folder"),
        ("update", True, "same", "Doc.txt", "conflict file", "conflict folder"),
        ("stale", False, "same", "conflict file", "New.txt", "conflict folder"),
        ("stale", True, "conflict file", "conflict file", "conflict file", "conflict folder"),
    ],
)
def test_the_modes_of_a_write(
    client: Any, mode: str, strict: bool, same: str, other: str, none: str, folder: str
) -> None:
    def made() -> Any:
        rev = client.files_upload(b"1", "/Doc.txt", mode=OVERWRITE).rev
        update = files.WriteMode.update(rev if mode == "update" else "0" * 9)
        return {"add": ADD, "overwrite": OVERWRITE}.get(mode, update)

    client.files_create_folder_v2("/Folder")
    assert outcome(client, b"1", "/DOC.txt", made(), strict_conflict=strict) == same
    assert outcome(client, b"2", "/doc.TXT", made(), strict_conflict=strict) == other
    assert outcome(client, b"1", "/New.txt", made(), strict_conflict=strict) == none
    assert outcome(client, b"1", "/folder", made(), strict_conflict=strict) == folder


def test_autorename_finds_another_name(client: Any) -> None:
    client.files_upload(b"1", "/Doc.txt")
    assert outcome(client, b"2", "/doc.txt", ADD, autorename=True) == "doc (2).txt"
    assert outcome(client, b"3", "/doc.txt", ADD, autorename=True) == "doc (3).txt"
    stale = files.WriteMode.update("0" * 9)
    assert outcome(client, b"4", "/doc.txt", stale, autorename=True) == "doc (conflicted copy).txt"
    client.files_create_folder_v2("/Folder")
    assert client.files_create_folder_v2("/Folder", autorename=True).metadata.name == "Folder (2)"


def test_the_case_is_kept_and_does_not_matter(client: Any) -> None:
    written = client.files_upload(b"1", "/A/Doc.TXT")
    found = client.files_get_metadata("/a/doc.txt")
    assert (found.id, found.path_display, found.path_lower) == (written.id, "/A/Doc.TXT", "/a/doc.txt")
    assert client.files_download(f"rev:{written.rev}")[0].id == client.files_download(written.id)[0].id == written.id


def test_the_second_of_two_writes_at_once_is_refused_and_uploads_are_not(dropbox: FakeDropbox, client: Any) -> None:
    client.users_get_space_usage()
    dropbox.store.writes.acquire()
    try:
        for action in (
            lambda: client.files_upload(b"1", "/a"), lambda: client.files_delete_v2("/a"),
            lambda: client.files_create_folder_v2("/b"), lambda: client.files_delete_batch([files.DeleteArg("/a")]),
        ):  # fmt: skip
            with pytest.raises(sdk.exceptions.RateLimitError) as raised:
                action()
            assert (raised.value.error.reason._tag, raised.value.backoff) == ("too_many_write_operations", 1)
        session = client.files_upload_session_start(b"1", close=True).session_id
        entry = files.UploadSessionFinishArg(files.UploadSessionCursor(session, 1), files.CommitInfo("/a"))
        with pytest.raises(sdk.exceptions.RateLimitError):
            client.files_upload_session_finish_batch_v2([entry])
    finally:
        dropbox.store.writes.release()
    assert client.files_upload_session_finish_batch_v2([entry]).entries[0].is_success()
    assert dropbox.store.collisions == 5


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=8-99", 206, b"89"),
        ("bytes=7-", 206, b"789"),
        ("lines=1", 200, b"0123456789"),
    ],
)
def test_ranges(client: Any, asked: str, status: int, told: bytes) -> None:
    client.files_upload(b"0123456789", "/a")
    answer = client.files_download("/a", extra_headers={"Range": asked})[1]
    assert (answer.status_code, answer.content) == (status, told)


def test_a_range_that_begins_past_the_end_is_refused(client: Any) -> None:
    client.files_upload(b"0123456789", "/a")
    with pytest.raises(sdk.exceptions.HttpError) as raised:
        client.files_download("/a", extra_headers={"Range": "bytes=10-11"})
    assert raised.value.status_code == 416


def test_a_listing_tells_later_what_changed_meanwhile(dropbox: FakeDropbox, client: Any) -> None:
    for name in "abc":
        client.files_upload(name.encode(), f"/{name}")
    page = client.files_list_folder("", limit=2)
    assert ([entry.name for entry in page.entries], page.has_more) == (["a", "b"], True)
    client.files_delete_v2("/a")
    client.files_upload(b"d", "/d")
    after = client.files_list_folder_continue(page.cursor)
    assert [entry.name for entry in after.entries] == ["c", "a"]
    assert isinstance(after.entries[1], files.DeletedMetadata)
    last = client.files_list_folder_continue(after.cursor)
    assert ([entry.name for entry in last.entries], last.has_more) == (["d"], False)


def test_a_listing_may_be_of_one_folder_alone(client: Any) -> None:
    client.files_upload(b"1", "/a/b/c")
    assert [entry.path_lower for entry in client.files_list_folder("/A").entries] == ["/a/b"]
    assert len(client.files_list_folder("/a", recursive=True).entries) == 2
    cursor = client.files_list_folder_get_latest_cursor("", recursive=True).cursor
    client.files_upload(b"2", "/new")
    assert [entry.name for entry in client.files_list_folder_continue(cursor).entries] == ["new"]


def test_a_deleted_folder_takes_along_what_is_in_it_and_frees_its_space(client: Any) -> None:
    client.files_upload(b"12345", "/a/b/c")
    assert client.users_get_space_usage().used == 5
    client.files_delete_v2("/A")
    assert client.users_get_space_usage().used == 0
    assert client.files_list_folder("", recursive=True).entries == []


def test_many_at_once_do_not_confuse_it(dropbox: FakeDropbox, client: Any) -> None:
    sessions = []
    threads = [
        threading.Thread(target=lambda: sessions.append(client.files_upload_session_start(b"1", close=True).session_id))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(sessions)) == 8


# ------------------------------------------------------------------------------------------ as a process of its own
def test_it_can_be_a_process_of_its_own_that_obeys_and_ends_with_its_input(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fakes.dropbox", "--write", str(tmp_path / "made"), "--attached"]
    with subprocess.Popen(
        [*command, "--quota", "1000"], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin and process.stdout

        def tell(line: str) -> str:
            assert process.stdin and process.stdout
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        try:
            told = json.loads(process.stdout.readline())
            token = Path(told["token_file"])
            assert stat.S_IMODE(token.stat().st_mode) == 0o600
            options = DropboxOptions(told["app_key"], endpoint=told["url"])
            with closing(DropboxBackend.connect(options, {"token": token.read_text()})) as disk:
                put(disk, "a", b"1")
                with pytest.raises(QuotaExceeded):
                    put(disk, "b", bytes(1001))
                assert (tell("requests"), tell("commits"), tell("collisions")) == ("2", "2", "0")
                assert tell("expire") == "ok"
                assert disk.get("a") == b"1"
                assert (tell("refuse"), tell("none"), tell("quota 5000")) == ("ok", "ok", "ok")
                assert disk.usage().total == 5000
            process.stdin.close()
            assert process.wait(10) == 0
        finally:
            process.kill()
