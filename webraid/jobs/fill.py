"""fill: key slots, log records and table packs onto one disk, as far as it lacks them: when it joins or is mended."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

import msgspec

from webraid.backend.disk import Disk
from webraid.codec.keys import slot_type
from webraid.errors import BackendError, QuorumLost, SealBroken
from webraid.jobs.context import Context
from webraid.jobs.events import Notice
from webraid.jobs.init import SLOTS
from webraid.jobs.pages import table_pack
from webraid.model import Stored, shard_name
from webraid.table.device import load_slots
from webraid.table.gather import gather
from webraid.table.survey import LOG, digest_of

T = TypeVar("T")
SLOT_PREFIX = "slots/"
AT_ONCE = 32  # objects on their way to the disk
PATIENCE = 4  # times the usual patience: a whole table may have to go up


def listing(ctx: Context, disk: Disk) -> set[str]:
    """Names of everything that ``fill`` cares for and that is there already."""
    names: set[str] = set()
    for prefix in (SLOT_PREFIX, LOG, "shards/"):
        names |= {stored.name for stored in ask(ctx, disk, disk.list(prefix))}
    return names


def fill(ctx: Context, disk: Disk, there: set[str]) -> None:
    """Everything of the metadata that is not ``there`` yet; it is then.  Raises BackendError."""
    _send(ctx, disk, there, _metadata(ctx, there))


def fill_slots(ctx: Context, disk: Disk, there: set[str]) -> None:
    """The key slots alone."""
    _send(ctx, disk, there, _slots(ctx, there))


def _send(ctx: Context, disk: Disk, there: set[str], objects: Iterable[tuple[str, bytes]]) -> None:
    under_way: dict[str, Future[Stored]] = {}
    for name, data in objects:
        under_way[name] = disk.put(name, data, digest=digest_of(data), urgent=True)
        if len(under_way) >= AT_ONCE:
            _await(ctx, disk, under_way, there)
    _await(ctx, disk, under_way, there)


def _slots(ctx: Context, there: set[str]) -> Iterator[tuple[str, bytes]]:
    for slot, blob in slots(ctx).items():
        if SLOT_PREFIX + slot not in there:
            yield SLOT_PREFIX + slot, blob


def _metadata(ctx: Context, there: set[str]) -> Iterator[tuple[str, bytes]]:
    """Slots, then records oldest first, then the table packs that they name."""
    yield from _slots(ctx, there)
    for name in sorted(ctx.table.book.names.keys() - there):
        record = ctx.table.book.names[name]
        yield name, ctx.local.blob(record.device, record.seq, record.digest)
    for _, commit in ctx.table.state.live_commits():
        for packed in commit.packs:
            name = shard_name(packed.id, 0)
            if name not in there and packed.id not in ctx.table.state.swept:
                yield name, bytes(ctx.array.reconstruct(table_pack(ctx, packed.id), 0, pool=ctx.pool).object)


def _await(ctx: Context, disk: Disk, under_way: dict[str, Future[Stored]], there: set[str]) -> None:
    patience = ctx.config.limits.patience * PATIENCE
    answers, errors = gather(under_way, ctx.env, enough=lambda _: False, patience=patience)
    there.update(answers)
    under_way.clear()
    for error in errors.values():
        error.disk = error.disk or disk.name
        raise error


def ask(ctx: Context, disk: Disk, future: Future[T]) -> T:
    """One answer.  Raises BackendError."""
    patience = ctx.config.limits.patience * PATIENCE
    answers, errors = gather({0: future}, ctx.env, enough=lambda _: False, patience=patience)
    for error in errors.values():
        error.disk = error.disk or disk.name
        raise error
    return answers[0]


def slots(ctx: Context) -> dict[str, bytes]:
    """The pool's key slots: from this machine, else from the disks.  Raises QuorumLost."""
    kept = ctx.local.get(SLOTS)
    if kept is not None:
        return msgspec.msgpack.decode(kept, type=dict[str, bytes])
    found = load_slots(ctx.settings.places.device)
    for disk_id in ctx.table.usable():
        disk = ctx.disks[disk_id]
        try:
            for stored in ask(ctx, disk, disk.list(SLOT_PREFIX)):
                slot = stored.name.removeprefix(SLOT_PREFIX)
                if slot not in found:
                    _keep(found, slot, ask(ctx, disk, disk.get(stored.name)), ctx.pool)
        except BackendError as error:
            ctx.event(Notice(f"the key slots could not be read from one disk: {error}"))
    if not found:
        raise QuorumLost("no disk could be asked for the pool's key slots")
    ctx.local.set(SLOTS, msgspec.msgpack.encode(found))
    return found


def _keep(found: dict[str, bytes], slot: str, blob: bytes, pool: bytes) -> None:
    with contextlib.suppress(SealBroken):  # damaged on this disk: another one has it whole
        slot_type(blob, pool)
        found[slot] = blob
