"""Cron expressions against brute force, and against systemd's own idea of when that is."""

# ruff: noqa: DTZ001, DTZ007, DTZ901 - cron's moments are those of the clock on the wall, without a zone
from __future__ import annotations

import subprocess
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.programs import program
from webraid.errors import ConfigError
from webraid.unattended.cron import MONTHS, SHORTHANDS, WEEKDAYS, parse_cron
from webraid.unattended.systemd import calendars

LOWS, HIGHS = (0, 0, 1, 1, 0), (59, 23, 31, 12, 7)
NAMES = {3: MONTHS, 4: WEEKDAYS}
WINDOW = 2000  # minutes


@st.composite
def parts(draw: st.DrawFn, position: int) -> str:
    low, high = LOWS[position], HIGHS[position]
    first = draw(st.integers(low, high))
    match draw(st.sampled_from(["star", "star", "step", "one", "range", "range step", "name"])):
        case "star":
            return "*"
        case "step":
            return f"*/{draw(st.integers(1, high + 3))}"
        case "range":
            return f"{first}-{draw(st.integers(first, high))}"
        case "range step":
            return f"{first}-{draw(st.integers(first, high))}/{draw(st.integers(1, 9))}"
        case "name" if position in NAMES:
            return draw(st.sampled_from([name.upper() for name in NAMES[position]] + list(NAMES[position])))
        case _:
            return str(first)


@st.composite
def expressions(draw: st.DrawFn) -> str:
    fields = [",".join(draw(st.lists(parts(position), min_size=1, max_size=3))) for position in range(5)]
    return draw(st.sampled_from([" ", "  ", "\t"])).join(fields)


def matches(expression: str, moment: datetime) -> bool:
    """The definition, word by word, with nothing in common with the code that is tested."""
    told = (moment.minute, moment.hour, moment.day, moment.month, (moment.weekday() + 1) % 7)
    fits = [_field(text, position, told[position]) for position, text in enumerate(expression.split())]
    minute, hour, day, month, weekday = fits
    restricted = [expression.split()[i][0] != "*" for i in (2, 4)]
    days = (day or weekday) if all(restricted) else (day and weekday)
    return minute and hour and month and days


def _field(text: str, position: int, value: int) -> bool:
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if span == "*":
            first, last = str(LOWS[position]), str(HIGHS[position])
        if first.lower() in NAMES.get(position, ()):
            first = str(NAMES[position].index(first.lower()) + LOWS[position])
        candidates = range(int(first), int(last or first) + 1, int(step or 1))
        if value in candidates or (position == 4 and value == 0 and 7 in candidates):
            return True
    return False


moments = st.datetimes(datetime(2023, 12, 28), datetime(2028, 3, 5))


@given(expressions(), moments)
def test_the_next_moment_is_the_first_that_fits(expression: str, moment: datetime) -> None:
    try:
        found = parse_cron(expression).next_after(moment)
    except ConfigError as error:
        assert "never comes" in str(error)
        found = datetime.max
    start = moment.replace(second=0, microsecond=0)
    minutes = (start + timedelta(minutes=count) for count in range(1, WINDOW))
    expected = next((minute for minute in minutes if matches(expression, minute)), None)
    assert found == expected if expected else found >= start + timedelta(minutes=WINDOW)


@given(expressions(), moments)
def test_the_last_moment_is_the_last_that_fits(expression: str, moment: datetime) -> None:
    try:
        found = parse_cron(expression).last_until(moment)
    except ConfigError as error:
        assert "never comes" in str(error)
        found = datetime.min
    start = moment.replace(second=0, microsecond=0)
    minutes = (start - timedelta(minutes=count) for count in range(WINDOW))
    expected = next((minute for minute in minutes if matches(expression, minute)), None)
    assert found == expected if expected else found <= start - timedelta(minutes=WINDOW)


@given(expressions(), moments)
def test_fits_says_the_same_as_the_definition(expression: str, moment: datetime) -> None:
    try:
        assert parse_cron(expression).fits(moment) == matches(expression, moment)
    except ConfigError as error:
        assert "never comes" in str(error)


@pytest.mark.parametrize(
    ("text", "following"),
    [
        ("0 3 * * *", "2026-11-22 03:00"),
        ("@daily", "2026-11-22 00:00"),
        ("@midnight", "2026-11-22 00:00"),
        ("@Hourly", "2026-11-21 15:00"),
        ("@weekly", "2026-11-22 00:00"),
        ("@monthly", "2026-12-01 00:00"),
        ("@yearly", "2027-01-01 00:00"),
        ("@annually", "2027-01-01 00:00"),
        ("*/20 9-17 * * mon-fri", "2026-11-23 09:00"),
        ("30 4 1,15 * 5", "2026-11-27 04:30"),  # the 1st, the 15th and every Friday
        ("0 0 */2 * mon", "2026-11-23 00:00"),  # Mondays on odd days: a field that begins with a star restricts
        ("0 0 29 feb *", "2028-02-29 00:00"),
        ("0 0 29 2 */7", "2032-02-29 00:00"),  # and a Sunday
        ("0 12 * * 7", "2026-11-22 12:00"),
        ("  5 * * * *  ", "2026-11-21 15:05"),
    ],
)
def test_what_crontab_knows_is_known(text: str, following: str) -> None:
    assert f"{parse_cron(text).next_after(datetime(2026, 11, 21, 14, 31, 7)):%Y-%m-%d %H:%M}" == following


@pytest.mark.parametrize(
    "text",
    [
        "", "0 3 * *", "0 3 * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8",
        "5/10 * * * *", "9-5 * * * *", "*/0 * * * *", "a * * * *", "* * * mon *", "* * * * jan", "1,,2 * * * *",
        "- * * * *", "1- * * * *", "@reboot", "@never", "0 0 30 feb *", "0 0 31 4,6,9,11 *", "٣ * * * *",
    ],
)  # fmt: skip
def test_what_crontab_refuses_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_cron(text)
    assert caught.value.hint


# ------------------------------------------------------------------------------------------------------------ systemd
EXAMPLES = [
    "0 3 * * *", "*/15 * * * *", "0 0 1,15 * 5", "5 4 * * sun", "0 22 * * 1-5", "0 0 */2 * mon", "59 23 31 12 *",
    "0-7/3 1,2 3 4 *", *SHORTHANDS,
]  # fmt: skip


@pytest.mark.parametrize("text", EXAMPLES)
def test_systemd_is_told_the_same_moments(text: str) -> None:
    """Its own parser must name the next ones that cron would."""
    cron, base = parse_cron(text), datetime(2026, 11, 21, 14, 31, 7)
    told = calendars(cron)
    assert all(part.endswith(":00") for part in told)
    elapses = sorted({moment for part in told for moment in _elapses(part, base)})[:2]
    assert elapses == [cron.next_after(base), cron.next_after(cron.next_after(base))]


def _elapses(calendar: str, base: datetime) -> list[datetime]:
    words = [
        program("systemd-analyze"),
        "calendar",
        "--iterations=2",
        f"--base-time={base:%Y-%m-%d %H:%M:%S} UTC",
        calendar,
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
    lines = [line.split(": ", 1)[1] for line in done.stdout.splitlines() if "elapse:" in line or "Iter. #" in line]
    return [datetime.strptime(line, "%a %Y-%m-%d %H:%M:%S UTC") for line in lines]
