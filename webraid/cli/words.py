"""Numbers, times and dangers in words that people read easily.  Nothing here draws."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from webraid.model import many, show_size

__all__ = [
    "ago", "clock", "duration", "further", "iso", "listed", "many", "moment", "not_as_it_should_be", "rate",
    "safe", "survival",
]  # fmt: skip


def duration(seconds: float) -> str:
    """'0.4 s', '12 s', '3 min 5 s', '2 h 4 min', '3 days'."""
    if seconds < 10:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return many(whole // 86400, "day")


def clock(seconds: float) -> str:
    """'0:07', '12:30', '1:02:03'."""
    whole = round(seconds)
    hours = f"{whole // 3600}:" if whole >= 3600 else ""
    return f"{hours}{whole % 3600 // 60:{'02' if hours else ''}}:{whole % 60:02}"


def rate(count: float, seconds: float) -> str:
    """'12.0 MiB/s'."""
    return f"{show_size(count / max(seconds, 0.001))}/s"


def moment(time_ms: int) -> str:
    """A time in this machine's zone, to the minute."""
    there = datetime.datetime.fromtimestamp(time_ms / 1000, datetime.UTC)
    return there.astimezone().strftime("%Y-%m-%d %H:%M")


def iso(time_ms: int) -> str:
    """A time for programs, in UTC."""
    return datetime.datetime.fromtimestamp(time_ms / 1000, datetime.UTC).isoformat(timespec="milliseconds")


def ago(now: float, time_ms: int) -> str:
    """'just now', '5 minutes ago'; clocks may disagree."""
    seconds = now - time_ms / 1000
    if seconds <= -60:
        return "in the future: a clock is wrong"
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"{many(int(seconds // size), unit)} ago"
    return "just now"


def listed(names: Sequence[str]) -> str:
    """'d1', 'd1 and d2', 'd1, d2 and d3'."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def not_as_it_should_be(count: int, done: str) -> str:
    """'1 file is not stored as it should be'; ``done``: 'stored' or 'restored'."""
    return f"{many(count, 'file is', 'files are')} not {done} as {'it' if count == 1 else 'they'} should be"


def survival(survives: int, disks: int) -> str:
    """What may be lost: the sentence that every page has."""
    if survives < 0:
        return "some data cannot be read now"
    if survives == 0 or disks == 0:
        return "survives the loss of no disk"
    if survives == 1:
        return f"survives the loss of any one of {disks} disks"
    return f"survives the loss of any {survives} of {disks} disks"


def further(survives: int) -> str:
    """The same of a pool that has lost disks already."""
    if survives <= 0:
        return "no further disk may be lost"
    return f"{'one further disk' if survives == 1 else f'{survives} further disks'} may be lost"


def safe(text: str) -> str:
    """Text from elsewhere, safe for a terminal: what is not printable is shown as \\x.. codes."""
    plain = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if plain.isprintable():
        return plain
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in plain)
