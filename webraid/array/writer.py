"""Writer: shards go to their disks, in bounded memory, around disks that fail, fill up or stall."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Condition, RLock
from types import TracebackType
from typing import Literal

from webraid.array.events import ArrayEvent, DiskRefused, DiskStalled, Finding, ShardBad, ShardWritten
from webraid.array.fetch import TICK, Standing
from webraid.array.stripes import Lane, Open, Slot, Stripe, StripeResult, opened
from webraid.backend.base import Digest
from webraid.errors import (
    AuthExpired,
    BackendError,
    Misconfigured,
    ObjectNotFound,
    PermissionDenied,
    QuotaExceeded,
    Unavailable,
)
from webraid.model import Home, Pack, Stored, shard_name

PATIENCE = 5.0
COLD = 12  # times the patience, while no disk at all has taken anything yet
SLOWER = 4  # times what was to be expected, and a put is stalled
SAMPLE = 16  # of the puts a provider does not verify, one in so many is read back; the first always
AT_ONCE = 3  # puts in flight on one disk

# After these the disk takes nothing more in this run.
_CLOSED = (QuotaExceeded, AuthExpired, PermissionDenied, Misconfigured)

Alternate = Callable[[Pack, int, Mapping[int, bytes], frozenset[bytes]], bytes | None]


class Writer:
    """Made by ``Array.writer``; used by one thread, on which ``alternate`` and ``on_stripe`` are called too.

    ``on_stripe(result)`` comes once for every stripe, when all its shards have found a home or been given up: during
    later ``submit`` and ``finish`` calls.  As a context manager it finishes, or on an error forgets what is queued.
    """

    def __init__(
        self, standing: Standing, *, patience: float, window: int, alternate: Alternate | None,
        on_stripe: Callable[[StripeResult], None] | None, sample: int,
    ) -> None:  # fmt: skip
        self._standing = standing
        self._patience = patience
        self._window = window
        self._alternate = alternate
        self._on_stripe = on_stripe
        self._sample = sample
        self._change = Condition(RLock())  # puts that are refused at once call back on the thread that asks
        self._lanes: dict[bytes, Lane] = {}
        self._open: list[Open] = []
        self._results: list[StripeResult] = []
        self._homeless: deque[Slot] = deque()
        self._bytes = 0
        self._fatal: BaseException | None = None
        self._refusals: dict[bytes, BackendError] = {}
        self._news: deque[ArrayEvent] = deque()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None:
            self.finish()
        with self._change:
            for lane in self._lanes.values():
                lane.queue.clear()
                lane.closed = True

    @property
    def outstanding(self) -> int:
        """Bytes of shards that have not found their home yet (what a stalled disk holds on to is not counted)."""
        with self._change:
            return self._bytes

    @property
    def refusals(self) -> dict[bytes, BackendError]:
        """Why disks did not take a shard, the last reason of each."""
        with self._change:
            return dict(self._refusals)

    def submit(self, stripe: Stripe) -> None:
        """Hands the shards to their disks.  Blocks while that would make more than ``window`` bytes outstanding."""
        way = opened(stripe)
        size = sum(slot.size for slot in way.slots)
        self._wait(lambda: not self._bytes or self._bytes + size <= self._window)
        with self._change:
            self._bytes += size
            self._open.append(way)
        for slot in way.slots:
            self._enqueue(slot)
        self._tend()

    def finish(self) -> list[StripeResult]:
        """Waits until every shard has found a home or been given up.  All results in the order they settled,
        but for those ``on_stripe`` was told."""
        self._wait(lambda: not self._open)
        return self._results

    def so_far(self) -> list[StripeResult]:
        """Where shards of stripes lie that ``on_stripe`` was not told of yet: for a run that is given up."""
        with self._change:
            return [stripe.result() for stripe in self._open]

    # -------------------------------------------------------------------------------------- on the submitting thread
    def _wait(self, until: Callable[[], bool]) -> None:
        self._tend()
        while True:
            with self._change:
                if self._fatal is None and not until() and not self._homeless:
                    self._change.wait(min(TICK, self._patience / 4))
            self._tend()
            with self._change:
                if until():
                    return

    def _tend(self) -> None:
        """Everything that is decided rather than merely done."""
        self._find_stalls()
        while True:
            with self._change:
                if self._fatal is not None:
                    raise self._fatal
                if not self._homeless:
                    break
                slot = self._homeless.popleft()
            self._move(slot)
        self._settle()

    def _move(self, slot: Slot) -> None:
        """A shard whose disk failed: to another, or given up."""
        homes = {s.place: s.disk for s in slot.stripe.slots if s is not slot and (s.home or not s.over)}
        tried = frozenset(slot.tried | {disk for disk, lane in self._lanes.items() if lane.refuses})
        pack = slot.stripe.pack
        other = self._alternate(pack, slot.index, homes, tried) if self._alternate else None
        if other is not None and other in self._standing.disks and other not in tried | set(homes.values()):
            slot.disk = other
            self._enqueue(slot)
        else:
            self._over(slot)

    def _settle(self) -> None:
        with self._change:
            settled = [stripe for stripe in self._open if all(slot.over for slot in stripe.slots)]
        for stripe in settled:
            with self._change:
                self._open.remove(stripe)
            if self._on_stripe is None:
                self._results.append(stripe.result())
            else:
                self._on_stripe(stripe.result())

    def _find_stalls(self) -> None:
        now = self._standing.env.monotonic()
        with self._change:
            hung = [lane for lane in self._lanes.values() if not lane.stalled and self._hangs(lane, now)]
            for lane in hung:
                lane.stalled = True
                self._refusals[lane.disk.id] = Unavailable("it does not answer in its time", disk=lane.disk.name)
                for slot in [*lane.running, *lane.queue]:
                    self._fail(slot)
                lane.queue.clear()
                lane.running.clear()
        for lane in hung:
            with self._standing.lock:
                self._standing.probation.stalled(lane.disk.id, now)
            self._standing.on_event(DiskStalled(lane.disk.name))

    def _hangs(self, lane: Lane, now: float) -> bool:
        slot = min(lane.running, key=lambda slot: slot.started, default=None)
        if slot is None:
            return False
        if all(other.progress < 0 for other in self._lanes.values()):
            return now - slot.started > COLD * self._patience
        with self._standing.lock:
            expected = self._standing.uploads.estimate(slot.disk).predict(
                slot.size, slot.size * (len(lane.running) - 1)
            )
        # Its line moves on to others while this one waits: count from the last sign of life.
        return now - max(slot.started, lane.progress) > max(self._patience, SLOWER * expected)

    # -------------------------------------------------------------------------------------------------- on any thread
    def _enqueue(self, slot: Slot) -> None:
        with self._change:
            if slot.disk not in self._standing.disks:
                self._fail(slot)
                return
            lane = self._lanes.setdefault(slot.disk, Lane(self._standing.disks[slot.disk]))
            if lane.refuses:
                self._fail(slot)
                return
            lane.queue.append(slot)
        self._serve(lane)

    def _serve(self, lane: Lane) -> None:
        with self._change:
            if lane.busy:
                return
            lane.busy = True
            while lane.queue and len(lane.running) < self._at_once(lane):
                self._put(lane, lane.queue.popleft())
            lane.busy = False

    def _at_once(self, lane: Lane) -> int:
        """One, until it is known what the disk can take."""
        most = lane.disk.transfers or min(lane.disk.caps.connections, AT_ONCE)
        return max(1, most) if lane.progress >= 0 else 1

    def _put(self, lane: Lane, slot: Slot) -> None:
        assert slot.shard is not None
        slot.started = self._standing.env.monotonic()
        slot.attempt += 1
        attempt = slot.attempt
        with self._standing.lock:
            slot.mark = self._standing.uploads.began(slot.disk, slot.started)
        lane.running.add(slot)
        digest = Digest(slot.shard.sha256.hex(), slot.shard.md5.hex())
        future = lane.disk.put(self._name(slot), slot.shard.object, digest=digest)
        future.add_done_callback(lambda done: self._stored(lane, slot, attempt, done))

    @staticmethod
    def _name(slot: Slot) -> str:
        return shard_name(slot.stripe.pack.id, slot.index)

    def _stored(self, lane: Lane, slot: Slot, attempt: int, future: Future[Stored]) -> None:
        error = None if future.cancelled() else future.exception()
        with self._change:
            now = self._standing.env.monotonic()
            if slot.attempt == attempt and slot.mark is not None:
                with self._standing.lock:
                    self._standing.uploads.ended(lane.disk.id, slot.mark, now, None if error else slot.size)
            if error is None:
                lane.progress, lane.stalled = now, False
            if slot not in lane.running or slot.attempt != attempt:  # it was given up, and works after all
                return
            if error is not None or future.cancelled():
                self._refused(lane, slot, error)
            else:
                self._check(lane, slot, attempt, future.result())
        self._serve(lane)
        self._tell()

    def _refused(self, lane: Lane, slot: Slot, error: BaseException | None) -> None:
        lane.running.discard(slot)
        if error is not None and not isinstance(error, BackendError):
            self._fatal = error
        if isinstance(error, BackendError):
            self._refusals[lane.disk.id] = error
        if isinstance(error, _CLOSED):
            if not lane.closed:
                self._news.append(DiskRefused(lane.disk.name, error.args[0], error.hint))
            lane.closed = True
            for waiting in lane.queue:
                self._fail(waiting)
            lane.queue.clear()
        self._fail(slot)
        self._change.notify_all()

    def _check(self, lane: Lane, slot: Slot, attempt: int, stored: Stored) -> None:
        """The provider has it: either it vouches for the bytes, or now and then we look ourselves."""
        md5 = stored.hash("md5")
        told = bytes.fromhex(md5) if md5 else slot.shard.md5 if slot.shard else b""
        home = Home(slot.index, lane.disk.id, stored.locator, told)
        if stored.verified:
            self._at_home(lane, slot, home, True)
            return
        lane.unverified += 1
        if not lane.lied and self._sample > 1 and lane.unverified % self._sample != 1:
            self._at_home(lane, slot, home, False)
            return
        future = lane.disk.get(self._name(slot), locator=stored.locator)
        future.add_done_callback(lambda done: self._read_back(lane, slot, attempt, home, done))

    def _read_back(self, lane: Lane, slot: Slot, attempt: int, home: Home, future: Future[bytes]) -> None:
        error = None if future.cancelled() else future.exception()
        found = b"" if error or future.cancelled() else hashlib.sha256(future.result()).digest()
        with self._change:
            if slot not in lane.running or slot.attempt != attempt or slot.shard is None:
                return
            if found == slot.shard.sha256:
                self._at_home(lane, slot, home, True)
            elif found or isinstance(error, ObjectNotFound):
                self._lied(lane, slot, "corrupt" if found else "missing")
            else:
                self._refused(lane, slot, error)
        self._serve(lane)
        self._tell()

    def _lied(self, lane: Lane, slot: Slot, problem: Literal["missing", "corrupt"]) -> None:
        """What the disk took is not what it has: nothing it takes is believed unseen any more."""
        lane.lied = True
        lane.running.discard(slot)
        self._news.append(ShardBad(Finding(lane.disk.name, slot.stripe.pack.id.hex(), slot.index, problem)))
        self._fail(slot)
        self._change.notify_all()

    def _tell(self) -> None:
        while True:
            try:
                news = self._news.popleft()
            except IndexError:
                return
            self._standing.on_event(news)

    def _at_home(self, lane: Lane, slot: Slot, home: Home, verified: bool) -> None:
        lane.running.discard(slot)
        slot.home, slot.verified = home, verified
        self._over(slot)
        self._news.append(ShardWritten(lane.disk.name, slot.size))

    def _fail(self, slot: Slot) -> None:
        slot.tried.add(slot.disk)
        slot.attempt += 1
        self._homeless.append(slot)

    def _over(self, slot: Slot) -> None:
        with self._change:
            slot.over, slot.shard = True, None
            self._bytes -= slot.size
            self._change.notify_all()
