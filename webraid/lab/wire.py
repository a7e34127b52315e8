"""Bytes under way: pipes (bandwidth), wires (delay of one link and direction), lanes (one connection's share of it).

The lab is a world, not the product: it runs on the event loop's clock and on seeded chance instead of webraid.env.
All times are absolute loop times, so that late timers do not add up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

READ = 32 * 1024  # bytes taken from a socket or a file at a time: the grain of the shaping
SLACK = 64 * 1024  # least number of bytes one connection may have under way, per direction
GRAIN = 0.0002  # seconds; what is due within this is delivered now

Sink = Callable[[bytes | None], None]  # None: end of the stream


class Pipe:
    """Serialises bytes at ``rate`` bytes a second (None: at once).  Several wires may share one."""

    __slots__ = ("free_at", "rate")

    def __init__(self, rate: float | None = None) -> None:
        self.rate = rate
        self.free_at = 0.0

    def depart(self, ready: float, count: int) -> float:
        """When the last of ``count`` bytes, ready at ``ready``, has left."""
        self.free_at = max(ready, self.free_at) + (count / self.rate if self.rate else 0.0)
        return self.free_at


class Wire:
    """One direction of one link: through its pipes one after the other, then ``delay`` seconds later out."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *pipes: Pipe) -> None:
        self.loop = loop
        self.pipes = pipes
        self.delay = 0.0
        self.bytes = 0
        self.stalled = False
        self._queue: deque[tuple[float, Lane, bytes | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def rate(self) -> float | None:
        """The narrowest pipe's."""
        return min((pipe.rate for pipe in self.pipes if pipe.rate), default=None)

    def send(self, lane: Lane, data: bytes | None) -> None:
        count = len(data) if data else 0
        at = self.loop.time()
        for pipe in self.pipes:
            at = pipe.depart(at, count)
        self._queue.append((at + self.delay, lane, data))
        self.bytes += count
        self._arm()

    def stall(self, on: bool) -> None:
        """Nothing comes out while it is on; what is under way waits."""
        self.stalled = on
        self._arm()

    def forget(self, lane: Lane) -> None:
        """Drop what a closed connection left on a stalled wire (a moving one sheds it by itself)."""
        if self.stalled:
            self._queue = deque(item for item in self._queue if item[1] is not lane)

    def _arm(self) -> None:
        if self._queue and self._timer is None and not self.stalled:
            self._timer = self.loop.call_at(self._queue[0][0], self._pump)

    def _pump(self) -> None:
        self._timer = None
        horizon = self.loop.time() + GRAIN
        while self._queue and self._queue[0][0] <= horizon and not self.stalled:
            _, lane, data = self._queue.popleft()
            lane.deliver(data)
        self._arm()


class Lane:
    """One direction of one connection: feeds the wire and knows how much of its own is under way."""

    def __init__(self, wire: Wire, rate: float | None, sink: Sink, on_room: Callable[[], None]) -> None:
        self.wire = wire
        self.rate = rate  # bytes/s of this connection alone
        self.cap: float | None = None  # the same for the request under way (a slow one)
        self.hold_until = 0.0
        self.closed = False
        self._sink = sink
        self._on_room = on_room
        self._free_at = 0.0
        self._inflight = 0
        self._held: deque[tuple[float, bytes | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def room(self) -> bool:
        """May more be pushed?  64 KiB plus what fits into the delay and 20 ms are let under way."""
        rates = [rate for rate in (self.wire.rate, self.rate, self.cap) if rate]
        ahead = min(rates, default=1e12) * (self.wire.delay + 0.02)
        return self._inflight < SLACK + int(min(ahead, 8 << 20))

    def slow_down(self, factor: float) -> None:
        """Let the request under way have one ``factor``-th of the bandwidth; 1 ends it."""
        rate = min((rate for rate in (self.wire.rate, self.rate) if rate), default=None)
        self.cap = rate / factor if rate and factor > 1 else None

    def push(self, data: bytes | None) -> None:
        """Send bytes, or None for the end of the stream."""
        if self.closed:
            return
        count = len(data) if data else 0
        self._inflight += count
        now = self.wire.loop.time()
        ready = max(now, self.hold_until)
        own = min((rate for rate in (self.rate, self.cap) if rate), default=None)
        if own:
            self._free_at = ready = max(ready, self._free_at) + count / own
        if ready <= now and not self._held:
            self.wire.send(self, data)
        else:
            self._held.append((ready, data))
            self._arm()

    def deliver(self, data: bytes | None) -> None:
        """Called by the wire when bytes have arrived."""
        if self.closed:
            return
        self._inflight -= len(data) if data else 0
        self._sink(data)
        if not self.closed and self.room():
            self._on_room()

    def close(self) -> None:
        self.closed = True
        self._held.clear()
        if self._timer:
            self._timer.cancel()
        self.wire.forget(self)

    def _arm(self) -> None:
        if self._held and self._timer is None and not self.closed:
            self._timer = self.wire.loop.call_at(self._held[0][0], self._release)

    def _release(self) -> None:
        self._timer = None
        horizon = self.wire.loop.time() + GRAIN
        while self._held and self._held[0][0] <= horizon:
            self.wire.send(self, self._held.popleft()[1])
        self._arm()
