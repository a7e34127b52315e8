"""Names and files: one object a name, whatever is lost, lags or happens twice; and no more requests than that takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fakes.drive import OTHER, FakeDrive
from tests.fakes.drive_store import FOLDER
from webraid.backend.base import Digest
from webraid.backend.conformance.subject import digest_of, put
from webraid.env import Env
from webraid.errors import (
    ContentBlocked,
    Misconfigured,
    ObjectNotFound,
    QuotaExceeded,
    Unavailable,
)
from webraid_gdrive import DriveBackend, names
from webraid_gdrive.drive import File

OpenDisk = Callable[..., DriveBackend]
SHARD = "shards/ab/" + "ab" * 16


def called(drive: FakeDrive, what: Callable[[], object]) -> list[str]:
    """The methods of the API that were called by it."""
    before = len(drive.faults.journal)
    what()
    return [seen.id.removeprefix("drive.") for seen in drive.faults.journal[before:]]


def stored(drive: FakeDrive, name: str) -> list[bytes]:
    return [file.data or b"" for file in drive.store.files.values() if file.name == name]


# ---------------------------------------------------------------------------------------------------- how many requests
def test_a_put_of_a_new_shard_is_one_request(drive: FakeDrive, disk: DriveBackend) -> None:
    put(disk, f"{SHARD}.0", b"1")
    assert called(drive, lambda: put(disk, f"{SHARD}.1", b"1")) == ["files.create"]


def test_another_name_is_looked_for_first(drive: FakeDrive, disk: DriveBackend) -> None:
    put(disk, "log/a", b"1")
    assert called(drive, lambda: put(disk, "log/b", b"1")) == ["files.list", "files.create"]
    assert called(drive, lambda: put(disk, "log/b", b"2")) == ["files.update"]


def test_a_get_and_a_delete_by_locator_are_one_request(drive: FakeDrive, open_disk: OpenDisk) -> None:
    locator = put(open_disk(), "log/a", b"12345").locator
    other = open_disk(elsewhere=True)
    other.usage()
    assert called(drive, lambda: other.get("log/a", locator=locator, offset=1, size=2)) == ["files.get"]
    assert called(drive, lambda: other.delete("log/a", locator=locator)) == ["files.delete"]


def test_a_large_object_goes_up_in_a_resumable_upload(drive: FakeDrive, disk: DriveBackend) -> None:
    data = bytes(5_000_001)
    assert called(drive, lambda: put(disk, f"{SHARD}.0", data))[-2:] == ["files.create", "files.upload"]
    assert called(drive, lambda: put(disk, f"{SHARD}.0", data)) == ["files.update", "files.upload"]
    assert disk.get(f"{SHARD}.0") == data


def test_ids_are_fetched_a_hundred_at_once(drive: FakeDrive, disk: DriveBackend) -> None:
    for number in range(99):
        put(disk, f"{SHARD}.{number}", b"1")
    assert drive.requests("generateIds") == 1  # one of the hundred is the folder's
    put(disk, f"{SHARD}.100", b"1")
    assert drive.requests("generateIds") == 2


def test_a_listing_asks_for_what_it_needs(drive: FakeDrive, disk: DriveBackend) -> None:
    for name in (f"{SHARD}.0", "shards/cd/x", "log/a", "marker"):
        put(disk, name, b"1")
    for prefix, found in (("shards/ab/", 1), ("shards/", 2), ("", 4), ("l", 1), (f"{SHARD}.", 1)):
        assert len(list(disk.list(prefix))) == found
    assert drive.store.page == 1000
    queries = [seen.query["q"] for seen in drive.faults.journal if "pageSize" in seen.query]
    assert "appProperties has { key='part' and value='shards/ab' }" in queries[-5]
    assert "appProperties has { key='top' and value='shards' }" in queries[-4]
    assert "appProperties" not in queries[-3] + queries[-2]


# --------------------------------------------------------------------------------------------------------- lost answers
def test_a_create_whose_answer_was_lost_is_found_by_its_id(drive: FakeDrive, disk: DriveBackend) -> None:
    drive.refuse("files.create", 503, "backendError", after=True)
    with pytest.raises(Unavailable):
        put(disk, "log/a", b"1")
    assert called(drive, lambda: put(disk, "log/a", b"1")) == ["files.create", "files.get"]
    assert stored(drive, "log/a") == [b"1"]


def test_a_lost_create_repeated_with_other_bytes_gets_these(drive: FakeDrive, disk: DriveBackend) -> None:
    drive.refuse("files.create", 503, "backendError", after=True)
    with pytest.raises(Unavailable):
        put(disk, "log/a", b"1")
    assert put(disk, "log/a", b"22").verified
    assert stored(drive, "log/a") == [b"22"]


def test_a_lost_create_is_deleted_too(drive: FakeDrive, disk: DriveBackend) -> None:
    drive.store.lag = 60.0
    drive.refuse("files.create", 503, "backendError", after=True)
    with pytest.raises(Unavailable):
        put(disk, "log/a", b"1")
    disk.delete("log/a")
    assert stored(drive, "log/a") == []


def test_a_large_upload_that_was_lost_makes_no_twin(drive: FakeDrive, disk: DriveBackend) -> None:
    drive.refuse("files.upload", 503, "backendError", after=True)
    data = bytes(6_000_000)
    with pytest.raises(Unavailable):
        put(disk, "log/a", data)
    assert put(disk, "log/a", data).verified
    assert len(stored(drive, "log/a")) == 1


def test_an_id_that_is_refused_is_not_used_again(drive: FakeDrive, disk: DriveBackend) -> None:
    put(disk, "log/a", b"1")
    drive.store.issued.clear()  # Drive forgot the ids it gave
    with pytest.raises(Exception, match="does not understand"):
        put(disk, "log/b", b"1")
    assert put(disk, "log/b", b"1").verified


def test_a_thread_that_was_quicker_while_another_searched_leaves_no_twin(drive: FakeDrive, open_disk: OpenDisk) -> None:
    drive.store.lag = 60.0
    slow, quick = open_disk(), open_disk()
    search = slow._folder.named

    def slowly(name: str) -> list[File]:
        found = search(name)
        put(quick, name, b"1")
        return found

    slow._folder.named = slowly  # type: ignore[method-assign]
    assert put(slow, "log/a", b"22").verified
    assert stored(drive, "log/a") == [b"22"]


def test_a_folder_whose_making_was_not_answered_is_made_once(drive: FakeDrive, open_disk: OpenDisk) -> None:
    disk = open_disk(folder="other")
    drive.store.lag = 60.0
    drive.refuse("files.create", 503, "backendError", after=True)
    with pytest.raises(Unavailable):
        disk.prepare()
    disk.prepare()
    assert len([file for file in drive.store.files.values() if file.name == "other"]) == 1
    put(disk, "log/a", b"1")


def test_an_id_that_was_used_up_is_not_tried_for_ever(drive: FakeDrive, disk: DriveBackend) -> None:
    drive.refuse("files.create", 503, "backendError", after=True)
    with pytest.raises(Unavailable):
        put(disk, "log/a", b"1")
    gone = next(file for file in drive.store.files.values() if file.name == "log/a")
    drive.store.delete(gone.app, gone.id)
    drive.refuse("files.create", 409, "fileIdInUse")
    with pytest.raises(Unavailable, match="removed while"):
        put(disk, "log/a", b"1")
    assert put(disk, "log/a", b"1").verified


# ------------------------------------------------------------------------------------------------ other machines, twins
def test_what_another_machine_wrote_is_overwritten_not_doubled(drive: FakeDrive, open_disk: OpenDisk) -> None:
    put(open_disk(), "hint/a", b"1")
    there = open_disk(elsewhere=True)
    put(there, "hint/a", b"2")
    assert stored(drive, "hint/a") == [b"2"]
    assert open_disk().get("hint/a") == b"2"


def test_of_twins_everybody_reads_the_newest_and_the_next_put_leaves_one(drive: FakeDrive, open_disk: OpenDisk) -> None:
    here, there = open_disk(), open_disk(elsewhere=True)
    drive.store.lag = 60.0
    put(here, "hint/a", b"1")
    put(there, "hint/a", b"22")  # a search shows nothing yet
    drive.store.catch_up()
    drive.store.lag = 0.0
    assert len(stored(drive, "hint/a")) == 2
    third = open_disk(elsewhere=True)
    assert third.get("hint/a") == b"22"
    assert [found.size for found in third.list("hint/")] == [2]
    put(third, "hint/a", b"333")
    assert stored(drive, "hint/a") == [b"333"]
    assert here.get("hint/a") == b"333"


def test_a_delete_by_name_takes_all_twins(drive: FakeDrive, open_disk: OpenDisk) -> None:
    drive.store.lag = 60.0
    for _ in range(2):
        put(open_disk(elsewhere=True), "hint/a", b"1")
    drive.store.catch_up()
    drive.store.lag = 0.0
    open_disk(elsewhere=True).delete("hint/a")
    assert stored(drive, "hint/a") == []


def test_a_name_in_other_letters_is_another_name(drive: FakeDrive, disk: DriveBackend) -> None:
    put(disk, "log/a", b"1")
    file = next(file for file in drive.store.files.values() if file.name == "log/a")
    drive.store.update(file.app, file.id, {"name": "LOG/A"}, None)
    with pytest.raises(ObjectNotFound):
        disk.stat("log/a")


def test_a_file_that_others_removed_is_missing_and_can_be_put_again(drive: FakeDrive, open_disk: OpenDisk) -> None:
    here, there = open_disk(), open_disk(elsewhere=True)
    locator = put(here, "log/a", b"1").locator
    there.delete("log/a")
    with pytest.raises(ObjectNotFound):
        here.get("log/a", locator=locator)
    assert put(here, "log/a", b"2").locator != locator
    assert here.get("log/a", locator=locator) == b"2"  # an old locator leads to the name


def test_a_shard_that_others_wrote_is_found_before_it_is_put(drive: FakeDrive, open_disk: OpenDisk) -> None:
    put(open_disk(elsewhere=True), f"{SHARD}.0", b"bad")
    put(open_disk(), f"{SHARD}.0", b"good")
    assert stored(drive, f"{SHARD}.0") == [b"good"]


# ------------------------------------------------------------------------------------------------------------------ lag
def test_what_was_written_is_listed_at_once_by_who_wrote_it(drive: FakeDrive, open_disk: OpenDisk) -> None:
    drive.store.lag = 300.0
    here, there = open_disk(), open_disk(elsewhere=True)
    put(here, "log/a", b"1")
    put(here, "log/b", b"1")
    here.delete("log/b")
    assert [found.name for found in open_disk().list("log/")] == ["log/a"]
    assert list(there.list("log/")) == []
    with pytest.raises(ObjectNotFound):
        there.get("log/a")


def test_what_a_search_still_shows_but_is_gone_is_missing(drive: FakeDrive, open_disk: OpenDisk) -> None:
    put(open_disk(), "log/a", b"1")
    drive.store.lag = 300.0
    open_disk().delete("log/a")
    there = open_disk(elsewhere=True)
    for _ in range(2):
        with pytest.raises(ObjectNotFound):
            there.get("log/a")
    assert put(there, "log/a", b"2").verified
    assert stored(drive, "log/a") == [b"2"]


def test_what_was_deleted_is_listed_no_more(drive: FakeDrive, disk: DriveBackend) -> None:
    put(disk, "log/a", b"1")
    drive.store.lag = 300.0
    disk.delete("log/a")
    assert list(disk.list("log/")) == []
    with pytest.raises(ObjectNotFound):
        disk.get("log/a")


def test_after_ten_minutes_the_listing_alone_counts(drive: FakeDrive, open_disk: OpenDisk) -> None:
    now = [0.0]
    env = Env(monotonic=lambda: now[0])
    here = open_disk(env=env, folder="other")
    here.prepare()
    put(here, "log/a", b"1")
    open_disk(elsewhere=True, folder="other").delete("log/a")
    assert [found.name for found in here.list("log/")] == ["log/a"]
    now[0] = names.LATELY + 1
    assert list(here.list("log/")) == []


# -------------------------------------------------------------------------------------------------- trash, folder, rest
def test_what_lies_in_the_trash_is_missing_until_it_is_put_again(drive: FakeDrive, disk: DriveBackend) -> None:
    locator = put(disk, "log/a", b"1").locator
    file = drive.store.files[locator]
    drive.store.update(file.app, file.id, {"trashed": True}, None)
    with pytest.raises(ObjectNotFound):
        disk.stat("log/a", locator=locator)
    assert put(disk, "log/a", b"1").verified
    assert disk.stat("log/a").size == 1


@pytest.mark.parametrize("how", ["trash", "delete"])
def test_a_folder_that_is_gone_is_no_empty_disk(drive: FakeDrive, open_disk: OpenDisk, how: str) -> None:
    disk = open_disk()
    put(disk, "log/a", b"1")
    folder = next(file for file in drive.store.files.values() if file.mime == FOLDER)
    if how == "trash":
        drive.store.update(folder.app, folder.id, {"trashed": True}, None)
    else:
        drive.store.delete(folder.app, folder.id)
    for action in (
        lambda: list(disk.list("")),
        lambda: disk.get("log/other"),
        disk.prepare,
        *([lambda: put(disk, "log/b", b"1")] if how == "delete" else []),
    ):
        with pytest.raises(Misconfigured, match="folder is gone"):
            action()


def test_a_disk_that_was_never_made_is_told_so(drive: FakeDrive, open_disk: OpenDisk) -> None:
    with pytest.raises(Misconfigured, match="no such folder"):
        open_disk(folder="never").stat("marker")


def test_another_oauth_client_does_not_see_the_folder(drive: FakeDrive, open_disk: OpenDisk) -> None:
    put(open_disk(), "marker", b"1")
    with pytest.raises(Misconfigured, match="this OAuth client may see"):
        open_disk(client=OTHER).stat("marker")


def test_files_that_are_not_ours_are_not_listed(drive: FakeDrive, disk: DriveBackend) -> None:
    put(disk, "log/a", b"1")
    folder = next(file for file in drive.store.files.values() if file.mime == FOLDER)
    drive.store.create(folder.app, {"name": "inner", "mimeType": FOLDER, "parents": [folder.id]}, None)
    assert [found.name for found in disk.list("")] == ["log/a"]


def test_an_incomplete_search_is_an_error_and_not_a_short_list(drive: FakeDrive, disk: DriveBackend) -> None:
    put(disk, "log/a", b"1")
    drive.store.incomplete = True
    with pytest.raises(Unavailable, match="not complete"):
        list(disk.list(""))


def test_a_page_token_that_expired_means_to_begin_anew(drive: FakeDrive, disk: DriveBackend) -> None:
    drive.store.page, drive.store.token_seconds = 1, 0.0
    for number in range(2):
        put(disk, f"log/{number}", b"1")
    with pytest.raises(Unavailable, match="begin anew"):
        list(disk.list(""))


def test_what_drive_takes_for_harmful_is_given_to_its_owner(drive: FakeDrive, disk: DriveBackend) -> None:
    locator = put(disk, "log/a", b"1").locator
    drive.store.abusive.add(locator)
    assert disk.get("log/a") == b"1"
    drive.refuse("files.get", 403, "cannotDownloadAbusiveFile", times=2)
    with pytest.raises(ContentBlocked):
        disk.get("log/a")


def test_no_range_is_ever_asked_of_an_empty_object(drive: FakeDrive, disk: DriveBackend) -> None:
    put(disk, "log/a", b"")
    assert disk.get("log/a") == b""
    assert disk.get("log/a", offset=0, size=0) == b""
    assert 416 not in [seen.status for seen in drive.faults.journal]


def test_damaged_bytes_are_removed_again(drive: FakeDrive, disk: DriveBackend) -> None:
    with pytest.raises(Unavailable, match="other bytes"):
        disk.put("log/a", b"damaged", digest=digest_of(b"meant"))
    assert stored(drive, "log/a") == []


def test_without_any_hash_nothing_is_called_verified(disk: DriveBackend) -> None:
    assert not disk.put("log/a", b"1", digest=Digest("", "")).verified


def test_usage_is_the_whole_accounts(drive: FakeDrive, disk: DriveBackend) -> None:
    put(disk, "log/a", bytes(1000))
    assert (disk.usage().free, disk.usage().total) == (None, None)
    drive.store.quota, drive.store.elsewhere = 5000, 3000
    usage = disk.usage()
    assert (usage.used, usage.free, usage.total) == (4000, 1000, 5000)
    drive.store.quota = 100
    assert disk.usage().free == 0


def test_a_full_folder_is_a_full_disk(drive: FakeDrive, disk: DriveBackend) -> None:
    put(disk, "log/a", b"1")
    drive.store.folder_limit = 1
    with pytest.raises(QuotaExceeded) as caught:
        put(disk, "log/b", b"1")
    assert caught.value.what == "space"
    disk.delete("log/a")
    put(disk, "log/b", b"1")
