"""From verified records to the pool's state: deterministic, whatever order the records came in.  No I/O.

Every record's operations are applied in the order (lamport, device, seq), which respects causality, so all machines
that know the same records see the same state.  Two snapshots of the same root made at once are both kept: the later
in that order is the current one, the other is its conflict version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from webraid.codec.levels import parse_level
from webraid.table.records import (
    Abort,
    AddDisk,
    AnyOp,
    Body,
    Close,
    Commit,
    Condemn,
    Enroll,
    Genesis,
    Joined,
    Prepare,
    RemoveDisk,
    Snapshot,
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
    """A machine that writes."""

    id: bytes
    name: str
    rights: tuple[str, ...]


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
    devices: dict[bytes, Device] = field(default_factory=dict)
    disks: dict[bytes, DiskInfo] = field(default_factory=dict)
    runs: dict[tuple[bytes, bytes], Run] = field(default_factory=dict)
    commits: list[tuple[Record, Commit]] = field(default_factory=list)  # oldest first
    shots: list[Shot] = field(default_factory=list)
    condemned: set[bytes] = field(default_factory=set)
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
        """Commits that count, oldest first."""
        return self.commits

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


def fold(records: Iterable[Record]) -> State:
    """The state that ``records`` describe.  Records whose device lacks the right are listed in ``refused``."""
    state = State()
    for record in sorted(records, key=lambda item: item.order):
        state.lamport = max(state.lamport, record.body.lamport)
        state.heads[record.device] = max(state.heads.get(record.device, 0), record.seq)
        for disk, seq in record.body.acked.items():
            by_device = state.acked.setdefault(disk, {})
            by_device[record.device] = max(by_device.get(record.device, 0), seq)
        for op in record.body.ops:
            _apply(state, record, op)
    return state


def _apply(state: State, record: Record, op: AnyOp) -> None:
    needed = SWEEP if isinstance(op, RemoveDisk | Condemn) else APPEND
    device = state.devices.get(record.device)
    if not isinstance(op, Genesis | Enroll) and (device is None or needed not in device.rights):
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
            state.devices.setdefault(record.device, Device(record.device, op.name, op.rights))
        case AddDisk() | Joined() | RemoveDisk():
            _membership(state, op)
        case Condemn():
            state.condemned.update(op.packs)
        case Prepare() | Commit() | Close() | Abort():
            _run(state, record, op)


def _membership(state: State, op: AddDisk | Joined | RemoveDisk) -> None:
    if isinstance(op, AddDisk):
        old = state.disks.get(op.disk)
        state.disks[op.disk] = DiskInfo(
            op.disk, op.name, op.kind, op.domain, op.identity, op.capacity, op.connection,
            joined=old.joined if old else False, removed=old.removed if old else False,
        )  # fmt: skip
    elif op.disk in state.disks:
        info = state.disks[op.disk]
        if isinstance(op, Joined):
            info.joined = True
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
