"""webraid_webdav at a fake Nextcloud and a fake ownCloud: checksums, quota, locks, chunks, maintenance."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import pytest

from tests.fakes.nextcloud import TRIES, File, Nextcloud, nextcloud
from tests.unit.webdav.conftest import at
from tests.unit.webdav.scripted import digest
from webraid.errors import (
    AuthExpired,
    BackendError,
    Misconfigured,
    ObjectTooLarge,
    QuotaExceeded,
    RateLimited,
    Unavailable,
)
from webraid_webdav import WebdavBackend, WebdavOptions
from webraid_webdav.chunks import CHUNK, uploads_of
from webraid_webdav.upload import TEMPORARY

WRONG = digest(b"something else")


def put(files: WebdavBackend, name: str, data: bytes):
    return files.put(name, data, digest=digest(data))


@pytest.fixture
def own() -> Iterator[tuple[Nextcloud, WebdavBackend]]:
    with nextcloud(Nextcloud(owncloud=True)) as cloud, contextlib.closing(at(cloud)) as files:
        files.prepare()
        cloud.seen.clear()
        yield cloud, files


def test_the_bare_address_is_enough(cloud: Nextcloud, files: WebdavBackend) -> None:
    put(files, "a", b"1")
    assert f"{cloud.home}/webraid/a" in cloud.files
    assert f"{cloud.home}/webraid/{TEMPORARY}" in cloud.folders


# ----------------------------------------------------------------------------------------------------------- checksums
def test_nextcloud_tells_what_it_received(cloud: Nextcloud, files: WebdavBackend) -> None:
    stored = put(files, "a", b"0123")
    sha256 = hashlib.sha256(b"0123").hexdigest()
    assert stored.verified
    assert stored.hashes == files.stat("a").hashes == next(files.list("a")).hashes == (("sha256", sha256),)


def test_other_bytes_than_were_sent_are_sent_again(cloud: Nextcloud, files: WebdavBackend) -> None:
    with pytest.raises(Unavailable, match="other bytes"):
        files.put("a", b"0123", digest=WRONG)
    assert not cloud.files, "the damaged upload was taken away"


def test_a_nextcloud_that_tells_no_hash_is_not_trusted(cloud: Nextcloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """oc:checksums alone is what we said ourselves."""
    options = WebdavOptions(f"{cloud.origin}/remote.php/dav/files/{cloud.user}/x", cloud.user, provider="nextcloud")
    with contextlib.closing(WebdavBackend.connect(options, {"password": cloud.password})) as files:
        files.prepare()
        monkeypatch.setattr(files._upload, "_checks", lambda digest: {"OC-Checksum": f"SHA256:{digest.sha256}"})
        stored = put(files, "a", b"0123")
    assert not stored.verified
    assert not stored.hashes


def test_owncloud_compares_and_tells_its_own_hashes(own: tuple[Nextcloud, WebdavBackend]) -> None:
    cloud, files = own
    stored = put(files, "a", b"0123")
    assert stored.verified
    assert stored.hashes == (("md5", hashlib.md5(b"0123").hexdigest()),)
    assert files.stat("a").hash("md5") == next(files.list("")).hash("md5") == stored.hash("md5")
    with pytest.raises(Unavailable, match="damaged on the way"):
        files.put("b", b"0123", digest=WRONG)
    assert list(cloud.files) == [f"{cloud.home}/webraid/a"]
    assert files.caps.server_checks_digest


# ------------------------------------------------------------------------------------------------------------- putting
def test_other_bytes_replace_an_object_without_a_gap(cloud: Nextcloud, files: WebdavBackend) -> None:
    put(files, "a", b"1")
    cloud.seen.clear()
    assert put(files, "a", b"2").verified
    assert files.get("a") == b"2"
    name = f"{cloud.home}/webraid/a"
    assert [line for line in cloud.seen if line.endswith(name)][:3] == [
        f"PROPFIND {name}",
        f"GET {name}",
        f"PUT {name}",
    ]
    assert not any(TEMPORARY in path for path in cloud.files)


def test_a_locked_file_is_worth_another_try(cloud: Nextcloud, files: WebdavBackend) -> None:
    put(files, "a", b"1")
    cloud.locked = {f"{cloud.home}/webraid/a"}
    for action in (lambda: files.get("a"), lambda: files.delete("a"), lambda: put(files, "a", b"2")):
        with pytest.raises(Unavailable, match="locked"):
            action()
    cloud.locked = set()
    put(files, "a", b"2")
    assert files.get("a") == b"2"


def test_a_full_account_is_told_and_what_is_deleted_still_counts(cloud: Nextcloud, files: WebdavBackend) -> None:
    cloud.quota = 1000
    put(files, "a", bytes(600))
    assert (files.usage().used, files.usage().free, files.usage().total) == (600, 400, 1000)
    with pytest.raises(QuotaExceeded) as caught:
        put(files, "b", bytes(600))
    assert caught.value.what == "space"
    files.delete("a")
    assert files.usage().free == 400, "it lies in the trash"
    assert files.caps.trash


def test_no_limit_is_not_a_negative_number(cloud: Nextcloud, files: WebdavBackend) -> None:
    cloud.quota = None
    usage = files.usage()
    assert (usage.used, usage.free, usage.total) == (0, None, None)


def test_maintenance_is_called_so(cloud: Nextcloud, files: WebdavBackend) -> None:
    cloud.maintenance = True
    for action in (lambda: files.get("a"), lambda: put(files, "a", b""), lambda: list(files.list("")), files.prepare):
        with pytest.raises(Unavailable, match="maintenance"):
            action()


def test_a_wrong_password_is_not_tried_until_the_account_is_shut(cloud: Nextcloud) -> None:
    options = WebdavOptions(cloud.origin, cloud.user, provider="nextcloud")
    with contextlib.closing(WebdavBackend.connect(options, {"password": "wrong"})) as files:
        with pytest.raises(AuthExpired, match="401") as caught:
            files.prepare()
        assert len(cloud.seen) == 1
        assert "app password" in caught.value.hint
        cloud.failures = TRIES
        with pytest.raises(RateLimited):
            files.prepare()


def test_a_lost_folder_is_never_an_empty_disk(cloud: Nextcloud, files: WebdavBackend) -> None:
    put(files, "a", b"1")
    cloud.folders = {folder for folder in cloud.folders if "webraid" not in folder}
    cloud.files.clear()
    for action in (
        lambda: files.get("a"),
        lambda: files.stat("a"),
        lambda: list(files.list("")),
        lambda: list(files.list("log/")),
        lambda: put(files, "a", b"1"),
        lambda: files.delete("a"),
        files.usage,
    ):
        with pytest.raises(Misconfigured, match="no such folder"):
            action()


def test_folders_that_somebody_took_away_are_made_again(cloud: Nextcloud, files: WebdavBackend) -> None:
    put(files, "log/1", b"1")
    cloud.folders = {folder for folder in cloud.folders if folder.rpartition("/")[2] not in ("log", TEMPORARY)}
    cloud.files.clear()
    put(files, "log/2", b"2")
    assert [stored.name for stored in files.list("")] == ["log/2"]


def test_what_a_put_left_behind_is_swept_away(cloud: Nextcloud, files: WebdavBackend) -> None:
    put(files, "a", b"1")
    folder = f"{cloud.home}/webraid/{TEMPORARY}"
    cloud.files |= {f"{folder}/old": File(b"1", modified=1e9), f"{folder}/new": File(b"2")}
    assert [stored.name for stored in files.list("")] == ["a"], "nobody sees them"
    files.prepare()
    assert [path.rpartition("/")[2] for path in cloud.files] == ["a", "new"]


# --------------------------------------------------------------------------------------------------------- in chunks
LARGE = CHUNK * 2 + 7


def test_what_a_proxy_refuses_goes_up_in_chunks(cloud: Nextcloud, files: WebdavBackend) -> None:
    cloud.limit = CHUNK
    data = bytes(range(256)) * (LARGE // 256 + 1)
    stored = put(files, "a", data)
    assert files.get("a") == data
    assert not stored.verified, "nobody told what arrived"
    assert files.stat("a").hash("sha256") == hashlib.sha256(data).hexdigest()
    assert not cloud.uploads
    cloud.seen.clear()
    cloud.statuses.clear()
    put(files, "b", data)
    assert 413 not in cloud.statuses, "what was learnt is remembered"
    chunks = [line.rpartition("/")[2] for line in cloud.seen if "/uploads/" in line]
    assert chunks[1:] == ["00001", "00002", "00003", ".file"]
    put(files, "small", bytes(100))
    assert "PUT" in cloud.seen[-2]


def test_a_limit_below_a_chunk_is_told(cloud: Nextcloud, files: WebdavBackend) -> None:
    cloud.limit = CHUNK // 2
    for size in (CHUNK, LARGE):
        with pytest.raises(ObjectTooLarge) as caught:
            put(files, "a", bytes(size))
        assert "client_max_body_size" in caught.value.hint
    assert not cloud.uploads, "the chunks were taken away"
    assert not cloud.files


def test_chunks_that_do_not_fit_are_no_object(cloud: Nextcloud, files: WebdavBackend) -> None:
    cloud.limit, cloud.quota = CHUNK, CHUNK
    with pytest.raises(QuotaExceeded):
        put(files, "a", bytes(LARGE))
    assert not cloud.files
    assert not cloud.uploads


def test_owncloud_gets_no_chunks_of_nextcloud(own: tuple[Nextcloud, WebdavBackend]) -> None:
    cloud, files = own
    cloud.limit = CHUNK
    with pytest.raises(ObjectTooLarge):
        put(files, "a", bytes(LARGE))
    assert not any("/uploads/" in line for line in cloud.seen)


@pytest.mark.parametrize(
    ("url", "uploads"),
    [
        ("https://h/remote.php/dav/files/ada%20l/x", "/remote.php/dav/uploads/ada%20l"),
        ("https://h/cloud/remote.php/dav/files/ada", "/cloud/remote.php/dav/uploads/ada"),
        ("https://h/remote.php/webdav/x", ""),
        ("https://h/remote.php/dav/files", ""),
        ("https://h/dav", ""),
    ],
)
def test_where_chunks_go_follows_from_the_address(url: str, uploads: str) -> None:
    assert uploads_of(WebdavOptions(url, provider="nextcloud")) == uploads
    assert not uploads_of(WebdavOptions(url))


def test_every_refusal_of_the_fake_is_an_error_with_a_hint(cloud: Nextcloud, files: WebdavBackend) -> None:
    cloud.quota = 0
    with pytest.raises(BackendError) as caught:
        put(files, "a", b"1")
    assert caught.value.hint
    assert caught.value.key == "a"
