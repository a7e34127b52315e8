"""Real disks over memory with faults, and stripes on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random

from webraid.array.array import Array
from webraid.array.events import ArrayEvent, ShardBad
from webraid.array.placement import Placement, Seat, stand_in
from webraid.array.stripes import Stripe
from webraid.backend.base import Caps
from webraid.backend.disk import Disk
from webraid.backend.faulty import Faults
from webraid.backend.memory import CAPS, Memory, Store
from webraid.backend.retrying import RetryPolicy
from webraid.codec.shard import make_shards
from webraid.env import seeded
from webraid.model import Code, Geometry, Home, Pack, PackKind, shard_name

POOL = bytes(range(16))
RAID6 = Geometry(Code.RS, 4, 6)
REMOTE = replace(CAPS, local=False)


@dataclass
class Rig:
    """``count`` disks named d0, d1...; ``local``: as folders are."""

    count: int
    local: bool = False
    caps: Caps = REMOTE
    floor: float = 0.04
    patience: float = 0.5
    stores: list[Store] = field(default_factory=list)
    faults: list[Faults] = field(default_factory=list)
    disks: dict[bytes, Disk] = field(default_factory=dict)
    events: list[ArrayEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        env = seeded(1)
        for i in range(self.count):
            store, faults = Store(), Faults(i)
            caps = replace(self.caps, local=self.local)
            self.stores.append(store)
            self.faults.append(faults)
            policy = RetryPolicy(attempts=2, base=0.001, cap=0.002, deadline=1.0)
            opened = faults.opener(self.opener(store, caps))
            self.disks[self.id(i)] = Disk(f"d{i}", opened, env=env, id=self.id(i), caps=caps, retry=policy)
        self.array = Array(self.disks, env=env, on_event=self.events.append, patience=self.patience, floor=self.floor)

    @staticmethod
    def opener(store: Store, caps: Caps) -> Callable[[], Memory]:
        return lambda: Memory(store, caps)

    @staticmethod
    def id(number: int) -> bytes:
        return bytes([number]) * 8

    @property
    def findings(self) -> set[tuple[str, int, str]]:
        bad = [event.finding for event in self.events if isinstance(event, ShardBad)]
        return {(finding.disk, finding.index, finding.problem) for finding in bad}

    def stored(self, length: int, geometry: Geometry = RAID6, seed: int = 0) -> tuple[Pack, bytes]:
        """A pack of random bytes, shard i on disk i (copies: one on each of n)."""
        data = Random(seed).randbytes(length)
        pack_id = Random(seed + 1).randbytes(16)
        shards = {s.index: s for s in make_shards(POOL, pack_id, PackKind.DATA, geometry, data, md5=False)}
        copies = geometry.code is Code.COPIES
        homes = []
        for i in range(geometry.n):
            index = 0 if copies else i
            if index in shards:
                self.stores[i].put(shard_name(pack_id, index), bytes(shards[index].object))
                homes.append(Home(index, self.id(i)))
        width = 1 if copies else geometry.n
        digests = tuple(shards[i].sha256 if i in shards else b"" for i in range(width))
        return Pack(pack_id, PackKind.DATA, geometry, length, digests, tuple(homes)), data

    def stripe(self, length: int, geometry: Geometry = RAID6, seed: int = 0) -> tuple[Stripe, bytes]:
        """A stripe of random bytes to be written, shard i meant for disk i."""
        data = Random(seed).randbytes(length)
        pack_id = Random(seed + 1).randbytes(16)
        shards = make_shards(POOL, pack_id, PackKind.DATA, geometry, data, md5=True)
        copies = geometry.code is Code.COPIES
        there = {shard.index: shard for shard in shards}
        digests = tuple(there[i].sha256 if i in there else b"" for i in range(1 if copies else geometry.n))
        homes = tuple(self.id(i) if copies or i in there else None for i in range(geometry.n))
        pack = Pack(pack_id, PackKind.DATA, geometry, length, digests)
        return Stripe(pack, shards, Placement(homes, (), False, "")), data

    def seats(self) -> list[Seat]:
        return [Seat(disk.id, disk.domain, None, disk.health.writable) for disk in self.disks.values()]

    def alternate(self, pack: Pack, index: int, homes: Mapping[int, bytes], tried: frozenset[bytes]) -> bytes | None:
        return stand_in(pack.geometry, self.seats(), homes.values(), 1, tried=tried)

    def close(self) -> None:
        for faults in self.faults:
            faults.release.set()
            if faults.hang is not None:
                faults.hang.set()
        for disk in self.disks.values():
            disk.close()


@contextmanager
def rig(count: int = 6, **options: object) -> Iterator[Rig]:
    made = Rig(count, **options)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.close()
