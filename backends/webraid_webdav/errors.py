"""What urllib3 and the network raise -> our errors: the one table of this plug-in (what servers answer: codes.py).

No text of a library goes into a message: it may hold URLs.
"""

from __future__ import annotations

import http.client

from webraid.backend.mapping import Factory, LazyTable, always
from webraid.errors import BackendError, Misconfigured, ProtocolError, Unavailable
from webraid_webdav.codes import PLACE_HINT

_CERTIFICATE_HINT = (
    "Check the url and this machine's clock; for a server with a certificate authority of its own set ca_file."
)


def _from_ssl(error: BaseException) -> BackendError:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Misconfigured(
            "the server's certificate cannot be verified",
            provider_code="CERTIFICATE_VERIFY_FAILED",
            hint=_CERTIFICATE_HINT,
        )
    return Unavailable("the secure connection failed", provider_code="SSLError")


# Classes of urllib3.exceptions by name.  A test holds that each has a group.
_UNREACHABLE = "NewConnectionError NameResolutionError ConnectTimeoutError ProxyError"
_BROKEN = """
    TimeoutError ReadTimeoutError ProtocolError IncompleteRead InvalidChunkLength MaxRetryError RequestError
    ResponseError
"""
_ADDRESS = """
    LocationValueError LocationParseError URLSchemeUnknown ProxySchemeUnknown ProxySchemeUnsupported HostChangedError
"""
_ANSWER = "DecodeError InvalidHeader HeaderParsingError ResponseNotChunked BodyNotHttplibCompatible"
_BUGS = "PoolError EmptyPoolError FullPoolError ClosedPoolError TimeoutStateError UnrewindableBodyError"


def _make_table() -> dict[type[BaseException], Factory]:
    import urllib3.exceptions as them  # noqa: PLC0415

    groups = (
        (_UNREACHABLE, always(Unavailable, "the server cannot be reached")),
        (_BROKEN, always(Unavailable, "the connection broke off")),
        ("SSLError", _from_ssl),
        (_ADDRESS, always(Misconfigured, "the address cannot be used", PLACE_HINT)),
        (_ANSWER, always(ProtocolError, "the answer is not HTTP's", PLACE_HINT)),
        (_BUGS, always(ProtocolError, "unexpected use of the library")),
        ("HTTPError", always(ProtocolError, "unexpected error of the library")),
    )
    # A release of urllib3 may lack a class; tests hold that every class of the installed one is in a group.
    table: dict[type[BaseException], Factory] = {
        getattr(them, name): make for names, make in groups for name in names.split() if hasattr(them, name)
    }
    table[http.client.HTTPException] = always(Unavailable, "the connection broke off")
    table[OSError] = always(Unavailable, "the connection broke off")
    table[UnicodeError] = always(Misconfigured, "the address cannot be used", PLACE_HINT)
    return table


ERRORS = LazyTable(_make_table)
