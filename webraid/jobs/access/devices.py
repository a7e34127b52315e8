"""device ls, rights: the machines of the pool and what they may do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from webraid.codec.keys import Owner
from webraid.codec.sign import sign
from webraid.errors import ConfigError
from webraid.jobs.access.evict import find_device, seen_of
from webraid.jobs.access.keys import owned
from webraid.jobs.base.context import Context
from webraid.table.fold import ALL_RIGHTS, APPEND
from webraid.table.records import Grant, grant_message


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that writes, or wrote.  ``records``: number of its newest one; ``last``: when it wrote that, by its own
    clock (seconds since 1970); ``this``: the one that asks."""

    id: str
    name: str
    rights: tuple[str, ...]
    records: int
    last: float | None
    evicted: bool
    this: bool


def list_devices(ctx: Context) -> list[Machine]:
    """All machines, those that are gone last."""
    ctx.open_table()
    times: dict[bytes, tuple[int, int]] = {}
    for record in ctx.table.book.records():
        times[record.device] = max(times.get(record.device, (0, 0)), (record.seq, record.time_ms))
    found = []
    for device in ctx.table.state.devices.values():
        seq, time_ms = times.get(device.id, (0, 0))
        last = time_ms / 1000 if time_ms else None
        mine = device.id == ctx.identity.key.id
        found.append(Machine(device.id.hex(), device.name, device.rights, seq, last, device.evicted, mine))
    return sorted(found, key=lambda item: (item.evicted, item.name, item.id))


def parse_rights(text: str) -> tuple[str, ...]:
    """'append,forget' as the log has it.  Raises ConfigError."""
    said = [word.strip().lower() for word in text.split(",") if word.strip()]
    wrong = [word for word in said if word not in ALL_RIGHTS]
    if wrong or APPEND not in said:
        what = f"there is no right called {wrong[0]!r}" if wrong else "a machine without 'append' could write nothing"
        raise ConfigError(
            what, hint="Rights are append, forget, sweep: 'append' alone, 'append,forget' or 'append,forget,sweep'."
        )
    return tuple(right for right in ALL_RIGHTS if right in said)


def set_rights(ctx: Context, secret: str, device: str, rights: Iterable[str]) -> Machine:
    """Give a machine these rights and no others, from its next record on.

    Raises NotInTable, ConfigError, WrongPassphrase, QuorumLost.
    """
    wanted = parse_rights(",".join(rights))
    with owned(ctx, secret) as opened:
        found = find_device(ctx.table.state, device)
        if set(found.rights) - set(wanted):  # announced first: what it did until it could know of this still counts
            _grant(ctx, opened.owner, found.id, wanted, after=-1)
            ctx.open_table()
            ctx.table.require_quorum()
        _grant(ctx, opened.owner, found.id, wanted, after=ctx.table.state.heads.get(found.id, 0))
    return next(item for item in list_devices(ctx) if item.id == found.id.hex())


def _grant(ctx: Context, owner: Owner, device: bytes, rights: tuple[str, ...], *, after: int) -> None:
    serial = ctx.table.state.devices[device].serial + 1
    heads = seen_of(ctx, device, after)
    signature = sign(owner.private, grant_message(device, rights, serial, after, heads))
    op = Grant(device=device, rights=rights, serial=serial, after=after, signature=signature, heads=heads)
    ctx.table.fence(ctx.table.append(op))
