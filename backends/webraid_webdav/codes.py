"""What WebDAV servers answer when they refuse -> our errors, by HTTP status.

No text of a server goes into a message: texts may hold file names and URLs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

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

Row = tuple[type[BackendError], str, str | None]  # our class, what happened, hint

PLACE_HINT = "Compare this disk's url with what the server shows for WebDAV, down to the last folder."
LOGIN_HINT = "Check user and password. Where the account has two factors, make an app password for webraid."
_RIGHTS = "Give this user the right to read, write and delete in that folder."
_LARGE = "Raise the upload limit of the server, or of the proxy in front of it (nginx: client_max_body_size)."
_DIGEST = "Let the server offer Basic logins, over https, or use another kind of disk (sftp)."
_PORTAL = "A page of the network you are in answers instead of the server: log in there first."
_SERVER = "The server's own log says why; the next run tries again."

_CODES: tuple[tuple[str, Row], ...] = (
    ("300 301 302 303 305 306 307 308", (Misconfigured, "the server sends us to another address", PLACE_HINT)),
    ("304", (ProtocolError, "an answer to a question nobody asked", None)),
    ("401", (AuthExpired, "user or password are not accepted", LOGIN_HINT)),
    ("402", (QuotaExceeded, "the account must be paid for", None)),
    ("403", (PermissionDenied, "the login is valid but may not do this", _RIGHTS)),
    ("404 410", (ObjectNotFound, "no such object", None)),
    ("405", (Misconfigured, "that address takes no such request: it is no WebDAV folder", PLACE_HINT)),
    ("407", (Misconfigured, "a proxy on the way wants a login", "Reach the server without that proxy.")),
    ("408 425", (Unavailable, "the server gave up waiting", None)),
    ("409", (Unavailable, "a folder is missing, or something else has its name", None)),
    ("412", (VersionMismatch, "the object is not what it was", None)),
    ("413", (ObjectTooLarge, "the object is too large for the server", _LARGE)),
    ("416", (ProtocolError, "the range lies outside the object", None)),
    ("421", (Misconfigured, "that server does not serve this address", PLACE_HINT)),
    ("423", (Unavailable, "the object is locked just now", "Something else is using it: the next run tries again.")),
    ("424", (Unavailable, "something it depends on failed", None)),
    ("426", (Misconfigured, "the server wants another protocol", "Use an https:// url.")),
    ("429", (RateLimited, "asked to slow down", None)),
    ("451", (ContentBlocked, "the content is blocked", None)),
    ("400 406 411 414 415 417 418 422 428 431", (ProtocolError, "the server does not understand the request", None)),
    ("500", (Unavailable, "the server failed", _SERVER)),
    ("501", (Unsupported, "the server cannot do this", "It is no WebDAV server that can hold a disk.")),
    ("502 503 504 520 521 522 523 524 530", (Unavailable, "the server cannot just now", None)),
    ("505 506 510", (ProtocolError, "the server does not understand the request", None)),
    ("507", (QuotaExceeded, "no space is left", None)),
    ("508", (Misconfigured, "the folder leads back to itself", PLACE_HINT)),
    ("509", (QuotaExceeded, "the traffic of this account is used up", "Wait until it is reset, or raise it.")),
    ("511", (Unavailable, "the network wants a login", _PORTAL)),
    ("525 526", (Unavailable, "the server behind the proxy cannot be trusted", None)),
)
CODES: dict[int, Row] = {int(code): row for codes, row in _CODES for code in codes.split()}
_USED_UP = {509: "egress"}


def refusal(status: int, headers: Mapping[str, str], name: str = "", *, asked: str = "") -> BackendError:
    """The error for an answer that nobody wanted.  ``headers`` with names in lower case; ``asked``: path of what was
    asked for below the disk's folder, to tell the folder's new address from a redirect."""
    cls, sentence, hint = _row(status)
    code, wait = str(status), retry_after(headers)
    if status == 401 and not _takes_basic(headers):
        return Unsupported("the server offers no login that we know, only others", key=name, provider_code=code,
                           hint=_DIGEST)  # fmt: skip
    if status == 503 and headers.get("x-nextcloud-maintenance-mode") == "1":
        cls, sentence, hint = Unavailable, "the server is in maintenance mode", "It comes back when that is done."
    elif cls is RateLimited or (status == 503 and wait is not None):
        return RateLimited(f"{sentence} (HTTP {status})", retry_after=wait, key=name, provider_code=code)
    if cls is QuotaExceeded:
        what = _USED_UP.get(status, "space")
        return QuotaExceeded(f"{sentence} (HTTP {status})", what=what, key=name, provider_code=code, hint=hint)
    if 300 <= status < 400 and hint is PLACE_HINT:
        hint = _new_address(headers.get("location", ""), asked) or hint
    return cls(f"{sentence} (HTTP {status})", key=name, provider_code=code, hint=hint)


def _row(status: int) -> Row:
    if status in CODES:
        return CODES[status]
    if 200 <= status < 300:
        return Misconfigured, "the answer is not WebDAV's", PLACE_HINT
    return (Unavailable if status >= 500 else ProtocolError), "unexpected answer of the server", None


def _takes_basic(headers: Mapping[str, str]) -> bool:
    """Also where it does not say what it takes."""
    offers = headers.get("www-authenticate", "")
    return not offers or re.search(r"(?:^|[,\s])basic(?:[\s,]|$)", offers, re.IGNORECASE) is not None


def _new_address(location: str, asked: str) -> str:
    """What to put into the config, without query and login: those may be keys."""
    try:
        url = urlsplit(location)
        port = f":{url.port}" if url.port else ""
    except ValueError:
        return ""
    path = url.path.rstrip("/").removesuffix(asked.rstrip("/")).rstrip("/")
    text = f"{url.scheme}://{url.hostname}{port}{path}/"
    plain = url.scheme in ("http", "https") and url.hostname and len(text) < 300 and text.isprintable()
    return f"If you know that address, set this disk's url to {text}" if plain else ""


def leads_to(headers: Mapping[str, str], path: str) -> bool:
    """Whether a redirect goes to ``path``, encoded as we encode, on whatever host."""
    try:
        return unquote(urlsplit(headers.get("location", "")).path) == unquote(path)
    except ValueError:
        return False


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds; a date counts from the answer's own Date, so that our clock does not matter."""
    text = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text):
        return float(text)
    return age(headers.get("date", ""), text, least=0.0)


def age(then: str, now: str, *, least: float | None = None) -> float | None:
    """Seconds from one HTTP date to another; None where one of them is none."""
    try:
        seconds = (parsedate_to_datetime(now) - parsedate_to_datetime(then)).total_seconds()
    except (TypeError, ValueError):
        return None
    return seconds if least is None else max(least, seconds)
