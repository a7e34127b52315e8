"""Budget: requests by class and bytes that a disk may be asked for in a day or a month, as its owner allows."""

from __future__ import annotations

import datetime
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from webraid.backend.wrapper import Call, Op
from webraid.env import Env
from webraid.errors import ConfigError, QuotaExceeded
from webraid.model import parse_size

DATA = "shards/"  # only what lies below it is ever refused: the log and the marker are small, and needed always
PAGE = 1000  # names that a listing brings with one request, at most providers
LEAST = 100 << 20  # bytes of egress that a multiple of what is stored allows at least: a new disk must be readable


class Resource(StrEnum):
    """What is counted."""

    WRITES = "writes"  # put, list, prepare: class A at most providers
    READS = "reads"  # get, stat, usage: class B
    DELETES = "deletes"
    EGRESS = "egress"  # bytes that come from the disk
    UPLOAD = "upload"  # bytes that go there


class Period(StrEnum):
    """In UTC, as providers count."""

    DAY = "day"
    MONTH = "month"


CLASSES: Mapping[Op, Resource] = {
    Op.PUT: Resource.WRITES, Op.LIST: Resource.WRITES, Op.PREPARE: Resource.WRITES,
    Op.GET: Resource.READS, Op.STAT: Resource.READS, Op.USAGE: Resource.READS,
    Op.DELETE: Resource.DELETES,
}  # fmt: skip
REFUSABLE = frozenset({Op.PUT, Op.GET, Op.STAT, Op.DELETE})
WORDS: Mapping[Resource, str] = {
    Resource.WRITES: "write requests", Resource.READS: "read requests", Resource.DELETES: "delete requests",
    Resource.EGRESS: "downloads", Resource.UPLOAD: "uploads",
}  # fmt: skip
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip

Spent = dict[str, dict[str, int]]  # period ('2026-11', '2026-11-21') -> resource -> how much


@dataclass(frozen=True, slots=True)
class Allowance:
    """So much of a resource in a period.  ``times``: of what is stored there, instead of an ``amount``."""

    resource: Resource
    period: Period
    amount: int = 0
    times: float = 0.0

    def limit(self, stored: int) -> int:
        """Requests, or bytes."""
        return self.amount or max(LEAST, int(self.times * stored))


@dataclass(frozen=True, slots=True)
class Balance:
    """An allowance and what is spent of it in the present period, which ends at ``until`` (seconds since the epoch)."""

    allowance: Allowance
    limit: int
    spent: int
    until: float

    @property
    def left(self) -> int:
        """What may still be spent."""
        return max(0, self.limit - self.spent)

    def sentence(self) -> str:
        """For people: 'its downloads are spent until 1 December'."""
        day = datetime.datetime.fromtimestamp(self.until, datetime.UTC)
        return f"its {WORDS[self.allowance.resource]} are spent until {day.day} {MONTHS[day.month - 1]}"


def parse_allowance(key: str, value: object) -> Allowance:
    """'writes-per-month', 50000; 'egress-per-month', '3x' or '10 GiB'.  Raises ConfigError."""
    what, _, period = key.partition("-per-")
    resource, times, amount = Resource(what), 0.0, 0
    if resource not in (Resource.EGRESS, Resource.UPLOAD):
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigError(f"{value!r} is not a number of requests", hint="Write a whole number, such as 2500.")
        amount = value
    elif resource is Resource.EGRESS and (match := re.fullmatch(r"(\d+(?:\.\d+)?) ?x", str(value))):
        times = float(match[1])
    else:
        amount = parse_size(str(value))
    if amount <= 0 and times <= 0:
        raise ConfigError(f"{value!r} would allow nothing", hint="Leave the line out where there is no limit.")
    return Allowance(resource, Period(period), amount, times)


def period_key(period: Period, now: float) -> str:
    """'2026-11-21' or '2026-11', for seconds since the epoch."""
    day = datetime.datetime.fromtimestamp(now, datetime.UTC)
    return f"{day:%Y-%m-%d}" if period is Period.DAY else f"{day:%Y-%m}"


def period_end(period: Period, now: float) -> float:
    """When the next day or month begins."""
    day = datetime.datetime.fromtimestamp(now, datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period is Period.DAY:
        return (day + datetime.timedelta(days=1)).timestamp()
    return (day.replace(day=1) + datetime.timedelta(days=32)).replace(day=1).timestamp()


class Budget:
    """What may be spent at one disk, shared by its threads.  ``stored``: bytes that lie there, for multiples of it.

    ``on_spend()`` is called after a request was counted, ``on_overdrawn(sentence)`` once for each resource that is used
    beyond its end; both on the disk's threads.  What was counted is told by ``unsaved`` to be added to what other runs
    counted; ``adopt`` brings the sum back.  Where that did not come about, the next ``unsaved`` tells it again.
    """

    def __init__(self, allowances: Iterable[Allowance], env: Env, *, stored: int = 0) -> None:
        self.allowances = tuple(allowances)
        self.stored = stored
        self.on_spend: Callable[[], None] = lambda: None
        self.on_overdrawn: Callable[[str], None] = lambda sentence: None
        self._env = env
        self._lock = threading.Lock()
        self._known: Spent = {}
        self._leaving: Spent = {}  # told to be saved, and not adopted yet
        self._fresh: Spent = {}
        self._tight: set[tuple[Resource, str]] = set()  # refused in that period: not even offered any more
        self._told: set[tuple[Resource, str]] = set()

    # ---------------------------------------------------------------------------------------------------------- asking
    def balances(self) -> list[Balance]:
        """Every allowance as it is now."""
        with self._lock:
            return [self._balance(allowance) for allowance in self.allowances]

    def spent(self, op: Op) -> Balance | None:
        """The allowance that keeps this disk from doing more of this; None: there is none."""
        resources = _resources(op)
        with self._lock:
            for allowance in self.allowances:
                if allowance.resource in resources:
                    now = self._balance(allowance)
                    if not now.left or self._key(allowance) in self._tight:
                        return now
        return None

    # --------------------------------------------------------------------------------------------------------- spending
    def take(self, call: Call, *, overdraw: bool = False) -> float:
        """Counts a request that is about to be sent; when (seconds since the epoch), for ``give_back``.

        Raises QuotaExceeded where it may not be sent, unless ``overdraw``.
        """
        costs = _costs(call)
        refusable = call.op in REFUSABLE and call.name.startswith(DATA)
        told = ""
        with self._lock:
            short = self._short(costs) if refusable else None
            if short and not overdraw:
                self._tight.add(self._key(short.allowance))
                raise _exceeded(short, call)
            if short and self._key(short.allowance) not in self._told:
                self._told.add(self._key(short.allowance))
                told = short.sentence()
            at = self._env.now()
            self._spend(costs, at)
        if told:
            self.on_overdrawn(told)
        return at

    def settle(self, call: Call, answer: object) -> None:
        """Counts what an answer cost more than was foreseen."""
        more: dict[Resource, int] = {}
        if isinstance(answer, bytes):
            more[Resource.EGRESS] = len(answer) - (call.want or 0)
        elif isinstance(answer, list):
            more[CLASSES[call.op]] = max(0, len(answer) - 1) // PAGE
        with self._lock:
            self._spend(more, self._env.now())
        self.on_spend()

    def give_back(self, call: Call, taken: float) -> None:
        """A request failed: it counts as one, its body does not.  Back to the day and month it was taken from."""
        with self._lock:
            self._spend({what: -cost for what, cost in _costs(call).items() if what is not CLASSES.get(call.op)}, taken)
        self.on_spend()

    # ---------------------------------------------------------------------------------------------------------- keeping
    def unsaved(self) -> Spent:
        """What was counted since the last ``adopt``."""
        with self._lock:
            _add(self._leaving, self._fresh)
            self._fresh = {}
            return {period: dict(amounts) for period, amounts in self._leaving.items()}

    def adopt(self, total: Spent) -> None:
        """The sum of what all runs on this machine have saved, with what ``unsaved`` told last."""
        with self._lock:
            self._leaving = {}
            self._known = {period: dict(amounts) for period, amounts in total.items()}

    def current(self) -> frozenset[str]:
        """Keys of the periods that still matter."""
        return frozenset(period_key(period, self._env.now()) for period in Period)

    # ------------------------------------------------------------------------------------------------- within the lock
    def _key(self, allowance: Allowance) -> tuple[Resource, str]:
        return allowance.resource, period_key(allowance.period, self._env.now())

    def _balance(self, allowance: Allowance) -> Balance:
        now = self._env.now()
        what, period = str(allowance.resource), period_key(allowance.period, now)
        spent = sum(part.get(period, {}).get(what, 0) for part in (self._known, self._leaving, self._fresh))
        return Balance(allowance, allowance.limit(self.stored), max(0, spent), period_end(allowance.period, now))

    def _short(self, costs: Mapping[Resource, int]) -> Balance | None:
        """The allowance that does not suffice."""
        for allowance in self.allowances:
            if allowance.resource in costs:
                now = self._balance(allowance)
                if not now.left or costs[allowance.resource] > now.left:
                    return now
        return None

    def _spend(self, costs: Mapping[Resource, int], now: float) -> None:
        periods = {period: {str(what): cost for what, cost in costs.items() if cost} for period in Period}
        _add(self._fresh, {period_key(period, now): amounts for period, amounts in periods.items()})


def add_spent(one: Spent, other: Spent, periods: Iterable[str]) -> Spent:
    """The sum of both, of these periods and later ones: a clock that has lost its date must not cost the counts."""
    since = {len(period): period for period in periods}  # a day's key is longer than a month's
    total: Spent = {}
    for part in (one, other):
        _add(total, {period: spent for period, spent in part.items() if period >= since.get(len(period), "")})
    return total


def _add(to: Spent, more: Spent) -> None:
    for period, amounts in more.items():
        there = to.setdefault(period, {})
        for what, amount in amounts.items():
            there[what] = there.get(what, 0) + amount


def _resources(op: Op) -> frozenset[Resource]:
    """What a request of this kind is made of."""
    body = {Op.PUT: {Resource.UPLOAD}, Op.GET: {Resource.EGRESS}}.get(op, set())
    return frozenset({CLASSES[op], *body} if op in CLASSES else body)


def _costs(call: Call) -> dict[Resource, int]:
    """What a request costs as far as it is known before it is sent."""
    costs = {CLASSES[call.op]: 1} if call.op in CLASSES else {}
    if call.op is Op.PUT:
        costs[Resource.UPLOAD] = call.up
    elif call.op is Op.GET:
        costs[Resource.EGRESS] = call.want or 0
    return costs


def _exceeded(short: Balance, call: Call) -> QuotaExceeded:
    resource, period = short.allowance.resource, short.allowance.period
    what = resource.value if resource in (Resource.EGRESS, Resource.UPLOAD) else "requests"
    hint = f"Nothing to do: it is used again then.  Or raise '{resource}-per-{period}' of the disk in the config."
    return QuotaExceeded(short.sentence(), what=what, key=call.name, hint=hint)
