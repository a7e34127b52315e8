"""One read in progress: the scheduler's requests go to the disks, their answers come back through one queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Literal

from webraid.array.events import ArrayEvent, DiskStalled, Finding, ShardBad, ShardRead
from webraid.array.layout import Landed, PackView, segments
from webraid.array.probation import Probation
from webraid.array.rates import RateBook
from webraid.array.rows import Flight, Task
from webraid.array.schedule import FLOOR, Scheduler
from webraid.backend.disk import Disk
from webraid.codec.shard import open_shard
from webraid.env import Env
from webraid.errors import (
    AuthExpired,
    BackendError,
    Misconfigured,
    NotEnoughShards,
    ObjectNotFound,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    ShardCorrupt,
    Unavailable,
)  # fmt: skip
from webraid.model import Code, DiskState, Home, Pack, shard_name

LOCAL_FLOOR = 1.0  # seconds: a folder's disk may spin up, and nothing is gained by asking twice sooner
TICK = 0.5  # seconds at most between two looks at the clock, so that Ctrl-C is heard

# These speak against the disk, not against the shard that was asked for.
_OF_THE_DISK = (Unavailable, RateLimited, AuthExpired, QuotaExceeded, Misconfigured)


@dataclass(frozen=True)
class Standing:
    """What all reads of an array share.  ``lock`` guards ``book`` (of reading), ``uploads`` and ``probation``."""

    disks: Mapping[bytes, Disk]
    env: Env
    on_event: Callable[[ArrayEvent], None]
    patience: float
    floor: float | None = None
    book: RateBook = field(default_factory=RateBook)
    uploads: RateBook = field(default_factory=RateBook)
    probation: Probation = field(default_factory=Probation)
    lock: Lock = field(default_factory=Lock)

    def floor_of(self, disk: bytes) -> float:
        if self.floor is not None:
            return self.floor
        return LOCAL_FLOOR if self.disks[disk].caps.local else FLOOR


@dataclass(eq=False)
class Job:
    """A pack that is being read.  ``reasons``: why a shard is not to be had."""

    pack: Pack
    task: Task
    landed: Landed = field(default_factory=Landed)
    reasons: dict[tuple[int, bytes], str] = field(default_factory=dict)
    error: NotEnoughShards | None = None

    def view(self) -> PackView:
        """Decodes; done by whoever wants the bytes, not by the thread that keeps the disks busy."""
        return PackView([] if self.error else segments(self.pack, self.task, self.landed), self.error)


Answer = tuple[Flight, memoryview | None, BaseException | None]


class Fetch:
    """Reads jobs.  ``pump`` is called by one thread at a time; ``add`` and ``wake`` by any."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._inbox: SimpleQueue[Answer | Job | None] = SimpleQueue()
        self._jobs: dict[Task, Job] = {}
        self._futures: dict[Flight, Future[bytes]] = {}
        disks = standing.disks
        self._scheduler = Scheduler(
            standing.book, standing.probation,
            {disk: max(1, disks[disk].transfers or disks[disk].caps.connections) for disk in disks},
            usable=lambda disk: disks[disk].health.usable, floor=standing.floor_of,
        )  # fmt: skip

    def add(self, job: Job) -> None:
        """One more pack to read; the next ``pump`` takes it up."""
        self._inbox.put(job)

    def wake(self) -> None:
        """Let a waiting ``pump`` return."""
        self._inbox.put(None)

    def close(self) -> None:
        """Forget what is still on its way; requests that were not sent yet are not sent any more."""
        for future in self._futures.values():
            future.cancel()

    def pump(self) -> list[Job]:
        """Sends what should be sent, waits for answers (at most TICK seconds), returns the jobs that are complete, or
        that cannot be completed (``error``)."""
        now = self._standing.env.monotonic()
        with self._standing.lock:
            flights = self._scheduler.step(now)
            wait = self._scheduler.wake(now)
        for flight in flights:
            self._send(flight)
        self._report_stalls()
        over = []
        news = self._next(min(wait, TICK))
        while news is not None:
            over.extend(self._take(news))
            news = self._next(0)
        over.extend(self._give_up())
        return over

    def _next(self, timeout: float) -> Answer | Job | None:
        try:
            return self._inbox.get(timeout=timeout) if timeout else self._inbox.get_nowait()
        except Empty:
            return None

    def _take(self, news: Answer | Job) -> list[Job]:
        if isinstance(news, Job):
            if news.task.done:
                return [news]
            self._jobs[news.task] = news
            with self._standing.lock:
                self._scheduler.add(news.task)
            return []
        return self._landed(*news)

    # -------------------------------------------------------------------------------------------------------- requests
    def _send(self, flight: Flight) -> None:
        job, disk = self._jobs[flight.task], self._standing.disks[flight.disk]
        locator = next(
            (home.locator for home in job.pack.homes if _key(job.pack, home) == (flight.index, flight.disk)), ""
        )
        name = shard_name(job.pack.id, flight.index)
        whole = flight.task.whole or not disk.caps.range_get
        offset, size = (0, None) if whole else (flight.offset, flight.size)
        future = disk.get(name, locator=locator, offset=offset, size=size)
        self._futures[flight] = future
        future.add_done_callback(lambda done: self._arrived(flight, job.pack, done))

    def _arrived(self, flight: Flight, pack: Pack, future: Future[bytes]) -> None:
        """On the disk's thread: whole shards are verified here, so that many are at once."""
        if future.cancelled():
            return
        error, data = future.exception(), None
        if error is None:
            try:
                data = self._payload(flight, pack, future.result())
            except ShardCorrupt as corrupt:
                error = corrupt
        self._inbox.put((flight, data, error))

    def _payload(self, flight: Flight, pack: Pack, raw: bytes) -> memoryview:
        if flight.task.whole:
            return open_shard(raw, pack, flight.index)
        if not self._standing.disks[flight.disk].caps.range_get:
            return open_shard(raw, pack, flight.index)[flight.offset : flight.offset + flight.size]
        return memoryview(raw)

    # --------------------------------------------------------------------------------------------------------- answers
    def _landed(self, flight: Flight, data: memoryview | None, error: BaseException | None) -> list[Job]:
        self._futures.pop(flight, None)
        job = self._jobs.get(flight.task)
        if error is not None and not isinstance(error, BackendError | ShardCorrupt):
            raise error
        now = self._standing.env.monotonic()
        with self._standing.lock:
            if job is not None and data is not None:
                job.landed.add(flight.index, flight.offset, data)
            done = self._scheduler.ended(flight, now, good=data is not None)
            if isinstance(error, _OF_THE_DISK):
                self._standing.probation.stalled(flight.disk, now)
        if data is not None:
            self._standing.on_event(ShardRead(self._standing.disks[flight.disk].name, len(data)))
        elif job is not None and error is not None:
            self._failed(job, flight, error)
        return [self._jobs.pop(task) for task in done if task in self._jobs]

    def _failed(self, job: Job, flight: Flight, error: BaseException) -> None:
        job.reasons[flight.index, flight.disk] = _words(error)
        if isinstance(error, _OF_THE_DISK):
            return
        problem: Literal["missing", "corrupt", "unreadable"] = "unreadable"
        if isinstance(error, ObjectNotFound):
            problem = "missing"
        elif isinstance(error, ShardCorrupt):
            problem = "corrupt"
        name = self._standing.disks[flight.disk].name
        self._standing.on_event(ShardBad(Finding(name, job.pack.id.hex(), flight.index, problem)))

    def _report_stalls(self) -> None:
        with self._standing.lock:
            stalled, self._scheduler.stalled = self._scheduler.stalled, []
        for disk in stalled:
            self._standing.on_event(DiskStalled(self._standing.disks[disk].name))

    def _give_up(self) -> list[Job]:
        with self._standing.lock:
            tasks = self._scheduler.hopeless(self._standing.env.monotonic(), self._standing.patience)
            for task in tasks:
                self._scheduler.drop(task)
        jobs = []
        for task, hope in tasks.items():
            jobs.append(job := self._jobs.pop(task))
            job.error = _not_enough(job, hope, self._standing.disks)
        return jobs


def _key(pack: Pack, home: Home) -> tuple[int, bytes]:
    return (0 if pack.geometry.code is Code.COPIES else home.index), home.disk


def _words(error: BaseException) -> str:
    words = next((words for kind, words in _REASONS if isinstance(error, kind)), "")
    return words or type(error).__name__


_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (ObjectNotFound, "it is not there"),
    (ShardCorrupt, "it is damaged"),
    (Unavailable, "does not answer"),
    (AuthExpired, "its login is over"),
    (PermissionDenied, "it may not be read"),
    (QuotaExceeded, "no budget is left for it"),
    (RateLimited, "the provider asks for patience"),
)


def _not_enough(job: Job, good: Set[int], disks: Mapping[bytes, Disk]) -> NotEnoughShards:
    """``good``: the shards that could be had.  Names the disks whose shards are missed, and why."""
    pack, need = job.pack, job.pack.geometry.k
    empty = sum(1 for digest in pack.shards[:need] if not digest)
    lost: list[str] = []
    for home in pack.homes:
        key = _key(pack, home)
        name = disks[home.disk].name if home.disk in disks else f"{home.disk.hex()} (not in the pool)"
        if home.disk not in disks:
            lost.append(name)
        elif disks[home.disk].health.state is DiskState.OFFLINE:
            lost.append(f"{name} (left out)")
        elif key in job.reasons:
            lost.append(f"{name} ({job.reasons[key]})")
        elif key[0] not in good:
            lost.append(f"{name} (does not answer)")
    told = "; ".join(lost) or "no disk holds them"
    have = min(need - 1, len(good) + empty)
    message = f"{have} of the {need} shards needed of pack {pack.id.hex()} can be read; lost: {told}"
    return NotEnoughShards(message, have=have, need=need)
