"""How this machine behaves towards the disks' owners: bandwidth, requests a second and budgets, as the config says."""

from __future__ import annotations

import dataclasses
import datetime
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar, cast

import msgspec

from webraid.backend.budget import Budget, Spent, add_spent, parse_allowance
from webraid.backend.disk import Disk
from webraid.backend.line import Line, Rate
from webraid.backend.throttled import Limits, Lines
from webraid.backend.timetable import Timetable, parse_timetable
from webraid.config import BUDGETS, Config, DiskSection
from webraid.env import Env
from webraid.errors import ConfigError, PoolError
from webraid.jobs.base.events import DiskNotice, Notice, OnEvent
from webraid.model import parse_size
from webraid.table.local import Local
from webraid.table.survey import AT_ONCE

T = TypeVar("T")

SAVE_EVERY = 5.0  # seconds of counting that a crash may lose
LARGEST = 8 << 20  # bytes of one body, about: a shard, a table pack


def minute_of_day(now: float) -> int:
    """Minutes since midnight on the clock on the wall, for seconds since the epoch."""
    there = datetime.datetime.fromtimestamp(now, datetime.UTC).astimezone()
    return there.hour * 60 + there.minute


def rate_of(table: Timetable, env: Env) -> Rate:
    """What a line asks for its rate; None where there is never a limit."""
    if table.slowest is None:
        return None
    return lambda: table.at(minute_of_day(env.now()))


def patient(config: Config) -> Config:
    """``config`` with as much more patience as our own limits make everybody wait: a disk that is behind a queue of
    ours is not to be taken for one that hangs."""
    count = max(1, len(config.disks))
    shared = [parse_timetable(text).slowest for text in (config.limits.upload, config.limits.download)]
    own = [table_of(disk, key).slowest for disk in config.disks for key in ("upload", "download")]
    ahead = parse_size(config.limits.memory) / 3
    waits = [(ahead + count * LARGEST) / rate for rate in shared if rate]
    waits += [(ahead / count + LARGEST) / rate for rate in own if rate]
    requests = [tps_in(config, disk) for disk in config.disks]
    waits += [AT_ONCE / count / tps for tps in requests if tps]  # records of the log
    patience = config.limits.patience + max(waits, default=0.0)
    return dataclasses.replace(config, limits=msgspec.structs.replace(config.limits, patience=patience))


def table_of(section: DiskSection, key: str) -> Timetable:
    """The disk's own rates, by the ``key``: upload or download.  Raises ConfigError."""
    return _parsed(section.name, key, lambda: parse_timetable(str(section.manners.get(key, "0"))))


def tps_of(section: DiskSection) -> float | None:
    """Requests a second; None: as many as the provider takes.  Raises ConfigError."""
    value = section.manners.get("tps")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        text = f"tps of disk {section.name}: {value!r} is not a number of requests a second"
        raise ConfigError(text, hint="Write 10 or 0.5.")
    return float(value)


def tps_in(config: Config, section: DiskSection) -> float | None:
    """The same, and never more than [limits] lets every disk have."""
    return min(filter(None, (tps_of(section), config.limits.tps)), default=None)


def _parsed(name: str, key: str, parse: Callable[[], T]) -> T:
    """What is wrong with a value is told with whose it is."""
    try:
        return parse()
    except ConfigError as error:
        raise ConfigError(f"{key} of disk {name}: {error}", hint=error.hint) from error


class Manners:
    """All disks' limits and budgets.  What was spent is kept in the local cache, by the disk's name.

    Raises ConfigError when the config is wrong.
    """

    def __init__(self, config: Config, local: Local, env: Env, on_event: OnEvent) -> None:
        self._local = local
        self._env = env
        self._on_event = on_event
        self._lock = threading.Lock()
        self._saved_at = env.monotonic()
        self._closed = False
        up, down = parse_timetable(config.limits.upload), parse_timetable(config.limits.download)
        self.lines = Lines(
            Line(rate_of(up, env), env) if up.slowest else None, Line(rate_of(down, env), env) if down.slowest else None
        )
        self._limits = {
            disk.name: Limits(
                rate_of(table_of(disk, "upload"), env), rate_of(table_of(disk, "download"), env), tps_in(config, disk)
            )
            for disk in config.disks
        }
        self._others = Limits(requests=config.limits.tps or None)  # disks that the log knows and the config does not
        self._budgets = {disk.name: budget for disk in config.disks if (budget := self._budget(disk))}

    def _budget(self, section: DiskSection) -> Budget | None:
        name, given = section.name, section.manners
        allowances = [_parsed(name, key, partial(parse_allowance, key, given[key])) for key in BUDGETS if key in given]
        if not allowances:
            return None
        budget = Budget(allowances, self._env, stored=self._stored(name))
        budget.adopt(add_spent(self._spent(name), {}, budget.current()))
        budget.on_spend = self._save_now_and_then
        budget.on_overdrawn = lambda text: self._on_event(
            DiskNotice(name, f"{text}; it is read beyond that, as no other disk has what is needed")
        )
        return budget

    def limits(self, name: str) -> Limits:
        """The disk's own limits."""
        return self._limits.get(name, self._others)

    def budget(self, name: str) -> Budget | None:
        """What may be spent there; None: whatever it takes."""
        return self._budgets.get(name)

    def note_stored(self, stored: Callable[[], Mapping[str, int]]) -> None:
        """Bytes that lie on each disk, by name; only asked where a budget is a multiple of it."""
        multiples = {
            name: budget for name, budget in self._budgets.items() if any(one.times for one in budget.allowances)
        }
        for name, count in stored().items() if multiples else ():
            if name in multiples and multiples[name].stored != count:
                multiples[name].stored = count
                self._local.set(f"stored:{name}", msgspec.msgpack.encode(count))

    # ---------------------------------------------------------------------------------------------------------- keeping
    def save(self) -> None:
        """What was spent is added to what other runs on this machine have saved."""
        with self._lock:
            self._save()

    def _save(self) -> None:
        self._saved_at = self._env.monotonic()
        for name, budget in self._budgets.items():
            fresh = budget.unsaved()
            if any(fresh.values()):
                self._add(name, budget, fresh)

    def _add(self, name: str, budget: Budget, fresh: Spent) -> None:
        with self._local.lasting.transaction():
            total = add_spent(self._spent(name), fresh, budget.current())
            self._local.set(f"spent:{name}", msgspec.msgpack.encode(total))
        budget.adopt(total)

    def _save_now_and_then(self) -> None:
        """On the disks' threads."""
        if not self._due():
            return
        try:
            with self._lock:
                if self._due():  # else another thread was quicker, or the run has ended
                    self._save()
        except PoolError as error:  # counting goes on; the run itself will meet the same trouble
            self._on_event(Notice(f"what the disks' budgets have left could not be saved: {error}", warning=True))

    def _due(self) -> bool:
        return not self._closed and self._env.monotonic() - self._saved_at >= SAVE_EVERY

    def close(self) -> None:
        """Save for the last time."""
        with self._lock:
            self._closed = True
            self._save()

    def _spent(self, name: str) -> Spent:
        data = self._local.get(f"spent:{name}")
        return msgspec.msgpack.decode(data, type=Spent) if data else {}

    def _stored(self, name: str) -> int:
        data = self._local.get(f"stored:{name}")
        return msgspec.msgpack.decode(data, type=int) if data else 0


class LastResort:
    """A disk as the array sees it: it asks one whose budget is spent only where the others do not suffice, and then
    gets what it needs."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._disk, name)

    def get(self, name: str, **more: Any) -> Any:
        """As Disk.get."""
        return self._disk.get(name, overdraw=True, **more)


class LastResorts(Mapping[bytes, Disk]):
    """All disks so; those that join later, too."""

    def __init__(self, disks: Mapping[bytes, Disk]) -> None:
        self._disks = disks
        self._made: dict[bytes, tuple[Disk, LastResort]] = {}

    def __getitem__(self, key: bytes) -> Disk:
        disk = self._disks[key]
        made = self._made.get(key)
        if made is None or made[0] is not disk:
            made = self._made[key] = disk, LastResort(disk)
        return cast(Disk, made[1])

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._disks)

    def __len__(self) -> int:
        return len(self._disks)
