"""The error tables: complete over the SDK's exceptions and over the unions of every route that is used."""

from __future__ import annotations

import http.client
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dropbox.dropbox_client
import dropbox.exceptions
import dropbox.oauth
import pytest
import requests.exceptions
import urllib3.exceptions
from dropbox import auth, common, files, users
from stone.backends.python_rsrc import stone_validators

import webraid_dropbox
from webraid.backend.base import map_error
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
from webraid_dropbox.codes import CODES, from_union, union_name
from webraid_dropbox.errors import ERRORS

SECRET = "SECRET-https://user:password@example.org"
HERE = Path(webraid_dropbox.__file__).parent

# The methods of the SDK's client that the plug-in calls, and their routes.
ROUTES = {
    "files_upload": files.upload,
    "files_upload_session_start": files.upload_session_start,
    "files_upload_session_append_v2": files.upload_session_append_v2,
    "files_upload_session_finish_batch_v2": files.upload_session_finish_batch_v2,
    "files_download": files.download,
    "files_get_metadata": files.get_metadata,
    "files_list_folder": files.list_folder,
    "files_list_folder_continue": files.list_folder_continue,
    "files_delete_v2": files.delete_v2,
    "files_create_folder_v2": files.create_folder_v2,
    "users_get_space_usage": users.get_space_usage,
    "users_get_current_account": users.get_current_account,
}
ALSO = (files.UploadSessionFinishError, auth.AuthError, auth.RateLimitReason, common.PathRootError)
THEIRS = sorted(
    {
        cls
        for module in (dropbox.exceptions, dropbox.oauth, dropbox.dropbox_client, requests.exceptions, stone_validators)
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Exception)
        and not issubclass(cls, Warning)
        and cls.__module__.partition(".")[0] in ("dropbox", "requests", "stone")
    },
    key=lambda cls: f"{cls.__module__}.{cls.__name__}",
)


def test_these_are_the_routes_the_plug_in_uses() -> None:
    source = "".join(path.read_text() for path in HERE.glob("*.py"))
    assert set(re.findall(r"\.((?:files|users)_[a-z0-9_]+)\(", source)) == set(ROUTES)


def inner_union(validator: Any) -> Any:
    """The union that a tag holds, also within a struct; None where it holds none."""
    while isinstance(validator, stone_validators.Nullable):
        validator = validator.validator
    if isinstance(validator, stone_validators.Union):
        return validator.definition
    if isinstance(validator, stone_validators.Struct):
        return next((inner_union(kind) for name, kind in validator.definition._all_fields_ if name == "reason"), None)
    return None


def endings(union: Any, seen: frozenset[Any] = frozenset()) -> Iterator[tuple[Any, str]]:
    """Every (union, tag) that an error may end with."""
    for tag, validator in union._tagmap.items():
        inner = inner_union(validator)
        if inner is None:
            yield union, tag
        elif inner not in seen:
            yield from endings(inner, seen | {union})


def all_endings() -> list[tuple[Any, str]]:
    unions = [route.error_type.definition for route in ROUTES.values() if hasattr(route.error_type, "definition")]
    found = {(union_name(end), tag): (end, tag) for union in (*unions, *ALSO) for end, tag in endings(union)}
    return [found[key] for key in sorted(found)]


def made(union: Any, tag: str) -> Any:
    """A value of ``union`` with whatever its tag wants to hold."""
    validator = union._tagmap[tag]
    if isinstance(validator, stone_validators.Struct):
        return union(tag, validator.definition())
    return union(tag, "/x" if isinstance(validator, stone_validators.String) else None)


ENDINGS = all_endings()


@pytest.mark.parametrize(("union", "tag"), [pytest.param(*end, id=f"{union_name(end[0])}.{end[1]}") for end in ENDINGS])
def test_every_tag_of_every_union_has_a_row(union: Any, tag: str) -> None:
    assert tag in CODES[union_name(union)]
    error = from_union(made(union, tag))
    assert type(error) is CODES[union_name(union)][tag][0]
    assert error.provider_code == tag
    assert str(error)
    assert error.hint


def test_the_walk_saw_them_all() -> None:
    names = {f"{union_name(union)}.{tag}" for union, tag in ENDINGS}
    assert len(names) > 90
    assert {"files.WriteConflictError.file_ancestor", "files.UploadSessionLookupError.closed"} <= names
    assert {"files.LookupError.restricted_content", "auth.AuthError.missing_scope"} <= names


def test_the_table_knows_no_union_that_the_routes_do_not() -> None:
    walked = {union_name(union) for union, _ in ENDINGS}
    assert {name for name, rows in CODES.items() if rows} <= walked


@pytest.mark.parametrize("cls", THEIRS, ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_every_class_of_the_libraries_has_a_row_of_its_own(cls: type[Exception]) -> None:
    assert cls in ERRORS
    error = cls.__new__(cls)
    Exception.__init__(error, SECRET)
    found = map_error(ERRORS, error)
    assert isinstance(found, BackendError)
    assert not isinstance(found, ObjectNotFound)
    assert SECRET not in f"{found!r} {found} {found.hint} {found.provider_code}"


def test_there_are_many_of_them_so_the_walk_saw_those_too() -> None:
    names = {cls.__name__ for cls in THEIRS}
    assert len(THEIRS) > 30
    assert {"ApiError", "RateLimitError", "BadInputException", "ConnectTimeout", "ValidationError"} <= names


def api(union: Any) -> dropbox.exceptions.ApiError:
    return dropbox.exceptions.ApiError("id", union, None, None)


def write(tag: str, value: Any = None) -> Any:
    return files.WriteError(tag, value)


FULL = write("insufficient_space")
CONFLICT = files.WriteConflictError
RATE = auth.RateLimitError(auth.RateLimitReason.too_many_write_operations, 15)
EXPIRED = auth.AuthError("expired_access_token", None)


@pytest.mark.parametrize(
    ("error", "wanted", "code"),
    [
        (api(files.DownloadError("path", files.LookupError("not_found", None))), ObjectNotFound, "path/not_found"),
        (api(files.DownloadError("path", files.LookupError("not_file", None))), ObjectNotFound, "path/not_file"),
        (api(files.DownloadError("path", files.LookupError("restricted_content", None))), ContentBlocked, None),
        (api(files.UploadError("path", files.UploadWriteFailed(FULL, ""))), QuotaExceeded, "path/insufficient_space"),
        (api(files.UploadSessionFinishError("path", FULL)), QuotaExceeded, "path/insufficient_space"),
        (api(files.UploadSessionFinishError("path", write("disallowed_name"))), ProtocolError, "path/disallowed_name"),
        (api(files.UploadSessionFinishError("path", write("malformed_path", "x"))), ProtocolError, None),
        (
            api(files.CreateFolderError("path", write("conflict", CONFLICT.folder))),
            AlreadyExists,
            "path/conflict/folder",
        ),
        (api(files.UploadSessionFinishError("path", write("no_write_permission"))), PermissionDenied, None),
        (api(files.UploadSessionFinishError("path", write("operation_suppressed"))), Misconfigured, None),
        (api(files.UploadSessionFinishError("too_many_write_operations", None)), RateLimited, None),
        (api(files.DeleteError("too_many_write_operations", None)), RateLimited, None),
        (api(files.UploadSessionStartError("content_hash_mismatch", None)), Unavailable, "content_hash_mismatch"),
        (api(files.UploadSessionStartError("payload_too_large", None)), ObjectTooLarge, None),
        (api(files.ListFolderContinueError("reset", None)), Unavailable, "reset"),
        (api(None), ProtocolError, ""),
        (dropbox.exceptions.AuthError("id", EXPIRED, SECRET), AuthExpired, "expired_access_token"),
        (dropbox.exceptions.AuthError("id", auth.AuthError("user_suspended", None)), AuthExpired, "user_suspended"),
        (dropbox.exceptions.AuthError("id", None), AuthExpired, "401"),
        (dropbox.exceptions.RateLimitError("id", RATE, 15), RateLimited, "too_many_write_operations"),
        (dropbox.exceptions.RateLimitError("id", None, None), RateLimited, "429"),
        (dropbox.exceptions.BadInputError("id", SECRET), ProtocolError, "400"),
        (dropbox.exceptions.BadInputError("id", '{"error": "invalid_client"}'), Misconfigured, "400"),
        (dropbox.exceptions.BadInputError("id", "does not have the required scope 'x'"), AuthExpired, "400"),
        (dropbox.exceptions.BadInputError("id", "OAuth 2 access token is malformed"), AuthExpired, "400"),
        (dropbox.exceptions.InternalServerError("id", 500, SECRET), Unavailable, "500"),
        (dropbox.exceptions.HttpError("id", 416, SECRET), ProtocolError, "416"),
        (dropbox.exceptions.HttpError("id", 403, SECRET), PermissionDenied, "403"),
        (dropbox.exceptions.HttpError("id", 407, SECRET), PermissionDenied, "407"),
        (dropbox.exceptions.HttpError("id", 418, SECRET), ProtocolError, "418"),
        (dropbox.exceptions.PathRootError("id", common.PathRootError("no_permission", None)), Misconfigured, None),
        (dropbox.exceptions.PathRootError("id"), Misconfigured, None),
        (dropbox.exceptions.DropboxException("id", SECRET), ProtocolError, None),
        (requests.exceptions.ConnectionError(SECRET), Unavailable, None),
        (requests.exceptions.ReadTimeout(SECRET), Unavailable, None),
        (requests.exceptions.ChunkedEncodingError(SECRET), Unavailable, None),
        (requests.exceptions.SSLError("EOF"), Unavailable, None),
        (requests.exceptions.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED]"), Misconfigured, None),
        (requests.exceptions.JSONDecodeError("x", "y", 0), ProtocolError, None),
        (requests.exceptions.InvalidProxyURL(SECRET), Misconfigured, None),
        (urllib3.exceptions.IncompleteRead(1, 2), Unavailable, None),
        (http.client.IncompleteRead(b""), Unavailable, None),
        (ConnectionResetError(SECRET), Unavailable, None),
        (AssertionError(SECRET), ProtocolError, None),
        (KeyError(SECRET), ProtocolError, None),
    ],
    ids=repr,
)
def test_an_error_means_what_it_says(error: Exception, wanted: type[BackendError], code: str | None) -> None:
    found = map_error(ERRORS, error)
    assert type(found) is wanted
    assert code is None or found.provider_code == code
    assert SECRET not in f"{found!r} {found} {found.hint}"


def test_too_many_writes_wait_as_long_as_dropbox_says_and_are_a_scope_of_their_own() -> None:
    found = map_error(ERRORS, dropbox.exceptions.RateLimitError("id", RATE, 15))
    assert isinstance(found, RateLimited)
    assert (found.retry_after, found.scope) == (15, "writes")
    slow = auth.RateLimitError(auth.RateLimitReason.too_many_requests, 3)
    found = map_error(ERRORS, dropbox.exceptions.RateLimitError("id", slow, 3))
    assert isinstance(found, RateLimited)
    assert (found.retry_after, found.scope) == (3, "account")


def test_used_up_traffic_is_not_used_up_space() -> None:
    for tag, what in (("upload_traffic_limit_reached", "requests"), ("insufficient_space", "space")):
        found = from_union(write(tag))
        assert isinstance(found, QuotaExceeded)
        assert found.what == what


def test_a_lost_login_says_how_to_renew_it() -> None:
    for tag in ("invalid_access_token", "missing_scope", "user_suspended"):
        found = from_union(made(auth.AuthError, tag))
        assert isinstance(found, AuthExpired)
        assert found.fix == "webraid backend login NAME"
