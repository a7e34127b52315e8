"""How fast each disk fills: a figure a day, kept on this machine, and when there will be no room at that pace."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from webraid.table.local import Local

DAY = 86400.0
KEPT = 60  # figures
LEAST = 3 * DAY  # seconds of history before anything is foretold


def note_growth(local: Local, stored: Mapping[str, int], now: float) -> None:
    """At most one figure a day for every disk (by name; bytes of ours on it)."""
    for name, count in stored.items():
        history = _history(local, name)
        if not history or now - history[-1][0] >= DAY:
            history = [*history, (now, count)][-KEPT:]
            local.set(f"growth:{name}", msgspec.msgpack.encode(history))


def full_in(local: Local, name: str, free: int, now: float) -> float | None:
    """Days until ``free`` bytes are used up; None: nobody knows, or it does not grow."""
    history = [(time, count) for time, count in _history(local, name) if time <= now]
    if len(history) < 2 or history[-1][0] - history[0][0] < LEAST:
        return None
    (began, least), (ended, most) = history[0], history[-1]
    pace = (most - least) / (ended - began)
    return free / pace / DAY if pace > 0 else None


def _history(local: Local, name: str) -> list[tuple[float, int]]:
    data = local.get(f"growth:{name}")
    try:
        return msgspec.msgpack.decode(data, type=list[tuple[float, int]]) if data else []
    except msgspec.MsgspecError:  # another release wrote it
        return []
