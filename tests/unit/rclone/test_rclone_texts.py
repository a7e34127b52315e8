"""What rclone and providers say, as they say it, and what it means to us."""

from __future__ import annotations

import http.client
import subprocess
import sys

import pytest

from webraid.backend.base import map_error
from webraid.errors import (
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
    Unsupported,
)
from webraid_rclone.errors import ERRORS
from webraid_rclone.texts import FOLDER, TABLE, refusal

SAID: list[tuple[str, type[BackendError]]] = [
    (
        "config failed to refresh token: failed to start auth webserver: listen tcp: bind: address already in use",
        Unavailable,
    ),
    ("object not found", ObjectNotFound),
    ("is a directory not a file", ObjectNotFound),
    ('didn\'t find section in config file ("nope")', Misconfigured),
    ("didn't find backend called \"nope\"", Misconfigured),
    ("error in ListJSON: directory not found", Misconfigured),
    ("NoSuchBucket: The specified bucket does not exist status code: 404, request id: 17AB", Misconfigured),
    ('Get "https://h/": x509: certificate signed by unknown authority', Misconfigured),
    ('Propfind "https://h/": tls: failed to verify certificate: x509: certificate has expired', Misconfigured),
    ("googleapi: Error 403: User Rate Limit Exceeded, userRateLimitExceeded", RateLimited),
    ("googleapi: Error 403: Quota exceeded for quota metric 'Queries', rateLimitExceeded", RateLimited),
    ("HTTP error 429 (429 Too Many Requests) returned body: \"\"", RateLimited),
    ("activityLimitReached: throttledRequest: The request has been throttled", RateLimited),
    ("too_many_requests/... Trying again in 300 seconds.", RateLimited),
    ("too_many_write_operations/", RateLimited),
    ("operation error S3: PutObject, https response error StatusCode: 503, api error SlowDown", RateLimited),
    ("googleapi: Error 403: Daily Limit Exceeded, dailyLimitExceeded", QuotaExceeded),
    ("googleapi: Error 403: The download quota for this file has been exceeded, downloadQuotaExceeded", QuotaExceeded),
    ("Bandwidth limit exceeded", QuotaExceeded),
    ("googleapi: Error 403: The user's Drive storage quota has been exceeded., storageQuotaExceeded", QuotaExceeded),
    ("quotaLimitReached: Insufficient Space Available", QuotaExceeded),
    ("write /mnt/stick/webraid/x: no space left on device", QuotaExceeded),
    ("write: disk quota exceeded", QuotaExceeded),
    ("Insufficient Storage: 507 Insufficient Storage", QuotaExceeded),
    ("path/insufficient_space/..", QuotaExceeded),
    ("not enough free space to upload", QuotaExceeded),
    ("Your account has reached its storage limit", QuotaExceeded),
    ("Over quota", QuotaExceeded),
    ("User is over quota (2008)", QuotaExceeded),
    ("googleapi: Error 403: cannotDownloadAbusiveFile, This file has been identified as malware", ContentBlocked),
    ("path/restricted_content/.", ContentBlocked),
    ("EntityTooLarge: Your proposed upload exceeds the maximum allowed size", ObjectTooLarge),
    ("file_size_limit_exceeded: File size exceeds the folder owner's file size limit", ObjectTooLarge),
    ("InvalidRange: The requested range is not satisfiable status code: 416", ProtocolError),
    ('Post "https://h/": dial tcp 127.0.0.1:1: connect: connection refused', Unavailable),
    ('couldn\'t fetch token: Post "https://h/token": dial tcp: lookup h: no such host', Unavailable),
    ("read tcp 1.2.3.4:5->6.7.8.9:443: i/o timeout", Unavailable),
    ('Put "https://h/": EOF', Unavailable),
    ("context deadline exceeded (Client.Timeout exceeded while awaiting headers)", Unavailable),
    ("couldn't fetch token: invalid_grant: maybe token expired? - try refreshing with \"rclone config reconnect\"",
     AuthExpired),
    ('oauth2: "invalid_grant" "Token has been expired or revoked."', AuthExpired),
    ("empty token found - please run \"rclone config reconnect x:\"", AuthExpired),
    ("InvalidAuthenticationToken: Access token is empty.", AuthExpired),
    ("expired_access_token/..", AuthExpired),
    ("couldn't login: Object (typically, node or user) not found, wrong password", AuthExpired),
    ("Unauthorized: 401 Unauthorized", AuthExpired),
    ("InvalidAccessKeyId: The AWS Access Key Id you provided does not exist status code: 403", AuthExpired),
    ("SignatureDoesNotMatch", AuthExpired),
    ("couldn't connect SSH: ssh: handshake failed: ssh: unable to authenticate, attempted methods [none]", AuthExpired),
    ("AccessDenied: Access Denied status code: 403", PermissionDenied),
    ("open /mnt/x: permission denied", PermissionDenied),
    ("mkdir /mnt/x: read-only file system", PermissionDenied),
    ("Forbidden: 403 Forbidden", PermissionDenied),
    ("corrupted on transfer: sizes differ src 4 vs dst 3", Unavailable),
    ("Webdav server doesn't support about", Unsupported),
    ("mkdir /x/file: not a directory", Misconfigured),
    ("open /x/folder: is a directory", Misconfigured),
    ("googleapi: Error 500: Internal Error, backendError", Unavailable),
    ("api error ServiceUnavailable: as told, StatusCode: 503", Unavailable),
    ("HTTP error 502 (502 Bad Gateway) returned", Unavailable),
    ("something that nobody has ever said", Unavailable),
    ("", Unavailable),
    ("Not Found: 404 Not Found", Misconfigured),
]  # fmt: skip


@pytest.mark.parametrize(("text", "cls"), SAID)
def test_each_text_is_understood(text: str, cls: type[BackendError]) -> None:
    error = refusal(text)
    assert type(error) is cls
    assert str(error) and error.hint


def test_every_row_of_the_table_is_needed_by_some_text() -> None:
    met = {row.sentence for text, _ in SAID for row in TABLE if refusal(text).args[0].startswith(row.sentence)}
    assert met == {row.sentence for row in TABLE}


def test_foreign_text_is_never_shown() -> None:
    for text, _ in SAID:
        error = refusal(f"{text} key=hunter2 https://u:hunter2@h/?sig=hunter2", "hunter2")
        assert "hunter2" not in f"{error} {error!r} {error.hint} {error.provider_code}"


@pytest.mark.parametrize("word", ["quota", "429", "forbidden", "invalid_grant"])
def test_words_in_addresses_and_names_say_nothing(word: str) -> None:
    text = f'Put "https://h/{word}": lstat /mnt/{word}/x: open s/{word}: EOF'
    assert type(refusal(text, f"s/{word}")) is Unavailable
    assert "429" not in str(refusal(text, f"s/{word}"))


def test_what_reading_does_not_find_is_not_there() -> None:
    for text in (
        "lstat /x/file/y: not a directory",
        "open /x: no such file or directory",
        "x is a directory or doesn't exist",
    ):
        assert type(refusal(text, reading=True)) is ObjectNotFound
        assert type(refusal(text)) is not ObjectNotFound


def test_a_missing_folder_has_its_code() -> None:
    assert refusal("error in ListJSON: directory not found").provider_code == FOLDER


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("too_many_requests/... Trying again in 300 seconds.", 300),
        ("429 Too Many Requests: retry after 7", 7),
        ("429 Too Many Requests", None),
    ],
)
def test_a_wait_that_is_told_is_handed_on(text: str, seconds: float | None) -> None:
    error = refusal(text)
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("text", "what"), [("no space left", "space"), ("dailyLimitExceeded", "requests"), ("transfer quota", "egress")]
)
def test_what_is_used_up_is_told(text: str, what: str) -> None:
    error = refusal(text)
    assert isinstance(error, QuotaExceeded)
    assert error.what == what


def every(cls: type[BaseException]) -> set[type[BaseException]]:
    """The class and what Python's own library derives from it, as far as it is loaded."""
    own = (child for child in cls.__subclasses__() if child.__module__.partition(".")[0] in sys.stdlib_module_names)
    return {cls}.union(*map(every, own))


@pytest.mark.parametrize("root", [http.client.HTTPException, OSError, subprocess.SubprocessError, ValueError])
def test_the_table_knows_every_class_that_the_library_raises(root: type[Exception]) -> None:
    for cls in every(root):
        error = map_error(ERRORS, cls.__new__(cls))
        assert isinstance(error, Unavailable | ProtocolError)
    assert {cls for cls in vars(http.client).values() if isinstance(cls, type) and issubclass(cls, Exception)} <= every(
        http.client.HTTPException
    ) | every(OSError) | every(ValueError)
