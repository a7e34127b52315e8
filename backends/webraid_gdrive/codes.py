"""What Drive and Google's sign-in answer when they refuse -> our errors, by reason, else by HTTP status.

Reasons are those of 'Resolve errors' in the Drive guides (developers.google.com/workspace/drive/api/guides) and of
rclone's drive backend.  No text of the server goes into a message, only the short reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
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
    VersionMismatch,
)

Row = tuple[type[BackendError], str, str | None]  # our class, what happened, hint

LOGIN_HINT = "Log in again: webraid backend login NAME"
PLACE_HINT = "Compare this disk's options with docs/backends/gdrive.md."
_CLIENT = "Compare the OAuth client with the one in the Cloud console; it may have been deleted, or its secret renewed."
_PROJECT = "Switch the Google Drive API on in the Cloud project of your OAuth client, and wait some minutes."
_TOMORROW = "It is free again tomorrow; or ask for a higher limit in the Cloud project of your OAuth client."
_FULL = "Google's storage is shared with mail and photos: free some, or add another disk."
_ITEMS = "Make a disk with another folder, or larger packs."

_REASONS: tuple[tuple[str, Row], ...] = (
    ("notFound", (ObjectNotFound, "no such file", None)),
    (
        "userRateLimitExceeded rateLimitExceeded sharingRateLimitExceeded RATE_LIMIT_EXCEEDED RESOURCE_EXHAUSTED",
        (RateLimited, "Drive asks to slow down", None),
    ),
    (
        "dailyLimitExceeded dailyLimitExceededUnreg",
        (QuotaExceeded, "the Cloud project has used up its requests of today", _TOMORROW),
    ),
    ("downloadQuotaExceeded", (QuotaExceeded, "this was downloaded too often for today", _TOMORROW)),
    ("storageQuotaExceeded quotaExceeded", (QuotaExceeded, "no space is left in the account", _FULL)),
    (
        "numChildrenInNonRootLimitExceeded teamDriveFileLimitExceeded activeItemCreationLimitExceeded",
        (QuotaExceeded, "Drive takes no more files there", _ITEMS),
    ),
    ("authError invalidCredentials required", (AuthExpired, "the login is not accepted", LOGIN_HINT)),
    (
        "insufficientPermissions insufficientScopes ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        (PermissionDenied, "the login does not let WebRAID use Drive", f"{LOGIN_HINT}, and leave the box ticked."),
    ),
    (
        "appNotAuthorizedToFile",
        (
            PermissionDenied,
            "this OAuth client may not use that file",
            "Use the OAuth client that the disk was made with.",
        ),
    ),
    (
        """insufficientFilePermissions insufficientParentPermissions forbidden cannotModifyInheritedPermission
        teamDriveMembershipRequired teamDrivesParentLimit""",
        (PermissionDenied, "this account may not do that", None),
    ),
    (
        "domainPolicy appBlacklisted appNotInstalled",
        (PermissionDenied, "the organisation's administrator does not allow this app", None),
    ),
    (
        "accessNotConfigured SERVICE_DISABLED apiDisabled",
        (Misconfigured, "the Cloud project may not use the Drive API", _PROJECT),
    ),
    ("keyInvalid keyExpired projectNotLinked", (Misconfigured, "the Cloud project is not usable", _CLIENT)),
    (
        "cannotDownloadAbusiveFile cannotDownloadFile fileNotDownloadable malwareDetected",
        (ContentBlocked, "Drive does not give this file out", None),
    ),
    ("uploadTooLarge mediaTooLarge fileTooLarge", (ObjectTooLarge, "the object is too large", None)),
    ("fileIdInUse", (AlreadyExists, "a file with this id exists", None)),
    (
        "backendError internalError transientError serviceNotAvailable deadlineExceeded",
        (Unavailable, "Drive cannot just now", None),
    ),
)
_STATUS: tuple[tuple[str, Row], ...] = (
    ("301 302 303 307 308", (Misconfigured, "the endpoint points elsewhere", PLACE_HINT)),
    ("400", (ProtocolError, "Drive does not understand the request", None)),
    ("401", (AuthExpired, "the login is not accepted", LOGIN_HINT)),
    ("403", (PermissionDenied, "this account may not do that", None)),
    # Without Drive's own words a 404 says nothing about the file: never take it for its absence.
    ("404", (Misconfigured, "this is no Drive endpoint", PLACE_HINT)),
    ("408 410", (Unavailable, "Drive cannot just now", None)),
    ("409", (AlreadyExists, "a file with this id exists", None)),
    ("412", (VersionMismatch, "the file is not what it was", None)),
    ("413", (ObjectTooLarge, "the object is too large", None)),
    ("416", (ProtocolError, "the range lies outside the object", None)),
    ("429", (RateLimited, "Drive asks to slow down", None)),
)
REASONS: Mapping[str, Row] = {reason: row for reasons, row in _REASONS for reason in reasons.split()}
STATUS: Mapping[str, Row] = {status: row for statuses, row in _STATUS for status in statuses.split()}
_WHAT = {"dailyLimitExceeded": "requests", "dailyLimitExceededUnreg": "requests", "downloadQuotaExceeded": "egress"}

# rclone's drive backend (--drive-stop-on-upload-limit): the 750 GB that a user may upload a day answer with this
# very text, where the ordinary rate limit writes it in capitals and says more.
DAILY_UPLOAD = "User rate limit exceeded."
_PLAIN = re.compile(r"[A-Za-z0-9_.-]{1,64}")

# RFC 6749, section 5.2, and what Google adds: the token endpoint's words.
_SIGN_IN: Mapping[str, Row] = {
    "invalid_grant": (AuthExpired, "the login has expired or was revoked", LOGIN_HINT),
    "invalid_client": (AuthExpired, "Google does not know the OAuth client, or its secret is wrong", _CLIENT),
    "unauthorized_client": (AuthExpired, "the login was made with another OAuth client", LOGIN_HINT),
    "deleted_client": (AuthExpired, "the OAuth client was deleted", _CLIENT),
    "invalid_scope": (AuthExpired, "the login does not let WebRAID use Drive", LOGIN_HINT),
    "admin_policy_enforced": (PermissionDenied, "the organisation's administrator does not allow this app", None),
    "access_denied": (PermissionDenied, "access was refused on Google's page", "Log in again, and agree."),
    "redirect_uri_mismatch": (Misconfigured, "the OAuth client is not one for a desktop app", _CLIENT),
}


def refused(status: int, headers: Mapping[str, str], content: bytes) -> BackendError:
    """An error answer of the API."""
    reason, message, location = _told(content)
    shown = reason if _PLAIN.fullmatch(reason) else str(status)
    text = f"({shown}, HTTP {status})" if shown != str(status) else f"(HTTP {status})"
    if reason in ("userRateLimitExceeded", "rateLimitExceeded") and message == DAILY_UPLOAD:
        sentence = f"Drive takes no more uploads of this account today {text}"
        return QuotaExceeded(sentence, what="requests", provider_code=shown, hint=_TOMORROW)
    if status == 400 and location == "pageToken":
        return Unavailable(f"the listing must begin anew {text}", provider_code=shown)
    cls, sentence, hint = _row(reason, status)
    wait = retry_after(headers)
    if cls is RateLimited or (cls is Unavailable and wait is not None):
        return RateLimited(f"{sentence} {text}", retry_after=wait, provider_code=shown, hint=hint)
    if cls is QuotaExceeded:
        what = _WHAT.get(reason, "space")
        return QuotaExceeded(f"{sentence} {text}", what=what, provider_code=shown, hint=hint)
    return cls(f"{sentence} {text}", provider_code=shown, hint=hint)


def sign_in_refused(status: int, headers: Mapping[str, str], content: bytes) -> BackendError:
    """An error answer of the token endpoint."""
    told = _json(content)
    code = str(told.get("error") or "") if isinstance(told, dict) else ""
    shown = code if _PLAIN.fullmatch(code) else str(status)
    if status == 429:
        return RateLimited("Google's sign-in asks to slow down", retry_after=retry_after(headers), provider_code=shown)
    if status >= 500 or code in ("server_error", "temporarily_unavailable", "internal_failure"):
        return Unavailable(f"Google's sign-in cannot just now (HTTP {status})", provider_code=shown)
    if not code:
        return ProtocolError(f"the answer is not that of Google's sign-in (HTTP {status})", provider_code=shown)
    cls, sentence, hint = _SIGN_IN.get(code, (AuthExpired, "Google's sign-in refuses", LOGIN_HINT))
    return cls(f"{sentence} ({shown})", provider_code=shown, hint=hint)


def _row(reason: str, status: int) -> Row:
    if status >= 500 or status == 429:
        return STATUS.get(str(status), (Unavailable, "Drive cannot just now", None))
    if reason in REASONS:
        return REASONS[reason]
    return STATUS.get(str(status), (ProtocolError, "unexpected answer of Drive", None))


def _told(content: bytes) -> tuple[str, str, str]:
    """Reason, message and location of an error body; '' where it is none of Drive's.

    errors[0].reason is the old form; details[].reason (google.rpc.ErrorInfo) the one of Google's newer front ends.
    """
    told = _json(content)
    error = told.get("error") if isinstance(told, dict) else None
    if not isinstance(error, dict):
        return "", "", ""
    for entry in (*_entries(error, "errors"), *_entries(error, "details"), error):
        if isinstance(entry.get("reason"), str) and entry["reason"]:
            message = entry.get("message") or error.get("message") or ""
            return entry["reason"], str(message), str(entry.get("location") or "")
    return str(error.get("status") or ""), str(error.get("message") or ""), ""


def _entries(error: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = error.get(name)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _json(content: bytes) -> object:
    try:
        told: object = json.loads(content)
    except ValueError:
        return None
    return told


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; a date counts from the answer's own Date, so that our clock does not matter."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
        return float(text)
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, wait.total_seconds())
