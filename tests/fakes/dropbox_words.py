"""The words of the fake Dropbox: how it refuses, which arguments it knows, what a path and a content hash are.

Sources: the Dropbox SDK 12.2.4 (files.py, auth.py and the docstrings of base.py, made from Dropbox's own API
specification) and dropbox.com/developers/documentation/http/documentation ("Errors", "Path formats").
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

BLOCK = 4 << 20
JSON = "application/json"  # the SDK wants exactly this

Told = dict[str, Any]

_SESSION = {"session_id", "offset"}
_COMMIT = {"path", "mode", "autorename", "client_modified", "mute", "strict_conflict"}
_LIST = {"path", "recursive", "include_media_info", "include_deleted", "include_has_explicit_shared_members",
         "include_mounted_folders", "limit", "include_non_downloadable_files", "include_restorable_info"}  # fmt: skip

# Route -> (the arguments it knows, its scope, its style).  A test compares all three with the SDK.
ROUTES: Mapping[str, tuple[set[str], str, str]] = {
    "files/upload": (_COMMIT | {"content_hash"}, "files.content.write", "upload"),
    "files/upload_session/start": ({"close", "session_type", "content_hash"}, "files.content.write", "upload"),
    "files/upload_session/start_batch": ({"session_type", "num_sessions"}, "files.content.write", "rpc"),
    "files/upload_session/append_v2": ({"cursor", "close", "content_hash"}, "files.content.write", "upload"),
    "files/upload_session/finish": ({"cursor", "commit", "content_hash"}, "files.content.write", "upload"),
    "files/upload_session/finish_batch_v2": ({"entries"}, "files.content.write", "rpc"),
    "files/download": ({"path", "rev"}, "files.content.read", "download"),
    "files/get_metadata": (
        {"path", "include_media_info", "include_deleted", "include_has_explicit_shared_members"},
        "files.metadata.read", "rpc",
    ),
    "files/list_folder": (_LIST, "files.metadata.read", "rpc"),
    "files/list_folder/continue": ({"cursor"}, "files.metadata.read", "rpc"),
    "files/list_folder/get_latest_cursor": (_LIST, "files.metadata.read", "rpc"),
    "files/delete_v2": ({"path", "parent_rev"}, "files.content.write", "rpc"),
    "files/delete_batch": ({"entries"}, "files.content.write", "rpc"),
    "files/delete_batch/check": ({"async_job_id"}, "files.content.write", "rpc"),
    "files/create_folder_v2": ({"path", "autorename"}, "files.content.write", "rpc"),
    "users/get_space_usage": (set(), "account_info.read", "rpc"),
    "users/get_current_account": (set(), "account_info.read", "rpc"),
}  # fmt: skip
# What arguments hold in their turn.
INNER: Mapping[str, set[str]] = {
    "cursor": _SESSION, "commit": _COMMIT, "entries": {"cursor", "commit", "content_hash", "path", "parent_rev"},
}  # fmt: skip
SCOPES = tuple(sorted({scope for _, scope, _ in ROUTES.values()}))

# Help center, "File names that will not sync"; WriteError.disallowed_name
DISALLOWED = {".dropbox", ".dropbox.attr", ".dropbox.cache", ".ds_store", "desktop.ini", "icon\r", "thumbs.db"}


class Refusal(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, body: bytes, kind: str = JSON, **headers: str) -> None:
        super().__init__(status)
        self.status, self.body = status, body
        self.headers = {"Content-Type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}


def union(tags: str, **more: Any) -> Told:
    """'path/conflict/file' as Stone writes it; ``more`` stands beside the innermost tag, as a struct's fields do."""
    tag, _, rest = tags.partition("/")
    return {".tag": tag, tag: union(rest, **more)} if rest else {".tag": tag, **more}


def conflict(tags: str, **more: Any) -> Refusal:
    """HTTP 409, 'Endpoint-specific error'."""
    return Refusal(409, body(tags, union(tags, **more)))


def upload_conflict(tags: str) -> Refusal:
    """UploadError.path holds a struct, UploadWriteFailed, whose ``reason`` is the union."""
    told = {".tag": "path", "reason": union(tags), "upload_session_id": ""}
    return Refusal(409, body(f"path/{tags}", told))


def unauthorised(tag: str, **more: Any) -> Refusal:
    """HTTP 401, auth.AuthError."""
    return Refusal(401, body(tag, union(tag, **more)))


def limited(reason: str, seconds: int) -> Refusal:
    """HTTP 429 in JSON, auth.RateLimitError, and its header."""
    told = {"reason": {".tag": reason}, "retry_after": seconds}
    return Refusal(429, body(reason, told), Retry_After=str(seconds))


def limited_in_plain_text(seconds: int | None = None) -> Refusal:
    """HTTP 429 from in front of the API: 'the response may be text/plain' (Error handling guide)."""
    more = {} if seconds is None else {"Retry_After": str(seconds)}
    return Refusal(429, b"Too many requests", "text/plain; charset=utf-8", **more)


def bad_input(route: str, text: str) -> Refusal:
    """HTTP 400, 'Bad input parameter': the text says what, for people."""
    whole = f'Error in call to API function "{route}": {text}'
    return Refusal(400, whole.encode(), "text/plain; charset=utf-8")


def unavailable() -> Refusal:
    """HTTP 5xx, 'An error occurred on the Dropbox servers'."""
    return Refusal(503, b"Service Unavailable", "text/plain")


def body(summary: str, error: Told) -> bytes:
    """error_summary: 'will always be ended with a variable number of characters'."""
    return json.dumps({"error_summary": f"{summary}/..", "error": error}).encode()


def check_arguments(route: str, told: Any) -> None:
    """Refuses what the route does not know, as the real one does ('unknown field')."""
    if not isinstance(told, dict | None):
        raise bad_input(route, "expected object")
    _check(route, ROUTES[route][0], told or {})


def _check(route: str, known: set[str], told: Told) -> None:
    strange = set(told) - known
    if strange:
        raise bad_input(route, f"unknown field '{min(strange)}'")
    for name, fields in INNER.items():
        inner = told.get(name)
        for item in inner if isinstance(inner, list) else [inner]:
            if isinstance(item, dict):
                _check(route, fields, item)


def content_hash(data: bytes) -> str:
    """dropbox.com/developers/reference/content-hash, written anew: the SDK's own must not check itself."""
    blocks = [data[start : start + BLOCK] for start in range(0, len(data), BLOCK)]
    return hashlib.sha256(b"".join(hashlib.sha256(block).digest() for block in blocks)).hexdigest()


_WRITE_PATH = re.compile(r"(/.*|ns:[0-9]+(/.*)?)", re.DOTALL)  # files.WritePath_validator
_READ_PATH = re.compile(r"(/.*|id:.*|rev:[0-9a-f]{9,}|ns:[0-9]+(/.*)?)", re.DOTALL)  # files.ReadPath_validator


def check_pattern(route: str, path: Any, *, read: bool) -> str:
    """The path of an argument, as far as the type says how it looks."""
    pattern = _READ_PATH if read else _WRITE_PATH
    if not isinstance(path, str) or not pattern.fullmatch(path):
        raise bad_input(route, f"request body: path: did not match pattern '{pattern.pattern}'")
    return path


def is_malformed(path: str) -> bool:
    """'Path formats': no trailing slash, no empty part, no backslash, no trailing space, 255 characters a name."""
    parts = path.split("/")[1:]
    return any(not part or len(part) > 255 or "\\" in part or part.endswith(" ") or part in (".", "..")
               for part in parts)  # fmt: skip
