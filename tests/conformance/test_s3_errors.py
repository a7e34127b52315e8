"""webraid_s3's error table: complete, and true to what providers say."""

from __future__ import annotations

import email.utils
import http.client
import inspect
import ssl
import time

import botocore.exceptions
import pytest
import urllib3.exceptions
from botocore.exceptions import ClientError

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
    VersionMismatch,
)
from webraid_s3 import S3Backend
from webraid_s3.codes import CODES, from_client_error
from webraid_s3.errors import ERRORS

SECRET = "AKIDSECRET+https://user:password@example.org"
THEIRS = [
    cls
    for _, cls in inspect.getmembers(botocore.exceptions, inspect.isclass)
    if issubclass(cls, Exception) and not issubclass(cls, Warning) and cls.__module__ == "botocore.exceptions"
]


def refused(
    code: str, status: int, message: str = SECRET, *, more: dict[str, str] | None = None, **headers: str
) -> BackendError:
    meta = {"HTTPStatusCode": status, "HTTPHeaders": {name.replace("_", "-"): value for name, value in headers.items()}}
    told = {"Code": code, "Message": message, **(more or {})}
    return from_client_error(ClientError({"Error": told, "ResponseMetadata": meta}, "GetObject"))


@pytest.mark.parametrize("cls", THEIRS, ids=lambda cls: cls.__name__)
def test_every_class_of_botocore_has_a_group_of_its_own(cls: type[Exception]) -> None:
    if cls is botocore.exceptions.BotoCoreError:
        return  # the net under the others, for releases to come
    known = next(base for base in cls.__mro__ if base in ERRORS)
    assert known is not botocore.exceptions.BotoCoreError
    assert issubclass(known, botocore.exceptions.BotoCoreError | ClientError | Exception)
    error = cls.__new__(cls)
    Exception.__init__(error, SECRET)
    found = map_error(S3Backend.ERRORS, error)
    assert isinstance(found, BackendError)
    assert not isinstance(found, ObjectNotFound)
    assert SECRET not in f"{found!r} {found} {found.hint} {found.provider_code}"


def test_there_are_many_of_them_so_the_walk_saw_them_all() -> None:
    assert len(THEIRS) > 80
    names = {cls.__name__ for cls in THEIRS}
    assert {"ClientError", "EndpointConnectionError", "FlexibleChecksumError", "LoginError"} <= names


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (botocore.exceptions.EndpointConnectionError(endpoint_url=SECRET), Unavailable),
        (botocore.exceptions.ConnectTimeoutError(endpoint_url=SECRET), Unavailable),
        (botocore.exceptions.ReadTimeoutError(endpoint_url=SECRET), Unavailable),
        (botocore.exceptions.ConnectionClosedError(endpoint_url=SECRET), Unavailable),
        (botocore.exceptions.ProxyConnectionError(proxy_url=SECRET), Unavailable),
        (botocore.exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2), Unavailable),
        (botocore.exceptions.ResponseStreamingError(error=SECRET), Unavailable),
        (botocore.exceptions.HTTPClientError(error=SECRET), Unavailable),
        (botocore.exceptions.FlexibleChecksumError(error_msg=SECRET), Unavailable),
        (botocore.exceptions.SSLError(endpoint_url=SECRET, error="EOF occurred"), Unavailable),
        (botocore.exceptions.SSLError(endpoint_url=SECRET, error="[SSL: CERTIFICATE_VERIFY_FAILED]"), Misconfigured),
        (botocore.exceptions.NoCredentialsError(), AuthExpired),
        (botocore.exceptions.ProfileNotFound(profile=SECRET), Misconfigured),
        (botocore.exceptions.ParamValidationError(report=SECRET), ProtocolError),
        (botocore.exceptions.PaginationError(message=SECRET), ProtocolError),
        (urllib3.exceptions.ReadTimeoutError(None, "", SECRET), Unavailable),  # type: ignore[arg-type]
        (urllib3.exceptions.IncompleteRead(1, 2), Unavailable),
        (urllib3.exceptions.ProtocolError(SECRET), Unavailable),
        (urllib3.exceptions.SSLError(SECRET), Unavailable),
        (http.client.IncompleteRead(b"1", 2), Unavailable),
        (ConnectionResetError(SECRET), Unavailable),
        (TimeoutError(SECRET), Unavailable),
        (ssl.SSLError(SECRET), Unavailable),
        (ValueError(SECRET), ProtocolError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_breaks_on_the_way_is_what_it_is(error: Exception, wanted: type[BackendError]) -> None:
    found = map_error(ERRORS, error)
    assert type(found) is wanted
    assert SECRET not in f"{found!r} {found.hint}"


def test_what_the_table_does_not_know_is_left_to_guarded() -> None:
    assert map_error(ERRORS, KeyError("x")) is None


@pytest.mark.parametrize(
    ("code", "status", "wanted"),
    [
        ("NoSuchKey", 404, ObjectNotFound),
        ("404", 404, ObjectNotFound),
        ("NoSuchBucket", 404, Misconfigured),
        ("NoSuchTenant", 404, Misconfigured),  # unknown: never taken for the absence of an object
        ("NoSuchUpload", 404, Misconfigured),
        ("AuthorizationHeaderMalformed", 400, Misconfigured),
        ("PermanentRedirect", 301, Misconfigured),
        ("301", 301, Misconfigured),
        ("InvalidBucketName", 400, Misconfigured),
        ("InvalidAccessKeyId", 403, AuthExpired),
        ("SignatureDoesNotMatch", 403, AuthExpired),
        ("ExpiredToken", 400, AuthExpired),
        ("Unauthorized", 401, AuthExpired),
        ("", 401, AuthExpired),
        ("RequestTimeTooSkewed", 403, AuthExpired),
        ("AccessDenied", 403, PermissionDenied),
        ("403", 403, PermissionDenied),
        ("SlowDown", 503, RateLimited),
        ("TooManyRequests", 429, RateLimited),
        ("whatever", 429, RateLimited),
        ("ServiceUnavailable", 503, Unavailable),
        ("InternalError", 500, Unavailable),
        ("RequestTimeout", 400, Unavailable),
        ("OperationAborted", 409, Unavailable),
        ("", 502, Unavailable),
        ("", 599, Unavailable),
        ("BadDigest", 400, Unavailable),
        ("XAmzContentSHA256Mismatch", 400, Unavailable),
        ("InsufficientStorage", 507, QuotaExceeded),
        ("QuotaExceeded", 403, QuotaExceeded),
        ("XMinioStorageFull", 507, QuotaExceeded),
        ("EntityTooLarge", 400, ObjectTooLarge),
        ("", 413, ObjectTooLarge),
        ("PreconditionFailed", 412, VersionMismatch),
        ("InvalidRange", 416, ProtocolError),
        ("NotImplemented", 501, Unsupported),
        ("", 405, Unsupported),
        ("", 451, ContentBlocked),
        ("MalformedXML", 400, ProtocolError),
        ("Teapot", 418, ProtocolError),
    ],
)
def test_what_a_server_answers_is_what_it_means(code: str, status: int, wanted: type[BackendError]) -> None:
    found = refused(code, status)
    assert type(found) is wanted
    assert found.hint
    assert found.provider_code == (code or str(status))
    assert SECRET not in f"{found!r} {found.hint}"


def test_no_code_means_two_things() -> None:
    from webraid_s3.codes import _CODES

    words = [code for codes, _ in _CODES for code in codes.split()]
    assert len(words) == len(set(words)) == len(CODES)


def test_a_wrong_clock_is_called_so() -> None:
    assert "clock" in refused("RequestTimeTooSkewed", 403).hint


@pytest.mark.parametrize(
    ("request_time", "server_time", "words"),
    [
        ("20261121T112500Z", "2026-11-21T11:00:00Z", "25 minutes fast"),
        ("20261121T104000Z", "2026-11-21T11:00:00Z", "20 minutes slow"),
        ("20261121T170000Z", "2026-11-21T11:00:00Z", "6 hours fast"),
    ],
)
def test_a_wrong_clock_is_told_by_how_much(request_time: str, server_time: str, words: str) -> None:
    more = {"RequestTime": request_time, "ServerTime": server_time, "MaxAllowedSkewMilliseconds": "900000"}
    assert words in refused("RequestTimeTooSkewed", 403, more=more).hint


def test_where_only_the_answers_date_tells_it_is_compared_with_our_clock() -> None:
    behind = email.utils.formatdate(time.time() - 3 * 3600, usegmt=True)
    assert "3 hours fast" in refused("RequestTimeTooSkewed", 403, date=behind).hint
    assert "more than 15 minutes" in refused("RequestTimeTooSkewed", 403, date="yesterday").hint
    more = {"RequestTime": "soon", "ServerTime": "2026-11-21T11:00:00Z"}
    assert "3 hours fast" in refused("RequestTimeTooSkewed", 403, more=more, date=behind).hint


def test_a_refusal_to_head_which_says_nothing_is_called_by_the_clock_where_that_is_wrong() -> None:
    behind = email.utils.formatdate(time.time() - 3600, usegmt=True)
    found = refused("403", 403, date=behind)
    assert isinstance(found, AuthExpired)
    assert "60 minutes fast" in found.hint
    assert isinstance(refused("403", 403, date=email.utils.formatdate(usegmt=True)), PermissionDenied)
    assert isinstance(refused("AccessDenied", 403, date=behind), PermissionDenied), "the server said something else"


def test_a_refusal_says_that_it_may_be_for_want_of_the_right_to_list() -> None:
    assert "without the right to list" in refused("AccessDenied", 403).hint


def test_a_wrong_region_points_at_the_region() -> None:
    assert "region" in refused("AuthorizationHeaderMalformed", 400).hint


@pytest.mark.parametrize(
    ("code", "message", "what"),
    [
        ("AccessDenied", "Cannot upload files, storage cap exceeded. See the Caps & Alerts page", "space"),
        ("AccessDenied", "Transaction cap exceeded, see the Caps & Alerts page to increase your cap", "requests"),
        ("TransactionCapExceeded", "", "requests"),
        ("AccessDenied", "download cap exceeded", "egress"),
        ("cap_exceeded", "", "space"),
    ],
)
def test_caps_of_backblaze_are_quota_and_say_of_what(code: str, message: str, what: str) -> None:
    found = refused(code, 403, message)
    assert isinstance(found, QuotaExceeded)
    assert found.what == what


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-3"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:28:30 GMT"}, 0.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], wait: float | None) -> None:
    found = refused("TooManyRequests", 429, **headers)
    assert isinstance(found, RateLimited)
    assert found.retry_after == wait


def test_a_busy_server_that_names_a_time_is_obeyed() -> None:
    found = refused("ServiceUnavailable", 503, retry_after="3")
    assert isinstance(found, RateLimited)
    assert found.retry_after == 3


def test_a_hostile_code_is_not_shown() -> None:
    found = refused("\x1b[31mAccessDenied " + "x" * 100, 403)
    assert isinstance(found, PermissionDenied)
    assert found.provider_code == "403"
    assert "\x1b" not in str(found)


@pytest.mark.parametrize("response", [{}, {"Error": None}, {"Error": {}, "ResponseMetadata": {}}])
def test_an_answer_without_anything_is_a_protocol_error(response: dict[str, object]) -> None:
    error = ClientError({}, "GetObject")
    error.response = response  # type: ignore[assignment]
    assert isinstance(from_client_error(error), ProtocolError)
