"""Pings to healthchecks.io, or to a server that speaks its protocol: a run starts, and how it ends.

The protocol (https://healthchecks.io/docs/http_api/): URL/start, URL, URL/<exit code>; a body of up to 100 kB is kept.
An address is all it takes to write there, so none is ever logged.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request

from webraid import __version__
from webraid.env import Env

MOST_BODY = 10_000  # bytes
TIMEOUT = 10.0  # seconds for one try
PAUSES = (1.0, 4.0)  # seconds before the second and the third try
SCHEMES = ("http", "https")


def address(base: str, ending: str) -> str:
    """``base`` with /start and the like at the end of its path; what it asks behind '?' stays behind."""
    parts = urllib.parse.urlsplit(base)
    path = parts.path.rstrip("/") + (f"/{ending}" if ending else "")
    return urllib.parse.urlunsplit(parts._replace(path=path))


def shown(base: str) -> str:
    """Where that is, for logs: the server alone."""
    try:
        return urllib.parse.urlsplit(base).hostname or "(no address)"
    except ValueError:
        return "(no address)"


def ping(base: str, ending: str, body: str, env: Env) -> str:
    """Send one, trying a few times.  ``ending``: 'start', '' for success, or the exit code.  Returns what went wrong,
    '' when nothing did; never raises because of the network."""
    try:
        if urllib.parse.urlsplit(base).scheme not in SCHEMES:
            return "the address must begin with https:// or http://"
        request = urllib.request.Request(
            address(base, ending), data=_cut(body), method="POST",
            headers={"User-Agent": f"webraid/{__version__}", "Content-Type": "text/plain; charset=utf-8"},
        )  # fmt: skip
    except ValueError:
        return "the address is not one"
    trouble = _try(request)
    for pause in PAUSES:
        if not trouble:
            break
        env.sleep(pause)
        trouble = _try(request)
    return trouble


def _cut(body: str) -> bytes:
    """The end of it, in whole characters."""
    return body.encode()[-MOST_BODY:].decode("utf-8", "ignore").encode()


def _try(request: urllib.request.Request) -> str:
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            answer.read(MOST_BODY)
    except urllib.error.HTTPError as error:
        error.close()
        return f"the server answers {error.code}"
    except urllib.error.URLError as error:
        return _reason(error.reason)
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: an address that cannot be sent
        return _reason(error)
    return ""


def _reason(error: object) -> str:
    """Without what may hold the address."""
    strerror = getattr(error, "strerror", None)
    return str(strerror) if isinstance(strerror, str) and strerror else type(error).__name__
