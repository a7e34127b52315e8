"""What S3 servers answer when they refuse -> our errors, by code, else by HTTP status.

No text of a server goes into a message, only its short code: texts may hold keys and URLs.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from webraid.env import Env
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
    Unsupported,
    VersionMismatch,
)

ALLOWED_SKEW = 15 * 60.0  # seconds: what S3 allows
_ENV = Env()

Row = tuple[type[BackendError], str, str | None]  # our class, what happened, hint

KEYS_HINT = "Check this disk's access key and secret key; make new ones at the provider."
_CLOCK = "The clock of this machine is wrong by more than 15 minutes: set it."
PLACE_HINT = "Compare this disk's endpoint, region and bucket with what the provider shows."
_RIGHTS = (
    "Give this key the right to list, read, write and delete in the bucket; "
    "without the right to list, S3 refuses what is missing, too."
)
_CAPS = "Raise the account's caps at the provider, or wait until they are reset."

_CODES: tuple[tuple[str, Row], ...] = (
    (
        "NoSuchKey NoSuchVersion NotFound 404",
        (ObjectNotFound, "no such object", None),
    ),
    (
        "NoSuchBucket",
        (Misconfigured, "there is no such bucket", PLACE_HINT),
    ),
    (
        "InvalidBucketName InvalidBucketState",
        (Misconfigured, "the bucket cannot be used", "Choose another bucket; names are 3 to 63 of a-z, 0-9 and -."),
    ),
    (
        "BucketAlreadyExists",
        (Misconfigured, "the bucket belongs to somebody else", "Choose another bucket name."),
    ),
    (
        """AuthorizationHeaderMalformed PermanentRedirect Redirect TemporaryRedirect InvalidRegion
        IllegalLocationConstraintException InvalidLocationConstraint 301 302 307 308""",
        (Misconfigured, "the region or the endpoint is wrong", PLACE_HINT),
    ),
    (
        "InvalidURI MethodNotAllowed InvalidHostHeader",
        (Misconfigured, "this is no S3 endpoint", PLACE_HINT),
    ),
    (
        """InvalidAccessKeyId SignatureDoesNotMatch InvalidSecurity Unauthorized AuthFailure NoSuchAccessKey
        UnauthorizedAccess InvalidClientTokenId UnrecognizedClientException CredentialsNotSupported 401""",
        (AuthExpired, "the keys are not accepted", KEYS_HINT),
    ),
    (
        "ExpiredToken ExpiredTokenException InvalidToken TokenRefreshRequired",
        (AuthExpired, "the keys have expired", KEYS_HINT),
    ),
    (
        "RequestTimeTooSkewed RequestExpired",
        (AuthExpired, "the clock is wrong", _CLOCK),
    ),
    (
        """AccessDenied AllAccessDisabled AccountProblem AccountSuspended UserSuspended NotSignedUp InvalidPayer
        UnauthorizedOperation InvalidObjectState""",
        (PermissionDenied, "the keys are valid but may not do this", _RIGHTS),
    ),
    (
        "403",  # the whole answer to a HEAD: nobody says which of the two
        (PermissionDenied, "refused: the keys are wrong, or may not do this", _RIGHTS),
    ),
    (
        """SlowDown SlowDownRead SlowDownWrite TooManyRequests TooManyRequestsException Throttling ThrottlingException
        RequestLimitExceeded RequestThrottled BandwidthLimitExceeded 429""",
        (RateLimited, "asked to slow down", None),
    ),
    (
        """QuotaExceeded ServiceQuotaExceeded LimitExceeded StorageLimitExceeded InsufficientStorage
        InsufficientCapacity XMinioStorageFull XMinioAdminBucketQuotaExceeded 507""",
        (QuotaExceeded, "no space is left", None),
    ),
    (
        "EntityTooLarge MaxMessageLengthExceeded 413",
        (ObjectTooLarge, "the object is too large", None),
    ),
    (
        """InternalError ServiceUnavailable RequestTimeout OperationAborted ConditionalRequestConflict Busy
        IncompleteBody XMinioServerNotInitialized 408 409 425 500 502 503 504""",
        (Unavailable, "the server cannot just now", None),
    ),
    (
        "BadDigest XAmzContentSHA256Mismatch XAmzContentChecksumMismatch",
        (Unavailable, "the bytes were damaged on the way", None),
    ),
    (
        "PreconditionFailed 412",
        (VersionMismatch, "the object is not what it was", None),
    ),
    (
        "ObjectAlreadyExists",
        (AlreadyExists, "the object exists", None),
    ),
    (
        "InvalidRange 416",
        (ProtocolError, "the range lies outside the object", None),
    ),
    (
        "InvalidRequest InvalidArgument InvalidDigest KeyTooLongError MalformedXML MissingContentLength 400 411",
        (ProtocolError, "the server does not understand the request", None),
    ),
    (
        "NotImplemented XNotImplemented 405 501",
        (Unsupported, "the server cannot do this", None),
    ),
    (
        "UnavailableForLegalReasons ContentBlocked 451",
        (ContentBlocked, "the content is blocked", None),
    ),
)

CODES: dict[str, Row] = {code: row for codes, row in _CODES for code in codes.split()}
# B2 says AccessDenied (403) for used-up caps and tells them apart in the text alone; what is used up, by its words.
_CAPPED = re.compile(r"\b(transaction|download|storage)?[ _-]*cap[ _-]*(?:exceeded|reached)", re.IGNORECASE)
_USED_UP = {"transaction": "requests", "download": "egress"}
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}")


def from_client_error(error: BaseException) -> BackendError:
    """An error the server answered: by its code, else by its HTTP status."""
    response: Mapping[str, Any] = getattr(error, "response", None) or {}
    told = response.get("Error") or {}
    meta = response.get("ResponseMetadata") or {}
    code, status = str(told.get("Code") or ""), int(meta.get("HTTPStatusCode") or 0)
    shown = code if _PLAIN.fullmatch(code) else str(status)
    capped = _CAPPED.search(f"{code} {told.get('Message') or ''}".replace("TransactionCap", "transaction cap "))
    if status in (400, 403) and capped:
        what = _USED_UP.get((capped[1] or "").lower(), "space")
        return QuotaExceeded(
            f"the account's cap is used up (HTTP {status})", what=what, provider_code=shown, hint=_CAPS
        )
    cls, sentence, hint = _row(code, status)
    headers = meta.get("HTTPHeaders") or {}
    if hint is _CLOCK or (code == str(status) == "403" and abs(_fast(told, headers)) > ALLOWED_SKEW):
        cls, sentence, hint = CODES["RequestTimeTooSkewed"]
        hint = _clock_hint(_fast(told, headers))
    text = f"{sentence} ({shown}, HTTP {status})" if shown != str(status) else f"{sentence} (HTTP {status})"
    wait = _retry_after(headers)
    if cls is RateLimited or (status == 503 and wait is not None):
        return RateLimited(text, retry_after=wait, provider_code=shown)
    if hint is PLACE_HINT:
        region = str(headers.get("x-amz-bucket-region") or told.get("Region") or "")
        hint = f"Set this disk's region to {region}." if _PLAIN.fullmatch(region) else hint
    return cls(text, provider_code=shown, hint=hint)


def _row(code: str, status: int) -> Row:
    if status == 429:
        return CODES["429"]
    if code in CODES:
        return CODES[code]
    if status == 404:  # a code we do not know says nothing about the object: never take it for its absence
        return Misconfigured, "the server knows no such place", PLACE_HINT
    if str(status) in CODES:
        return CODES[str(status)]
    return (Unavailable if status >= 500 else ProtocolError), "unexpected answer of the server", None


def _fast(told: Mapping[str, Any], headers: Mapping[str, str]) -> float:
    """By how many seconds our clock is before the server's, as far as the refusal tells; 0.0 where it does not.

    S3 tells both times in its refusal; every answer has a Date.
    """
    # What is no time there is no news: the hint does without the figure.
    with contextlib.suppress(KeyError, ValueError, TypeError):
        ours, theirs = (datetime.fromisoformat(str(told[name])) for name in ("RequestTime", "ServerTime"))
        return (ours - theirs).total_seconds()
    with contextlib.suppress(ValueError, TypeError):
        return _ENV.now() - parsedate_to_datetime(headers.get("date", "")).timestamp()
    return 0.0


def _clock_hint(fast: float) -> str:
    if not fast:
        return _CLOCK
    minutes = round(abs(fast) / 60)
    far = f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
    return f"The clock of this machine is {far} {'fast' if fast > 0 else 'slow'}, by the server's: set it."


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; a date counts from the answer's own Date, so that our clock does not matter."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
        return float(text)
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, wait.total_seconds())
