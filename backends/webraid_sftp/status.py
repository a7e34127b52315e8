"""What a server says in an SFTP status -> our errors: the one table for answers.  errors.py has the library's."""

from __future__ import annotations

import re

from webraid.errors import (
    AlreadyExists,
    BackendError,
    Misconfigured,
    ObjectNotFound,
    PermissionDenied,
    ProtocolError,
    QuotaExceeded,
    Unavailable,
    Unsupported,
)

OK, EOF = 0, 1
FAILURE = "SSH_FX_FAILURE"

_PLACE = "Give the disk another folder: the file system there does not fit."
_READ_ONLY = "The server's file system is read-only: mount it writable; a damaged one needs fsck first."
_LATER = "Nothing to do if it passes; else look at the server: its disk, its log."

# code -> (its name without SSH_FX_, our class, what happened, hint or None).  1 to 8 are version 3's
# (draft-ietf-secsh-filexfer-02, section 7); the others are of later versions, and some servers send them all the same.
CODES: dict[int, tuple[str, type[BackendError], str, str | None]] = {
    1: ("EOF", ProtocolError, "the server says 'end of file' where there is none", None),
    2: ("NO_SUCH_FILE", ObjectNotFound, "no such object", None),
    3: ("PERMISSION_DENIED", PermissionDenied, "not allowed there", None),
    4: ("FAILURE", Unavailable, "the server could not do it", _LATER),
    5: ("BAD_MESSAGE", ProtocolError, "the server does not understand us", None),
    6: ("NO_CONNECTION", Unavailable, "the server has lost its own connection", _LATER),
    7: ("CONNECTION_LOST", Unavailable, "the server has lost its own connection", _LATER),
    8: ("OP_UNSUPPORTED", Unsupported, "the server cannot do that", None),
    9: ("INVALID_HANDLE", Unavailable, "the server has forgotten an open file", _LATER),
    10: ("NO_SUCH_PATH", ObjectNotFound, "no such object", None),
    11: ("FILE_ALREADY_EXISTS", AlreadyExists, "something of that name is there already", None),
    12: ("WRITE_PROTECT", PermissionDenied, "the file system is read-only", _READ_ONLY),
    13: ("NO_MEDIA", Unavailable, "the server's drive is empty", "Plug the drive in or mount it at the server."),
    14: ("NO_SPACE_ON_FILESYSTEM", QuotaExceeded, "no space is left in the folder", None),
    15: ("QUOTA_EXCEEDED", QuotaExceeded, "the quota of that login is used up", None),
    16: ("UNKNOWN_PRINCIPAL", Misconfigured, "the server does not know that user", None),
    17: ("LOCK_CONFLICT", Unavailable, "somebody has locked the file", _LATER),
    18: ("DIR_NOT_EMPTY", Unavailable, "the folder is not empty", None),
    19: ("NOT_A_DIRECTORY", ObjectNotFound, "no such object", None),
    20: ("INVALID_FILENAME", Misconfigured, "the folder cannot hold our names", _PLACE),
    21: ("LINK_LOOP", Misconfigured, "links lead round in a circle there", _PLACE),
    22: ("CANNOT_DELETE", PermissionDenied, "not allowed there", None),
    23: ("INVALID_PARAMETER", ProtocolError, "the server does not understand us", None),
    24: ("FILE_IS_A_DIRECTORY", ObjectNotFound, "no such object", None),
    25: ("BYTE_RANGE_LOCK_CONFLICT", Unavailable, "somebody has locked the file", _LATER),
    26: ("BYTE_RANGE_LOCK_REFUSED", Unavailable, "somebody has locked the file", _LATER),
    27: ("DELETE_PENDING", Unavailable, "the file is about to be removed", _LATER),
    28: ("FILE_CORRUPT", Unavailable, "the server's file system is damaged", _LATER),
    29: ("OWNER_INVALID", ProtocolError, "the server does not understand us", None),
    30: ("GROUP_INVALID", ProtocolError, "the server does not understand us", None),
    31: ("NO_MATCHING_BYTE_RANGE_LOCK", Unavailable, "somebody has locked the file", _LATER),
}
# What servers tell in words where version 3 has no code: the texts of strerror (Go's servers send those too), ProFTPD's
# and Bitvise's.  Only looked at; never shown, for they may hold paths.
_WORDS: tuple[tuple[re.Pattern[str], tuple[str, type[BackendError], str, str | None]], ...] = (
    (re.compile(r"quota|\bedquot\b", re.IGNORECASE), CODES[15]),
    (re.compile(r"no space|disk (is )?full|not enough (disk )?space|\benospc\b", re.IGNORECASE), CODES[14]),
    (re.compile(r"read-only file ?system", re.IGNORECASE), CODES[12]),
    (re.compile(r"is a directory|not a directory", re.IGNORECASE), CODES[19]),
    (re.compile(r"file exists|already exists", re.IGNORECASE), CODES[11]),
)


def from_status(code: int, text: str) -> BackendError:
    """The error for a status other than OK."""
    name, cls, sentence, hint = CODES.get(code, ("", ProtocolError, "the server answers with an unknown status", None))
    if code == 4:
        name, cls, sentence, hint = next((row for words, row in _WORDS if words.search(text)), CODES[4])
    shown = f"SSH_FX_{name}" if name else str(code)
    return cls(f"{sentence} ({shown})", provider_code=shown, hint=hint)
