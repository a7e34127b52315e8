"""What the SDK raises -> our errors.  What Dropbox itself answers is in codes.py."""

from __future__ import annotations

import copy
import http.client

from webraid.backend.mapping import Factory, LazyTable, always
from webraid.errors import (
    AuthExpired,
    BackendError,
    Misconfigured,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    Unavailable,
)
from webraid_dropbox.codes import EXPIRED, LOGIN, SCOPES_HINT, Row, from_union, made
from webraid_dropbox.sdk import sdk

_PROXY_HINT = "Check the network, HTTPS_PROXY and the disk's endpoint."
_KEY_HINT = "Compare the disk's app_key with the one in Dropbox's App Console."

# HTTP 400 has no union, only a text in English: what in it means what.  The rest of the text is never shown.
_BAD_INPUT: tuple[tuple[str, Row], ...] = (
    ("invalid_client", (Misconfigured, "Dropbox does not know this app key", _KEY_HINT)),
    ("required scope", (AuthExpired, "the app lacks a permission", SCOPES_HINT)),
    ("token is malformed", EXPIRED),
)


def _from_api_error(error: BaseException) -> BackendError:
    return from_union(getattr(error, "error", None))


def _from_auth_error(error: BaseException) -> BackendError:
    """Also invalid_grant: a refresh token that was revoked, which the SDK turns into invalid_access_token."""
    union = getattr(error, "error", None)
    return from_union(union) if union is not None else made(EXPIRED, "401")


def _from_rate_limit(error: BaseException) -> BackendError:
    """In JSON with a reason, or in plain text with at most a Retry-After header."""
    wait: float | None = getattr(error, "backoff", None)
    reason = getattr(getattr(error, "error", None), "reason", None)
    if reason is not None:
        return from_union(reason, retry_after=wait)
    return RateLimited("Dropbox asks to slow down (HTTP 429)", retry_after=wait, provider_code="429")


def _from_bad_input(error: BaseException) -> BackendError:
    text = str(getattr(error, "message", ""))
    for part, row in _BAD_INPUT:
        if part in text:
            return made(row, "400")
    return ProtocolError("Dropbox does not understand the request (HTTP 400)", provider_code="400")


def _from_http_error(error: BaseException) -> BackendError:
    """A status that says nothing more: 5xx, and what Dropbox's documentation does not name."""
    status = int(getattr(error, "status_code", 0))
    if status >= 500:
        return Unavailable(f"Dropbox cannot just now (HTTP {status})", provider_code=str(status))
    if status == 416:
        return ProtocolError("the range lies outside the object", provider_code="416")
    if status == 403:
        hint = "Ask the team's administrator whether apps may be used, or take an account of your own."
        return PermissionDenied("Dropbox does not let this account do that (HTTP 403)", provider_code="403", hint=hint)
    if status == 407:
        return PermissionDenied("the proxy wants a password", provider_code="407", hint=_PROXY_HINT)
    return ProtocolError(f"unexpected answer of Dropbox (HTTP {status})", provider_code=str(status))


def _from_path_root(error: BaseException) -> BackendError:
    found = from_union(getattr(error, "error", None))
    return found if isinstance(found, Misconfigured) else Misconfigured("this Dropbox has another root folder")


def _from_ssl(error: BaseException) -> BackendError:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Misconfigured(
            "Dropbox's certificate cannot be verified",
            provider_code="CERTIFICATE_VERIFY_FAILED",
            hint="Check the clock; set REQUESTS_CA_BUNDLE where a proxy opens the connection.",
        )
    return Unavailable("the secure connection failed", provider_code="SSLError")


# Classes of requests.exceptions by name.  A test holds that each has a row.
_BROKEN = "Timeout ReadTimeout ChunkedEncodingError ContentDecodingError StreamConsumedError RetryError"
_UNREACHABLE = "ConnectionError ConnectTimeout ProxyError"
_ANSWERS = "JSONDecodeError InvalidJSONError TooManyRedirects HTTPError"
_ADDRESSES = "InvalidURL InvalidProxyURL InvalidSchema MissingSchema URLRequired InvalidHeader"
_NOT_DROPBOX = "the answer is not Dropbox's"


def _make_table() -> dict[type[BaseException], Factory]:
    import requests.exceptions as theirs  # noqa: PLC0415
    import urllib3.exceptions  # noqa: PLC0415
    from stone.backends.python_rsrc.stone_validators import ValidationError  # noqa: PLC0415

    exceptions, oauth, dropbox_client = sdk().exceptions, sdk().oauth, sdk().dropbox_client

    groups = (
        (_UNREACHABLE, always(Unavailable, "Dropbox cannot be reached")),
        (_BROKEN, always(Unavailable, "the connection broke off")),
        ("SSLError", _from_ssl),
        (_ANSWERS, always(ProtocolError, _NOT_DROPBOX, _PROXY_HINT)),
        (_ADDRESSES, always(Misconfigured, "the endpoint or the proxy is wrong", _PROXY_HINT)),
        ("UnrewindableBodyError", always(ProtocolError, "unexpected use of the library")),
        ("RequestException", always(Unavailable, "the connection broke off")),
    )
    table: dict[type[BaseException], Factory] = {
        getattr(theirs, name): make for names, make in groups for name in names.split() if hasattr(theirs, name)
    }
    table |= {
        exceptions.ApiError: _from_api_error,
        exceptions.AuthError: _from_auth_error,
        exceptions.BadInputError: _from_bad_input,
        exceptions.RateLimitError: _from_rate_limit,
        exceptions.PathRootError: _from_path_root,
        exceptions.InternalServerError: _from_http_error,
        exceptions.HttpError: _from_http_error,
        exceptions.DropboxException: always(ProtocolError, "unexpected error of the library"),
        oauth.NotApprovedException: always(PermissionDenied, "the login was refused", f"Agree next time: {LOGIN}"),
        oauth.BadInputException: always(ProtocolError, "unexpected use of the library"),
        dropbox_client.BadInputException: always(ProtocolError, "unexpected use of the library"),
    }
    for cls in (oauth.BadRequestException, oauth.BadStateException, oauth.CsrfException, oauth.ProviderException):
        table[cls] = always(PermissionDenied, "the login failed", f"Try again: {LOGIN}")
    # The SDK asserts, decodes and looks up as if every answer were Dropbox's own; a proxy's page is not.
    for cls in (ValidationError, AssertionError, ValueError, KeyError, TypeError, AttributeError):
        table[cls] = always(ProtocolError, _NOT_DROPBOX, _PROXY_HINT)
    for cls in (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError):
        table[cls] = always(Unavailable, "the connection broke off")
    return table


ERRORS = LazyTable(_make_table)


def own(error: BackendError) -> BackendError:
    """A copy, for each who shares the fate: they write their object's name into it."""
    mine = copy.copy(error)
    mine.__cause__ = error.__cause__
    return mine
