"""One thing that the doctor has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from webraid.errors import EXIT_DEGRADED, EXIT_OK


class Severity(StrEnum):
    """``alarm``: data are in danger; ``warning``: do something; ``note``: good to know; ``good``: looked at, fine."""

    ALARM = "alarm"
    WARNING = "warning"
    NOTE = "note"
    GOOD = "good"


@dataclass(frozen=True, slots=True)
class Finding:
    """``topic``: what was looked at, a stable word; ``disk``: whose it is, or ''.  ``what`` is there, ``why`` it
    matters, ``todo``: what to do, with the command.  ``code``: how bad it is, as an exit code."""

    severity: Severity
    topic: str
    what: str
    why: str = ""
    todo: str = ""
    disk: str = ""
    code: int = EXIT_OK


def good(topic: str, what: str) -> Finding:
    """Nothing to do."""
    return Finding(Severity.GOOD, topic, what)


def note(topic: str, what: str, why: str = "", todo: str = "", *, disk: str = "") -> Finding:
    """Good to know."""
    return Finding(Severity.NOTE, topic, what, why, todo, disk)


def warning(topic: str, what: str, why: str, todo: str, *, disk: str = "", code: int = EXIT_DEGRADED) -> Finding:
    """To be mended."""
    return Finding(Severity.WARNING, topic, what, why, todo, disk, code)


def alarm(topic: str, what: str, why: str, todo: str, *, disk: str = "", code: int) -> Finding:
    """To be mended now."""
    return Finding(Severity.ALARM, topic, what, why, todo, disk, code)
