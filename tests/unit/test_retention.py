"""Which snapshots a policy keeps: by hand and by properties."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webraid.config import Retention
from webraid.errors import ConfigError
from webraid.jobs.base.retention import (
    ALL,
    BUCKETS,
    FUTURE,
    NEVER,
    NO_POLICY,
    UNFINISHED,
    Candidate,
    Clock,
    Policy,
    Span,
    decide,
    has_tags,
    parse_count,
    parse_span,
    parse_tags,
)
from webraid.jobs.space.forget import policy_of

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)


def clock(zone: str) -> Clock:
    there = ZoneInfo(zone)
    return lambda moment: moment.astimezone(there)


UTC_CLOCK = clock("UTC")


def history(*ages: float, tags: Sequence[str] = (), partial: bool = False) -> list[Candidate]:
    """Snapshots so many hours old, named by their place in the list."""
    return [
        Candidate(b"%03d" % number, NOON - timedelta(hours=age), frozenset(tags), partial)
        for number, age in enumerate(ages)
    ]


def kept(snapshots: Sequence[Candidate], policy: Policy, zone: Clock = UTC_CLOCK, **more: Any) -> list[int]:
    return sorted(int(one.snapshot.id) for one in decide(snapshots, policy, zone, **more) if one.keep)


# --------------------------------------------------------------------------------------------------------------- rules
def test_each_rule_counts_on_its_own() -> None:
    days = history(*(24 * day for day in range(40)))
    assert kept(days, Policy({"last": 3})) == [0, 1, 2]
    assert kept(days, Policy({"daily": 3, "monthly": 2})) == [0, 1, 2, 17]
    assert kept(days, Policy({"weekly": 2})) == [0, 5]  # noon of Friday, and the Sunday before
    assert kept(days, Policy({"yearly": 1})) == [0]


def test_while_a_rule_has_counts_left_the_oldest_stays_for_it() -> None:
    hours = history(*range(30))
    assert kept(hours, Policy({"monthly": 12})) == [0, 29]
    assert kept(hours, Policy({"daily": 2})) == [0, 13]  # both are used up
    assert kept(hours, Policy({"daily": 3})) == [0, 13, 29]


def test_unlimited_keeps_one_of_each() -> None:
    assert kept(history(*range(60)), Policy({"daily": ALL})) == [0, 13, 37, 59]
    assert kept(history(*range(5)), Policy({"last": ALL})) == [0, 1, 2, 3, 4]


def test_within_counts_from_the_newest_snapshot_and_not_from_now() -> None:
    old = history(*(10_000 + hour for hour in range(0, 100, 12)))
    assert kept(old, Policy(within=Span(days=2))) == [0, 1, 2, 3]
    assert kept(old, Policy(within_each={"daily": Span(days=2)})) == [0, 2]


def test_tags_keep_whoever_has_all_of_one_set() -> None:
    both, one = history(1, 2, tags=["a", "b"]), history(3, 4, tags=["a"])
    mixed = [both[0], Candidate(b"7", NOON - timedelta(days=9), frozenset("b")), Candidate(b"8", NOON, frozenset())]
    assert kept(mixed, Policy(tags=parse_tags(["a,b"]))) == [0]
    assert kept(mixed, Policy(tags=parse_tags(["a,b", "b"]))) == [0, 7]
    assert kept(mixed, Policy(tags=parse_tags([""]))) == [8]
    assert kept(one, Policy(tags=parse_tags(["b"]))) == []
    assert not has_tags(frozenset("a"), frozenset("ab"))


def test_an_empty_policy_keeps_everything() -> None:
    for policy in (Policy(), Policy({"last": 0}), Policy(within=Span(), within_each={"daily": Span()})):
        decisions = decide(history(1, 2, 3), policy, UTC_CLOCK)
        assert [one.reasons for one in decisions] == [(NO_POLICY,)] * 3


def test_what_is_left_of_the_rules_is_told() -> None:
    first, second = decide(history(0, 1), Policy({"last": 5, "daily": 1}), UTC_CLOCK)
    assert (first.counters, second.counters) == ({"last": 4}, {"last": 3})
    assert first.reasons == ("last snapshot", "daily snapshot")


# ------------------------------------------------------------------------------------- what must not push others out
def test_a_snapshot_of_the_future_stays_and_pushes_nothing_out() -> None:
    good, future = history(*range(0, 240, 24)), Candidate(b"999", NOON + timedelta(days=400))
    horizon = NOON + timedelta(days=1)
    for policy in (Policy({"last": 3}), Policy(within=Span(days=3)), Policy({"yearly": 1}), Policy({"daily": 4})):
        assert kept([*good, future], policy, horizon=horizon) == [*kept(good, policy), 999]
    (told,) = [one for one in decide([*good, future], Policy({"last": 1}), UTC_CLOCK, horizon) if not one.counted]
    assert told.reasons == (FUTURE,)


def test_clocks_may_differ_by_a_day() -> None:
    soon = [*history(0, 24), Candidate(b"9", NOON + timedelta(hours=23))]
    assert kept(soon, Policy({"last": 1}), horizon=NOON + timedelta(days=1)) == [9]


def test_a_partial_snapshot_never_counts_and_goes_when_a_whole_one_is_newer() -> None:
    whole = history(24, 48, 72)
    before, after = Candidate(b"7", NOON - timedelta(hours=30), partial=True), Candidate(b"8", NOON, partial=True)
    assert kept([*whole, before, after], Policy({"last": 2})) == [0, 1, 8]
    reasons = {one.snapshot.id: one.reasons for one in decide([*whole, before, after], Policy({"last": 2}), UTC_CLOCK)}
    assert (reasons[b"7"], reasons[b"8"]) == ((), (UNFINISHED,))
    assert kept([before, after], Policy({"last": 1})) == [7, 8]  # there is nothing whole yet


def test_a_partial_snapshot_stays_for_a_month_while_no_put_since_could_read_everything() -> None:
    def nights(*ages: int, problems: bool) -> list[Candidate]:
        return [Candidate(b"%d" % age, NOON - timedelta(days=age), problems=problems) for age in ages]

    partial = Candidate(b"99", NOON - timedelta(days=29), partial=True)
    older = Candidate(b"98", NOON - timedelta(days=31), partial=True)
    broken, clean = nights(0, 1, 20, problems=True), nights(5, problems=False)
    assert kept([partial, older, *broken], Policy({"last": 1})) == [0, 99]
    assert kept([partial, older, *broken, *clean], Policy({"last": 1})) == [0]
    assert kept([partial, older, *nights(40, problems=False)], Policy({"last": 1})) == [40, 98, 99]


# ---------------------------------------------------------------------------------------------------------------- time
@pytest.mark.parametrize(
    ("zone", "same_day"),
    [("UTC", True), ("Asia/Kolkata", False), ("Pacific/Kiritimati", True), ("America/New_York", True)],
)
def test_days_are_those_of_the_zone(zone: str, same_day: bool) -> None:
    two = [
        Candidate(b"0", datetime(2024, 5, 17, 21, tzinfo=UTC)),
        Candidate(b"1", datetime(2024, 5, 17, 15, tzinfo=UTC)),
    ]
    newer = Candidate(b"2", datetime(2024, 5, 16, 1, tzinfo=UTC))
    assert (kept([*two, newer], Policy({"daily": 2}), clock(zone)) == [0, 2]) is same_day


def test_the_hour_that_comes_twice_is_one_hour() -> None:
    """Berlin, 27 October 2024: 2:30 is at 0:30 and at 1:30 UTC."""
    twice = [datetime(2024, 10, 27, hour, 30, tzinfo=UTC) for hour in (2, 1, 0)]
    found = [Candidate(b"%d" % number, time) for number, time in enumerate(twice)]
    assert kept(found, Policy({"hourly": 2}), clock("Europe/Berlin")) == [0, 1]
    assert kept(found, Policy({"hourly": 2}), UTC_CLOCK) == [0, 1]
    assert kept(found, Policy({"hourly": 3}), clock("Europe/Berlin")) == [0, 1, 2]  # the oldest
    assert len(decide(found, Policy({"hourly": ALL}), clock("Europe/Berlin"))) == 3


@pytest.mark.parametrize(
    ("span", "before"),
    [
        ("1m", datetime(2024, 3, 2, 12, tzinfo=UTC)),  # 31 February runs over into March
        ("1y", datetime(2023, 3, 31, 12, tzinfo=UTC)),
        ("1y1m", datetime(2023, 3, 3, 12, tzinfo=UTC)),
        ("31d", datetime(2024, 2, 29, 12, tzinfo=UTC)),
        ("13h", datetime(2024, 3, 30, 23, tzinfo=UTC)),
        ("2024y", NEVER),
        ("999999y", NEVER),
        ("999999d", NEVER),
    ],
)
def test_spans_go_by_the_calendar(span: str, before: datetime) -> None:
    assert parse_span(span).before(datetime(2024, 3, 31, 12, tzinfo=UTC), UTC_CLOCK) == before


def test_days_go_by_the_calendar_and_hours_by_the_stopwatch() -> None:
    """Berlin, 31 March 2024: the night has no hour from 2 to 3."""
    moment = datetime(2024, 3, 31, 10, tzinfo=UTC)  # noon there
    berlin = clock("Europe/Berlin")
    assert parse_span("1d").before(moment, berlin) == datetime(2024, 3, 30, 11, tzinfo=UTC)  # noon there
    assert parse_span("24h").before(moment, berlin) == datetime(2024, 3, 30, 10, tzinfo=UTC)
    next_night = datetime(
        2024, 3, 31, 23, 30, tzinfo=UTC
    )  # half past one there; the day before, that is before the gap
    assert parse_span("1d").before(next_night, berlin) == datetime(2024, 3, 31, 0, 30, tzinfo=UTC)


def test_spans_are_read_as_people_write_them() -> None:
    assert parse_span("1y5m7d2h") == Span(1, 5, 7, 2)
    assert (parse_span(""), str(parse_span("7d1y"))) == (Span(), "1y7d")
    for text in ("7", "d", "1w", "7d ", "-7d", "1d2d", "1.5d", "7D"):
        with pytest.raises(ConfigError, match="no length of time"):
            parse_span(text)


def test_counts_are_numbers_or_unlimited() -> None:
    assert [parse_count(text) for text in ("0", "7", "unlimited", "Unlimited", "-1")] == [0, 7, ALL, ALL, ALL]
    for text in ("", "-2", "many", "1.5"):
        with pytest.raises(ConfigError, match="not a number of snapshots"):
            parse_count(text)


def test_the_config_says_the_same_as_the_flags() -> None:
    section = Retention(keep_last=1, keep_weekly=-1, keep_within="14d", keep_within_monthly="1y", keep_tag=("a,b", "c"))
    policy = policy_of(section)
    assert {name: count for name, count in policy.keep.items() if count} == {"last": 1, "weekly": ALL}
    assert (policy.within, policy.within_each["monthly"]) == (Span(days=14), Span(years=1))
    assert policy.tags == (frozenset("ab"), frozenset("c"))
    assert not policy_of(Retention())
    with pytest.raises(ConfigError, match=r"\[retention\] of the config"):
        policy_of(Retention(keep_within="soon"))


# ---------------------------------------------------------------------------------------------------------- properties
TIMES = st.integers(0, 10**8).map(lambda seconds: datetime(2021, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
HISTORIES = st.lists(TIMES, max_size=30, unique=True).map(
    lambda times: [Candidate(b"%d" % number, time) for number, time in enumerate(times)]
)
COUNTS = st.dictionaries(st.sampled_from(list(BUCKETS)), st.sampled_from([0, 1, 2, 5, ALL]), max_size=6)
SPANS = st.builds(Span, st.integers(0, 1), st.integers(0, 3), st.integers(0, 40), st.integers(0, 30))
EACH = st.dictionaries(st.sampled_from(["hourly", "daily", "weekly", "monthly", "yearly"]), SPANS, max_size=3)
RULES = st.builds(Policy, COUNTS, SPANS, EACH)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"]).map(clock)


@given(HISTORIES, RULES, ZONES)
def test_a_policy_keeps_what_its_rules_keep_one_by_one(found: list[Candidate], policy: Policy, zone: Clock) -> None:
    alone = [Policy({name: count}) for name, count in policy.keep.items() if count]
    alone += [Policy(within=policy.within)] if policy.within else []
    alone += [Policy(within_each={name: span}) for name, span in policy.within_each.items() if span]
    together = {number for one in alone for number in kept(found, one, zone)}
    assert set(kept(found, policy, zone)) == (together if policy else {int(one.id) for one in found})


@given(HISTORIES, RULES, ZONES)
def test_the_newest_stays_and_forgetting_twice_takes_nothing_more_by_last(
    found: list[Candidate], policy: Policy, zone: Clock
) -> None:
    stays = set(kept(found, policy, zone))
    if found:
        newest = max(found, key=lambda one: one.time)
        assert int(newest.id) in stays
    again = [one for one in found if int(one.id) in stays]
    if set(policy.keep) <= {"last"} and not policy.within_each:
        assert set(kept(again, policy, zone)) == stays
