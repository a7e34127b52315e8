"""The error table of gdrive is complete, by walking the libraries' classes and every reason that Drive may give."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import ssl
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import google.auth.exceptions
import googleapiclient.errors
import httplib2
import pytest

from tests.conformance.canned import Answer, Canned
from tests.fakes.drive import FakeDrive, fake_drive
from webraid.backend.base import map_error
from webraid.backend.conformance.subject import put
from webraid.errors import (
    AlreadyExists,
    AuthExpired,
    BackendError,
    ContentBlocked,
    Misconfigured,
    ObjectNotFound,
    ObjectTooLarge,
    PermissionDenied,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
    Unavailable,
)
from webraid_gdrive import DriveBackend, DriveOptions
from webraid_gdrive.codes import REASONS, STATUS, refused
from webraid_gdrive.errors import ERRORS

MODULES = (googleapiclient.errors, google.auth.exceptions, httplib2.error)
WIDE = {Exception, BaseException, ValueError, OSError, TypeError, LookupError, AttributeError}


def _classes(module: ModuleType) -> list[type[BaseException]]:
    found = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, BaseException)]
    return [cls for cls in found if cls.__module__ == module.__name__]


EVERY = [cls for module in MODULES for cls in _classes(module)]


@pytest.mark.parametrize("cls", EVERY, ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_every_class_of_the_libraries_has_its_own_row(cls: type[BaseException]) -> None:
    assert cls in ERRORS
    error = cls.__new__(cls)
    found = map_error(ERRORS, error)
    assert isinstance(found, BackendError)
    assert str(found)
    assert found.hint


def test_the_walk_found_something() -> None:
    assert len(EVERY) > 30
    assert set(ERRORS) - set(EVERY) <= {ssl.SSLError, http.client.HTTPException, *WIDE}


def test_network_errors_are_worth_another_try() -> None:
    for error in (
        TimeoutError(), ConnectionResetError(), BrokenPipeError(), http.client.IncompleteRead(b""),
        http.client.RemoteDisconnected(), ssl.SSLEOFError(), httplib2.ServerNotFoundError(),
        google.auth.exceptions.TransportError(),
    ):  # fmt: skip
        assert isinstance(map_error(ERRORS, error), Unavailable)
    assert isinstance(map_error(ERRORS, ssl.SSLCertVerificationError()), Misconfigured)


def test_importing_the_plug_in_does_not_import_the_sdk() -> None:
    code = "import sys, webraid_gdrive; assert not {'googleapiclient', 'google.auth', 'httplib2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# ------------------------------------------------------------------------------------------------------ what Drive says
CASES: dict[tuple[int, str], tuple[type[BackendError], str]] = {
    (403, "userRateLimitExceeded"): (RateLimited, ""),
    (403, "rateLimitExceeded"): (RateLimited, ""),
    (429, "rateLimitExceeded"): (RateLimited, ""),
    (403, "dailyLimitExceeded"): (QuotaExceeded, "requests"),
    (403, "storageQuotaExceeded"): (QuotaExceeded, "space"),
    (403, "quotaExceeded"): (QuotaExceeded, "space"),
    (403, "teamDriveFileLimitExceeded"): (QuotaExceeded, "space"),
    (403, "numChildrenInNonRootLimitExceeded"): (QuotaExceeded, "space"),
    (403, "activeItemCreationLimitExceeded"): (QuotaExceeded, "space"),
    (403, "downloadQuotaExceeded"): (QuotaExceeded, "egress"),
    (403, "appNotAuthorizedToFile"): (PermissionDenied, ""),
    (403, "insufficientFilePermissions"): (PermissionDenied, ""),
    (403, "insufficientPermissions"): (PermissionDenied, ""),
    (403, "domainPolicy"): (PermissionDenied, ""),
    (403, "somethingNew"): (PermissionDenied, ""),
    (403, "accessNotConfigured"): (Misconfigured, ""),
    (401, "authError"): (AuthExpired, ""),
    (404, "notFound"): (ObjectNotFound, ""),
    (404, "somethingElse"): (Misconfigured, ""),
    (413, "uploadTooLarge"): (ObjectTooLarge, ""),
    (400, "badRequest"): (ProtocolError, ""),
    (500, "internalError"): (Unavailable, ""),
    (502, "somethingNew"): (Unavailable, ""),
    (503, "backendError"): (Unavailable, ""),
    (503, "notFound"): (Unavailable, ""),
    (302, "moved"): (Misconfigured, ""),
}


@pytest.fixture
def drive() -> Iterator[FakeDrive]:
    with fake_drive() as made:
        yield made


@pytest.fixture
def disk(drive: FakeDrive) -> Iterator[DriveBackend]:
    secrets = {"client_secret": drive.client_json(), "token": drive.token_json()}
    backend = DriveBackend.connect(DriveOptions(endpoint=drive.url, timeout=10.0), secrets)
    backend.prepare()
    yield backend
    backend.close()


@pytest.mark.parametrize(("case", "expected"), CASES.items(), ids=lambda value: "-".join(map(str, value)))
def test_each_reason_comes_out_as_one_of_ours(
    drive: FakeDrive, disk: DriveBackend, case: tuple[int, str], expected: tuple[type[BackendError], str]
) -> None:
    status, reason = case
    put(disk, "log/a", b"1")
    drive.refuse("drive.files.list", status, reason, "a text with ya29.secret in it", times=2 if status == 401 else 1)
    before = drive.requests()
    # A search, so that a 404 is about the folder; what it says is looked at without it below.
    if reason == "notFound" and status == 404:
        error = refused(status, {}, json.dumps({"error": {"errors": [{"reason": reason}]}}).encode())
        assert type(error) is expected[0]
        return
    with pytest.raises(expected[0]) as caught:
        list(disk.list(""))
    error = caught.value
    assert type(error) is expected[0]
    assert drive.requests() == before + (2 if status == 401 else 1)
    assert not expected[1] or (isinstance(error, QuotaExceeded) and error.what == expected[1])
    assert "ya29" not in f"{error} {error.hint} {error.provider_code}"
    assert error.hint


def test_every_reason_and_status_makes_an_error() -> None:
    for reason in REASONS:
        for status in (400, 403, 404, 409):
            error = refused(status, {}, json.dumps({"error": {"errors": [{"reason": reason}]}}).encode())
            assert type(error) is REASONS[reason][0]
            assert reason in str(error)
    for status_text in STATUS:
        assert str(refused(int(status_text), {}, b""))
    assert isinstance(refused(409, {}, b"{}"), AlreadyExists)
    assert isinstance(
        refused(403, {}, b'{"error": {"errors": [{"reason": "fileNotDownloadable"}]}}'), ContentBlocked
    )  # fmt: skip


def test_the_newer_shape_of_errors_is_understood() -> None:
    body = {"error": {"status": "PERMISSION_DENIED", "details": [{"@type": "x"}, {"reason": "SERVICE_DISABLED"}]}}
    assert isinstance(refused(403, {}, json.dumps(body).encode()), Misconfigured)
    assert refused(403, {}, json.dumps(body).encode()).provider_code == "SERVICE_DISABLED"
    body = {"error": {"status": "RESOURCE_EXHAUSTED", "message": "x"}}
    assert isinstance(refused(403, {}, json.dumps(body).encode()), RateLimited)


def test_the_750_gigabytes_of_a_day_are_known_by_their_text(drive: FakeDrive, disk: DriveBackend) -> None:
    drive.refuse("files.create", 403, "userRateLimitExceeded", "User rate limit exceeded.")
    with pytest.raises(QuotaExceeded, match="no more uploads") as caught:
        put(disk, "log/a", b"1")
    assert caught.value.what == "requests"
    drive.refuse("files.create", 403, "userRateLimitExceeded", "User Rate Limit Exceeded. Rate of requests for user...")
    with pytest.raises(RateLimited):
        put(disk, "log/a", b"1")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(headers: dict[str, str], seconds: float | None) -> None:
    for status in (429, 503):
        error = refused(status, headers, b"")
        assert getattr(error, "retry_after", None) == seconds


# -------------------------------------------------------------------------------------------------- what is not Drive's
ODD = (
    b"", b"<html>no</html>", b"{}", b"[]", b"[1]", b'"x"', b"null", b'{"error": "x"}', b'{"error": {}}',
    b'{"error": {"errors": []}}', b'{"error": {"errors": ["x"]}}', b'{"error": {"errors": {}, "message": 7}}',
    b'{"error": {"message": {"a": 1}}}', b'[{"error": {"errors": "x"}}]', b"\xff\xfe\x00", b"{" * 50,
)  # fmt: skip


@pytest.mark.parametrize("status", [200, 204, 206, 301, 400, 401, 403, 404, 500])
def test_answers_that_are_not_drives_never_leak(canned: Canned, status: int) -> None:
    client = {
        "client_id": "c", "client_secret": "s", "auth_uri": canned.endpoint, "token_uri": f"{canned.endpoint}/token",
    }  # fmt: skip
    token = Answer(200, b'{"access_token": "a", "expires_in": 3600}')
    given = {"client_secret": json.dumps({"installed": client}), "token": "t"}
    for body in ODD:
        for what in ("usage", "stat", "get", "list", "put", "delete"):
            disk = DriveBackend.connect(DriveOptions(endpoint=canned.endpoint, folder_id="f", timeout=5.0), given)
            canned.answers = [Answer(status, body)]
            disk._names.tokens._access, disk._names.tokens._until = "a", float("inf")
            calls: dict[str, Any] = {
                "usage": disk.usage,
                "stat": lambda disk=disk: disk.stat("log/a", locator="i"),
                "get": lambda disk=disk: disk.get("log/a", locator="i"),
                "list": lambda disk=disk: list(disk.list("")),
                "put": lambda disk=disk: put(disk, "log/a", b"1"),
                "delete": lambda disk=disk: disk.delete("log/a"),
            }
            try:
                calls[what]()
            except BackendError as error:
                # Only Drive itself, in its own words, may say that something is not there.
                assert not isinstance(error, ObjectNotFound), (status, body, what)
            finally:
                disk.close()
            canned.answers = [token]


def _at(canned: Canned) -> DriveBackend:
    """A disk at a server of prepared answers, with a token."""
    client = {"client_id": "c", "client_secret": "s", "auth_uri": canned.endpoint, "token_uri": canned.endpoint}
    given = {"client_secret": json.dumps({"installed": client}), "token": "t"}
    disk = DriveBackend.connect(DriveOptions(endpoint=canned.endpoint, folder_id="f", timeout=5.0), given)
    disk._names.tokens._access, disk._names.tokens._until = "a", float("inf")
    return disk


def test_a_download_that_only_the_connections_end_ends_is_an_error(canned: Canned) -> None:
    with contextlib.closing(_at(canned)) as disk:
        canned.answers = [Answer(200, b"half of it", length="none")]
        with pytest.raises(ProtocolError, match="length"):
            disk.get("log/a", locator="i")
        canned.answers = [Answer(200, b"all of it")]
        assert disk.get("log/a", locator="i") == b"all of it"


def test_a_listing_that_goes_round_in_circles_is_given_up(canned: Canned) -> None:
    with contextlib.closing(_at(canned)) as disk:
        canned.answers = [Answer(200, b'{"files": [], "nextPageToken": "again"}')]
        with pytest.raises(ProtocolError, match="get on"):
            list(disk.list(""))
    assert len(canned.seen) == 2


def test_an_upload_that_was_forgotten_without_a_word_is_begun_anew(drive: FakeDrive, disk: DriveBackend) -> None:
    drive.refuse("drive.files.upload", 404, "")
    with pytest.raises(Unavailable):
        put(disk, "shards/ab/cd", b"1" * 5_000_001)
    assert put(disk, "shards/ab/cd", b"1" * 5_000_001).verified


def test_nothing_of_the_sdk_is_said_on_standard_error(disk: DriveBackend, drive: FakeDrive) -> None:
    drive.refuse("files.list", 403, "storageQuotaExceeded")
    with pytest.raises(QuotaExceeded):
        list(disk.list(""))
    assert not logging.getLogger("googleapiclient.http").isEnabledFor(logging.WARNING)
