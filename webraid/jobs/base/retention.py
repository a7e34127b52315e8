"""Which snapshots a retention policy keeps, and why.  Pure: no disk, and no clock but the one that is passed in.

The rules are restic's (its manual, 'Removing backup snapshots'), so that a policy can be taken over as it is: each
--keep-* counts on its own, a snapshot stays if any of them wants it, and while a rule has counts left the oldest
snapshot stays for it, too.  Two kinds of snapshots never count, so that they cannot push good ones out: those dated in
the future, and the partial ones of interrupted runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from webraid.errors import ConfigError

ALL = -1
UNLIMITED = "unlimited"
FUTURE, UNFINISHED, NO_POLICY = "dated in the future", "unfinished", "policy is empty"
NEVER = datetime.min.replace(tzinfo=UTC)
MONTH = timedelta(days=30)
_PART = re.compile(r"(\d{1,6})([ymdh])")
Clock = Callable[[datetime], datetime]  # the same moment with the offset of the zone whose days count
Bucket = Callable[[datetime, int], tuple[int, ...]]

BUCKETS: Mapping[str, Bucket] = {
    "last": lambda time, number: (number,),
    "hourly": lambda time, number: (time.year, time.month, time.day, time.hour),
    "daily": lambda time, number: (time.year, time.month, time.day),
    "weekly": lambda time, number: tuple(time.isocalendar()[:2]),
    "monthly": lambda time, number: (time.year, time.month),
    "yearly": lambda time, number: (time.year,),
}


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time as people say it: '1y6m', '14d', '2d12h'."""

    years: int = 0
    months: int = 0
    days: int = 0
    hours: int = 0

    def before(self, moment: datetime, clock: Clock) -> datetime:
        """``moment`` less this span, in UTC.  Years, months and days go by the calendar (a day that the month does not
        have runs over into the next one), hours by the stopwatch, as Go's AddDate and Add do."""
        wall = clock(moment).replace(tzinfo=UTC)
        months = wall.year * 12 + wall.month - 1 - self.years * 12 - self.months
        if months < 12:
            return NEVER
        try:
            first = wall.replace(year=months // 12, month=months % 12 + 1, day=1)
            there = first + timedelta(days=wall.day - 1 - self.days)
            return _moment(there, clock) - timedelta(hours=self.hours)
        except OverflowError:
            return NEVER

    def __bool__(self) -> bool:
        return any((self.years, self.months, self.days, self.hours))

    def __str__(self) -> str:
        parts = ((self.years, "y"), (self.months, "m"), (self.days, "d"), (self.hours, "h"))
        return "".join(f"{number}{unit}" for number, unit in parts if number)


def _moment(wall: datetime, clock: Clock) -> datetime:
    """When the clock on the wall shows ``wall`` (given as if it were UTC); where it does so twice, or never, as Go's
    time.Date chooses."""
    guess = wall - _offset(wall, clock)
    return wall - _offset(guess, clock)


def _offset(moment: datetime, clock: Clock) -> timedelta:
    return clock(moment).utcoffset() or timedelta()


def parse_span(text: str) -> Span:
    """'' is no span at all.  Raises ConfigError."""
    parts = _PART.findall(text)
    units = {unit: int(number) for number, unit in parts}
    if "".join(number + unit for number, unit in parts) != text or len(units) < len(parts):
        raise ConfigError(f"{text!r} is no length of time", hint="Write it like 14d, 1y6m or 2d12h (m is a month).")
    return Span(units.get("y", 0), units.get("m", 0), units.get("d", 0), units.get("h", 0))


def parse_count(text: str) -> int:
    """'7', or 'unlimited' (also -1) for ALL.  Raises ConfigError."""
    if text.strip().lower() in (UNLIMITED, str(ALL)):
        return ALL
    if not re.fullmatch(r"\d{1,9}", text.strip()):
        raise ConfigError(f"{text!r} is not a number of snapshots", hint="Give a number, or 'unlimited'.")
    return int(text)


def parse_tags(texts: Iterable[str]) -> tuple[frozenset[str], ...]:
    """Each text is a set of tags, 'a,b' means both; several texts are alternatives."""
    return tuple(frozenset(word.strip() for word in text.split(",")) for text in texts)


def has_tags(tags: frozenset[str], wanted: frozenset[str]) -> bool:
    """Whether all ``wanted`` are there; {''} wants a snapshot without any tag."""
    return wanted <= tags or (wanted == {""} and not tags)


@dataclass(frozen=True, slots=True)
class Policy:
    """``keep``: bucket -> how many (ALL: every one).  ``within``: everything younger than that, counted from the newest
    snapshot.  ``within_each``: bucket -> one of each in that span.  ``tags``: each a set of tags; who has all of one
    stays."""

    keep: Mapping[str, int] = field(default_factory=dict)
    within: Span = Span()
    within_each: Mapping[str, Span] = field(default_factory=dict)
    tags: tuple[frozenset[str], ...] = ()

    def __bool__(self) -> bool:
        return bool(any(self.keep.values()) or self.within or any(self.within_each.values()) or self.tags)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A snapshot.  ``time``: with its zone.  ``problems``: whether its put could not read everything."""

    id: bytes
    time: datetime
    tags: frozenset[str] = frozenset()
    partial: bool = False
    problems: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """``reasons``: why it stays; none: it goes.  ``counters``: what the rules have left after it.  ``counted``: False
    where it only stays because the policy does not judge it."""

    snapshot: Candidate
    reasons: tuple[str, ...]
    counters: Mapping[str, int] = field(default_factory=dict)
    counted: bool = True

    @property
    def keep(self) -> bool:
        """Whether it stays."""
        return bool(self.reasons)


def decide(
    snapshots: Iterable[Candidate], policy: Policy, clock: Clock, horizon: datetime | None = None
) -> list[Decision]:
    """For one group, newest first.  An empty policy keeps everything.  ``clock``: whose hours and days count.

    What is dated after ``horizon`` stays and does not count.  A partial snapshot stays as long as no whole one is
    newer, and then goes; a month later where no put since then could read everything.
    """
    ordered = sorted(snapshots, key=lambda one: (one.time, one.id), reverse=True)
    if not policy:
        return [Decision(one, (NO_POLICY,)) for one in ordered]
    future = [one for one in ordered if horizon is not None and one.time > horizon]
    past = [one for one in ordered if horizon is None or one.time <= horizon]
    whole = [one for one in past if not one.partial]
    decisions = _decided(whole, policy, clock)
    decisions += [Decision(one, (FUTURE,), counted=False) for one in future]
    for one in past:
        if one.partial:
            newer = [other for other in whole if other.time >= one.time]
            clean = any(not other.problems for other in newer)
            stays = not newer or (not clean and one.time > whole[0].time - MONTH)
            decisions.append(Decision(one, (UNFINISHED,) if stays else (), counted=False))
    return sorted(decisions, key=lambda item: (item.snapshot.time, item.snapshot.id), reverse=True)


class _Rules:
    """What has been given out so far."""

    def __init__(self, policy: Policy, newest: datetime, clock: Clock) -> None:
        self.left = {name: policy.keep.get(name, 0) for name in BUCKETS}
        self.since = {name: span.before(newest, clock) for name, span in policy.within_each.items() if span}
        self.within = policy.within.before(newest, clock) if policy.within else None
        self.policy = policy
        self._seen: dict[str, tuple[int, ...]] = {}

    def reasons(self, one: Candidate, local: datetime, number: int, *, oldest: bool) -> list[str]:
        """Why this one stays, in restic's words; called from the newest to the oldest."""
        found = [f"has tags [{', '.join(sorted(tags))}]" for tags in self.policy.tags if has_tags(one.tags, tags)]
        if self.within is not None and one.time > self.within:
            found.append(f"within {self.policy.within}")
        for name in BUCKETS:
            if self.left[name] and self._begins(name, name, local, number, oldest=oldest):
                self.left[name] -= self.left[name] > 0
                found.append(f"{name} snapshot")
        for name in BUCKETS:
            if name not in self.since or one.time <= self.since[name]:
                continue
            if self._begins(f"within {name}", name, local, number, oldest=oldest):
                found.append(f"{name} within {self.policy.within_each[name]}")
        return found

    def _begins(self, key: str, bucket: str, local: datetime, number: int, *, oldest: bool) -> bool:
        """Whether it is the first of an hour, a day ... or the oldest of all."""
        value = BUCKETS[bucket](local, number)
        if value == self._seen.get(key) and not oldest:
            return False
        self._seen[key] = value
        return True


def _decided(ordered: Sequence[Candidate], policy: Policy, clock: Clock) -> list[Decision]:
    if not ordered:
        return []
    rules = _Rules(policy, ordered[0].time, clock)
    decisions = []
    for number, one in enumerate(ordered):
        reasons = rules.reasons(one, clock(one.time), number, oldest=number == len(ordered) - 1)
        left = {name: count for name, count in rules.left.items() if count}
        decisions.append(Decision(one, tuple(reasons), left))
    return decisions
