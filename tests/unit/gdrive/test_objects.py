"""Names and files: one object a name, whatever is lost, lags or happens twice; and no more requests than that takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fakes.drive import FakeDrive
from webraid.backend.conformance.subject import put
from webraid.env import Env
from webraid.errors import ObjectNotFound, Unavailable
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


def test_a_large_upload_that_drive_forgets_is_not_taken_for_a_file_that_is_gone(
    drive: FakeDrive, disk: DriveBackend
) -> None:
    put(disk, SHARD, b"1" * 5_000_001)
    drive.refuse("drive.files.upload", 404, "notFound")
    with pytest.raises(Unavailable):
        put(disk, SHARD, b"2" * 5_000_001)
    assert put(disk, SHARD, b"2" * 5_000_001).verified
    assert stored(drive, SHARD) == [b"2" * 5_000_001]


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


@pytest.mark.parametrize("lost", [False, True])
def test_a_delete_finds_what_another_machine_made_anew(drive: FakeDrive, open_disk: OpenDisk, lost: bool) -> None:
    here, there = open_disk(), open_disk(elsewhere=True)
    if lost:
        drive.refuse("drive.files.create", 503, "backendError")
        with pytest.raises(Unavailable):
            put(here, "log/a", b"1")
    else:
        put(here, "log/a", b"1")
        there.delete("log/a")
    put(there, "log/a", b"2")
    here.delete("log/a")
    assert not stored(drive, "log/a")


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


def test_a_locator_of_another_object_is_not_believed_and_hides_nothing(drive: FakeDrive, open_disk: OpenDisk) -> None:
    disk = open_disk()
    other = put(open_disk(elsewhere=True), "log/b", b"1")
    with pytest.raises(ObjectNotFound):
        disk.stat("log/a", locator=other.locator)
    assert [there.name for there in disk.list("log/")] == ["log/b"]


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
