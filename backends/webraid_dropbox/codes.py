"""What Dropbox answers when it refuses (the tags of its error unions) -> our errors.

Tags by union, as the SDK's types have them: dropbox/files.py says at each what it means.  A test holds that every tag
of every route we use is here.  No text of the server goes into a message, only tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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

Row = tuple[type[BackendError], str, str | None]  # our class, what happened, hint

LOGIN = "webraid backend login NAME"
SCOPES_HINT = (
    "Tick account_info.read, files.metadata.read, files.content.read and files.content.write at the app's Permissions "
    f"in Dropbox's App Console, press Submit, then: {LOGIN}"
)
FOLDER_HINT = "Keep other things out of this disk's folder in Dropbox, or give the disk another --folder."
WRITES = "writes"

_BUG: Row = (ProtocolError, "Dropbox does not understand the request", None)
_ODD: Row = (ProtocolError, "unexpected answer of Dropbox", None)
_GONE: Row = (ObjectNotFound, "no such object", None)
_BLOCKED: Row = (ContentBlocked, "Dropbox blocks this content", None)
_FULL: Row = (QuotaExceeded, "no space is left in the Dropbox", None)
_DENIED: Row = (PermissionDenied, "not allowed in this Dropbox", None)
_BUSY: Row = (RateLimited, "Dropbox is busy with other writes to this account", None)
_DAMAGED: Row = (Unavailable, "the bytes were damaged on the way", None)
_SESSION: Row = (Unavailable, "the upload was begun but cannot be finished", None)
_TOO_LARGE: Row = (ObjectTooLarge, "the object is too large", None)
EXPIRED: Row = (AuthExpired, "the login is no longer valid", f"Log in again: {LOGIN}")

_LOOKUP: dict[str, Row] = {
    "malformed_path": _BUG,
    "not_found": _GONE,
    "not_file": _GONE,
    "not_folder": _GONE,
    "restricted_content": _BLOCKED,
    "unsupported_content_type": _BLOCKED,
    "locked": (Unavailable, "the file is locked", "Take the lock off the file at www.dropbox.com."),
    "other": _ODD,
}
_UPLOADED: dict[str, Row] = {
    "payload_too_large": _TOO_LARGE,
    "content_hash_mismatch": _DAMAGED,
    "encryption_not_supported": (
        PermissionDenied, "the folder belongs to a team that encrypts it, which Dropbox's API cannot",
        "Use another Dropbox, or ask the team's administrator.",
    ),
    "other": _ODD,
}  # fmt: skip
_SESSIONS: dict[str, Row] = {
    "not_found": _SESSION,
    "incorrect_offset": _SESSION,
    "closed": _SESSION,
    "not_closed": _SESSION,
    "too_large": _TOO_LARGE,
    "concurrent_session_invalid_offset": _BUG,
    "concurrent_session_invalid_data_size": _BUG,
    **_UPLOADED,
}
_PROPERTIES = dict.fromkeys(
    ("property_field_too_large", "does_not_fit_template", "duplicate_property_groups", "unsupported_folder",
     "template_not_found", "restricted_content", "other"),
    _BUG,
)  # fmt: skip

# Union of the SDK (module.class) -> tag -> what it means.  Tags that hold another union are not here: that one decides.
CODES: Mapping[str, Mapping[str, Row]] = {
    "files.LookupError": _LOOKUP,
    "files.WriteError": {
        "malformed_path": _BUG,
        "no_write_permission": _DENIED,
        "insufficient_space": _FULL,
        "disallowed_name": _BUG,
        "team_folder": _DENIED,
        "operation_suppressed": (Misconfigured, "Dropbox allows no files at this path", FOLDER_HINT),
        "too_many_write_operations": _BUSY,
        "access_restricted": _DENIED,
        "team_folder_insufficient_space": _FULL,
        "member_folder_insufficient_space": _FULL,
        "upload_traffic_limit_reached": (
            QuotaExceeded, "the month's upload traffic is used up", "Wait for the next month, or add another disk.",
        ),
        "other": _ODD,
    },
    "files.WriteConflictError": {
        "file": (AlreadyExists, "another file is in the way", FOLDER_HINT),
        "folder": (AlreadyExists, "a folder is in the way", FOLDER_HINT),
        "file_ancestor": (AlreadyExists, "a file is where a folder should be", FOLDER_HINT),
        "other": _ODD,
    },
    "files.UploadError": _UPLOADED,
    "files.UploadSessionStartError": {
        "concurrent_session_data_not_allowed": _BUG, "concurrent_session_close_not_allowed": _BUG, **_UPLOADED,
    },
    "files.UploadSessionAppendError": _SESSIONS,
    "files.UploadSessionLookupError": _SESSIONS,
    "files.UploadSessionFinishError": {
        "too_many_shared_folder_targets": _BUG,
        "too_many_write_operations": _BUSY,
        "concurrent_session_data_not_allowed": _BUG,
        "concurrent_session_not_closed": _BUG,
        "concurrent_session_missing_data": _BUG,
        **_UPLOADED,
    },
    "files.DownloadError": {"unsupported_file": _BLOCKED, "other": _ODD},
    "files.GetMetadataError": {},
    "files.ListFolderError": {"other": _ODD},
    "files.ListFolderContinueError": {
        "reset": (Unavailable, "the listing must be begun again", None), "other": _ODD,
    },
    "files.CreateFolderError": {},
    "files.DeleteError": {"too_many_write_operations": _BUSY, "too_many_files": _BUG, "other": _ODD},
    "file_properties.InvalidPropertyGroupError": _PROPERTIES,
    "file_properties.TemplateError": _PROPERTIES,
    "file_properties.LookupError": {
        **_PROPERTIES, **dict.fromkeys(("malformed_path", "not_found", "not_file", "not_folder"), _BUG),
    },
    "auth.AuthError": {
        "invalid_access_token": EXPIRED,
        "invalid_select_user": EXPIRED,
        "invalid_select_admin": EXPIRED,
        "user_suspended": (
            AuthExpired, "Dropbox has suspended this account", "See what www.dropbox.com says when you log in there.",
        ),
        "expired_access_token": EXPIRED,
        "missing_scope": (AuthExpired, "the app lacks a permission", SCOPES_HINT),
        "route_access_denied": (AuthExpired, "the app may not do this", SCOPES_HINT),
        "other": EXPIRED,
    },
    "auth.RateLimitReason": {
        "too_many_requests": (RateLimited, "Dropbox asks to slow down", None),
        "too_many_write_operations": _BUSY,
        "other": (RateLimited, "Dropbox asks to slow down", None),
    },
    "common.PathRootError": dict.fromkeys(
        ("invalid_root", "no_permission", "other"), (Misconfigured, "this Dropbox has another root folder", None)
    ),
}  # fmt: skip

_TRAFFIC = "upload_traffic_limit_reached"
_CONFLICT_WITH_FOLDER = "conflict/folder"


def union_name(union: Any) -> str:
    """'files.LookupError' of a value or a class of the SDK."""
    cls = union if isinstance(union, type) else type(union)
    return f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}"


def from_union(error: Any, *, retry_after: float | None = None) -> BackendError:
    """An error union of the SDK, by the innermost tag that we know; 'path/conflict/folder' as the provider's code."""
    tags: list[str] = []
    name = ""
    while hasattr(error, "_tag"):
        name = union_name(error)
        tags.append(error._tag)  # the SDK has an is_...() for each tag, and no getter for the tag
        inner = error._value
        error = getattr(inner, "reason", inner)  # UploadWriteFailed wraps a union, too
    return made(CODES.get(name, {}).get(tags[-1] if tags else "", _ODD), "/".join(tags), retry_after=retry_after)


def made(row: Row, code: str, *, retry_after: float | None = None) -> BackendError:
    """The error that a row is, with the provider's ``code`` ('' or tags)."""
    cls, sentence, hint = row
    text = f"{sentence} ({code})" if code else sentence
    tag = code.rpartition("/")[2]
    if cls is RateLimited:
        scope = WRITES if tag == "too_many_write_operations" else "account"
        return RateLimited(text, retry_after=retry_after, scope=scope, provider_code=code)
    if cls is QuotaExceeded:
        return QuotaExceeded(text, what="requests" if tag == _TRAFFIC else "space", provider_code=code, hint=hint)
    if cls is AuthExpired:
        return AuthExpired(text, fix=LOGIN, provider_code=code, hint=hint)
    return cls(text, provider_code=code, hint=hint)


def is_folder_in_the_way(error: BackendError) -> bool:
    """Whether a folder could not be made because it is there already."""
    return error.provider_code.endswith(_CONFLICT_WITH_FOLDER)
