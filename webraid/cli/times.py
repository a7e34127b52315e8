"""Times that people type."""

from __future__ import annotations

import datetime

from webraid.errors import ConfigError

NOW = "now"


def moment_of(text: str) -> int | None:
    """Milliseconds since 1970 of 'YYYY-MM-DD HH:MM:SS' on this machine's clock, as restic's --time has it.

    Seconds or the time of day may be left out, and what ISO 8601 adds (a 'T', 'Z', '+02:00') is understood.  '' and
    'now': None.

    Raises ConfigError.
    """
    if text.strip().lower() in ("", NOW):
        return None
    try:
        told = datetime.datetime.fromisoformat(text.strip())
        return int((told if told.tzinfo else told.astimezone()).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ConfigError(f"{text!r} is not a time", hint="Write it like '2026-11-21 03:00:00'.") from None
