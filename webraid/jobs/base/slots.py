"""The pool's key slots: which ones count, and that every disk has those and none that was taken out."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from webraid.backend.base import Backend
from webraid.codec.keys import slot_type
from webraid.errors import BackendError, ObjectNotFound, QuorumLost, SealBroken
from webraid.jobs.base.events import Notice
from webraid.table.device import load_slots
from webraid.table.gather import gather
from webraid.table.survey import digest_of

if TYPE_CHECKING:
    from webraid.jobs.base.context import Context

SLOT_PREFIX = "slots/"
SLOTS = "slots"  # key of the local cache: the slots of a pool whose log knows of none
_SETTLED = "slots-on:"  # ... and per disk: the slots that it was seen to have


def slots(ctx: Context) -> dict[str, bytes]:
    """Id (16 hex digits) -> slot, of those that count: the log's.  A pool that is older than that has its slots on the
    disks alone.  Raises QuorumLost."""
    state = ctx.table.state
    if state.slots_known:
        return {slot.hex(): op.sealed for slot, op in state.slots.items()}
    kept = ctx.local.get(SLOTS)
    if kept is not None:
        return msgspec.msgpack.decode(kept, type=dict[str, bytes])
    found = load_slots(ctx.settings.places.device)
    asked = {disk: ctx.disks[disk].call(lambda backend: _read(backend, ctx.pool)) for disk in ctx.table.usable()}
    answers, errors = gather(asked, ctx.env, enough=lambda _: False, patience=ctx.config.limits.patience)
    for error in errors.values():
        ctx.event(Notice(f"the key slots could not be read from one disk: {error}"))
    for answer in answers.values():
        found.update(answer)
    if not found:
        raise QuorumLost("no disk could be asked for the pool's key slots")
    ctx.local.set(SLOTS, msgspec.msgpack.encode(found))
    return found


def _read(backend: Backend, pool: bytes) -> dict[str, bytes]:
    found = {}
    for stored in backend.list(SLOT_PREFIX):
        with contextlib.suppress(SealBroken):  # damaged on this disk: another one has it whole
            blob = backend.get(stored.name)
            slot_type(blob, pool)
            found[stored.name.removeprefix(SLOT_PREFIX)] = blob
    return found


def settle_slots(ctx: Context) -> None:
    """Every disk that answers gets the slots it lacks, and loses those that were taken out while it was away.

    Only disks that were not seen to be settled are asked.  What a disk refuses is tried again with the next run.
    """
    state = ctx.table.state
    me = state.devices.get(ctx.identity.key.id)
    if not state.slots_known or me is None or me.evicted:
        return
    if (
        state.epoch > ctx.identity.root.epoch
    ):  # it cannot read which slots were taken out since, and would bring them back
        return
    wanted, gone = slots(ctx), {slot.hex() for slot in state.slots_dropped}
    mark = _mark(wanted, gone)
    asked = {
        disk: ctx.disks[disk].call(_settling(wanted, gone))
        for disk in ctx.table.usable()
        if disk in ctx.disks and ctx.local.get(_SETTLED + disk.hex()) != mark
    }
    done, errors = gather(asked, ctx.env, enough=lambda _: False, patience=ctx.config.limits.patience)
    for disk in done:
        ctx.local.set(_SETTLED + disk.hex(), mark)
    for disk, error in errors.items():
        _tell(ctx, ctx.disk_name(disk), error)


def _tell(ctx: Context, name: str, error: BackendError) -> None:
    error.disk = error.disk or name
    ctx.event(Notice(f"the key slots could not be brought up to date: {error}"))


def note_settled(ctx: Context, disk: bytes) -> None:
    """The disk was filled with everything just now."""
    if ctx.table.state.slots_known and not ctx.table.state.slots_dropped:
        ctx.local.set(_SETTLED + disk.hex(), _mark(slots(ctx), set()))


def unsettle(ctx: Context, disk: bytes) -> None:
    """Look at the disk's slots again with the next run: it does not have what it was seen to have."""
    ctx.local.set(_SETTLED + disk.hex(), b"")


def _mark(wanted: Mapping[str, bytes], gone: set[str]) -> bytes:
    return hashlib.sha256(msgspec.msgpack.encode([sorted(wanted), sorted(gone)])).digest()


def _settling(wanted: Mapping[str, bytes], gone: set[str]) -> Callable[[Backend], None]:
    def work(backend: Backend) -> None:
        there = {stored.name.removeprefix(SLOT_PREFIX): stored for stored in backend.list(SLOT_PREFIX)}
        for slot in sorted(wanted.keys() - there.keys()):
            backend.put(SLOT_PREFIX + slot, wanted[slot], digest=digest_of(wanted[slot]))
        for slot in sorted(gone & there.keys()):
            with contextlib.suppress(ObjectNotFound):
                backend.delete(there[slot].name, locator=there[slot].locator)

    return work
