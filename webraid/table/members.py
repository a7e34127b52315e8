"""The disks of the pool as the log knows them, and what it says of those that come and go.  No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from webraid.table.quorum import Membership
from webraid.table.records import ACTIVE, DRAINING, LEAVING, LOST, ROLES, AddDisk, Joined, RemoveDisk, SetRole
from webraid.table.standing import Step, What, standing

if TYPE_CHECKING:
    from webraid.table.fold import Record

Membering = AddDisk | Joined | RemoveDisk | SetRole


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
    deadline_ms: int = 0


@dataclass(slots=True)
class Changes:
    """Who announced and decided what.  ``leaving``: disk -> device -> its announcement that it takes the disk out, and
    whether its user said that the disk is lost; a device that says anything else of the disk's role takes it back."""

    made: list[tuple[What, bytes, Record]] = field(default_factory=list)
    leaving: dict[bytes, dict[bytes, tuple[Record, bool]]] = field(default_factory=dict)

    def take(self, disks: dict[bytes, DiskInfo], record: Record, op: Membering) -> None:
        """The next operation, in the order of the log."""
        if isinstance(op, AddDisk):
            self._seat(disks, record, op)
        elif op.disk not in disks:
            return
        elif isinstance(op, SetRole):
            self._role(disks[op.disk], record, op)
        elif isinstance(op, Joined):
            disks[op.disk].joined = True
            self.made.append((What.JOIN, op.disk, record))
        else:
            disks[op.disk].removed = True
            self.made.append((What.REMOVE, op.disk, record))

    def _seat(self, disks: dict[bytes, DiskInfo], record: Record, op: AddDisk) -> None:
        old = disks.get(op.disk)
        disks[op.disk] = DiskInfo(
            op.disk, op.name, op.kind, op.domain, op.identity, op.capacity, op.connection,
            joined=old.joined if old else False, removed=old.removed if old else False,
            role=old.role if old else ACTIVE, deadline_ms=old.deadline_ms if old else 0,
        )  # fmt: skip
        if old is None or not old.joined:
            self.made.append((What.ADD, op.disk, record))

    def _role(self, info: DiskInfo, record: Record, op: SetRole) -> None:
        by_device = self.leaving.setdefault(info.id, {})
        if op.role in (LEAVING, LOST):
            by_device[record.device] = (record, op.role == LOST)
            info.role = DRAINING
            return
        by_device.pop(record.device, None)
        info.role, info.deadline_ms = op.role if op.role in ROLES else ACTIVE, op.deadline_ms

    def lost(self, disks: dict[bytes, DiskInfo]) -> frozenset[bytes]:
        """Disks that somebody's word says nobody will read any more.  One that was taken out without being announced is
        held to be one: pools have such removals from before there were announcements."""
        said = {disk for disk, devices in self.leaving.items() if any(lost for _, lost in devices.values())}
        return frozenset(said | {info.id for info in disks.values() if info.removed and not self.leaving.get(info.id)})

    def announced(self, disk: bytes) -> list[Record]:
        """Announcements, not taken back, that the disk is to leave."""
        return [record for record, _ in self.leaving.get(disk, {}).values()]

    def membership(
        self, disks: dict[bytes, DiskInfo], losses: int, holders: Callable[[Record], frozenset[bytes]]
    ) -> Membership:
        """Who counts, by who is known to have those records (``holders``)."""
        records: list[Record] = []

        def numbered() -> Iterator[Step[bytes]]:
            for what, disk, record in self._all():
                held = holders(record) if what in (What.JOIN, What.REMOVE) else frozenset[bytes]()
                yield Step(what, disk, len(records), held)
                records.append(record)

        def follows(after: int, before: int) -> bool:
            return knew(records[after], records[before])

        return Membership(*standing(list(numbered()), follows, self.lost(disks)), losses)

    def _all(self) -> Iterator[tuple[What, bytes, Record]]:
        yield from self.made
        for disk, devices in self.leaving.items():
            for record, _ in devices.values():
                yield What.LEAVE, disk, record

    def unseen(self, newest: Callable[[bytes], int]) -> list[tuple[Record, bytes, int]]:
        """(record, device, number) wherever the writer of a change knew more of a device's log than is known here.
        ``newest``: the highest number known of a device."""
        return [
            (record, device, seq)
            for _, _, record in self._all()
            for device, seq in record.body.vector.items()
            if seq > newest(device)
        ]


def knew(record: Record, other: Record) -> bool:
    """Whether who knows ``record`` knows ``other``: its writer knew that, or it is the same."""
    if record.device == other.device:
        return record.seq >= other.seq
    return record.body.vector.get(other.device, 0) >= other.seq
