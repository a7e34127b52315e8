"""One simulated cloud without its doors: its wires, its faults, its counters, what it stores.

Chance comes from a random.Random seeded with the lab's seed and the cloud's name, time for shaping from the event loop:
the lab is a world, not the product.  What the cloud shows of the time of day comes from webraid.env.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from webraid.env import Env
from webraid.lab.http import Answer, Request, refuse
from webraid.lab.multipart import Upload
from webraid.lab.profiles import LinkSpec
from webraid.lab.signature import check
from webraid.lab.store import Store
from webraid.lab.wire import Pipe, Wire


@dataclass(frozen=True, slots=True)
class Keys:
    """Who may use the cloud."""

    access_key: str
    secret_key: str = field(repr=False)


class Abortable(Protocol):
    def abort(self) -> None: ...


class Link:
    """``lines``: the group's pipes up and down, when the cloud shares a line with others."""

    def __init__(
        self, spec: LinkSpec, store: Store, keys: Keys, *,
        loop: asyncio.AbstractEventLoop, env: Env, rng: random.Random, lines: tuple[Pipe, Pipe] | None = None,
    ) -> None:  # fmt: skip
        self.loop, self.env, self.rng = loop, env, rng
        self.store, self.keys = store, keys
        self.connections: set[Abortable] = set()
        self.uploads: dict[str, Upload] = {}
        self.count: Counter[str] = Counter()
        self.ops: Counter[str] = Counter()
        self._own_up, self._own_down = Pipe(), Pipe()
        self.up = Wire(loop, *([lines[0]] if lines else []), self._own_up)
        self.down = Wire(loop, self._own_down, *([lines[1]] if lines else []))
        self._calls, self._calls_at = 1.0, loop.time()
        self.spec = spec
        self.shape(spec)

    def shape(self, spec: LinkSpec) -> None:
        """Take on new values, also for what is under way."""
        if spec.req_rate != self.spec.req_rate:
            self._calls, self._calls_at = max(1.0, spec.req_rate), self.loop.time()
        self.spec = spec
        self._own_up.rate, self._own_down.rate = spec.up, spec.down
        for wire in (self.up, self.down):
            wire.delay = spec.rtt / 2
            wire.stall(spec.state == "hang")

    def now(self) -> float:
        """This cloud's clock: seconds since the epoch."""
        return self.env.now() + self.spec.clock

    def chance(self, share: float) -> bool:
        return share > 0 and self.rng.random() < share

    def think(self, slower: float) -> float:
        """Seconds until a request is answered; ``slower`` is how many times the usual it takes."""
        usual = self.spec.service + self.spec.service_jitter * self.rng.random()
        return usual * slower + self.spec.rtt * (slower - 1)

    def admit(self, request: Request) -> Answer | None:
        """What the head of a request is refused for, before its body is looked at."""
        self.count["requests"] += 1
        spec = self.spec
        wait = self._over_rate()
        if wait:
            self.count["throttled"] += 1
            return refuse(429, "TooManyRequests", "Please reduce your request rate.", Retry_After=str(math.ceil(wait)))
        if self.chance(spec.error_rate):
            self.count["errors"] += 1
            return refuse(503, "ServiceUnavailable", "The lab was told to fail.")
        if spec.check_keys:
            denied = check(request, self.keys.access_key, self.keys.secret_key, self.now())
            if denied:
                self.count["denied"] += 1
                return denied
        if request.method == "PUT" and request.key and self.store.has_bucket(request.bucket):
            old = self.store.find(request.bucket, request.key)
            return self.admit_size(request.object_length, old.size if old else 0)
        return None

    def admit_size(self, size: int, instead_of: int = 0) -> Answer | None:
        """What an object of ``size`` bytes is refused for; ``instead_of`` bytes go when it comes."""
        spec = self.spec
        if spec.max_object and size > spec.max_object:
            return refuse(413, "EntityTooLarge")
        if spec.quota and self.store.used + size - instead_of > spec.quota:
            self.count["over_quota"] += 1
            return refuse(507, "InsufficientStorage", "The account is full.")
        return None

    def _over_rate(self) -> float:
        """Seconds until the next request may come; 0 when this one may."""
        rate = self.spec.req_rate
        if not rate:
            return 0.0
        now = self.loop.time()
        self._calls = min(max(1.0, rate), self._calls + (now - self._calls_at) * rate)
        self._calls_at = now
        if self._calls < 1:
            return (1 - self._calls) / rate
        self._calls -= 1
        return 0.0
