"""A rate by the time of day, as people write it."""

from __future__ import annotations

import pytest

from webraid.backend.timetable import Timetable, parse_timetable
from webraid.errors import ConfigError

K, M = 1000, 1 << 20


def at(table: Timetable, *times: str) -> list[float | None]:
    minutes = [int(time[:2]) * 60 + int(time[3:]) for time in times]
    return [table.at(minute) for minute in minutes]


@pytest.mark.parametrize(
    "text", ["2 MiB/s", "2MiB", "2097152", "00:00-24:00 2 MiB/s", "08:00-08:00 2 MiB/s", "00:00,2MiB"]
)
def test_one_rate_for_the_whole_day(text: str) -> None:
    assert at(parse_timetable(text), "00:00", "08:00", "23:59") == [2 * M] * 3


@pytest.mark.parametrize("text", ["0", "off", "0 B/s", "08:00-12:00 0", "08:00-12:00 off, else 0"])
def test_no_limit_at_all(text: str) -> None:
    table = parse_timetable(text)
    assert at(table, "00:00", "09:00") == [None, None]
    assert table.slowest is None


def test_a_window_and_what_holds_otherwise() -> None:
    table = parse_timetable("08:00-23:00 1 MiB/s, else 0")
    assert at(table, "00:00", "07:59", "08:00", "22:59", "23:00") == [None, None, M, M, None]
    assert table.slowest == M
    assert at(parse_timetable("8:00-23:00 1 MiB/s"), "07:59", "08:00") == [None, M]
    assert at(parse_timetable("08:00-23:00 off, else 100k"), "07:59", "08:00") == [100 * K, None]


def test_a_window_may_pass_midnight_and_the_first_that_holds_counts() -> None:
    table = parse_timetable("22:00-06:00 5M/s, 05:00-13:00 1M, 12:00-14:00 2M, else 100k")
    times = ("00:00", "05:59", "06:00", "12:59", "13:00", "14:00", "21:59", "22:00")
    assert at(table, *times) == [5000 * K, 5000 * K, 1000 * K, 1000 * K, 2000 * K, 100 * K, 100 * K, 5000 * K]
    assert table.slowest == 100 * K


def test_changes_as_rclone_writes_them_hold_until_the_next_one() -> None:
    table = parse_timetable("12:00,10M 08:00,512k 23:00,off")
    assert at(table, "00:00", "07:59", "08:00", "11:59", "12:00", "23:00") == [
        None, None, 512 * K, 512 * K, 10_000 * K, None
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "fast", "-1", "25:00-26:00 1M", "08:00-9 1M", "08:60-09:00 1M", "24:01,1M", "08:00-10:00 1M, foo",
     "08:00-10:00", "08:00-10:00 1M; else 0", "1M, 2M", "else 0", "08:00-10:00 1M, else 0, else 1M", "08:00 1M"],
)  # fmt: skip
def test_what_is_no_timetable_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_timetable(text)
