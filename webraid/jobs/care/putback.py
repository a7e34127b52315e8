"""Shards on their way back to the disks: many at once within bounded memory, each believed only when it is verified."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

from webraid.backend.base import Digest
from webraid.codec.shard import Shard
from webraid.errors import BackendError
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import DiskNotice
from webraid.model import Home, Pack, Stored, shard_name
from webraid.table.gather import gather

T = TypeVar("T")
PATIENCE = 4  # times the usual one: whole shards


@dataclass(eq=False, slots=True)
class Delivery:
    """``shard`` for ``disk``; ``number``: its number in the stripe (copies: 0).  ``tried``: who failed before."""

    pack: Pack
    number: int
    disk: bytes
    shard: Shard = field(repr=False)
    tried: set[bytes] = field(default_factory=set)
    future: Future[Stored] | None = field(default=None, repr=False)


Landed = Callable[[Delivery, Home], None]
Failed = Callable[[Delivery], None]


class PutBack:
    """Sends shards; ``landed`` and ``failed`` are called on the caller's thread, in ``send`` or ``finish``."""

    def __init__(self, ctx: Context, *, window: int, landed: Landed, failed: Failed) -> None:
        self._ctx = ctx
        self._window = window
        self._landed = landed
        self._failed = failed
        self._under_way: deque[Delivery] = deque()
        self._bytes = 0
        self._hung: set[bytes] = set()

    def send(self, delivery: Delivery) -> None:
        """Begin; waits for older ones while too much is under way.  What has arrived is noted at once: a run that is
        killed need not send it again."""
        size = len(delivery.shard.object)
        for arrived in [one for one in self._under_way if one.future is not None and one.future.done()]:
            if arrived in self._under_way:  # one that failed and was sent to another disk may have settled others
                self._settle(arrived)
        while self._under_way and self._bytes + size > self._window:
            self._settle(self._under_way[0])
        shard = delivery.shard
        digest = Digest(shard.sha256.hex(), shard.md5.hex() if shard.md5 else "")
        disk = self._ctx.disks[delivery.disk]
        delivery.future = disk.put(shard_name(delivery.pack.id, shard.index), shard.object, digest=digest)
        self._under_way.append(delivery)
        self._bytes += size

    def finish(self) -> None:
        """Wait for everything."""
        while self._under_way:
            done = next((one for one in self._under_way if one.future is not None and one.future.done()), None)
            self._settle(done or self._under_way[0])

    def _settle(self, delivery: Delivery) -> None:
        self._under_way.remove(delivery)
        self._bytes -= len(delivery.shard.object)
        home = self._home(delivery)
        if home is None:
            self._failed(delivery)
        else:
            self._landed(delivery, home)

    def _home(self, delivery: Delivery) -> Home | None:
        if delivery.future is None:
            raise AssertionError("what is under way was sent")
        hung = delivery.disk in self._hung  # what else is under way to it is not waited for once more
        answers, errors = self._wait(delivery.future, 0.0 if hung else PATIENCE)
        if errors:
            if not hung:
                self._tell(delivery.disk, errors[0])
            if delivery.future.cancelled() or not delivery.future.done():
                self._hung.add(delivery.disk)
            return None
        stored = answers[0]
        if not stored.verified and not self._reads_back(delivery):
            return None
        return Home(delivery.shard.index, delivery.disk, stored.locator, bytes.fromhex(stored.hash("md5") or ""))

    def _wait(self, future: Future[T], times: float = PATIENCE) -> tuple[dict[int, T], dict[int, BackendError]]:
        patience = self._ctx.config.limits.patience * times
        return gather({0: future}, self._ctx.env, enough=lambda _: False, patience=patience)

    def _reads_back(self, delivery: Delivery) -> bool:
        """A disk that damaged a shard once is not believed unseen."""
        shard = delivery.shard
        answers, errors = self._wait(self._ctx.disks[delivery.disk].get(shard_name(delivery.pack.id, shard.index)))
        if errors:
            self._tell(delivery.disk, errors[0])
        elif hashlib.sha256(answers[0]).digest() != shard.sha256:
            text = "still serves damaged data: a shard just put back is not what is read"
            self._ctx.event(DiskNotice(self._ctx.disk_name(delivery.disk), text, alarm=True))
        else:
            return True
        return False

    def _tell(self, disk: bytes, error: BackendError) -> None:
        self._ctx.event(DiskNotice(self._ctx.disk_name(disk), f"a shard could not be put back: {error}"))
