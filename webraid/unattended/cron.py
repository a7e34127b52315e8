"""Times as crontab(5) writes them: parsed, and the next and the last moment that fits.  No I/O, no clock.

The rules are those of Debian's cron: five fields, lists, ranges, steps, three-letter names, 7 is Sunday, and @daily and
its like.  Day of the month and weekday: when neither begins with '*', one of them is enough.  Moments are those of the
clock on the wall, without a zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from webraid.errors import ConfigError

SHORTHANDS = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}  # fmt: skip
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
FAR = 41 * 366  # days: 29 February falls on a given weekday every 40 years at the latest
_PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?", re.ASCII)
_MINUTE = timedelta(minutes=1)
_HINT = "Write minute, hour, day, month and weekday, such as '0 3 * * *' for three o'clock every night, or @daily."


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59), _Field("hour", 0, 23), _Field("day of the month", 1, 31),
    _Field("month", 1, 12, MONTHS), _Field("weekday", 0, 7, WEEKDAYS),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CronTime:
    """When something is due.  Sorted numbers: ``months`` from 1, ``weekdays`` from 0 (Sunday).  ``either``: a day fits
    by its number or by its weekday, else by both.  ``text``: the five fields."""

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    either: bool

    def fits(self, moment: datetime) -> bool:
        """Whether something is due in that minute."""
        return moment.minute in self.minutes and moment.hour in self.hours and self._fits_day(moment.date())

    def next_after(self, moment: datetime) -> datetime:
        """The first minute that fits and begins after ``moment``."""
        start = moment.replace(second=0, microsecond=0) + _MINUTE
        for day in self._days(start.date(), 1):
            for hour in self.hours:
                for minute in self.minutes:
                    found = datetime.combine(day, time(hour, minute))
                    if found >= start:
                        return found
        raise _never(self.text)

    def last_until(self, moment: datetime) -> datetime:
        """The last minute that fits and has begun at ``moment``."""
        for day in self._days(moment.date(), -1):
            for hour in reversed(self.hours):
                for minute in reversed(self.minutes):
                    found = datetime.combine(day, time(hour, minute))
                    if found <= moment:
                        return found
        raise _never(self.text)

    def _days(self, day: date, step: int) -> Iterator[date]:
        for distance in range(FAR):
            try:
                other = day + timedelta(days=step * distance)
            except OverflowError:
                return
            if self._fits_day(other):
                yield other

    def _fits_day(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        number, weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return number or weekday if self.either else number and weekday


def parse_cron(text: str) -> CronTime:
    """Five fields or a word such as @daily.  Raises ConfigError, also for a day that never comes."""
    plain = text.strip().lower()
    if plain == "@reboot":
        raise ConfigError("@reboot is no time", hint="'catch-up = true' makes up for what was missed while it was off.")
    fields = SHORTHANDS.get(plain, plain).split()
    if len(fields) != len(_FIELDS):
        raise ConfigError(f"{text!r} is not a time as crontab writes them", hint=_HINT)
    numbers = [_numbers(field, part) for field, part in zip(_FIELDS, fields, strict=True)]
    minutes, hours, days, months = (tuple(sorted(found)) for found in numbers[:4])
    weekdays = tuple(sorted({number % 7 for number in numbers[4]}))
    either = not (fields[2].startswith("*") or fields[4].startswith("*"))
    made = CronTime(" ".join(fields), minutes, hours, days, months, weekdays, either)
    made.next_after(datetime.combine(date(2000, 1, 1), time()))  # 30 February
    return made


def _never(text: str) -> ConfigError:
    return ConfigError(f"'{text}' never comes", hint="Compare the day of the month with the month.")


def _numbers(field: _Field, text: str) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None or (match["step"] and match["first"] and not match["last"]):  # cron refuses '5/10', too
            raise ConfigError(f"{part!r} is no {field.name} as crontab writes them", hint=_HINT)
        first = _number(field, match["first"]) if match["first"] else field.low
        last = _number(field, match["last"] or match["first"]) if match["first"] else field.high
        step = int(match["step"] or 1)
        if first > last or step < 1:
            raise ConfigError(f"{part!r} is an empty range for the {field.name}", hint=_HINT)
        found.update(range(first, last + 1, step))
    return found


def _number(field: _Field, word: str) -> int:
    if word in field.names:
        return field.names.index(word) + field.low
    if not word.isdecimal() or not field.low <= int(word) <= field.high:
        raise ConfigError(
            f"{word!r} is no {field.name}", hint=f"A {field.name} is a number from {field.low} to {field.high}."
        )
    return int(word)
