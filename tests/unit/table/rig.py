"""Devices that write real records, and a pool of memory disks with faults for them to write to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from webraid.backend.base import Caps
from webraid.backend.disk import Disk
from webraid.backend.faulty import Faults, Faulty, Past
from webraid.backend.memory import CAPS, Memory, Store
from webraid.backend.retrying import RetryPolicy
from webraid.codec.keys import DeviceKey, Root, new_device, new_owner, new_root
from webraid.codec.records import Header, record_name, seal_record
from webraid.codec.sign import sign
from webraid.env import Env, seeded
from webraid.table.device import Identity, OwnLog
from webraid.table.fold import ALL_RIGHTS, Record
from webraid.table.local import Database, Local
from webraid.table.log import Comparison, Verdict
from webraid.table.records import (
    AddDisk,
    AnyOp,
    Body,
    Enroll,
    Genesis,
    Joined,
    Prepare,
    certificate,
    encode_body,
)
from webraid.table.survey import marker
from webraid.table.table import Table

POOL = bytes(range(16))
REMOTE = replace(CAPS, local=False)
ENV = seeded(7)
ROOT = new_root(ENV)
OWNER = new_owner(ENV)
ALICE, BOB = new_device(ENV), new_device(ENV)


def run_id(number: int) -> bytes:
    return number.to_bytes(16, "big")


def enroll(key: DeviceKey, name: str = "machine", rights: tuple[str, ...] = ALL_RIGHTS) -> Enroll:
    signed = certificate(POOL, key.public, name, rights)
    return Enroll(public=key.public, name=name, rights=rights, signature=sign(OWNER.private, signed))


def genesis(level: str = "raid6") -> Genesis:
    return Genesis(name="pool", level=level, owner=OWNER.public)


@dataclass
class Writer:
    """A device that seals real records, one after the other."""

    key: DeviceKey
    root: Root = ROOT
    pool: bytes = POOL
    seq: int = 0
    prev: bytes = bytes(32)
    made: list[tuple[str, bytes]] = field(default_factory=list)

    def write(self, *ops: AnyOp, lamport: int = 0, vector: Mapping[bytes, int] | None = None) -> tuple[str, bytes]:
        """(name, object) of the next record."""
        self.seq += 1
        body = Body(lamport=lamport or self.seq, ops=ops, vector=dict(vector or {}))
        header = Header(self.pool, self.key.id, self.root.epoch, self.seq, self.prev, 0)
        blob = seal_record(self.root.meta, header, encode_body(body), self.key.private, ENV)
        self.prev = hashlib.sha256(blob).digest()
        self.made.append((record_name(self.key.id, self.seq, self.prev), blob))
        return self.made[-1]


def writer(key: DeviceKey = ALICE, rights: tuple[str, ...] = ALL_RIGHTS) -> Writer:
    """A device that has written its certificate."""
    made = Writer(key)
    made.write(genesis(), enroll(key, rights=rights))
    return made


def fake(device: bytes, seq: int, *ops: AnyOp, lamport: int = 0, branch: int = 0, **body: object) -> Record:
    """A record as it is after verification; for what is decided without any bytes."""
    digest = hashlib.sha256(device + b"%d/%d" % (seq, branch)).digest()
    prev = hashlib.sha256(device + b"%d/%d" % (seq - 1, branch)).digest() if seq > 1 else bytes(32)
    return Record(device, seq, digest, prev, 0, Body(lamport=lamport or seq, ops=ops, **body))  # type: ignore[arg-type]


def name_of(record: Record) -> str:
    return record_name(record.device, record.seq, record.digest)


@dataclass
class World:
    """``count`` memory disks; each machine reaches them through Disks of its own and sees the same listings."""

    path: Path
    count: int = 3
    caps: Caps = REMOTE
    patience: float = 2.0
    env: Env = field(default_factory=lambda: seeded(11))
    stores: list[Store] = field(default_factory=list)
    faults: list[Faults] = field(default_factory=list)
    opened: list[Disk] = field(default_factory=list)
    databases: list[Database] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ids = [bytes([65 + i]) * 8 for i in range(self.count)]
        self.stores = [Store() for _ in self.ids]
        self.faults = [Faults(i) for i in range(self.count)]
        self.pasts = [Past() for _ in self.ids]
        self.caps_of = [self.caps] * self.count
        for disk, store in zip(self.ids, self.stores, strict=True):
            store.put("pool", marker(POOL, disk))

    def disks(self) -> dict[bytes, Disk]:
        """Fresh Disks on the same places."""
        made = {}
        for i, disk in enumerate(self.ids):
            policy = RetryPolicy(attempts=1)
            made[disk] = Disk(f"d{i}", self._opener(i), env=self.env, id=disk, caps=self.caps_of[i], retry=policy)
        self.opened += made.values()
        return made

    def _opener(self, i: int):
        return lambda: Faulty(Memory(self.stores[i], self.caps_of[i]), self.faults[i], self.pasts[i])

    def machine(self, name: str, key: DeviceKey, cache: str = "cache") -> Table:
        """The table as this machine has it; its files stay between calls.  ``cache``: another one is another file."""
        folder = self.path / name
        database = Database(folder / f"{cache}.db")
        self.databases.append(database)
        identity = Identity(POOL, OWNER.public, name, ROOT, key)
        return Table(
            identity, Local(database), OwnLog(folder / "device"), self.disks(), self.env, patience=self.patience
        )

    def founded(self, level: str = "raid6") -> Table:
        """Alice's machine, after she made the pool and all disks joined."""
        table = self.machine("alice", ALICE)
        table.append(genesis(level), enroll(ALICE))
        names = {disk: f"d{i}" for i, disk in enumerate(self.ids)}
        table.append(*[AddDisk(disk=d, name=n, kind="memory", domain=n, identity="") for d, n in names.items()])
        table.view.verdicts.update({disk: Comparison(Verdict.BEHIND) for disk in self.ids})
        table.append(*[Joined(disk=disk) for disk in self.ids])
        table.flush(1.0)
        return table

    def second(self) -> Table:
        """Bob's machine, enrolled and opened."""
        table = self.machine("bob", BOB)
        table.open()
        table.append(enroll(BOB))
        return table

    def put(self, disk: int, name: str, blob: bytes) -> None:
        self.stores[disk].put(name, blob)

    def logs(self, disk: int) -> set[str]:
        return set(self.stores[disk].names("log/"))

    def close(self) -> None:
        for faults in self.faults:
            faults.release.set()
            if faults.hang is not None:
                faults.hang.set()
        for disk in self.opened:
            disk.close()
        for database in self.databases:
            database.close()


def verdicts(world: World, table: Table) -> list[Verdict]:
    return [table.view.verdicts[disk].verdict for disk in world.ids]


def prepare(number: int) -> Prepare:
    return Prepare(run=run_id(number), creates=(run_id(number),))


@contextmanager
def world(path: Path, **more: object) -> Iterator[World]:
    made = World(path, **more)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.close()
