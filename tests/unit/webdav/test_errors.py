"""webraid_webdav's error tables: complete, and true to what servers say."""

from __future__ import annotations

import http.client
import inspect
import ssl

import pytest
import urllib3.exceptions

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
from webraid_webdav.codes import _CODES, CODES, refusal
from webraid_webdav.errors import ERRORS

SECRET = "https://ada:SECRETWORD@example.org"
THEIRS = [
    cls
    for _, cls in inspect.getmembers(urllib3.exceptions, inspect.isclass)
    if cls.__module__ == "urllib3.exceptions" and issubclass(cls, Exception) and not issubclass(cls, Warning)
]
NETS = (urllib3.exceptions.HTTPError,)


def shown(error: BackendError) -> str:
    return f"{error!r} {error} {error.hint} {error.provider_code}"


# ------------------------------------------------------------------------------------------------------ what is raised
@pytest.mark.parametrize("cls", THEIRS, ids=lambda cls: cls.__name__)
def test_every_class_of_urllib3_has_a_group_of_its_own(cls: type[Exception]) -> None:
    if cls in NETS:
        return  # for releases to come
    known = next(base for base in cls.__mro__ if base in ERRORS)
    assert known not in (*NETS, OSError)
    error = cls.__new__(cls)
    error.args = (SECRET,)
    found = map_error(ERRORS, error) if cls.__str__ is Exception.__str__ else ERRORS[known](Exception(SECRET))
    assert isinstance(found, BackendError)
    assert not isinstance(found, ObjectNotFound)
    assert "SECRETWORD" not in shown(found)


def test_the_walk_saw_them_all() -> None:
    names = {cls.__name__ for cls in THEIRS}
    assert {"NewConnectionError", "ReadTimeoutError", "SSLError", "IncompleteRead", "ClosedPoolError"} <= names
    assert len(names) > 25


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (urllib3.exceptions.NewConnectionError(None, SECRET), Unavailable),  # type: ignore[arg-type]
        (urllib3.exceptions.NameResolutionError("h", None, OSError(SECRET)), Unavailable),  # type: ignore[arg-type]
        (urllib3.exceptions.ConnectTimeoutError(SECRET), Unavailable),
        (urllib3.exceptions.ReadTimeoutError(None, "", SECRET), Unavailable),  # type: ignore[arg-type]
        (urllib3.exceptions.ProtocolError(SECRET), Unavailable),
        (urllib3.exceptions.IncompleteRead(1, 2), Unavailable),
        (urllib3.exceptions.SSLError("EOF occurred"), Unavailable),
        (urllib3.exceptions.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), Misconfigured),
        (urllib3.exceptions.LocationParseError(SECRET), Misconfigured),
        (urllib3.exceptions.DecodeError(SECRET), ProtocolError),
        (urllib3.exceptions.ClosedPoolError(None, SECRET), ProtocolError),  # type: ignore[arg-type]
        (http.client.IncompleteRead(b"1", 2), Unavailable),
        (http.client.BadStatusLine(SECRET), Unavailable),
        (http.client.CannotSendRequest(SECRET), Unavailable),
        (ConnectionResetError(SECRET), Unavailable),
        (TimeoutError(SECRET), Unavailable),
        (ssl.SSLError(SECRET), Unavailable),
        (UnicodeError(SECRET), Misconfigured),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_breaks_on_the_way_is_what_it_is(error: Exception, wanted: type[BackendError]) -> None:
    found = map_error(ERRORS, error)
    assert found is not None
    assert type(found) is wanted
    assert found.hint
    assert "SECRETWORD" not in shown(found)


def test_what_the_table_does_not_know_is_left_to_guarded() -> None:
    assert map_error(ERRORS, KeyError("x")) is None


# ----------------------------------------------------------------------------------------------------- what is answered
WANTED = {
    ProtocolError: "304 400 406 411 414 415 416 417 418 422 428 431 505 506 510",
    AuthExpired: "401",
    QuotaExceeded: "402 507 509",
    PermissionDenied: "403",
    ObjectNotFound: "404 410",
    Misconfigured: "300 301 302 303 305 306 307 308 405 407 421 426 508",
    Unavailable: "408 409 423 424 425 500 502 503 504 511 520 521 522 523 524 525 526 530",
    VersionMismatch: "412",
    ObjectTooLarge: "413",
    RateLimited: "429",
    ContentBlocked: "451",
    Unsupported: "501",
}


@pytest.mark.parametrize(
    ("status", "wanted"), [(int(one), cls) for cls, all_ in WANTED.items() for one in all_.split()]
)
def test_what_a_server_answers_is_what_it_means(status: int, wanted: type[BackendError]) -> None:
    found = refusal(status, {"location": SECRET, "www-authenticate": 'Basic realm="SECRETWORD"'}, "name")
    assert type(found) is wanted
    assert found.key == "name"
    assert found.hint
    assert found.provider_code == str(status)
    assert str(status) in str(found)
    assert "SECRETWORD" not in shown(found)


def test_every_status_of_the_table_was_tried_and_means_one_thing() -> None:
    tried = {int(one) for all_ in WANTED.values() for one in all_.split()}
    assert tried == set(CODES)
    assert sum(len(codes.split()) for codes, _ in _CODES) == len(CODES)


@pytest.mark.parametrize("status", [*range(300, 309), *range(400, 452), *range(500, 512)])
def test_every_status_there_is_has_a_sentence_and_a_hint(status: int) -> None:
    found = refusal(status, {})
    assert isinstance(found, BackendError)
    assert found.hint
    assert len(str(found)) > 15


@pytest.mark.parametrize(("status", "wanted"), [(200, Misconfigured), (599, Unavailable), (499, ProtocolError)])
def test_a_status_that_is_not_in_the_table_is_taken_by_its_hundred(status: int, wanted: type[BackendError]) -> None:
    assert type(refusal(status, {})) is wanted


@pytest.mark.parametrize(("status", "what"), [(507, "space"), (402, "space"), (509, "egress")])
def test_what_is_used_up_is_told(status: int, what: str) -> None:
    found = refusal(status, {})
    assert isinstance(found, QuotaExceeded)
    assert found.what == what


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:28:30 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], wait: float | None) -> None:
    found = refusal(429, headers)
    assert isinstance(found, RateLimited)
    assert found.retry_after == wait


def test_a_busy_server_that_names_a_time_is_obeyed() -> None:
    found = refusal(503, {"retry-after": "3"})
    assert isinstance(found, RateLimited)
    assert found.retry_after == 3


def test_maintenance_is_called_so() -> None:
    found = refusal(503, {"retry-after": "120", "x-nextcloud-maintenance-mode": "1"})
    assert type(found) is Unavailable
    assert "maintenance" in str(found)


@pytest.mark.parametrize("offers", ['Digest realm="x", nonce="y"', "Negotiate", 'Bearer scope="basics"'])
def test_a_server_without_basic_logins_is_told_so(offers: str) -> None:
    found = refusal(401, {"www-authenticate": offers})
    assert isinstance(found, Unsupported)
    assert "Basic" in found.hint


@pytest.mark.parametrize("offers", ["", 'Basic realm="x"', 'Digest realm="x", Basic realm="x"', 'basic realm="x"'])
def test_a_refused_password_is_a_matter_of_the_login(offers: str) -> None:
    assert isinstance(refusal(401, {"www-authenticate": offers}), AuthExpired)


@pytest.mark.parametrize(
    ("location", "hint"),
    [
        ("https://new.example.org/dav/disk/log/1", "https://new.example.org/dav/disk/"),
        ("https://new.example.org:8443/x/log/1?token=SECRETWORD", "https://new.example.org:8443/x/"),
        ("https://ada:SECRETWORD@h/log/1", "https://h/"),
        ("/elsewhere", ""),
        ("javascript:SECRETWORD", ""),
        ("https://[", ""),
        ("https://h:port/", ""),
        ("https://h/\x1b[31m", ""),
        ("", ""),
    ],
)
def test_a_redirect_tells_the_new_address_without_secrets(location: str, hint: str) -> None:
    found = refusal(301, {"location": location}, asked="log/1")
    assert isinstance(found, Misconfigured)
    assert ("set this disk's url" in found.hint) == bool(hint)
    assert not hint or found.hint.endswith(f" {hint}")
    assert "SECRETWORD" not in shown(found)
    assert "\x1b" not in shown(found)
