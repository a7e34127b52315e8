"""Stripes on their way to the disks: what the writer is given, keeps count of, and tells."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from webraid.array.placement import Placement
from webraid.array.rates import Mark
from webraid.backend.disk import Disk
from webraid.codec.shard import Shard
from webraid.model import Code, Home, Pack


@dataclass(frozen=True, slots=True)
class Stripe:
    """``pack``: its homes are still empty.  ``shards``: what ``make_shards`` gave (one for copies)."""

    pack: Pack
    shards: Sequence[Shard] = field(repr=False)
    placement: Placement


@dataclass(frozen=True, slots=True)
class StripeResult:
    """``pack``: with the homes where shards lie now.  ``missing``: (shard, the disk it was meant for or b'') of those
    that found no home.  ``verified``: for each home, whether the provider's hash, or what was read back, agreed."""

    pack: Pack
    missing: tuple[tuple[int, bytes], ...]
    verified: tuple[bool, ...]


@dataclass(eq=False, slots=True)
class Slot:
    """One shard's way to a home.

    ``place``: its number in the placement (for copies not the shard's index).  ``meant``: the disk it was placed on
    first; ``disk``: where it is sent now.  ``attempt``: answers to earlier ones are ignored.
    """

    stripe: Open = field(repr=False)
    place: int
    size: int
    meant: bytes
    disk: bytes
    shard: Shard | None = field(repr=False)
    tried: set[bytes] = field(default_factory=set)
    started: float = 0.0
    mark: Mark | None = None
    attempt: int = 0
    home: Home | None = None
    verified: bool = False
    over: bool = False

    @property
    def index(self) -> int:
        return 0 if self.stripe.pack.geometry.code is Code.COPIES else self.place


@dataclass(eq=False, slots=True)
class Open:
    """A stripe on its way."""

    pack: Pack
    missing: list[tuple[int, bytes]]
    slots: list[Slot] = field(default_factory=list)

    def result(self) -> StripeResult:
        done = [slot for slot in self.slots if slot.home is not None]
        lost = [(slot.index, slot.meant) for slot in self.slots if slot.home is None]
        homes = tuple(slot.home for slot in done if slot.home is not None)
        missing = tuple(sorted(self.missing + lost))
        return StripeResult(replace(self.pack, homes=homes), missing, tuple(slot.verified for slot in done))


@dataclass(eq=False, slots=True)
class Lane:
    """What one disk still has to take."""

    disk: Disk
    queue: deque[Slot] = field(default_factory=deque)
    running: set[Slot] = field(default_factory=set)
    stalled: bool = False
    closed: bool = False
    progress: float = -1.0  # when something ended well
    unverified: int = 0
    lied: bool = False
    busy: bool = False  # its queue is being served further up the stack

    @property
    def refuses(self) -> bool:
        return self.closed or self.stalled


def opened(stripe: Stripe) -> Open:
    """The stripe with all its shards still to be sent."""
    pack, copies = stripe.pack, stripe.pack.geometry.code is Code.COPIES
    shards = {shard.index: shard for shard in stripe.shards}
    way = Open(pack, [(0 if copies else index, b"") for index in stripe.placement.missing])
    for place, disk in enumerate(stripe.placement.homes):
        shard = shards.get(0 if copies else place)
        if disk is not None and shard is not None:
            way.slots.append(Slot(way, place, len(shard.object), disk, disk, shard))
    return way
