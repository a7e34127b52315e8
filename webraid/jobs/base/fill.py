"""fill: key slots, log records and table packs onto one disk, as far as it lacks them: when it joins or is mended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from webraid.backend.disk import Disk
from webraid.jobs.base.context import Context
from webraid.jobs.base.pages import table_pack
from webraid.jobs.base.slots import SLOT_PREFIX, note_settled, slots, unsettle
from webraid.model import Stored, shard_name
from webraid.table.gather import gather
from webraid.table.spread import in_order
from webraid.table.survey import LOG, digest_of

T = TypeVar("T")
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
    note_settled(ctx, disk.id)


def fill_slots(ctx: Context, disk: Disk, there: set[str]) -> None:
    """The key slots alone.  What the disk had is not relied on: it was rolled back, or damaged."""
    unsettle(ctx, disk.id)
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
    for name in in_order(ctx.table.book, there):
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
