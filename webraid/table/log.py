"""What is known of all devices' logs, and how a disk's listing compares with it.  No I/O.

The union of valid records counts: a record from one disk is as good as from all.  What a disk lacks tells about the
disk, never about the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from webraid.codec.records import parse_name, record_name
from webraid.errors import SealBroken
from webraid.table.fold import Record

NOBODY: Mapping[bytes, int] = {}
SPELT_OUT = 5  # missing records in a row that are named one by one; a forged number leaves billions


def is_name(name: str) -> bool:
    """Whether an object can be a record at all; whatever else lies among them is none of ours."""
    try:
        parse_name(name)
    except SealBroken:
        return False
    return True


class Verdict(StrEnum):
    """What a disk's answer is worth."""

    EQUAL = "equal"
    BEHIND = "behind"  # lacks records it never acknowledged: repairable, counts
    LAGGING = "lagging"  # the same for the first hour, where listings lag: does not count, accuses nobody yet
    ROLLED_BACK = "rolled back"  # lacks records it once acknowledged or served: does not count
    CORRUPT = "corrupt"  # serves bytes that fail their signature or hash: does not count
    FOREIGN = "foreign"  # the marker is another disk's: does not count
    EMPTY = "empty"  # nothing is there: perhaps a drive that is not mounted; does not count, is never filled
    SILENT = "silent"  # no answer: says nothing

    @property
    def counts(self) -> bool:
        """Whether the answer counts for a read quorum."""
        return self in (Verdict.EQUAL, Verdict.BEHIND)

    @property
    def alarming(self) -> bool:
        """Whether the user must look (exit 24)."""
        return self in (Verdict.ROLLED_BACK, Verdict.CORRUPT, Verdict.FOREIGN)


@dataclass(slots=True)
class LogBook:
    """All verified records, by device and seq; more than one digest at a seq is a fork.

    ``loose``: digest -> record, wherever the one before it is not known.
    """

    logs: dict[bytes, dict[int, dict[bytes, Record]]] = field(default_factory=dict)
    names: dict[str, Record] = field(default_factory=dict)
    loose: dict[bytes, Record] = field(default_factory=dict)
    _forked: dict[bytes, set[int]] = field(default_factory=dict)
    _newest: dict[bytes, int] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Add a verified record."""
        device, seq = record.device, record.seq
        log = self.logs.setdefault(device, {})
        branch = log.setdefault(seq, {})
        branch[record.digest] = record
        self.names[record.name] = record
        self._newest[device] = max(seq, self._newest.get(device, 0))
        if len(branch) > 1:
            self._forked.setdefault(device, set()).add(seq)
        if seq > 1 and record.prev not in log.get(seq - 1, ()):
            self.loose[record.digest] = record
        for after in log.get(seq + 1, {}).values():
            if after.prev == record.digest:
                self.loose.pop(after.digest, None)

    def records(self) -> Iterable[Record]:
        """Every record."""
        return self.names.values()

    def since(self, count: int) -> list[Record]:
        """Those that were added after the first ``count``: they only come, they never go."""
        return list(islice(self.names.values(), count, None))

    def newest(self, device: bytes) -> int:
        """The highest number known of a device, 0 if none is."""
        return self._newest.get(device, 0)

    def head(self, device: bytes) -> Record | None:
        """The newest record of a device (of the branch with the smallest digest, where it forked)."""
        log = self.logs.get(device)
        if not log:
            return None
        last = log[self._newest[device]]
        return last[min(last)]

    def forks(self, ends: Mapping[bytes, int] = NOBODY, strays: Set[bytes] = frozenset()) -> list[tuple[bytes, int]]:
        """(device, seq) wherever two records carry one number; not behind the ``ends`` of evicted devices, and
        without the digests ``strays``, as neither counts for anything."""
        return [
            (device, seq)
            for device, forked in self._forked.items()
            for seq in sorted(forked)
            if seq <= ends.get(device, seq) and len(self.logs[device][seq].keys() - strays) > 1
        ]

    def gaps(self, ends: Mapping[bytes, int] = NOBODY, strays: Set[bytes] = frozenset()) -> list[str]:
        """'device/seq' of records that others follow but that nobody served; 'device/first-last' for many in a row."""
        found = []
        for device in dict.fromkeys(record.device for record in self.loose.values()):
            log, before = self.logs[device], 0
            for seq in sorted(seq for seq in log if seq <= ends.get(device, seq)):
                if seq - before > 1:
                    found += _row(device, before + 1, seq - 1)
                elif before and any(
                    after.prev not in log[before] for after in log[seq].values() if after.digest not in strays
                ):
                    found.append(f"{device.hex()}/{before}")
                before = seq
        return found

    def wanted(self) -> list[str]:
        """Names of the missing predecessors of known records: a listing that lags hides nothing."""
        return [record_name(record.device, record.seq - 1, record.prev) for record in self.loose.values()]


def _row(device: bytes, first: int, last: int) -> list[str]:
    if last - first < SPELT_OUT:
        return [f"{device.hex()}/{seq}" for seq in range(first, last + 1)]
    return [f"{device.hex()}/{first}-{last}"]


def contiguous(names: Set[str], book: LogBook, known: Mapping[bytes, int] | None = None) -> dict[bytes, int]:
    """Device -> seq up to which a disk that has ``names`` serves that log without a gap.

    ``known``: seqs up to which that is certain already, so that long logs are not walked from the beginning.
    """
    heads = {}
    for device, log in book.logs.items():
        seq = (known or {}).get(device, 0)
        while seq + 1 in log and any(record.name in names for record in log[seq + 1].values()):
            seq += 1
        heads[device] = seq
    return heads


@dataclass(frozen=True, slots=True)
class Comparison:
    """``verdict`` of one disk; ``missing``: names of records it lacks; ``lost``: those of them it once had."""

    verdict: Verdict
    missing: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def compare(names: Set[str], book: LogBook, acked: Mapping[bytes, int], remembered: Mapping[bytes, int]) -> Comparison:
    """One disk's listing against the union.

    ``acked``: device -> seq that the disk acknowledged, as the devices' own signed records say (so this works on an
    empty machine); ``remembered``: device -> seq that it served to this machine before.
    """
    missing = () if book.names.keys() <= names else tuple(sorted(book.names.keys() - names))
    lost = []
    for name in missing:
        record = book.names[name]
        if record.seq <= max(acked.get(record.device, 0), remembered.get(record.device, 0)):
            lost.append(name)
    if lost:
        return Comparison(Verdict.ROLLED_BACK, missing, tuple(lost))
    return Comparison(Verdict.BEHIND if missing else Verdict.EQUAL, missing)
