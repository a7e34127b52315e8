"""From verified records to the pool's state: deterministic, whatever order the records came in.  No I/O.

Every record's operations are applied in the order (lamport, device, seq), which respects causality, so all machines
that know the same records see the same state.  Two snapshots of the same root made at once are both kept: the later
in that order is the current one, the other is its conflict version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

import msgspec

from webraid.codec.levels import parse_level
from webraid.codec.sign import verify
from webraid.errors import SignatureInvalid
from webraid.table.records import (
    ACTIVE,
    ROLES,
    Abort,
    AddDisk,
    AnyOp,
    Body,
    Close,
    Commit,
    Condemn,
    Drilled,
    Enroll,
    Evict,
    Forget,
    Genesis,
    Grant,
    Joined,
    Prepare,
    RemoveDisk,
    Retag,
    SetRole,
    Snapshot,
    Swept,
    evict_message,
    grant_message,
)

APPEND, FORGET, SWEEP = "append", "forget", "sweep"
ALL_RIGHTS = (APPEND, FORGET, SWEEP)


@dataclass(frozen=True, slots=True)
class Record:
    """A verified log record.  ``digest``: SHA-256 of the whole object; ``prev``: that of the record before."""

    device: bytes
    seq: int
    digest: bytes
    prev: bytes
    time_ms: int
    body: Body

    @property
    def order(self) -> tuple[int, bytes, int, bytes]:
        """Place in the total order; the digest only separates the branches of a fork."""
        return (self.body.lamport, self.device, self.seq, self.digest)


@dataclass(frozen=True, slots=True)
class Device:
    """A machine that writes.  ``serial``: of the owner's latest word on its rights (0: its certificate's).
    ``evicted``: it is no part of the pool any more."""

    id: bytes
    name: str
    rights: tuple[str, ...]
    public: bytes = b""
    serial: int = 0
    evicted: bool = False


@dataclass(slots=True)
class DiskInfo:
    """A disk as the signed log knows it."""

    id: bytes
    name: str
    kind: str
    domain: str
    identity: str
    capacity: int | None
    connection: bytes
    joined: bool = False
    removed: bool = False
    role: str = ACTIVE


@dataclass(slots=True)
class Run:
    """What became of a run.  ``creates``, ``reuses``: its pins.  A commit that is written stands for ever: beside it
    an Abort means nothing."""

    device: bytes
    id: bytes
    creates: set[bytes] = field(default_factory=set)
    reuses: set[bytes] = field(default_factory=set)
    commit: Commit | None = None
    closed: bool = False
    aborted: bool = False

    @property
    def settled(self) -> bool:
        """Whether nothing of it is open any more."""
        return self.closed or self.aborted


@dataclass(frozen=True, slots=True)
class Shot:
    """A snapshot with where it stands in the log; ``id`` is the run's id (users type the first hex digits)."""

    id: bytes
    device: bytes
    seq: int
    order: tuple[int, bytes, int, bytes]
    vector: Mapping[bytes, int]
    info: Snapshot

    @property
    def name(self) -> str:
        """The short name: eight hex digits."""
        return self.id.hex()[:8]

    def saw(self, other: Shot) -> bool:
        """Whether this snapshot's machine knew the other one when it wrote."""
        if self.device == other.device:
            return self.seq > other.seq
        return self.vector.get(other.device, 0) >= other.seq


@dataclass(slots=True)
class State:
    """Everything the log says."""

    name: str = ""
    level: str = ""
    owner: bytes = b""
    trusted: bytes = b""  # the owner's key from the key slot: grants and evictions are held to this one
    devices: dict[bytes, Device] = field(default_factory=dict)
    disks: dict[bytes, DiskInfo] = field(default_factory=dict)
    runs: dict[tuple[bytes, bytes], Run] = field(default_factory=dict)
    commits: list[tuple[Record, Commit]] = field(default_factory=list)  # oldest first
    shots: list[Shot] = field(default_factory=list)
    condemned: dict[bytes, Record] = field(default_factory=dict)  # pack -> the first record that condemned it
    swept: set[bytes] = field(default_factory=set)
    forgotten: set[bytes] = field(default_factory=set)  # runs whose snapshots are no longer kept
    drilled: list[tuple[Record, Drilled]] = field(default_factory=list)  # oldest first
    heads: dict[bytes, int] = field(default_factory=dict)
    acked: dict[bytes, dict[bytes, int]] = field(default_factory=dict)  # disk -> device -> seq
    lamport: int = 0
    refused: list[tuple[Record, str]] = field(default_factory=list)

    def members(self) -> list[DiskInfo]:
        """Disks with a seat: joined or joining, not removed."""
        return [disk for disk in self.disks.values() if not disk.removed]

    def joined(self) -> list[DiskInfo]:
        """Disks whose answers count."""
        return [disk for disk in self.members() if disk.joined]

    def losses(self) -> int:
        """m: the largest number of lost disks that a level in use survives."""
        count = len(self.joined())
        levels = {self.level, *(shot.info.level for shot in self.shots)} - {""}
        specs = [parse_level(level) for level in levels]
        return max((spec.losses(max(count, spec.least)) for spec in specs), default=0)

    def pins(self) -> set[bytes]:
        """Packs that an unfinished run may be using."""
        open_runs = [run for run in self.runs.values() if not run.settled]
        return set().union(*(run.creates | run.reuses for run in open_runs)) if open_runs else set()

    def live_commits(self) -> list[tuple[Record, Commit]]:
        """Commits of which something is left, oldest first.  A table pack of theirs may be in ``swept``."""
        return [
            (record, commit)
            for record, commit in self.commits
            if not commit.packs or not {packed.id for packed in commit.packs} <= self.swept
        ]

    def segments(self) -> list[bytes]:
        """Ids of the index segments that together are the index, oldest first."""
        live = self.live_commits()
        gone = {segment for _, commit in live for segment in commit.supersedes}
        return [segment for _, commit in live for segment in commit.segments if segment not in gone]

    def conflicts(self, shot: Shot) -> list[Shot]:
        """Snapshots of the same roots that were made without either machine knowing of the other."""
        names = {root.name for root in shot.info.roots}
        return [
            other
            for other in self.shots
            if other.id != shot.id
            and names & {root.name for root in other.info.roots}
            and not shot.saw(other)
            and not other.saw(shot)
        ]


def fold(records: Iterable[Record], owner: bytes = b"") -> State:
    """The state that ``records`` describe.  Records whose device lacks the right are listed in ``refused``.

    ``owner``: the key that grants and evictions are held to, from the key slot; b'': nobody's are heeded.
    """
    state = State(trusted=owner)
    ordered = sorted(records, key=lambda item: item.order)
    ends = _evicted(ordered, owner)
    for record in ordered:
        if record.seq > ends.get(record.device, record.seq):
            state.refused.append((record, "the device was evicted"))
            continue
        state.lamport = max(state.lamport, record.body.lamport)
        state.heads[record.device] = max(state.heads.get(record.device, 0), record.seq)
        for disk, seq in record.body.acked.items():
            by_device = state.acked.setdefault(disk, {})
            by_device[record.device] = max(by_device.get(record.device, 0), seq)
        for op in record.body.ops:
            _apply(state, record, op)
    superfluous = {
        (shot.device, run) for shot in state.shots if not shot.info.partial for run in shot.info.replaces
    }  # fmt: skip
    state.shots = [
        shot
        for shot in state.shots
        if shot.id not in state.forgotten and not (shot.info.partial and (shot.device, shot.id) in superfluous)
    ]
    return state


@lru_cache(maxsize=4096)
def _signed(owner: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the owner said so."""
    try:
        verify(owner, message, signature)
    except SignatureInvalid:
        return False
    return True


def _evicted(ordered: Iterable[Record], owner: bytes) -> dict[bytes, int]:
    """Device -> number of the last record of it that counts; the smallest, should the owner have said it twice."""
    ends = dict[bytes, int]()
    for record in ordered:
        for op in record.body.ops:
            if isinstance(op, Evict) and op.seq >= 0 and _signed(owner, _message(op), op.signature):
                ends[op.device] = min(op.seq, ends.get(op.device, op.seq))
    return ends


def _message(op: Grant | Evict) -> bytes:
    if isinstance(op, Grant):
        return grant_message(op.device, op.rights, op.serial)
    return evict_message(op.device, op.seq)


def needed_right(op: AnyOp) -> str:
    """The right that a device must have for this operation; '' where the owner's signature decides."""
    match op:
        case RemoveDisk() | Condemn() | Swept() | SetRole():
            return SWEEP
        case Forget() | Retag():
            return FORGET
        case Genesis() | Enroll() | Grant() | Evict():
            return ""
        case _:
            return APPEND


def _apply(state: State, record: Record, op: AnyOp) -> None:
    needed = needed_right(op)
    device = state.devices.get(record.device)
    if needed and (device is None or needed not in device.rights):
        state.refused.append((record, f"the device has no right to {needed}"))
        return
    if isinstance(op, Genesis | Enroll) and record.seq != 1:  # only there was the certificate checked
        state.refused.append((record, "it stands in the wrong place"))
        return
    match op:
        case Genesis():
            if not state.owner:
                state.name, state.level, state.owner = op.name, op.level, op.owner
        case Enroll() if record.seq == 1:  # the only one that was held to the owner's certificate
            state.devices.setdefault(record.device, Device(record.device, op.name, op.rights, op.public))
        case AddDisk() | Joined() | RemoveDisk() | SetRole():
            _membership(state, op)
        case Condemn() | Swept() | Forget() | Retag() | Drilled():
            _kept(state, record, op)
        case Grant() | Evict():
            _owners(state, record, op)
        case Prepare() | Commit() | Close() | Abort():
            _run(state, record, op)


def _kept(state: State, record: Record, op: Condemn | Swept | Forget | Retag | Drilled) -> None:
    """What is kept and what goes."""
    match op:
        case Condemn():
            for pack in op.packs:
                state.condemned.setdefault(pack, record)
        case Swept():
            state.swept.update(op.packs)
        case Forget():
            state.forgotten.update(op.snapshots)
        case Retag():
            state.shots = [
                replace(shot, info=msgspec.structs.replace(shot.info, tags=op.tags)) if shot.id == op.snapshot else shot
                for shot in state.shots
            ]
        case Drilled():
            state.drilled.append((record, op))


def _owners(state: State, record: Record, op: Grant | Evict) -> None:
    """What only the owner may say; any device may carry the message."""
    device = state.devices.get(op.device)
    if not _signed(state.trusted, _message(op), op.signature):
        state.refused.append((record, "the owner has not signed it"))
    elif device is not None and isinstance(op, Grant):
        if op.serial > device.serial:
            state.devices[device.id] = replace(device, rights=op.rights, serial=op.serial)
    elif device is not None:
        state.devices[device.id] = replace(device, evicted=True)


def _membership(state: State, op: AddDisk | Joined | RemoveDisk | SetRole) -> None:
    if isinstance(op, AddDisk):
        old = state.disks.get(op.disk)
        state.disks[op.disk] = DiskInfo(
            op.disk, op.name, op.kind, op.domain, op.identity, op.capacity, op.connection,
            joined=old.joined if old else False, removed=old.removed if old else False,
            role=old.role if old else ACTIVE,
        )  # fmt: skip
    elif op.disk in state.disks:
        info = state.disks[op.disk]
        if isinstance(op, Joined):
            info.joined = True
        elif isinstance(op, SetRole):
            info.role = op.role if op.role in ROLES else ACTIVE
        else:
            info.removed = True


def _run(state: State, record: Record, op: Prepare | Commit | Close | Abort) -> None:
    run = state.runs.setdefault((record.device, op.run), Run(record.device, op.run))
    match op:
        case Prepare():
            run.creates.update(op.creates)
            run.reuses.update(op.reuses)
        case Commit():
            run.commit, run.aborted = op, False
            state.commits.append((record, op))
            if op.snapshot is not None:
                state.shots.append(
                    Shot(op.run, record.device, record.seq, record.order, record.body.vector, op.snapshot)
                )
        case Close():
            run.closed = True
        case Abort():
            run.aborted = run.commit is None and not run.closed
