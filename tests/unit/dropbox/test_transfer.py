"""Puts, gets, lists and deletes through the real SDK: how many requests they cost, and what goes wrong on the way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest

from tests.fakes.dropbox import COMMITS, FakeDropbox
from tests.fakes.dropbox_store import Node
from tests.fakes.dropbox_words import JSON, Refusal, conflict, content_hash, limited
from tests.unit.dropbox.conftest import Open
from webraid.backend.conformance.subject import digest_of, put
from webraid.errors import (
    AlreadyExists,
    BackendError,
    ContentBlocked,
    ObjectNotFound,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
    Unavailable,
)
from webraid_dropbox import DropboxBackend, upload
from webraid_dropbox.upload import Uploader

LARGE = bytes(upload.SMALL + 1)


def routes(dropbox: FakeDropbox) -> list[str]:
    return [seen.route.removeprefix("files/") for seen in dropbox.faults.journal]


def by_threads(count: int, opened: Open, work: Callable[[DropboxBackend, int], None]) -> list[BackendError]:
    """``work`` by ``count`` threads with an instance each; the errors."""
    disks = [opened() for _ in range(count)]
    gate, errors = threading.Barrier(count), list[BackendError]()

    def one(number: int) -> None:
        gate.wait()
        try:
            work(disks[number], number)
        except BackendError as error:
            errors.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


# ----------------------------------------------------------------------------------------------------------- requests
def test_a_hundred_puts_by_eight_threads_need_few_commits_and_none_collides(dropbox: FakeDropbox, opened: Open) -> None:
    dropbox.store.busy = 0.02  # a commit takes its time, as at Dropbox

    def work(disk: DropboxBackend, thread: int) -> None:
        for number in range(thread, 100, 8):
            assert put(disk, f"a/{number}", str(number).encode()).verified

    assert by_threads(8, opened, work) == []
    assert sorted(dropbox.store.nodes) == sorted(["/a", *(f"/a/{number}" for number in range(100))])
    assert dropbox.store.collisions == 0
    assert dropbox.requests(*COMMITS) <= 40
    assert dropbox.oauth.refreshes() == 1


def test_a_lone_small_put_is_one_request_and_a_large_one_two(dropbox: FakeDropbox, disk: DropboxBackend) -> None:
    dropbox.faults.journal.clear()
    put(disk, "a", b"small")
    assert routes(dropbox) == ["upload"]
    put(disk, "b", LARGE)
    assert routes(dropbox)[1:] == ["upload_session/start", "upload_session/finish_batch_v2"]


def test_deletes_and_puts_of_many_threads_do_not_collide(dropbox: FakeDropbox, opened: Open) -> None:
    dropbox.store.busy = 0.005

    def work(disk: DropboxBackend, thread: int) -> None:
        for number in range(4):
            put(disk, f"{thread}/{number}", LARGE if number % 2 else b"1")
            disk.delete(f"{thread}/{number}")
        disk.prepare()

    assert by_threads(6, opened, work) == []
    assert dropbox.store.collisions == 0


def test_a_body_of_more_than_one_request_goes_up_in_pieces(dropbox: FakeDropbox, disk: DropboxBackend) -> None:
    piece = 8 << 20
    dropbox.sessions.payload = piece
    data = bytes(range(256)) * (17 << 12) + b"end"  # 17 MiB and a bit
    disk._uploader = Uploader(disk._client, disk._committer, piece=piece)
    stored = put(disk, "a", data)
    assert stored.verified
    assert stored.hash("dropbox") == content_hash(data)
    assert disk.get("a") == data
    assert routes(dropbox).count("upload_session/append_v2") == 2


def test_a_body_that_dropbox_finds_too_large_is_said_so(dropbox: FakeDropbox, disk: DropboxBackend) -> None:
    dropbox.sessions.payload = 1000
    with pytest.raises(BackendError) as raised:
        put(disk, "a", bytes(1001))
    assert raised.value.provider_code == "payload_too_large"


# ---------------------------------------------------------------------------------------------------- what goes wrong
def test_each_of_a_mixed_batch_hears_of_its_own(dropbox: FakeDropbox, opened: Open) -> None:
    dropbox.entry_failures.update({"/n/2": "path/insufficient_space", "/n/5": "path/disallowed_name"})
    done: list[int] = []

    def work(disk: DropboxBackend, thread: int) -> None:
        put(disk, f"n/{thread}", LARGE + bytes([thread]))
        done.append(thread)

    errors = by_threads(8, opened, work)
    assert sorted(done) == [0, 1, 3, 4, 6, 7]
    assert {(error.key, type(error)) for error in errors} == {("n/2", QuotaExceeded), ("n/5", ProtocolError)}


def test_when_a_commit_is_refused_for_now_the_bytes_need_not_go_up_again(
    dropbox: FakeDropbox, disk: DropboxBackend
) -> None:
    dropbox.answer_next("finish_batch_v2", limited("too_many_write_operations", 15))
    with pytest.raises(RateLimited) as raised:
        put(disk, "a", LARGE)
    assert (raised.value.retry_after, raised.value.scope, raised.value.key) == (15, "writes", "a")
    assert put(disk, "a", LARGE).verified
    assert routes(dropbox).count("upload_session/start") == 1
    put(disk, "a", LARGE)
    assert routes(dropbox).count("upload_session/start") == 2


def test_other_bytes_of_the_same_name_do_go_up(dropbox: FakeDropbox, disk: DropboxBackend) -> None:
    dropbox.answer_next("finish_batch_v2", limited("too_many_write_operations", 15))
    with pytest.raises(RateLimited):
        put(disk, "a", LARGE)
    put(disk, "a", LARGE + b"2")
    assert disk.get("a") == LARGE + b"2"


def test_an_upload_session_that_is_gone_is_begun_anew_with_the_next_try(
    dropbox: FakeDropbox, disk: DropboxBackend
) -> None:
    dropbox.answer_next("finish_batch_v2", limited("too_many_write_operations", 15))
    with pytest.raises(RateLimited):
        put(disk, "a", LARGE)
    dropbox.sessions.known.clear()
    with pytest.raises(Unavailable):
        put(disk, "a", LARGE)
    assert put(disk, "a", LARGE).verified


def test_a_commit_whose_answer_was_lost_may_be_repeated(dropbox: FakeDropbox, disk: DropboxBackend) -> None:
    dropbox.answer_next("finish_batch_v2", Refusal(500, b"", "text/plain"), after=True)
    with pytest.raises(Unavailable):
        put(disk, "a", LARGE)
    assert disk.get("a") == LARGE
    assert put(disk, "a", LARGE).verified
    assert [stored.name for stored in disk.list("")] == ["a"]


def test_bytes_that_dropbox_stored_otherwise_are_an_error(dropbox: FakeDropbox, disk: DropboxBackend) -> None:
    told = Node("id:0001", "/a", "0" * 18 + "1", b"other", content_hash(b"other")).plain()
    dropbox.answer_next("files/upload", Refusal(200, json.dumps(told).encode(), JSON))
    with pytest.raises(Unavailable, match="other bytes"):
        put(disk, "a", b"bytes")


def test_large_bytes_that_are_not_those_of_the_digest_are_not_sent(dropbox: FakeDropbox, disk: DropboxBackend) -> None:
    before = dropbox.requests()
    with pytest.raises(Unavailable, match="digest"):
        disk.put("a", bytes((4 << 20) + 1), digest=digest_of(b"others"))
    assert dropbox.requests() == before


def test_a_file_where_a_folder_must_be_is_in_the_way(disk: DropboxBackend) -> None:
    put(disk, "a", b"1")
    for data in (b"1", LARGE):
        with pytest.raises(AlreadyExists) as raised:
            put(disk, "a/b", data)
        assert raised.value.provider_code.endswith("path/conflict/file_ancestor")


@pytest.mark.parametrize("body", [b"<html>log in to the hotel</html>", b"[]", b'{"error": 7}'])
@pytest.mark.parametrize("status", [200, 401, 404, 409, 429])
def test_an_answer_that_is_not_dropboxs_is_an_error_of_ours(
    dropbox: FakeDropbox, disk: DropboxBackend, status: int, body: bytes
) -> None:
    put(disk, "a", b"1")
    kind = "text/html" if body.startswith(b"<") else JSON
    dropbox.answer_next("files/", Refusal(status, body, kind), times=5)
    for action in (
        lambda: put(disk, "a", b"2"), lambda: disk.get("a"), lambda: disk.stat("a"), lambda: list(disk.list("")),
        lambda: disk.delete("a"),
    ):  # fmt: skip
        with pytest.raises(BackendError):
            action()


def test_retry_after_comes_from_json_from_a_header_or_not_at_all(dropbox: FakeDropbox, disk: DropboxBackend) -> None:
    plain = "text/plain"
    for refusal, wanted in (
        (limited("too_many_requests", 7), 7),
        (Refusal(429, b"slow down", plain, Retry_After="300"), 300),
        (Refusal(429, b"slow down", plain), None),
    ):
        dropbox.answer_next("get_metadata", refusal)
        with pytest.raises(RateLimited) as raised:
            disk.stat("a")
        assert raised.value.retry_after == wanted


def test_blocked_content_is_said_so(dropbox: FakeDropbox, disk: DropboxBackend) -> None:
    dropbox.store.restricted.add(put(disk, "a", b"1").locator)
    with pytest.raises(ContentBlocked):
        disk.get("a")


# ----------------------------------------------------------------------------------------------------------- locators
def test_an_object_that_was_renamed_is_still_found_by_its_locator(dropbox: FakeDropbox, disk: DropboxBackend) -> None:
    locator = put(disk, "a", b"1").locator
    assert locator.startswith("id:")
    node = dropbox.store.nodes.pop("/a")
    dropbox.store.nodes["/elsewhere"] = Node(node.id, "/Elsewhere", node.rev, node.data, node.hash)
    assert disk.get("a", locator=locator) == b"1"
    assert disk.stat("a", locator=locator).size == 1
    with pytest.raises(ObjectNotFound):
        disk.get("a")
    disk.delete("a", locator=locator)
    assert not dropbox.store.nodes


def test_a_locator_that_is_out_of_date_is_no_obstacle(disk: DropboxBackend) -> None:
    old = put(disk, "a", b"1").locator
    disk.delete("a")
    new = put(disk, "a", b"22").locator
    assert new != old
    assert disk.get("a", locator=old) == b"22"
    assert disk.get("a", locator=old, offset=1) == b"2"
    assert disk.stat("a", locator=old).locator == new
    disk.delete("a", locator=old)
    with pytest.raises(ObjectNotFound):
        disk.stat("a", locator=old)
    disk.delete("a", locator=old)


def test_an_object_keeps_its_locator_when_it_is_put_again(disk: DropboxBackend) -> None:
    assert put(disk, "a", b"1").locator == put(disk, "a", b"22").locator


def test_a_folder_is_never_deleted(disk: DropboxBackend) -> None:
    put(disk, "a/b", b"1")
    disk.delete("a")
    assert disk.get("a/b") == b"1"


# ------------------------------------------------------------------------------------------------------------ listings
def test_names_are_listed_as_we_spell_them_wherever_the_disk_lies(dropbox: FakeDropbox, opened: Open) -> None:
    disk = opened(folder="Backups/My Disk")
    disk.prepare()
    for name in ("shards/00/a", "shards/01/b", "log/1"):
        put(disk, name, b"1")
    put(opened(), "shards/00/not-ours", b"1")
    put(opened(folder="Backups/My Disk 2"), "shards/00/not-ours", b"1")
    dropbox.store.nodes["/backups/my disk/shards/00/a"].path = "/backups/MY DISK/Shards/00/A"
    assert sorted(stored.name for stored in disk.list("")) == ["log/1", "shards/00/a", "shards/01/b"]
    assert [stored.name for stored in disk.list("shards/00/")] == ["shards/00/a"]
    assert disk.get("shards/00/a") == b"1"


def test_a_listing_whose_cursor_is_reset_is_to_be_asked_for_again(dropbox: FakeDropbox, disk: DropboxBackend) -> None:
    dropbox.store.page = 2
    for number in range(5):
        put(disk, f"a/{number}", b"1")
    dropbox.answer_next("list_folder/continue", conflict("reset"))
    with pytest.raises(Unavailable) as raised:
        list(disk.list(""))
    assert raised.value.provider_code == "reset"
    assert len(list(disk.list(""))) == 5


def test_a_listing_tells_what_is_needed_to_find_and_to_check_an_object(disk: DropboxBackend) -> None:
    stored = put(disk, "a", b"1")
    (listed,) = disk.list("")
    assert (listed.locator, listed.hash("dropbox"), listed.version) == (
        stored.locator, content_hash(b"1"), stored.version,
    )  # fmt: skip


def test_a_file_where_the_folder_of_a_listing_should_be_holds_nothing(disk: DropboxBackend) -> None:
    put(disk, "a", b"1")
    assert list(disk.list("a/")) == []


def test_a_disk_whose_folder_is_a_file_is_not_prepared(opened: Open) -> None:
    put(opened(), "backups", b"1")
    with pytest.raises(AlreadyExists):
        opened(folder="Backups").prepare()
