"""Why a pack found homes for fewer than k of its shards: nothing may name it then, and the run cannot go on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from webraid.array.placement import Placement, Seat
from webraid.array.tolerance import pack_tolerance
from webraid.errors import AuthExpired, BackendError, QuotaExceeded, Unavailable
from webraid.jobs.base.context import Context
from webraid.model import Code, Home, Pack
from webraid.table.records import ACTIVE

MAKE_ROOM = (
    "Add a disk ('webraid add-backend'), even out what the disks hold ('webraid rebalance'), or delete old snapshots "
    "('webraid forget', then 'webraid prune --no-repack'). Then run it again: what was stored whole is not sent twice."
)
WAIT = "Bring the disks back ('webraid status' says what is wrong) and run it again: what was stored whole is kept."


def is_short(pack: Pack, seats: Sequence[Seat], homes: Iterable[Home] | None = None) -> bool:
    """Whether fewer than k shards of ``pack`` lie on disks, so that it could not be read even now."""
    return pack_tolerance(pack, {seat.id: seat.domain for seat in seats}, homes) < 0


def planned(pack: Pack, placement: Placement) -> list[Home]:
    """The homes that a pack would have if every disk took its shard."""
    copies = pack.geometry.code is Code.COPIES
    return [Home(0 if copies else i, disk) for i, disk in enumerate(placement.homes) if disk is not None]


def no_room(
    ctx: Context, seats: Sequence[Seat], size: int, holders: Collection[bytes], refusals: Mapping[bytes, BackendError]
) -> BackendError:
    """The error that tells why a shard of ``size`` bytes had nowhere to go.

    ``holders``: the disks that took one.  ``refusals``: what disks answered when they were sent one.  Full disks weigh
    most, then an expired login, then disks that cannot be reached.
    """
    active = {info.id for info in ctx.table.state.joined() if info.role == ACTIVE}
    rest = [seat for seat in seats if seat.id in active and seat.id not in holders]
    refusals = {**_known_before(ctx, rest), **refusals}
    full = [seat.id for seat in rest if _is_full(ctx, seat, size, refusals.get(seat.id))]
    away = [seat.id for seat in rest if seat.id not in full and (not seat.writable or seat.id in refusals)]
    reasons = [_told(ctx, full, "full"), _told(ctx, away, "not to be written to just now")]
    text = f"no room for new data: {'; '.join(filter(None, reasons)) or 'too few disks take new data'}"
    expired = next((refusals[disk] for disk in away if isinstance(refusals.get(disk), AuthExpired)), None)
    if full:
        return QuotaExceeded(
            f"{text}. Nothing names what could not be stored whole", what=_what(full, refusals), hint=MAKE_ROOM
        )
    if isinstance(expired, AuthExpired):
        return AuthExpired(text, fix=expired.fix, hint=expired.hint)
    return Unavailable(text, hint=WAIT)


def _known_before(ctx: Context, seats: Iterable[Seat]) -> dict[bytes, BackendError]:
    """Why disks were not asked at all, where an error of theirs says so."""
    told = {seat.id: ctx.disks[seat.id].health.opened_by for seat in seats if seat.id in ctx.disks}
    return {disk: error for disk, error in told.items() if error is not None}


def _is_full(ctx: Context, seat: Seat, size: int, refusal: BackendError | None) -> bool:
    if isinstance(refusal, QuotaExceeded) or (seat.id in ctx.disks and ctx.disks[seat.id].health.full):
        return True
    return seat.writable and seat.free is not None and seat.free < size


def _what(full: Sequence[bytes], refusals: Mapping[bytes, BackendError]) -> str:
    told = {error.what for disk in full if isinstance(error := refusals.get(disk), QuotaExceeded)}
    return told.pop() if len(told) == 1 else "space"


def _told(ctx: Context, disks: Sequence[bytes], how: str) -> str:
    names = sorted(ctx.disk_name(disk) for disk in disks)
    if not names:
        return ""
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{listed} {'is' if len(names) == 1 else 'are'} {how}"
