"""From log records to the pool's state: deterministic, whatever order the records came in.  No I/O.

Every record's operations are applied in the order (lamport, device, seq), which respects causality, so all machines
that know the same records see the same state.  Two snapshots of the same root made at once are both kept: the later
in that order is the current one, the other is its conflict version.

A log grows at its end, so what comes is mostly applied to what was there; everything is looked at again only where a
new record changes what older ones mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from webraid.table.applying import apply
from webraid.table.members import Changes, DiskInfo
from webraid.table.plausible import Heads, most_lamport, plausible
from webraid.table.records import (
    Abort,
    AddDisk,
    Close,
    Commit,
    Condemn,
    Drilled,
    Dropped,
    Forget,
    Joined,
    OwnersWord,
    Prepare,
    Relevel,
    RemoveDisk,
    Retag,
    SetRole,
    Swept,
)
from webraid.table.rights import (
    ALL_RIGHTS,
    APPEND,
    FORGET,
    SWEEP,
    Device,
    Owners,
    needed_right,
    owners_word,
)
from webraid.table.state import Record, Run, Shot, State

__all__ = [
    "ALL_RIGHTS", "APPEND", "FORGET", "SWEEP", "Device", "DiskInfo", "Folding", "Record", "Run", "Shot", "State",
    "fold", "needed_right",
]  # fmt: skip

# Kinds of operations by what they change: the snapshots, or which of them are kept; the disks; what is to be deleted.
_SHOTS: set[type] = {Commit, Forget, Retag, Relevel}
_DISKS: set[type] = {AddDisk, Joined, RemoveDisk, SetRole}
_GARBAGE: set[type] = {Condemn, Swept}


def fold(records: Iterable[Record], owner: bytes = b"") -> State:
    """The state that ``records`` describe.  Records whose device lacks the right are listed in ``refused``.

    ``owner``: the key that grants and evictions are held to, from the key slot; b'': nobody's are heeded.
    """
    every = list(records)
    return Folding(owner).add(every, lambda: every)


class Folding:
    """The state of the records so far, to which more are added.  A state that was handed out never changes."""

    def __init__(self, owner: bytes = b"") -> None:
        self.state = State(trusted=owner)
        self._owner = owner
        self._owners = Owners(owner)
        self._lasts: dict[bytes, int] = {}  # device -> highest number, of records that count or not
        self._heads = Heads()
        self._shots: list[Shot] = []  # kept or not, oldest first
        self._last: Record | None = None  # in the order
        self._held = False  # whether ``plausible`` changed one of them

    def add(self, new: Iterable[Record], every: Callable[[], Iterable[Record]]) -> State:
        """The state with these.  ``every``: gives all records, the new ones too."""
        more = sorted(new, key=_place)
        if not more:
            return self.state
        last, self._last = self._last, None  # where this is broken off half-way, the next time begins anew
        for record in more:
            self._lasts[record.device] = max(self._lasts.get(record.device, 0), record.seq)
        if last is not None and self._only_follow(more, last):
            state = self._further(_apart(self.state, more, self._shots), more)
        else:
            state, more = self._anew(list(every()))
        self.state, self._last = state, more[-1]
        return state

    def _only_follow(self, new: Sequence[Record], last: Record) -> bool:
        """Whether these come after all that was applied, and leave that as it is: no number is held to what is
        plausible so far, the owner says nothing new, and it is nothing that he has spoken of."""
        if self._held or new[-1].body.lamport > most_lamport(self._lasts) or new[0].order <= last.order:
            return False
        return not any(
            self._owners.spoke_of(record) or any(isinstance(op, OwnersWord) for op in record.body.ops) for record in new
        )

    def _anew(self, records: Sequence[Record]) -> tuple[State, list[Record]]:
        """From the beginning.  (the state, the records in their order)"""
        most = most_lamport(self._lasts)
        self._held = any(record.body.lamport > most for record in records)
        ordered = sorted(plausible(records, most), key=_place)
        self._owners = owners_word(ordered, self._owner)
        self._heads, self._shots = Heads(), []
        state = State(trusted=self._owner, ends=dict(self._owners.ends), strays=self._owners.strays)
        self._further(state, ordered)
        _settle_ended(state)
        state.slots = {slot: op for slot, op in state.slots.items() if slot not in state.slots_dropped}
        return state, ordered

    def _further(self, state: State, ordered: Sequence[Record]) -> State:
        """The state, which nobody else has, with these records, each of which comes after all that it follows from."""
        for record in ordered:
            if record.seq > state.ends.get(record.device, record.seq) or record.digest in state.strays:
                state.refused.append((record, "the device was evicted, or the owner had not seen it"))
                continue
            self._heads.add(record)
            state.lamport = max(state.lamport, record.body.lamport)
            state.times.append((record.order, record.time_ms))
            for disk, seq in record.body.acked.items():
                by_device = state.acked.setdefault(disk, {})
                by_device[record.device] = max(by_device.get(record.device, 0), seq)
            for op in record.body.ops:
                apply(state, record, op, self._owners)
        state.heads = dict(self._heads.found)
        if _SHOTS & _said(ordered):
            self._shots = state.shots
            _put_away(state)
        return state


def _place(record: Record) -> tuple[int, bytes, int, bytes]:
    return record.order


def _said(records: Iterable[Record]) -> set[type]:
    """Kinds of operations in them."""
    return {type(op) for record in records for op in record.body.ops}


def _apart(state: State, new: Sequence[Record], shots: Sequence[Shot]) -> State:
    """The same, where nothing that applying ``new`` changes belongs to the old one too.  ``shots``: kept or not."""
    said = _said(new)
    apart = replace(
        state,
        devices=dict(state.devices),
        runs=_runs_apart(state, new),
        commits=list(state.commits),
        acked={disk: dict(devices) for disk, devices in state.acked.items()},
        times=list(state.times),
        refused=list(state.refused),
    )
    if said & _SHOTS:
        apart.shots, apart.former, apart.forgotten = list(shots), [], set(state.forgotten)
    if said & _DISKS:
        apart.disks = {disk: replace(info) for disk, info in state.disks.items()}
        leaving = {disk: dict(devices) for disk, devices in state.changes.leaving.items()}
        apart.changes = Changes(list(state.changes.made), leaving)
    if said & _GARBAGE:
        apart.condemned, apart.condemnations = dict(state.condemned), list(state.condemnations)
        apart.swept = set(state.swept)
    if Dropped in said:
        apart.dropped = {disk: dict(gone) for disk, gone in state.dropped.items()}
    if Drilled in said:
        apart.drilled = list(state.drilled)
    return apart


def _runs_apart(state: State, new: Sequence[Record]) -> dict[tuple[bytes, bytes], Run]:
    runs = dict(state.runs)
    named = {
        (record.device, op.run)
        for record in new
        for op in record.body.ops
        if isinstance(op, Prepare | Commit | Close | Abort)
    }
    for key in named & runs.keys():
        runs[key] = replace(runs[key], creates=set(runs[key].creates), reuses=set(runs[key].reuses))
    return runs


def _put_away(state: State) -> None:
    """Snapshots that are no longer kept go elsewhere."""
    superfluous = {(shot.device, run) for shot in state.shots for run in shot.info.replaces}
    every, state.shots, state.former = state.shots, [], []
    for shot in every:
        gone = shot.id in state.forgotten or (shot.info.partial and (shot.device, shot.id) in superfluous)
        (state.former if gone else state.shots).append(shot)
    state.levels = frozenset(shot.info.level for shot in state.shots)


def _settle_ended(state: State) -> None:
    """What an evicted device left open stays so for ever: its commits stand, its other runs never happen."""
    for run in state.runs.values():
        if run.device in state.ends and not run.settled:
            run.closed, run.aborted = run.commit is not None, run.commit is None
