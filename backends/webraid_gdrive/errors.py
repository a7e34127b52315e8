"""What the libraries raise -> our errors: the one table of this plug-in (what the servers answer: codes.py).

No text of a library goes into a message: it may hold addresses with ids, or a token.
"""

from __future__ import annotations

import http.client
import ssl
from typing import Any

from webraid.backend.mapping import Factory, LazyTable, always
from webraid.errors import AuthExpired, BackendError, Misconfigured, ProtocolError, Unavailable
from webraid_gdrive.codes import LOGIN_HINT, PLACE_HINT, refused


def _from_ssl(error: BaseException) -> BackendError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Misconfigured(
            "the server's certificate cannot be verified",
            provider_code="CERTIFICATE_VERIFY_FAILED",
            hint="Check the clock of this machine, and whether something between it and Google opens connections.",
        )
    return Unavailable("the secure connection failed", provider_code=type(error).__name__)


def _from_http(error: BaseException) -> BackendError:
    """googleapiclient.errors.HttpError and its children, which hold the whole answer."""
    answer: Any = getattr(error, "resp", None)
    content: Any = getattr(error, "content", b"")
    return refused(
        int(getattr(answer, "status", 0)), dict(answer or {}), content if isinstance(content, bytes) else b""
    )


# Classes by name.  A test holds that each class of these modules has a group, or a parent that has.
_GOOGLEAPICLIENT = """
    Error InvalidJsonError UnknownFileType UnknownLinkType UnknownApiNameOrVersion UnacceptableMimeTypeError
    MediaUploadSizeError InvalidChunkSizeError InvalidNotificationError UnexpectedMethodError UnexpectedBodyError
"""
_GOOGLEAPICLIENT_HTTP = "HttpError ResumableUploadError BatchError"
_AUTH_NETWORK = "TransportError TimeoutError ResponseError"
_AUTH_LOGIN = """
    GoogleAuthError RefreshError UserAccessTokenError DefaultCredentialsError OAuthError ReauthFailError
    ReauthSamlChallengeFailError MalformedError
"""
_AUTH_BUGS = "MutualTLSChannelError ClientCertError InvalidResource InvalidOperation InvalidValue InvalidType OSError"
_HTTPLIB2_NETWORK = "ServerNotFoundError"
_HTTPLIB2_ANSWER = """
    HttpLib2Error HttpLib2ErrorWithResponse RedirectMissingLocation RedirectLimit FailedToDecompressContent
    UnimplementedDigestAuthOptionError UnimplementedHmacDigestAuthOptionError MalformedHeader RelativeURIError
"""
_HTTPLIB2_PROXY = "ProxiesUnavailableError"


def _make_table() -> dict[type[BaseException], Factory]:
    import google.auth.exceptions as auth  # noqa: PLC0415
    import googleapiclient.errors as api  # type: ignore[import-untyped]  # noqa: PLC0415
    import httplib2  # type: ignore[import-untyped]  # noqa: PLC0415

    bug = always(ProtocolError, "unexpected use of the library")
    groups: tuple[tuple[Any, str, Factory], ...] = (
        (api, _GOOGLEAPICLIENT_HTTP, _from_http),
        (api, _GOOGLEAPICLIENT, bug),
        (auth, _AUTH_NETWORK, always(Unavailable, "Google's sign-in cannot be reached")),
        (auth, _AUTH_LOGIN, always(AuthExpired, "the login is not accepted", LOGIN_HINT)),
        (auth, _AUTH_BUGS, bug),
        (httplib2, _HTTPLIB2_NETWORK, always(Unavailable, "the server cannot be found")),
        (httplib2, _HTTPLIB2_ANSWER, always(ProtocolError, "the answer is not Drive's", PLACE_HINT)),
        (httplib2, _HTTPLIB2_PROXY, always(Misconfigured, "the proxy needs a library that is not installed")),
    )
    # A release of a library may lack a class; tests hold that every class of the pinned ones is in a group.
    table: dict[type[BaseException], Factory] = {}
    for module, names, make in groups:
        for name in names.split():
            cls = getattr(module, name, None) or getattr(getattr(module, "error", None), name, None)
            if cls is not None:
                table[cls] = make
    table[ssl.SSLError] = _from_ssl
    table[http.client.HTTPException] = always(Unavailable, "the connection broke off")
    table[OSError] = always(Unavailable, "the connection broke off")
    # ValueError: no JSON; the others: JSON of a shape that the SDK, looking for the reason of an error, trips over.
    for cls in (ValueError, LookupError, AttributeError, TypeError):
        table[cls] = always(ProtocolError, "the answer is not Drive's", PLACE_HINT)
    return table


ERRORS = LazyTable(_make_table)
