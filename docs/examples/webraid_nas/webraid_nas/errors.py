"""What ftplib raises -> WebRAID's errors: by the three digits of the server's reply, never with its text."""

from __future__ import annotations

import ftplib
from collections.abc import Mapping

from webraid.backend.mapping import Factory, always
from webraid.errors import (
    AuthExpired,
    BackendError,
    PermissionDenied,
    ProtocolError,
    QuotaExceeded,
    Unavailable,
    Unsupported,
)

LOGIN_HINT = "Check user and password of this disk: webraid backend login NAME."
PLACE_HINT = "Compare host, port and folder of this disk with what the NAS says."

# RFC 959, section 4.2, and what servers make of it.
REPLIES: Mapping[str, tuple[type[BackendError], str]] = {
    "421": (Unavailable, "the server closes the connection"),
    "425": (Unavailable, "no connection for the data"),
    "426": (Unavailable, "the transfer broke off"),
    "430": (AuthExpired, "user or password are wrong"),
    "450": (Unavailable, "the file cannot be had just now"),
    "451": (Unavailable, "the server failed"),
    "452": (QuotaExceeded, "no space is left"),
    "502": (Unsupported, "the server cannot do this"),
    "504": (Unsupported, "the server cannot do this"),
    "530": (AuthExpired, "user or password are wrong"),
    "532": (PermissionDenied, "the user may not do this"),
    "550": (PermissionDenied, "refused"),
    "551": (Unavailable, "the file cannot be had just now"),
    "552": (QuotaExceeded, "no space is left"),
    "553": (PermissionDenied, "the name is refused"),
}


def reply(error: BaseException) -> str:
    """The three digits of the reply; '' where there is none."""
    digits = str(error)[:3]
    return digits if digits.isdigit() else ""


def from_reply(error: BaseException) -> BackendError:
    """By the whole code, else by its first digit: 4 may work later, 5 will not."""
    code = reply(error)
    cls, sentence = REPLIES.get(code, (Unavailable if code[:1] == "4" else ProtocolError, "an unexpected reply"))
    hint = LOGIN_HINT if cls is AuthExpired else None
    return cls(f"{sentence} ({code})" if code else sentence, provider_code=code, hint=hint)


# ftplib.all_errors, and what reading and writing sockets may raise.  The first class in an error's MRO counts.
ERRORS: Mapping[type[BaseException], Factory] = {
    ftplib.error_reply: from_reply,
    ftplib.error_temp: from_reply,
    ftplib.error_perm: from_reply,
    ftplib.error_proto: always(ProtocolError, "this is no FTP server", PLACE_HINT),
    ftplib.Error: always(ProtocolError, "unexpected answer of the server"),
    EOFError: always(Unavailable, "the server closed the connection"),
    OSError: always(Unavailable, "the server cannot be reached"),
    ValueError: always(ProtocolError, "unexpected answer of the server"),
}
