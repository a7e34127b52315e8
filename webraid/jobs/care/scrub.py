"""scrub: every disk is compared with the table, by hashes or by reading, all at once or a part at a time.

Interrupted it goes on where it stopped.  What it finds marks shards bad; it never deletes anything and writes nothing.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from webraid.config import Places, parse_duration
from webraid.errors import EXIT_OK, EXIT_TEMPORARY, PoolBusy, PoolError, worst
from webraid.jobs.base.context import Context, refuse_unknown
from webraid.jobs.base.events import Progress, Started
from webraid.jobs.care.check import parse_sample
from webraid.jobs.care.findings import Expected, Findings, expected_shards
from webraid.jobs.care.inspection import Reading, inspect, judge, look
from webraid.jobs.care.ring import BUCKETS, EVERYTHING, Arc, Subset, bucket_of, parse_subset, phase
from webraid.jobs.care.scrub_record import (
    LastScrub,
    Stamps,
    Unfinished,
    cursor,
    keep_cursor,
    keep_last,
    keep_round,
    keep_run,
    round_until,
    unfinished,
)

LIST, SAMPLE, ROUND, FULL, PART = "list", "sample", "round", "full", "part"
CONFIGURED = {"list": LIST, "sample": SAMPLE, "full": ROUND, "off": LIST}  # [check] scrub
DAY = 86400.0
SAVE_EVERY = 20.0  # seconds of reading that a crash may make us repeat
LOOK_EVERY = 1.0  # seconds between two looks whether somebody asked for a pause
FREE_AT_ONCE = 100 << 30  # bytes: of a folder that holds more, not all is read in one night
CATCH_UP = BUCKETS // 30  # buckets that were due while a disk was away and are read on it in one run, at least
STALE = 30 * DAY  # an interrupted scrub that is older is not gone on with


@dataclass(slots=True)
class ScrubResult(Findings):
    """What a scrub found.  ``mode``: list, sample, round (a part, so that all is
    read in [check] full-every), full or part.  ``to_read``: bytes of the shards that it had to read,
    ``resumed``: it went on with one that was interrupted, ``paused``: it was asked to stop before its end, ``covered``:
    share of what lies on the disks that was read within [check] full-every."""

    mode: str = LIST
    to_read: int = 0
    resumed: bool = False
    paused: bool = False
    covered: float = 0.0

    @property
    def bytes_read(self) -> int:
        """From all disks."""
        return sum(disk.bytes_read for disk in self.disks)

    @property
    def cut_short(self) -> list[str]:
        """Disks that were not looked at to the end: the next scrub goes on there."""
        return [disk.name for disk in self.disks if disk.cut_short]

    @property
    def exit_code(self) -> int:
        """That of the findings; 'try again later' when a disk stopped answering.  A budget that is spent is no
        failure."""
        broken = any(disk.cut_short and not disk.spent for disk in self.disks)
        return worst(self.found, EXIT_TEMPORARY if broken else EXIT_OK)


@dataclass(frozen=True, slots=True)
class Request:
    """How much is read.  ``mode``: LIST, SAMPLE, ROUND or FULL, '': what [check] scrub says.  ``subset``: '1/7', '5%'
    or '2GiB' of everything instead.  ``disks``: only those of these names; such a scrub stands beside the usual ones,
    which neither go on with it nor count it as theirs."""

    mode: str = ""
    subset: str = ""
    restart: bool = False
    resume: bool = False
    disks: tuple[str, ...] = ()


def scrub(ctx: Context, request: Request = Request()) -> ScrubResult:
    """Compare everything with the table; read what ``request`` says.

    Raises PoolBusy while another one runs here, ConfigError for a subset that is none, PoolError when there is nothing
    to go on with.
    """
    started = ctx.env.monotonic()
    with _alone(ctx.settings.places):
        result = ScrubResult()
        view = look(ctx, result)
        refuse_unknown(request.disks, ctx.config, ctx.table.state)
        run = _run(ctx, request, result)
        reading = _Reading(ctx, run, resumed=result.resumed)
        if not request.disks:
            keep_run(ctx.local, run)
        ctx.event(Started("scrub"))
        try:
            inspect(ctx, view, result, reading, only=request.disks)
        finally:  # also when it was broken off: the next one goes on from here
            reading.save()
        result.mode, result.paused, result.to_read = run.mode, reading.paused, reading.total
        judge(ctx, result)
        result.seconds = ctx.env.monotonic() - started
        result.covered = _covered(ctx)
        if not result.paused and not result.cut_short and not request.disks:
            _ended(ctx, run, result)
        return result


def pause(places: Places) -> None:
    """Ask the scrub that runs on this machine to stop at the next shard; the next one goes on there.

    Raises PoolError when none runs.
    """
    try:
        with _alone(places):
            raise PoolError("no scrub is running on this machine", hint="See 'webraid status' for the last one.")
    except PoolBusy:
        _pause_file(places).touch(mode=0o600)


def _pause_file(places: Places) -> Path:
    return places.state / "scrub.pause"


@contextmanager
def _alone(places: Places) -> Iterator[None]:
    """One scrub a machine; puts go on beside it."""
    places.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(places.state / "scrub.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PoolBusy(
                "another scrub is running on this machine", hint="'webraid scrub --pause' stops it for now."
            ) from None
        _pause_file(places).unlink(missing_ok=True)
        yield
    finally:
        os.close(descriptor)


# ------------------------------------------------------------------------------------------------------- what is read
def _run(ctx: Context, request: Request, result: ScrubResult) -> Unfinished:
    """The interrupted scrub that this one goes on with, or a new one."""
    mode = PART if request.subset else request.mode or CONFIGURED[ctx.config.check.scrub]
    before, now = None if request.disks else unfinished(ctx.local), ctx.env.now()
    young = before is not None and 0 <= now - before.began < min(STALE, _period(ctx) / 2)
    same = before is not None and (before.mode, before.asked) == (mode, request.subset)
    plain = not request.mode and not request.subset
    if before is not None and not request.restart and (request.resume or (young and (same or plain))):
        result.resumed = True
        return before
    if request.resume:
        raise PoolError("there is no scrub to go on with", hint="'webraid scrub' begins one.")
    arc = _arc(ctx, mode, parse_subset(request.subset) if request.subset else None)
    return Unfinished(mode, request.subset, arc.start, arc.count, mode == PART, now)


def _arc(ctx: Context, mode: str, subset: Subset | None) -> Arc:
    """Which part of the ring is read where reading costs something."""
    now, period = ctx.env.now(), _period(ctx)
    if mode == LIST:
        return Arc(0, 0)
    if subset is not None:
        weights = ((bucket_of(item.pack.id), item.size) for items in expected_shards(ctx).values() for item in items)
        return subset.arc(cursor(ctx.local, phase(now, period)), weights)
    if mode == SAMPLE:
        share = Subset(share=parse_sample(ctx.config.check.sample) or 1e-9)
        return share.arc(cursor(ctx.local, phase(now, period)), ())
    return rotating(ctx) if mode == ROUND else EVERYTHING


def rotating(ctx: Context) -> Arc:
    """The part that is due of a scrub that goes once round in [check] full-every: from where the last one was."""
    now, period, until = ctx.env.now(), _period(ctx), round_until(ctx.local)
    since = min(period, max(0.0, now - until)) if until is not None else min(period, DAY)
    if since >= period:
        return EVERYTHING
    start = phase(now - since, period)
    return Arc(start, max(1, (phase(now, period) - start) % BUCKETS))


def _period(ctx: Context) -> float:
    return max(DAY, parse_duration(ctx.config.check.full_every))


class _Reading(Reading):
    """Reads the buckets of the run round the ring, and remembers for every disk which of them were read whole."""

    list_log = True

    def __init__(self, ctx: Context, run: Unfinished, *, resumed: bool) -> None:
        self._ctx = ctx
        self._run = run
        self._resumed = resumed
        self._lock = threading.Lock()
        self._stamps: dict[bytes, Stamps] = {}
        self._left: dict[tuple[bytes, int], int] = {}  # (disk, bucket) -> shards of it that are still to be read
        expected = expected_shards(ctx)
        self._here = _folder_arc(ctx, run, expected)
        self._held = {disk: {bucket_of(item.pack.id) for item in items} for disk, items in expected.items()}
        self._late: dict[bytes, frozenset[int]] = {}
        self._looked = self._saved = ctx.env.monotonic()
        self._read = self._count = self._shards = 0
        self.total = 0
        self.paused = False
        self.log_share = run.count / BUCKETS

    def wanted(self, disk: bytes, item: Expected, *, free: bool, suspect: bool) -> bool:
        """What lies in the run's part of the ring and was not read since the run began."""
        bucket, stamps = bucket_of(item.pack.id), self._of(disk)
        arc = self._here.get(disk, self._run.arc) if free else self._run.arc
        inside = bucket in arc or bucket in self._late[disk]
        if suspect and (inside or self._run.count):
            return True
        return inside and not stamps.read(bucket, self._run.began, max(self._run.began, self._ctx.env.now()))

    def _of(self, disk: bytes) -> Stamps:
        with self._lock:
            if disk not in self._stamps:
                self._stamps[disk] = stamps = Stamps(self._ctx.local, disk)
                self._late[disk] = self._missed(stamps, self._held.get(disk, set()))
            return self._stamps[disk]

    def _missed(self, stamps: Stamps, held: Collection[int]) -> frozenset[int]:
        """Buckets that were due while the disk was away: the oldest first, a part in each run that goes round."""
        if self._run.mode != ROUND:
            return frozenset()
        before = self._run.began - _period(self._ctx) - DAY
        late = sorted((stamps.at[bucket], bucket) for bucket in held if 0 < stamps.at[bucket] < before)
        return frozenset(bucket for _, bucket in late[: max(self._run.count, CATCH_UP)])

    def least(self) -> bool:
        """Nothing beyond what was asked for."""
        return False

    def order(self, items: list[Expected]) -> list[Expected]:
        """Round the ring; when gone on with from anywhere, so that what broke it off is not met first every time."""
        items = sorted(items, key=lambda item: (self._run.arc.place(bucket_of(item.pack.id)), item.pack.id, item.index))
        start = self._ctx.env.rng.randrange(len(items)) if self._resumed and items else 0
        return items[start:] + items[:start]

    def begin(self, disk: bytes, items: list[Expected]) -> None:
        """For the progress, and to know when a bucket is through."""
        with self._lock:
            for item in items:
                key = disk, bucket_of(item.pack.id)
                self._left[key] = self._left.get(key, 0) + 1
            self.total += sum(item.size for item in items)
            self._shards += len(items)
            self._ctx.event(Started("scrub", self._shards, self.total))

    def done(self, disk: bytes, items: list[Expected], good: set[int]) -> None:
        """A bucket of which something could not be read, or is bad, is not stamped: it is read again."""
        stamps, now = self._of(disk), self._ctx.env.now()
        with self._lock:
            for i, item in enumerate(items):
                key = disk, bucket_of(item.pack.id)
                self._left[key] -= 1
                if i not in good:
                    self._left[key] += 1 << 30
                elif not self._left[key]:
                    stamps.at[key[1]] = max(now, self._run.began)
            self._read += sum(item.size for item in items)
            self._count += len(items)
            self._ctx.event(Progress(self._count, self._read))
        self._save_now_and_then()

    def stopped(self) -> bool:
        """Whether somebody asked for a pause."""
        now = self._ctx.env.monotonic()
        if not self.paused and now - self._looked >= LOOK_EVERY:
            self._looked = now
            self.paused = _pause_file(self._ctx.settings.places).exists()
        return self.paused

    def _save_now_and_then(self) -> None:
        now = self._ctx.env.monotonic()
        if now - self._saved >= SAVE_EVERY:
            self._saved = now
            self.save()

    def save(self) -> None:
        """What was read so far is not read again."""
        with self._lock:
            for stamps in self._stamps.values():
                stamps.save()


def _folder_arc(ctx: Context, run: Unfinished, expected: Mapping[bytes, Sequence[Expected]]) -> dict[bytes, Arc]:
    """Reading a folder is free, so all of it is read; of a very large one a part, so that it is through in
    full-every."""
    if run.local:
        return {}
    held = {disk: sum(item.size for item in items) for disk, items in expected.items()}
    due = run.arc if run.arc == EVERYTHING else rotating(ctx)
    return {disk: EVERYTHING if size <= FREE_AT_ONCE else due for disk, size in held.items()}


# ---------------------------------------------------------------------------------------------------------- the end
def _covered(ctx: Context) -> float:
    """Share of the bytes on all disks that was read within [check] full-every."""
    now, total, fresh = ctx.env.now(), 0, 0
    since = now - _period(ctx)
    for disk, items in expected_shards(ctx).items():
        stamps = Stamps(ctx.local, disk)
        total += sum(item.size for item in items)
        fresh += sum(item.size for item in items if stamps.read(bucket_of(item.pack.id), since, now))
    return fresh / total if total else 1.0


def _ended(ctx: Context, run: Unfinished, result: ScrubResult) -> None:
    keep_run(ctx.local, None)
    if run.mode in (ROUND, FULL):
        keep_round(ctx.local, run.began)
    if run.count and run.arc != EVERYTHING:
        keep_cursor(ctx.local, run.arc.end)
    corrupt, missing = sum(disk.corrupt for disk in result.disks), sum(disk.missing for disk in result.disks)
    now = ctx.env.now()
    keep_last(
        ctx.local, LastScrub(now, run.mode, result.exit_code, corrupt, missing, result.bytes_read, result.covered)
    )
