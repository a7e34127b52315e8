"""What each operation of the log does to a state.  No I/O."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from webraid.table.plausible import founds, nonsense
from webraid.table.records import (
    SHARD_REF,
    Abort,
    AddDisk,
    AddSlot,
    AnyOp,
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
    Swept,
)
from webraid.table.rights import Owners, needed_right, signed
from webraid.table.state import Record, Run, Shot, State

_IN_FIRST = (Genesis, Enroll)  # only in a device's first record


def apply(state: State, record: Record, op: AnyOp, owners: Owners) -> None:
    """The next operation, in the order of the log, of a record that counts."""
    needed = needed_right(op)
    device = state.devices.get(record.device)
    if needed and (device is None or not device.may(needed, record.seq)):
        state.refused.append((record, f"the device has no right to {needed}"))
        return
    if isinstance(op, _IN_FIRST) and record.seq != 1:  # only there was the certificate checked
        state.refused.append((record, "it stands in the wrong place"))
        return
    match op:  # what most records say first
        case Prepare() | Commit() | Close() | Abort():
            _run(state, record, op)
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
    run = state.runs.get((record.device, op.run))
    if run is None:
        run = state.runs[record.device, op.run] = Run(record.device, op.run)
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
