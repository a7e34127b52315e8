"""Who may say what: devices, their rights, and the owner's word on both.  No I/O.

Grants and evictions are looked at before anything is applied, and hold by a device's own record numbers: so no device
can date a record back to before one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from webraid.codec.sign import verify
from webraid.errors import SignatureInvalid
from webraid.table.records import (
    AddDisk,
    AddSlot,
    AnyOp,
    Condemn,
    Dropped,
    DropSlot,
    Enroll,
    Evict,
    Forget,
    Genesis,
    Grant,
    Joined,
    OwnersWord,
    Relevel,
    RemoveDisk,
    Retag,
    Rotate,
    SetRole,
    Swept,
    owners_message,
)

if TYPE_CHECKING:
    from webraid.table.fold import Record

APPEND, FORGET, SWEEP = "append", "forget", "sweep"
ALL_RIGHTS = (APPEND, FORGET, SWEEP)


@dataclass(frozen=True, slots=True)
class Device:
    """A machine that writes.  ``rights``: of its next record; ``serial``: of the owner's latest word on them (0: its
    certificate's).  ``evicted``: it is no part of the pool any more, or that is announced."""

    id: bytes
    name: str
    rights: tuple[str, ...]
    public: bytes = b""
    serial: int = 0
    evicted: bool = False
    certified: tuple[str, ...] = ()
    granted: tuple[Grant, ...] = ()  # the lowest serial first

    def may(self, right: str, seq: int) -> bool:
        """Whether its record number ``seq`` may say what takes this right."""
        told = [grant for grant in self.granted if 0 <= grant.after < seq]
        return right in (told[-1].rights if told else self.certified)


@dataclass(frozen=True, slots=True)
class Owners:
    """What the owner has said, as far as his signatures prove it.  ``ends``: evicted device -> its last record.
    ``strays``: digests of records that were not there when he spoke, though their numbers were taken.  ``reach``:
    device -> highest number that a word of his is about.  ``missing``: digests of records that one leads to and that
    nobody shows."""

    key: bytes
    ends: Mapping[bytes, int] = field(default_factory=dict)
    grants: Mapping[bytes, tuple[Grant, ...]] = field(default_factory=dict)
    strays: frozenset[bytes] = frozenset()
    reach: Mapping[bytes, int] = field(default_factory=dict)
    missing: frozenset[bytes] = frozenset()

    def spoke_of(self, record: Record) -> bool:
        """Whether what he said may mean something else where that record is there, too."""
        return record.seq <= self.reach.get(record.device, -1) or record.digest in self.missing

    def device(self, id: bytes, op: Enroll) -> Device:
        """A device as its next record finds it.  What is announced takes rights already, and gives none."""
        rights, serial, granted = op.rights, 0, self.grants.get(id, ())
        for grant in granted:
            left = tuple(right for right in rights if right in grant.rights)
            rights, serial = grant.rights if grant.after >= 0 else left, grant.serial
        gone = id in self.ends
        return Device(id, op.name, rights, op.public, serial, gone, certified=op.rights, granted=granted)


def owners_word(records: Sequence[Record], owner: bytes) -> Owners:
    """Grants and evictions among ``records``, which come in their order."""
    ends = dict[bytes, int]()
    grants: dict[bytes, dict[int, Grant]] = {}
    seen: dict[bytes, set[tuple[int, tuple[bytes, ...]]]] = {}
    for record in records:
        for op in record.body.ops:
            if isinstance(op, Evict) and op.seq >= 0 and signed(owner, op):
                ends[op.device] = min(op.seq, ends.get(op.device, op.seq))
                seen.setdefault(op.device, set()).add((op.seq, op.heads))
            elif isinstance(op, Grant) and op.serial > 0 and signed(owner, op):
                grants.setdefault(op.device, {}).setdefault(op.serial, op)
                seen.setdefault(op.device, set()).add((op.after, op.heads))
    found = {device: tuple(by[serial] for serial in sorted(by)) for device, by in grants.items()}
    reach = {device: max(last for last, _ in words) for device, words in seen.items()}
    strays, missing = _strays(records, seen)
    return Owners(owner, ends, found, strays, reach, missing)


def heads_of(records: Iterable[Record], last: int) -> tuple[bytes, ...]:
    """Digests of those of a device's records up to number ``last`` that no other one of them follows: all of them lead
    to these."""
    mine = [record for record in records if record.seq <= last]
    followed = {record.prev for record in mine}
    return tuple(sorted(record.digest for record in mine if record.digest not in followed))


def _strays(
    records: Iterable[Record], seen: Mapping[bytes, set[tuple[int, tuple[bytes, ...]]]]
) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """A device that was put out may still sign another record with an old number: only what leads to the heads that
    the owner saw was there.  Below a record that nobody shows now nothing can be told, and nothing is passed over.
    (digests of what is passed over, of what nobody shows)"""
    logs: dict[bytes, dict[bytes, Record]] = {device: {} for device in seen}
    for record in records:
        if record.device in logs:
            logs[record.device][record.digest] = record
    strays, missing = set[bytes](), set[bytes]()
    for device, words in seen.items():
        for last, heads in words:
            if not heads:  # announced, or of before there were heads
                continue
            known, lacking = _led_to(logs[device], last, heads)
            unsure = max(lacking.values(), default=0)
            strays |= {r.digest for r in logs[device].values() if unsure <= r.seq <= last and r.digest not in known}
            missing |= lacking.keys()
    return frozenset(strays), frozenset(missing)


def _led_to(log: Mapping[bytes, Record], last: int, heads: Iterable[bytes]) -> tuple[set[bytes], dict[bytes, int]]:
    """Digests of what leads to ``heads``; those of such records that are missing, with the numbers they should have."""
    known, lacking = set[bytes](), dict[bytes, int]()
    left = [(head, last) for head in heads]
    while left:
        digest, seq = left.pop()
        record = log.get(digest)
        if record is None:
            lacking[digest] = max(lacking.get(digest, 0), seq)
        elif digest not in known:
            known.add(digest)
            if record.seq > 1:
                left.append((record.prev, record.seq - 1))
    return known, lacking


def signed(owner: bytes, op: OwnersWord) -> bool:
    """Whether the owner said so."""
    return _signed(owner, owners_message(op), op.signature)


@lru_cache(maxsize=4096)
def _signed(owner: bytes, message: bytes, signature: bytes) -> bool:
    try:
        verify(owner, message, signature)
    except SignatureInvalid:
        return False
    return True


def needed_right(op: AnyOp) -> str:
    """The right that a device must have for this operation; '' where the owner's signature decides."""
    return _NEEDED.get(type(op), APPEND)


_NEEDED: dict[type, str] = {
    **dict.fromkeys((AddDisk, Joined, RemoveDisk, Condemn, Swept, SetRole, Dropped), SWEEP),
    **dict.fromkeys((Forget, Retag, Relevel), FORGET),
    **dict.fromkeys((Genesis, Enroll, Grant, Evict, AddSlot, DropSlot, Rotate), ""),
}
