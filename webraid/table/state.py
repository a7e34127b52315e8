"""The pool as its log describes it, and the records that this follows from.  No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from webraid.codec.levels import parse_level
from webraid.codec.records import record_name
from webraid.table.members import Changes, DiskInfo
from webraid.table.records import AddSlot, Body, Commit, Condemn, Drilled, Rotate, Snapshot
from webraid.table.rights import Device


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

    @property
    def name(self) -> str:
        """Of the object that it is on the disks."""
        return record_name(self.device, self.seq, self.digest)


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
    levels: frozenset[str] = frozenset()  # of ``shots``
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
        levels = {self.level, *self.levels} - {""}
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
