"""Timetable: a rate by the time of the day, and how people write one.  No clock here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from webraid.errors import ConfigError
from webraid.model import parse_size

DAY = 24 * 60  # minutes
_CHANGES = re.compile(r"(\s*\d\d?:\d\d,\S+)+\s*")
_WINDOW = re.compile(r"(\d\d?:\d\d)\s*-\s*(\d\d?:\d\d)\s+(.+)")


@dataclass(frozen=True, slots=True)
class Timetable:
    """Bytes a second: (minute of the day from which it holds, rate; None: no limit), in order."""

    steps: tuple[tuple[int, float | None], ...]

    def at(self, minute: int) -> float | None:
        """The rate in force; before the first step it is the last one's, of the day before."""
        return next((rate for start, rate in reversed(self.steps) if start <= minute), self.steps[-1][1])

    @property
    def slowest(self) -> float | None:
        """The smallest rate of the day; None: never limited."""
        return min((rate for _, rate in self.steps if rate), default=None)


def parse_timetable(text: str) -> Timetable:
    """'2 MiB/s'; '0' or 'off' for no limit; windows, the first that holds counts: '08:00-23:00 1 MiB/s, else 0'; or
    changes, as rclone writes them: '08:00,512k 12:00,10M 23:00,off'.  Raises ConfigError."""
    if _CHANGES.fullmatch(text):
        changes = (part.split(",", 1) for part in text.split())
        return Timetable(tuple(sorted((_minute(time), _rate(rate)) for time, rate in changes)))
    parts = [part.strip() for part in text.split(",")]
    if not _WINDOW.fullmatch(parts[0]):
        return Timetable(((0, _rate(text)),))
    otherwise = _rate(parts.pop().removeprefix("else ")) if parts[-1].startswith("else ") else None
    windows = [_window(part) for part in parts]
    edges = {0, *(edge for start, end, _ in windows for edge in (start, end))}
    return Timetable(tuple((edge, _first(windows, edge, otherwise)) for edge in sorted(edges)))


def _window(text: str) -> tuple[int, int, float | None]:
    match = _WINDOW.fullmatch(text)
    if not match:
        raise ConfigError(f"{text!r} is not a window of time", hint="Write '08:00-23:00 1 MiB/s, else 0'.")
    return _minute(match[1]), _minute(match[2]), _rate(match[3])


def _first(windows: list[tuple[int, int, float | None]], minute: int, otherwise: float | None) -> float | None:
    """The rate of the first window that holds; one may pass midnight, and one that ends where it begins is a day."""
    holds = (rate for start, end, rate in windows if (minute - start) % DAY < ((end - start) % DAY or DAY))
    return next(holds, otherwise)


def _minute(time: str) -> int:
    hours, minutes = map(int, time.split(":"))
    if minutes > 59 or hours * 60 + minutes > DAY:
        raise ConfigError(f"{time!r} is not a time of the day", hint="Write 00:00 to 24:00.")
    return (hours * 60 + minutes) % DAY


def _rate(text: str) -> float | None:
    return None if text.strip() == "off" else parse_size(text.strip().removesuffix("/s")) or None
