"""The fake is honest: what it takes and what it answers is what the SDK's own types say, strictly."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import dropbox as sdk
import pytest
import requests
from dropbox import auth, files, users
from dropbox.base import DropboxBase
from dropbox.exceptions import DropboxException
from stone.backends.python_rsrc import stone_serializers, stone_validators

from tests.fakes import dropbox_words as words
from tests.fakes.dropbox import FakeDropbox
from tests.fakes.dropbox_faults import Seen
from tests.fakes.dropbox_uploads import WEEK
from webraid_dropbox import DropboxOptions
from webraid_dropbox.client import Token, make_client

MODES = files.WriteMode
MIB = 1 << 20


def route_of(name: str) -> Any:
    """The SDK's route object of 'files/upload_session/append_v2'."""
    space, _, rest = name.partition("/")
    return getattr({"files": files, "users": users}[space], rest.replace("/", "_"))


def method_of(name: str) -> Any:
    return getattr(DropboxBase, name.replace("/", "_"))


@pytest.fixture
def client(dropbox: FakeDropbox) -> Iterator[Any]:
    options = DropboxOptions(dropbox.app_key, endpoint=dropbox.url)
    with closing(make_client(options, Token(dropbox.refresh_token()))) as made:
        yield made


# -------------------------------------------------------------------------------------------------- what it takes in
@pytest.mark.parametrize("name", words.ROUTES)
def test_a_route_takes_only_arguments_that_the_sdk_knows(name: str) -> None:
    known, _, style = words.ROUTES[name]
    route = route_of(name)
    fields = {
        field for field, _ in getattr(route.arg_type, "definition", type("", (), {"_all_fields_": []}))._all_fields_
    }
    assert known <= fields
    assert style == route.attrs["style"]


@pytest.mark.parametrize("name", words.ROUTES)
def test_a_route_needs_the_scope_that_the_sdk_names(name: str) -> None:
    assert re.search(r"scope: ([a-z_.]+)", inspect.getdoc(method_of(name)) or "")[1] == words.ROUTES[name][1]  # type: ignore[index]


def test_the_arguments_of_entries_are_those_the_sdk_knows() -> None:
    def fields(struct: Any) -> set[str]:
        return {name for name, _ in struct._all_fields_}

    assert words.INNER["cursor"] == fields(files.UploadSessionCursor)
    assert words.INNER["commit"] <= fields(files.CommitInfo)
    assert words.INNER["entries"] == fields(files.UploadSessionFinishArg) | fields(files.DeleteArg)


def test_a_field_that_nobody_knows_is_refused(dropbox: FakeDropbox, client: Any) -> None:
    client.users_get_space_usage()
    header = {"Authorization": f"Bearer {client._oauth2_access_token}"}
    for argument in ({"path": "", "colour": "red"}, [1]):
        answer = requests.post(f"{dropbox.url}/2/files/list_folder", json=argument, headers=header, timeout=10)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")


def test_what_is_no_route_is_not_found(dropbox: FakeDropbox) -> None:
    assert requests.post(f"{dropbox.url}/2/files/copy_v2", json={}, timeout=10).status_code == 404


# ---------------------------------------------------------------------------------------------------- what it answers
class Person:
    """Uses everything, right and wrong."""

    def __init__(self, dropbox: FakeDropbox, client: Any) -> None:
        self.dropbox, self.client = dropbox, client

    def refused(self, action: Callable[[], object]) -> None:
        with pytest.raises(DropboxException):
            action()

    def files(self) -> None:
        client = self.client
        client.files_create_folder_v2("/Folder")
        client.files_upload(b"1", "/Folder/a")
        client.files_upload(b"2", "/folder/A", mode=MODES.overwrite)
        client.files_upload(b"3", "/folder/a", autorename=True)
        client.files_get_metadata("/folder/a")
        client.files_get_metadata("/folder")
        client.files_download("/folder/a")[1].close()
        client.files_delete_v2("/folder/a (2)")
        client.files_get_metadata("/folder/a (2)", include_deleted=True)
        client.files_list_folder_get_latest_cursor("", recursive=True)
        page = client.files_list_folder("", recursive=True, limit=1)
        while page.has_more:
            page = client.files_list_folder_continue(page.cursor)
        job = client.files_delete_batch([files.DeleteArg("/folder/a"), files.DeleteArg("/never")])
        for _ in range(3):
            client.files_delete_batch_check(job.get_async_job_id())
        client.users_get_current_account()
        client.users_get_space_usage()
        self.dropbox.team = {
            "used": 1, "allocated": 2, "user_within_team_space_allocated": 0, "user_within_team_space_used_cached": 1,
            "user_within_team_space_limit_type": {".tag": "off"},
        }  # fmt: skip
        client.users_get_space_usage()

    def uploads(self) -> None:
        client, cursor = self.client, files.UploadSessionCursor
        first = client.files_upload_session_start(b"1").session_id
        client.files_upload_session_append_v2(b"2", cursor(first, 1))
        client.files_upload_session_finish(b"3", cursor(first, 2), files.CommitInfo("/session"))
        many = client.files_upload_session_start_batch(2, files.UploadSessionType.concurrent).session_ids
        client.files_upload_session_append_v2(b"end", cursor(many[0], 4 * MIB), close=True)
        closed = client.files_upload_session_start(b"x", close=True).session_id
        entries = [
            files.UploadSessionFinishArg(cursor(session, size), files.CommitInfo(path))
            for session, size, path in (
                (closed, 1, "/batch/a"), (closed, 1, "/batch/again"), ("none", 1, "/batch/b"), (many[1], 0, "/batch/c"),
                (many[0], 3, "/batch/d"), (first, 1, "/batch/e"),
            )
        ]  # fmt: skip
        client.files_upload_session_finish_batch_v2(entries)
        opened = client.files_upload_session_start(b"1").session_id
        late = files.UploadSessionFinishArg(cursor(opened, 7), files.CommitInfo("/batch/f"))
        client.files_upload_session_finish_batch_v2([late])
        self.refused(lambda: client.files_upload_session_append_v2(b"", cursor(opened, 5)))
        self.refused(lambda: client.files_upload_session_append_v2(b"", cursor("none", 5)))
        self.refused(lambda: client.files_upload_session_append_v2(b"", cursor(closed, 1)))
        self.refused(lambda: client.files_upload_session_append_v2(b"1", cursor(many[1], 1)))
        self.refused(lambda: client.files_upload_session_append_v2(b"1", cursor(many[1], 0)))
        self.refused(lambda: client.files_upload_session_append_v2(b"1", cursor(opened, 1), content_hash="0" * 64))
        self.refused(lambda: client.files_upload_session_start(b"1", content_hash="0" * 64))
        self.refused(lambda: client.files_upload_session_start(b"1", session_type=files.UploadSessionType.concurrent))
        closing_one = files.UploadSessionType.concurrent
        self.refused(lambda: client.files_upload_session_start(b"", close=True, session_type=closing_one))
        self.refused(lambda: client.files_upload_session_finish(b"", cursor(opened, 9), files.CommitInfo("/x")))
        self.refused(lambda: client.files_upload_session_finish(b"", cursor(opened, 1), files.CommitInfo("/batch")))
        self.dropbox.sessions.payload = 1
        self.refused(lambda: client.files_upload_session_start(b"22"))
        self.refused(lambda: client.files_upload(b"22", "/large"))

    def refusals(self) -> None:
        client = self.client
        for path in ("/never", "/session/below", "/", "/a//b", "/a\\b"):
            self.refused(lambda path=path: client.files_get_metadata(path))
            self.refused(lambda path=path: client.files_download(path))
            self.refused(lambda path=path: client.files_delete_v2(path))
            self.refused(lambda path=path: client.files_list_folder(path))
        self.refused(lambda: client.files_list_folder("/session"))
        self.refused(lambda: client.files_download("/batch"))
        self.refused(lambda: client.files_download("/session", extra_headers={"Range": "bytes=9-10"}))
        self.refused(lambda: client.files_list_folder_continue("AAEold"))
        self.refused(lambda: client.files_delete_v2("/session", parent_rev="0" * 9))
        self.refused(lambda: client.files_delete_v2("/batch", parent_rev="0" * 9))
        self.refused(lambda: client.files_delete_batch_check("dbjid:none"))
        for path in ("/session", "/batch", "/session/below", "/desktop.ini", "/Thumbs.DB", "/a\\b", "/" + "x" * 256):
            self.refused(lambda path=path: client.files_create_folder_v2(path))
            self.refused(lambda path=path: client.files_upload(b"0", path))
        self.refused(lambda: client.files_upload(b"0", "/hash", content_hash="0" * 64))
        self.dropbox.store.quota = 0
        self.refused(lambda: client.files_upload(b"0", "/full"))

    def troubles(self) -> None:
        client, dropbox = self.client, self.dropbox
        for refusal in (
            words.limited("too_many_requests", 3), words.limited("too_many_write_operations", 3), words.unavailable(),
            words.limited_in_plain_text(5), words.limited_in_plain_text(), words.unauthorised("user_suspended"),
            words.conflict("reset"),
        ):  # fmt: skip
            dropbox.answer_next("list_folder/continue", refusal)
            self.refused(lambda: client.files_list_folder_continue("AAEold"))
        with dropbox.fault("expired"):
            self.refused(client.users_get_space_usage)
        client.users_get_space_usage()  # with an access token of its own, as the other one was called invalid
        dropbox.oauth.expire()
        client.users_get_space_usage()
        dropbox.unlink()
        self.refused(client.users_get_space_usage)

    def everything(self) -> list[Seen]:
        self.files()
        self.uploads()
        self.refusals()
        self.troubles()
        return self.dropbox.faults.journal


def strictly(validator: Any, told: Any) -> Any:
    """Unknown fields and tags are errors."""
    return stone_serializers.json_compat_obj_decode(validator, told, strict=True)


def decode(seen: Seen) -> str:
    """Decodes argument and answer of one request strictly; what kind of answer it was."""
    route = route_of(seen.route)
    if seen.arg is not None:
        strictly(route.arg_type, seen.arg)
    if seen.status == 200:
        strictly(route.result_type, seen.told)
        return "200"
    if seen.status == 409:
        error = strictly(route.error_type, seen.told["error"])  # type: ignore[index]
        assert seen.told["error_summary"].startswith(error._tag)  # type: ignore[index]
        return f"409 {error._tag}"
    if seen.status == 401:
        return f"401 {strictly(auth.AuthError_validator, seen.told['error'])._tag}"  # type: ignore[index]
    if seen.status == 429 and seen.kind == words.JSON:
        return f"429 {strictly(auth.RateLimitError_validator, seen.told['error']).reason._tag}"  # type: ignore[index]
    assert seen.told is None
    return str(seen.status)


def test_every_kind_of_answer_is_what_the_sdk_reads_strictly(dropbox: FakeDropbox, client: Any) -> None:
    journal = [seen for seen in Person(dropbox, client).everything() if not seen.route.startswith("oauth2/")]
    kinds = {f"{seen.route} {decode(seen)}" for seen in journal}
    assert {seen.route for seen in journal} == set(words.ROUTES)
    assert {f"{route} 200" for route in words.ROUTES} <= kinds
    wanted = """
        files/upload 409 path|files/upload 409 payload_too_large|files/upload 409 content_hash_mismatch
        files/upload_session/append_v2 409 incorrect_offset|files/upload_session/append_v2 409 not_found
        files/upload_session/append_v2 409 closed|files/upload_session/finish 409 lookup_failed
        files/upload_session/start 409 content_hash_mismatch|files/list_folder/continue 409 reset
        files/delete_v2 409 path_lookup|files/delete_v2 409 path_write|files/download 416|files/get_metadata 409 path
        files/list_folder/continue 429 too_many_write_operations|files/list_folder/continue 429 too_many_requests
        files/list_folder/continue 429|files/list_folder/continue 503|users/get_space_usage 401 expired_access_token
        users/get_space_usage 401 invalid_access_token|files/list_folder/continue 401 user_suspended
    """
    assert {kind.strip() for line in wanted.splitlines() for kind in line.split("|") if kind.strip()} <= kinds


def test_the_strict_reading_finds_what_does_not_belong() -> None:
    good = {"session_id": "x"}
    strictly(files.upload_session_start.result_type, good)
    with pytest.raises(stone_validators.ValidationError):
        strictly(files.upload_session_start.result_type, {**good, "colour": "red"})
    with pytest.raises(stone_validators.ValidationError):
        strictly(files.download.error_type, words.union("path/lost"))


def test_entries_of_a_batch_fail_with_the_tags_of_the_sdk(dropbox: FakeDropbox, client: Any) -> None:
    Person(dropbox, client).uploads()
    batches = [seen for seen in dropbox.faults.journal if seen.route.endswith("finish_batch_v2")]
    results = [strictly(files.upload_session_finish_batch_v2.result_type, seen.told) for seen in batches]
    tags = [
        "success" if entry.is_success() else "/".join(_tags(entry.get_failure()))
        for one in results
        for entry in one.entries
    ]
    assert tags == [
        "success", "lookup_failed/closed", "lookup_failed/not_found", "concurrent_session_not_closed",
        "concurrent_session_missing_data", "lookup_failed/closed", "lookup_failed/not_closed",
    ]  # fmt: skip


def _tags(union: Any) -> Iterator[str]:
    while hasattr(union, "_tag"):
        yield union._tag
        union = union._value


def test_a_session_is_good_for_seven_days(dropbox: FakeDropbox, client: Any) -> None:
    session = client.files_upload_session_start(b"1", close=True).session_id
    begin = dropbox.sessions.now()
    dropbox.sessions.now = lambda: begin + WEEK + 1
    with pytest.raises(sdk.exceptions.ApiError) as raised:
        client.files_upload_session_finish(b"", files.UploadSessionCursor(session, 1), files.CommitInfo("/a"))
    assert raised.value.error.get_lookup_failed().is_not_found()


def test_the_content_hash_is_the_sdks(client: Any) -> None:
    for data in (b"", b"1", bytes(4 * MIB), bytes(4 * MIB) + b"1"):
        assert words.content_hash(data) == sdk.content_hash.content_hash(data)
        assert client.files_upload(data, "/a", mode=MODES.overwrite).content_hash == words.content_hash(data)
