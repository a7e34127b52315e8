"""Error numbers of the operating system -> our errors: the one table of this plug-in."""

from __future__ import annotations

import errno

from webraid.backend.base import ErrorTable
from webraid.errors import (
    BackendError,
    Misconfigured,
    ObjectNotFound,
    ObjectTooLarge,
    PermissionDenied,
    ProtocolError,
    QuotaExceeded,
    Unavailable,
)

_PLUG_IN = "Plug the disk in or mount it; the next run catches up."
_PATH = "Give the disk another folder: its path, or the file system there, does not fit."

# (names of errors, our class, what happened, hint or None); names, because not every system has all of them.
_GROUPS: tuple[tuple[str, type[BackendError], str, str | None], ...] = (
    ("ENOSPC EDQUOT", QuotaExceeded, "no space is left in the folder", None),
    ("EFBIG EOVERFLOW", ObjectTooLarge, "the file system takes no file of this size", None),
    ("EROFS", PermissionDenied, "the file system is read-only", "Mount it writable; a damaged one needs fsck first."),
    ("EACCES EPERM ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED", PermissionDenied, "not allowed there", None),
    ("ENOENT ENOTDIR", ObjectNotFound, "no such object", None),
    (
        ("ENODEV ENXIO EIO ESTALE ENOMEDIUM EREMOTEIO ENOTCONN ESHUTDOWN EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH "
         "ENETRESET ECONNREFUSED ECONNRESET ECONNABORTED ETIMEDOUT ENOLINK ECOMM EPROTO EPIPE ENOTBLK ECANCELED"),
        Unavailable, "the disk does not answer", _PLUG_IN,
    ),
    ("EUCLEAN EBADMSG", Unavailable, "the file system is damaged", "Unmount it and run fsck."),
    ("EAGAIN EWOULDBLOCK EBUSY EINTR ETXTBSY EDEADLK ENOLCK EINPROGRESS", Unavailable, "the disk is busy", None),
    ("ENOMEM ENOBUFS EMFILE ENFILE", Unavailable, "the system has no resources left", "Close other programs."),
    ("ENAMETOOLONG ELOOP EISDIR EINVAL EILSEQ ENOTSUP EOPNOTSUPP ENOSYS EXDEV EMLINK EMEDIUMTYPE",
     Misconfigured, "the folder cannot hold our objects", _PATH),
)  # fmt: skip

ERRNOS: dict[int, tuple[type[BackendError], str, str | None]] = {
    getattr(errno, name): (cls, sentence, hint)
    for names, cls, sentence, hint in _GROUPS
    for name in names.split()
    if hasattr(errno, name)
}


def from_os_error(error: BaseException) -> BackendError:
    """Any OSError; never its text, which holds paths."""
    number = error.errno if isinstance(error, OSError) else None
    code = errno.errorcode.get(number or 0, "")
    if number in ERRNOS:
        cls, sentence, hint = ERRNOS[number]
        return cls(f"{sentence} ({code})", provider_code=code, hint=hint)
    return ProtocolError(f"unexpected answer of the operating system: {code or number}", provider_code=code)


# NotImplementedError is what os raises where this system lacks a call.
ERRORS: ErrorTable = {
    OSError: from_os_error,
    NotImplementedError: lambda _: Misconfigured("this system lacks a call the folder needs", hint=_PATH),
}
