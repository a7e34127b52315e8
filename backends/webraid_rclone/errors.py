"""What the standard library raises on the way to rclone -> our errors (what rclone says: texts.py)."""

from __future__ import annotations

import http.client
import subprocess

from webraid.backend.base import ErrorTable
from webraid.backend.mapping import always
from webraid.errors import ProtocolError, Unavailable

_GONE = always(Unavailable, "rclone does not answer", "It is started again when it is gone; try again.")
_SHORT = always(Unavailable, "the connection broke off", "Try again.")
_STRANGE = always(ProtocolError, "rclone's answer is not what it should be")

ERRORS: ErrorTable = {
    http.client.HTTPException: _GONE,
    http.client.IncompleteRead: _SHORT,
    OSError: _GONE,
    subprocess.SubprocessError: _GONE,
    ValueError: _STRANGE,
    KeyError: _STRANGE,
    TypeError: _STRANGE,
}
