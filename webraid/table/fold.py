"""From verified records to the pool's state: deterministic, whatever order the records came in.  No I/O.

Every record's operations are applied in the order (lamport, device, seq), which respects causality, so all machines
that know the same records see the same state.  Two snapshots of the same root made at once are both kept: the later
in that order is the current one, the other is its conflict version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from webraid.codec.levels import parse_level
from webraid.table.members import Changes, DiskInfo
from webraid.table.plausible import founds, nonsense, plausible, without_gaps
from webraid.table.records import (
    SHARD_REF,
    Abort,
    AddDisk,
    AddSlot,
    AnyOp,
    Body,
    Close,
    Commit,
    Condemn,
    Drilled,
    Dropped,
    DropSlot,
    Enroll,
    Evict,
    Forget,
    Genesis,
    Grant,
    Joined,
    OwnersWord,
    Prepare,
    Relevel,
    RemoveDisk,
    Retag,
    Rotate,
    SetRole,
    Snapshot,
    Swept,
)
from webraid.table.rights import ALL_RIGHTS, APPEND, FORGET, SWEEP, Device, Owners, needed_right, owners_word, signed

__all__ = [
    "ALL_RIGHTS", "APPEND", "FORGET", "SWEEP", "Device", "DiskInfo", "Record", "Run", "Shot", "State", "fold",
    "needed_right",
]  # fmt: skip


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
    changes: Changes = field(default_factory=Changes)
    runs: dict[tuple[bytes, bytes], Run] = field(default_factory=dict)
    commits: list[tuple[Record, Commit]] = field(default_factory=list)  # oldest first
    shots: list[Shot] = field(default_factory=list)
    former: list[Shot] = field(default_factory=list)  # snapshots that were forgotten, or replaced by whole ones
    condemned: dict[bytes, Record] = field(default_factory=dict)  # pack -> the last record that condemned it
    condemnations: list[tuple[Record, Condemn]] = field(default_factory=list)  # oldest first
    swept: set[bytes] = field(default_factory=set)
    dropped: dict[bytes, dict[bytes, int]] = field(default_factory=dict)  # disk -> shard (SHARD_REF) that left it -> ms
    forgotten: set[bytes] = field(default_factory=set)  # runs whose snapshots are no longer kept
    drilled: list[tuple[Record, Drilled]] = field(default_factory=list)  # oldest first
    ends: dict[bytes, int] = field(default_factory=dict)  # evicted device -> number of its last record
    slots: dict[bytes, AddSlot] = field(default_factory=dict)  # the key slots that count
    slots_known: bool = False  # else the pool is older than add-slot, and whatever slot a disk has counts
    slots_dropped: set[bytes] = field(default_factory=set)
    rotations: list[Rotate] = field(default_factory=list)
    strays: frozenset[bytes] = frozenset()  # digests of records that count no more though their numbers would
    heads: dict[bytes, int] = field(default_factory=dict)  # device -> number up to which nothing is missing
    acked: dict[bytes, dict[bytes, int]] = field(default_factory=dict)  # disk -> device -> seq
    times: list[tuple[tuple[int, bytes, int, bytes], int]] = field(default_factory=list)  # (order, ms), in order
    lamport: int = 0
    refused: list[tuple[Record, str]] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """Of the newest root."""
        return max((op.epoch for op in self.rotations), default=0)

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

    def left(self, disk: bytes, pack: bytes, index: int) -> bool:
        """Whether that shard has moved away from the disk: it never comes back to it, as names are used once."""
        return pack + bytes((index,)) in self.dropped.get(disk, ())

    def live_commits(self) -> list[tuple[Record, Commit]]:
        """Commits of which something is left, oldest first.  A table pack of theirs may be in ``swept``."""
        return [
            (record, commit)
            for record, commit in self.commits
            if not commit.packs or not {packed.id for packed in commit.packs} <= self.swept
        ]

    def segments(self) -> list[bytes]:
        """Ids of the index segments that together are the index, oldest first."""
        return self.segments_of(lambda record, commit: True)

    def segments_of(self, superseding: Callable[[Record, Commit], bool]) -> list[bytes]:
        """The same, where only such commits take older segments out.  In the log's order, since two segments that say
        the same have one id: what was superseded once may be written anew.  A commit all of whose table packs are swept
        has no segment left, but what it superseded stays superseded."""
        left = {record.digest for record, _ in self.live_commits()}
        live: dict[bytes, None] = {}
        for record, commit in self.commits:
            if superseding(record, commit):
                for segment in commit.supersedes:
                    live.pop(segment, None)
            if record.digest in left:
                live.update(dict.fromkeys(commit.segments))
        return list(live)

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
    ordered = sorted(plausible(list(records)), key=lambda item: item.order)
    owners = owners_word(ordered, owner)
    state.ends, state.strays = dict(owners.ends), owners.strays
    counting = []
    for record in ordered:
        if record.seq > state.ends.get(record.device, record.seq) or record.digest in owners.strays:
            state.refused.append((record, "the device was evicted, or the owner had not seen it"))
            continue
        counting.append(record)
        state.lamport = max(state.lamport, record.body.lamport)
        state.times.append((record.order, record.time_ms))
        for disk, seq in record.body.acked.items():
            by_device = state.acked.setdefault(disk, {})
            by_device[record.device] = max(by_device.get(record.device, 0), seq)
        for op in record.body.ops:
            _apply(state, record, op, owners)
    state.heads = without_gaps(counting)
    _settle_ended(state)
    state.slots = {slot: op for slot, op in state.slots.items() if slot not in state.slots_dropped}
    superfluous = {(shot.device, run) for shot in state.shots for run in shot.info.replaces}
    every, state.shots = state.shots, []
    for shot in every:
        gone = shot.id in state.forgotten or (shot.info.partial and (shot.device, shot.id) in superfluous)
        (state.former if gone else state.shots).append(shot)
    return state


def _settle_ended(state: State) -> None:
    """What an evicted device left open stays so for ever: its commits stand, its other runs never happen."""
    for run in state.runs.values():
        if run.device in state.ends and not run.settled:
            run.closed, run.aborted = run.commit is not None, run.commit is None


def _apply(state: State, record: Record, op: AnyOp, owners: Owners) -> None:
    needed = needed_right(op)
    device = state.devices.get(record.device)
    if needed and (device is None or not device.may(needed, record.seq)):
        state.refused.append((record, f"the device has no right to {needed}"))
        return
    if isinstance(op, Genesis | Enroll) and record.seq != 1:  # only there was the certificate checked
        state.refused.append((record, "it stands in the wrong place"))
        return
    match op:
        case Genesis():  # only the owner's own machine has all rights from the beginning
            if not state.owner and founds(record, op):
                state.name, state.level, state.owner = op.name, op.level, op.owner
        case Enroll() if record.seq == 1:  # the only one that was held to the owner's certificate
            state.devices.setdefault(record.device, owners.device(record.device, op))
        case AddDisk() | Joined() | RemoveDisk() | SetRole():
            state.changes.take(state.disks, record, op)
        case Condemn() | Swept() | Forget() | Retag() | Drilled():
            _kept(state, record, op)
        case Dropped() | Relevel():
            _moved(state, record, op)
        case Grant() | Evict() | AddSlot() | DropSlot() | Rotate():
            _owners(state, record, op)
        case Prepare() | Commit() | Close() | Abort():
            _run(state, record, op)


def _kept(state: State, record: Record, op: Condemn | Swept | Forget | Retag | Drilled) -> None:
    """What is kept and what goes."""
    match op:
        case Condemn():
            for pack in op.packs:
                state.condemned[pack] = record
            state.condemnations.append((record, op))
        case Swept():
            state.swept.update(op.packs)
            for pack in op.packs:
                state.condemned.setdefault(pack, record)
        case Forget():
            state.forgotten.update(op.snapshots)
        case Retag():
            state.shots = [
                replace(shot, info=msgspec.structs.replace(shot.info, tags=op.tags)) if shot.id == op.snapshot else shot
                for shot in state.shots
            ]
        case Drilled():
            state.drilled.append((record, op))


def _moved(state: State, record: Record, op: Dropped | Relevel) -> None:
    """What lies elsewhere, or otherwise, than it did."""
    if isinstance(op, Dropped):
        gone = state.dropped.setdefault(op.disk, {})
        for at in range(0, len(op.shards) - SHARD_REF + 1, SHARD_REF):
            gone.setdefault(op.shards[at : at + SHARD_REF], record.time_ms)
        return
    state.shots = [
        replace(shot, info=msgspec.structs.replace(shot.info, level=op.level)) if shot.id == op.snapshot else shot
        for shot in state.shots
    ]


def _owners(state: State, record: Record, op: OwnersWord) -> None:
    """What only the owner may say; any device may carry the message.  Rights and ends are known by now."""
    if not signed(state.trusted, op):
        state.refused.append((record, "the owner has not signed it"))
        return
    match op:
        case Evict() if op.device in state.devices:
            state.devices[op.device] = replace(state.devices[op.device], evicted=True)
        case AddSlot():
            state.slots_known = True
            state.slots.setdefault(op.slot, op)
        case DropSlot():
            state.slots_dropped.update(op.slots)
        case Rotate():
            state.rotations.append(op)


def _run(state: State, record: Record, op: Prepare | Commit | Close | Abort) -> None:
    if isinstance(op, Commit) and (why := nonsense(op)):
        state.refused.append((record, why))
        return
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
