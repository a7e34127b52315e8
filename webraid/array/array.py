"""Array: stripes over disks.  Reading; see writer.py for writing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from webraid.array.events import ArrayEvent
from webraid.array.fetch import TICK, Fetch, Job, Standing
from webraid.array.layout import PackView, Ranges, make_task, payload_lengths
from webraid.array.stripes import StripeResult
from webraid.array.writer import PATIENCE, SAMPLE, Alternate, Writer
from webraid.backend.disk import Disk
from webraid.codec.shard import Shard, rebuild
from webraid.env import Env
from webraid.errors import NotEnoughShards
from webraid.model import Code, Pack

T = TypeVar("T")
WINDOW = 96 << 20


@dataclass(frozen=True, slots=True)
class Request:
    """Bytes of a pack to be read: (offset, size) ranges, None for all.  ``tag`` is the caller's own."""

    pack: Pack
    ranges: Ranges | None = None
    tag: Any = None


@dataclass(frozen=True, slots=True)
class Salvage:
    """Whole payloads that give shards ``indices`` of a pack: these themselves where the pack's homes name them, else k
    others.  ``tag`` is the caller's own."""

    pack: Pack
    indices: tuple[int, ...]
    tag: Any = None


class Array:
    """Reads and writes stripes on ``disks`` (by their 8-byte ids).  Thread-safe, but for what says otherwise.

    ``on_event`` may be called on any thread and must not block.  ``patience``: seconds of silence after which a disk
    is given up where nothing can replace it.  ``floor``: seconds that are added to twice a disk's own estimate before
    it counts as late (default: 1 for local ones, 0.25 for others).
    """

    def __init__(
        self, disks: Mapping[bytes, Disk], *, env: Env, on_event: Callable[[ArrayEvent], None] = lambda event: None,
        patience: float = 60.0, floor: float | None = None,
    ) -> None:  # fmt: skip
        self._standing = Standing(disks, env, on_event, patience, floor)

    @property
    def disks(self) -> Mapping[bytes, Disk]:
        return self._standing.disks

    def rates(self, *, up: bool = False) -> Mapping[bytes, float]:
        """Bytes a second of the disks that were read from (``up``: written to), as far as learnt."""
        with self._standing.lock:
            return (self._standing.uploads if up else self._standing.book).rates()

    def read(self, pack: Pack, ranges: Ranges | None = None, *, strict: bool = False) -> PackView:
        """The asked bytes of a sealed pack, from whichever disks bring them first.

        ``strict``: only whole shards are fetched, and each is compared with what the table knows of it: what is not
        right is reported as a finding and replaced.  Without it, wrong bytes from a disk show when the pack's seals are
        opened.  Raises NotEnoughShards, naming the disks; ValueError for a range outside the pack.
        """
        return self._run(self._job(pack, ranges, strict)).view()

    def read_many(self, requests: Iterable[Request], *, window: int = WINDOW) -> Iterator[tuple[Request, PackView]]:
        """Many reads at once, over all disks; answers in any order.

        At most ``window`` bytes are on their way or waiting to be taken (but always one request).  ``requests`` is
        consumed on the caller's thread.  A pack that cannot be read does not end the others: its view's ``error`` says
        so and its ``get`` raises it.
        """
        for request, job in self._flow(((item, self._job(item.pack, item.ranges, False)) for item in requests), window):
            view = job.view()
            del job  # the caller may be slow: nothing is kept that it does not hold itself
            yield request, view

    def salvage(
        self, wanted: Iterable[Salvage], *, window: int = WINDOW
    ) -> Iterator[tuple[Salvage, dict[int, memoryview] | NotEnoughShards]]:
        """Payloads by shard number, each the one that the table names, for many packs at once; or why they cannot be
        had.  No shard is fetched that is not needed.  Bounded and ordered as ``read_many``."""
        for item, job in self._flow(((item, self._salvaging(item)) for item in wanted), window):
            (row,) = job.task.rows
            found = job.error or {index: job.landed.part(row, index) for index in row.have}
            del job
            yield item, found

    def _salvaging(self, item: Salvage) -> Job:
        task = make_task(item.pack, self.disks, (), whole=True)
        task.row(0, payload_lengths(item.pack)[0], item.indices)
        return Job(item.pack, task)

    def _flow(self, jobs: Iterable[tuple[T, Job]], window: int) -> Iterator[tuple[T, Job]]:
        bulk = _Bulk(Fetch(self._standing))
        try:
            yield from _in_bulk(iter(jobs), bulk, window)
        finally:
            bulk.close()

    def _job(self, pack: Pack, ranges: Ranges | None, strict: bool) -> Job:
        there = [self.disks[home.disk] for home in pack.homes if home.disk in self.disks]
        whole = strict or (bool(there) and all(disk.caps.local for disk in there) and _most(pack, ranges))
        return Job(pack, make_task(pack, self.disks, ranges, whole=whole))

    def writer(
        self, *, patience: float = PATIENCE, window: int = WINDOW, alternate: Alternate | None = None,
        on_stripe: Callable[[StripeResult], None] | None = None, sample: int = SAMPLE,
    ) -> Writer:  # fmt: skip
        """A run of stripes to be written, with at most ``window`` bytes of shards in memory.

        ``patience``: seconds every put may take at least before its disk counts as stalled (then: four times what it,
        or disks like it, would take).  ``alternate(pack, index, homes, tried)``: another disk for a shard whose own
        failed, or None; ``homes``: the disks of the stripe's other shards by number; ``tried``: what must not be
        returned.  ``sample``: where the provider does not verify, one shard in so many is read back (1: all).
        """
        return Writer(
            self._standing, patience=patience, window=window, alternate=alternate, on_stripe=on_stripe, sample=sample
        )

    def reconstruct(self, pack: Pack, index: int, *, pool: bytes, md5: bool = False) -> Shard:
        """The object of shard ``index`` as it was stored, from k others (for copies: from another copy), each verified
        first.  ``pool``: the pool's id, which stands in every shard.

        Raises NotEnoughShards; ShardCorrupt if the result is not the shard that the table names.
        """
        copies = pack.geometry.code is Code.COPIES
        others = tuple(home for home in pack.homes if copies or home.index != index)
        task = make_task(replace(pack, homes=others), self.disks, (), whole=True)
        task.row(0, payload_lengths(pack)[0], [0 if copies else index])
        job = self._run(Job(pack, task))
        (row,) = task.rows
        have = {i: job.landed.part(row, i) for i in row.have}
        return rebuild(have, pack, index, pool, md5=md5)

    def _run(self, job: Job) -> Job:
        fetch = Fetch(self._standing)
        fetch.add(job)
        try:
            while not fetch.pump():
                pass
        finally:
            fetch.close()
        if job.error is not None:
            raise job.error
        return job


def _in_bulk(jobs: Iterator[tuple[T, Job]], bulk: _Bulk, window: int) -> Iterator[tuple[T, Job]]:
    """Each job when it is over.  What was yielded counts against the window until the next one is asked for."""
    waiting: dict[Job, tuple[T, int]] = {}
    used = 0
    ahead = next(jobs, None)
    while ahead or waiting:
        while ahead and (not waiting or used + _cost(ahead[1]) <= window):
            item, job = ahead
            waiting[job] = item, _cost(job)
            used += _cost(job)
            bulk.add(job)
            ahead = next(jobs, None)
        job = bulk.take()
        item, cost = waiting.pop(job)
        yield item, job
        del job
        used -= cost


def _cost(job: Job) -> int:
    """Bytes on their way for it, at most."""
    return sum(row.enough * (row.stop - row.start) for row in job.task.rows)


def _most(pack: Pack, ranges: Ranges | None) -> bool:
    return ranges is None or sum(size for _, size in ranges) * 4 >= pack.length * 3


class _Bulk:
    """A thread that keeps the disks busy while the caller works on what came."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._done: SimpleQueue[Job | BaseException] = SimpleQueue()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="array-read", daemon=True)
        self._thread.start()

    def add(self, job: Job) -> None:
        self._fetch.add(job)

    def take(self) -> Job:
        """The next job that is over.  Raises what went wrong on the thread."""
        while True:
            try:
                news = self._done.get(timeout=TICK)
            except Empty:
                continue
            if isinstance(news, BaseException):
                raise news
            return news

    def close(self) -> None:
        self._closing = True
        self._fetch.wake()

    def _run(self) -> None:
        try:
            while not self._closing:
                for job in self._fetch.pump():
                    self._done.put(job)
        except BaseException as error:  # noqa: BLE001  it belongs to whoever waits for the bytes
            self._done.put(error)
        finally:
            self._fetch.close()
