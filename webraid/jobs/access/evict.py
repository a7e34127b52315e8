"""device rm: a machine's part in the pool ends.  INTENT, then its log is read, then FINAL (tests/models/evict.py)."""

from __future__ import annotations

from dataclasses import dataclass

from webraid.codec.keys import Owner
from webraid.codec.sign import sign
from webraid.errors import NotInTable, PoolError
from webraid.jobs.access.keys import owned
from webraid.jobs.base.context import Context
from webraid.table.fold import Device, State
from webraid.table.records import Evict, evict_message
from webraid.table.rights import heads_of


@dataclass(frozen=True, slots=True)
class Removed:
    """A machine that is gone.  ``seq``: its last record that counts; ``unfinished``: runs of it that will never be."""

    id: str
    name: str
    seq: int
    unfinished: int


def find_device(state: State, text: str, *, gone: bool = False) -> Device:
    """The device of that name, or whose id begins so; ``gone``: among evicted ones, too.  Raises NotInTable."""
    there = [device for device in state.devices.values() if gone or not device.evicted]
    by_name = [device for device in there if device.name == text]
    found = by_name or [device for device in there if text and device.id.hex().startswith(text.lower())]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(sorted(device.id.hex() for device in found))
        raise NotInTable(f"there are {len(found)} machines called {text!r}", hint=f"Give one's id: {ids}")
    raise NotInTable(f"there is no machine called {text!r}", hint="See 'webraid device ls'.")


def evict(ctx: Context, secret: str, device: str) -> Removed:
    """End a device's part in the pool; what it stored stays.  Run again after an interruption it goes on.

    Raises NotInTable, PoolError for this very machine, WrongPassphrase, QuorumLost.
    """
    with owned(ctx, secret) as opened:
        return end(ctx, opened.owner, removable(ctx, device))


def removable(ctx: Context, text: str) -> Device:
    """The device that is meant; one that an interrupted run announced, too.  Raises NotInTable, PoolError."""
    try:
        found = find_device(ctx.table.state, text)
    except NotInTable:
        found = find_device(ctx.table.state, text, gone=True)
        if found.id in ctx.table.state.ends:
            raise NotInTable(f"machine {found.name!r} was removed already", hint="See 'webraid device ls'.") from None
    if found.id == ctx.identity.key.id:
        raise PoolError(
            "this is the machine that you are working on", hint="Remove it from another one: webraid device rm"
        )
    return found


def end(ctx: Context, owner: Owner, device: Device) -> Removed:
    """The steps.  Needs an opened table with a quorum."""
    if not device.evicted:
        ctx.table.fence(ctx.table.append(_evict(owner, device.id, -1)))
    ctx.open_table()  # after INTENT is on W disks: what the device had acknowledged by then is seen here
    ctx.table.require_quorum()
    seq = last_record(ctx.table.state, device.id)
    open_runs = [run for run in ctx.table.state.runs.values() if run.device == device.id and not run.settled]
    # Sending FINAL sends every disk what it lacks of that device's log first.
    ctx.table.fence(ctx.table.append(_evict(owner, device.id, seq, seen_of(ctx, device.id, seq))))
    unfinished = sum(run.commit is None for run in open_runs)
    return Removed(device.id.hex(), device.name, seq, unfinished)


def last_record(state: State, device: bytes) -> int:
    """Where an evicted device's log ends: with what is seen of it, without a gap, once the eviction was announced."""
    return state.heads.get(device, 0)


def seen_of(ctx: Context, device: bytes, last: int) -> tuple[bytes, ...]:
    """What the owner has seen of a device's log up to that number: he vouches for nothing else under these numbers."""
    log = ctx.table.book.logs.get(device, {})
    known = (record for branch in log.values() for record in branch.values())
    return heads_of((record for record in known if record.digest not in ctx.table.state.strays), last)


def _evict(owner: Owner, device: bytes, seq: int, heads: tuple[bytes, ...] = ()) -> Evict:
    signature = sign(owner.private, evict_message(device, seq, heads))
    return Evict(device=device, seq=seq, signature=signature, heads=heads)
