"""What rclone and the providers behind it say when they refuse -> our errors.

rclone gives no codes, only the provider's words.  They are recognised here and never shown: they hold addresses, file
names, and now and then keys.  Where the words come from: rclone's backend/*/ and the providers' own texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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

LOGIN_HINT = "Renew the login: webraid backend login NAME."
PLACE_HINT = "Compare the disk's remote and path with what rclone knows."
FOLDER_HINT = "Is it mounted? Was it moved or renamed?"
FOLDER = "DirNotFound"  # the code of an error that means a folder, the disk's own or one in it
_OWN_WORDS = "Try the remote with rclone itself: it shows the provider's own words."
_WAIT_HINT = "Wait for the next day or month, or raise the account's limits."


@dataclass(frozen=True, slots=True)
class Row:
    """What is recognised by any of the patterns (the group 'code' is shown), and what it means."""

    patterns: tuple[str, ...]
    cls: type[BackendError]
    sentence: str
    hint: str | None = None
    what: str = "space"

    def search(self, words: str) -> re.Match[str] | None:
        found = (re.search(pattern, words, re.IGNORECASE) for pattern in self.patterns)
        return next(filter(None, found), None)


def _http(code: str) -> str:
    return rf"(?P<code>\b{code}\b)"


# The first row that fits counts.
TABLE: tuple[Row, ...] = (
    Row(("object not found$", "is a directory not a file$"), ObjectNotFound, "not there"),
    Row(
        ("didn't find section", "didn't find backend", "couldn't find backend", "unknown backend", "unknown remote"),
        Misconfigured, "rclone knows no such remote", "Log in again, or correct the disk's remote.",
    ),
    Row(
        ("directory not found", "NoSuchBucket", "bucket (?:does not|doesn't) exist", "Container ?Not ?Found"),
        Misconfigured, "the folder of the disk is not there", FOLDER_HINT,
    ),
    Row(
        ("x509:", "certificate (?:is|has|signed)"), Misconfigured, "the server's certificate cannot be verified",
        "Check the address and the clock.",
    ),
    # Limits before quotas: Google's 'Quota exceeded for quota metric' is a matter of seconds.
    Row(
        ("rateLimitExceeded", "rate limit", "Too ?Many ?Requests", "too_many_requests", "too_many_write_operations",
         "SlowDown", "activityLimitReached", r"\bthrottl", "Quota exceeded for quota metric", r"\bEBLOCKED\b",
         _http("429")),
        RateLimited, "the provider asks for patience",
    ),
    Row(
        ("dailyLimitExceeded", "daily limit", "(?:transaction|request)s? cap exceeded"),
        QuotaExceeded, "the requests that the account may send are used up", _WAIT_HINT, "requests",
    ),
    Row(
        ("download_?quota_?exceeded", "download_cap_exceeded", "bandwidth ?(?:limit|cap|quota)", "transfer quota",
         "traffic limit"),
        QuotaExceeded, "what may be read from the account is used up", _WAIT_HINT, "egress",
    ),
    Row(
        ("no space left", "quota", "insufficient[ _-]?(?:space|storage)", "not enough (?:free )?space",
         "storage (?:limit|is full)", "out of (?:disk )?space", "disk (?:is )?full", "over limit",
         "(?:exceeds?|exceeded|reached) .{0,30}storage", "storage_(?:cap|limit)_exceeded", _http("507")),
        QuotaExceeded, "there is no room left",
    ),
    Row(
        ("abusive", "restricted_content", "malware", "virus", "infected", "content blocked", _http("451")),
        ContentBlocked, "the provider refuses this content",
    ),
    Row(
        ("EntityTooLarge", "too large", "file_size_limit_exceeded", "exceeds (?:the )?max(?:imum)? (?:file )?size",
         "maximum upload size", _http("413")),
        ObjectTooLarge, "the object is larger than the provider takes",
    ),
    Row(("InvalidRange", "range not satisfiable", _http("416")), ProtocolError, "a range past the end"),
    Row(  # its page to log in at has one address: the providers know it.  A login that ended holds it for a minute.
        ("start auth webserver", "address already in use"),
        Unavailable, "the port for the page to log in at (53682) is in use by another program",
        "End any other login, or wait a minute, and try again.",
    ),
    # The network before the login: 'couldn't fetch token: ... connection refused' is no reason to log in again.
    Row(
        ("connection refused", "no such host", "dial (?:tcp|unix)", "i/o timeout", "network is (?:un)?reachable",
         "no route to host", "TLS handshake timeout", "connection reset", "broken pipe", "deadline exceeded",
         r"timed? ?out\b", "server misbehaving"),
        Unavailable, "the provider cannot be reached",
    ),
    Row(
        ("invalid_grant", "invalid_client", r"token (?:has |is )?(?:been )?(?:expired|revoked|invalid)",
         "(?:expired|invalid)_access_token", "(?:bad|expired)_auth_token", "couldn't fetch token", "refresh token",
         "empty token", "no token", "oauth2:", "couldn't login", "(?:log[ -]?in|sign[ -]?in) fail",
         "wrong (?:user|password)", "incorrect (?:user|password|credentials)", "bad credentials",
         "unable to authenticate", "authentication (?:failed|required)", "InvalidAuthenticationToken",
         "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId", "ExpiredToken",
         "no (?:valid )?credential", "Unauthorized", _http("401")),
        AuthExpired, "the login is not valid any more", LOGIN_HINT,
    ),
    Row(
        ("access[ _]?denied", "forbidden", "permission", "not permitted", "read-only file system", "not allowed",
         _http("403")),
        PermissionDenied, "not allowed",
    ),
    Row(
        ("corrupted on transfer", "hash(?:es)? differ", "sizes differ", "BadDigest", "content_hash_mismatch"),
        Unavailable, "the bytes were damaged on the way",
    ),
    Row(
        ("doesn't support", "not supported", "not implemented", _http("501")),
        Unsupported, "the provider cannot do it",
    ),
    Row(
        ("not a directory", "is a directory", "file name too long", "PermanentRedirect", "IllegalLocation",
         "AuthorizationHeaderMalformed"),
        Misconfigured, "the remote is not a folder that can be used", PLACE_HINT,
    ),
    Row(
        (_http("50[0-9]"), "InternalError", "Service ?Unavailable", "Bad Gateway", "temporar", "try again",
         r"\bEOF\b"),
        Unavailable, "the provider cannot answer just now",
    ),
    Row(
        ("NoSuchKey", "no such file", "not[ _-]?found", _http("404")),
        Misconfigured, "the provider knows no such place", PLACE_HINT,
    ),
)  # fmt: skip

# Addresses, quoted strings and absolute paths say nothing about the reason, and may hold any word.
_NOISE = re.compile(r"\S+://\S+|\"[^\"]*\"|(?:(?<=\s)|^)/\S+")
_ABSENT = re.compile(
    r"object not found$|is a directory not a file$|is a directory or doesn't exist|no such file or directory"
    r"|: not a directory$|NoSuchKey"
)
_WAIT = re.compile(
    r"(?:retry[ _-]after|try(?:ing)? again in)\W{0,3}(\d{1,6})(?:\.\d+)?\s*(?:s\b|sec|$|\W)", re.IGNORECASE
)
_MISSES_FOLDER = re.compile(r"directory not found")


def refusal(text: str, name: str = "", *, reading: bool = False) -> BackendError:
    """The error for rclone's words about the object ``name``; without a known word Unavailable: another try is safe.

    ``reading``: that there is no such file or folder then means that the object is not there.
    """
    if reading and _ABSENT.search(text):
        return ObjectNotFound("not there", key=name)
    words = _NOISE.sub(" ", text.replace(name, " ") if name else text).strip()
    for row in TABLE:
        found = row.search(words)
        if found:
            code = found.groupdict().get("code") or ""
            return _made(row, FOLDER if _MISSES_FOLDER.search(words) else code, words, name)
    return Unavailable("rclone failed for a reason that is not known here", key=name, hint=_OWN_WORDS)


def none_if_absent(error: BackendError) -> None:
    """Raises it, unless it says that there is no such object, or no folder it could be in."""
    if not isinstance(error, ObjectNotFound) and error.provider_code != FOLDER:
        raise error


def _made(row: Row, code: str, words: str, name: str) -> BackendError:
    text = f"{row.sentence} (HTTP {code})" if code.isdigit() else row.sentence
    if row.cls is RateLimited:
        wait = _WAIT.search(words)
        return RateLimited(text, retry_after=float(wait[1]) if wait else None, key=name, provider_code=code)
    if row.cls is QuotaExceeded:
        return QuotaExceeded(text, what=row.what, key=name, provider_code=code, hint=row.hint)
    return row.cls(text, key=name, provider_code=code, hint=row.hint)
