"""The folder and the trash, what Drive holds for harmful, damaged bytes, what is free: what surrounds an object."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fakes.drive import OTHER, FakeDrive
from tests.fakes.drive_store import FOLDER
from webraid.backend.base import Digest
from webraid.backend.conformance.subject import digest_of, put
from webraid.errors import (
    ContentBlocked,
    Misconfigured,
    ObjectNotFound,
    QuotaExceeded,
    Unavailable,
)
from webraid_gdrive import DriveBackend

OpenDisk = Callable[..., DriveBackend]
SHARD = "shards/ab/" + "ab" * 16


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
        lambda: put(disk, "log/a", b"2"),
        lambda: put(disk, "log/b", b"1"),
        lambda: put(disk, SHARD, b"1"),
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
    assert all(file.name != "log/a" for file in drive.store.files.values())


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
