"""How long it takes to move so many bytes: by what disks were seen to do, and by the limits of the config."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from webraid.backend.timetable import parse_timetable
from webraid.jobs.base.caps import kept_caps
from webraid.jobs.base.context import Context
from webraid.jobs.moves.moving import Carried

TELLING = 64 << 20  # bytes that have to be moved before a run says anything about the pace
_PACE = "pace"  # key of the local cache: bytes a second of the latest run that moved data


def note_pace(ctx: Context, done: Carried) -> None:
    """Remember how quickly this run went."""
    if done.size >= TELLING and done.seconds > 0:
        ctx.local.set(_PACE, msgspec.msgpack.encode(done.size / done.seconds))


def seconds_for(ctx: Context, taken: Mapping[bytes, int], source: bytes = b"") -> float | None:
    """Seconds until every disk has its bytes of ``taken``; ``source``: the disk that all of it is read from, b'': many
    are.  As the last such run went; before there was one, by what the disks were measured to do; None: unknown."""
    total = sum(taken.values())
    if not total:
        return 0.0
    pace = ctx.local.get(_PACE)
    if pace:
        return total / max(1.0, msgspec.msgpack.decode(pace, type=float))
    times = [size / rate for disk, size in taken.items() if (rate := _measured(ctx, disk, up=True))]
    down = _measured(ctx, source, up=False) if source else 0.0
    times += [total / down] if down else []
    limits = ctx.config.limits
    slowest = [parse_timetable(text).slowest for text in (limits.upload, limits.download)]
    times += [total / rate for rate in slowest if rate]
    return max(times, default=None)


def _measured(ctx: Context, disk: bytes, *, up: bool) -> float:
    """Bytes a second, in this run or when the disk was added or measured; 0.0: unknown."""
    learnt = ctx.array.rates(up=up).get(disk)
    kept = kept_caps(ctx.local, disk)
    return learnt or ((kept.up if up else kept.down) if kept else 0.0)
