"""Snapshots that somebody has dated back (put --time): which times are taken, and where they stand among the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from webraid.errors import ConfigError
from webraid.table.fold import Shot

AHEAD = timedelta(days=1)  # clocks may differ by so much before a snapshot is taken to be of the future
_DAY_MS = 86_400_000
Order = tuple[int, bytes, int, bytes]


def require_past(time_ms: int, now: float) -> None:
    """``time_ms``: since 1970, ``now``: seconds.  Raises ConfigError.  No rule of retention counts a snapshot of the
    future, and none ever forgets it: whoever wants one has mistyped."""
    if time_ms < 0:
        raise ConfigError("a snapshot cannot be older than 1970", hint="--time is 'YYYY-MM-DD HH:MM:SS'.")
    if time_ms / 1000 > now + AHEAD.total_seconds():
        when = (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=time_ms)).date()
        raise ConfigError(
            f"a snapshot cannot be of the future: {when} is still to come",
            hint="--time is when the files were as they are now; without it that is this moment.",
        )


def by_time(shots: Sequence[Shot], written: Mapping[Order, int]) -> list[Shot]:
    """``shots`` in the order of the log; those dated more than a day before they were ``written`` (where in the log ->
    ms) go where their time belongs.  The others stay: the log's order holds whatever their machines' clocks said."""
    usual, dated = list[Shot](), list[Shot]()
    for shot in shots:
        age = written.get(shot.order, shot.info.time_ms) - shot.info.time_ms
        (dated if age > _DAY_MS else usual).append(shot)
    dated.sort(key=lambda shot: (shot.info.time_ms, shot.order), reverse=True)
    result = []
    for shot in usual:
        while dated and dated[-1].info.time_ms < shot.info.time_ms:
            result.append(dated.pop())
        result.append(shot)
    return [*result, *reversed(dated)]
