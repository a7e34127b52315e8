"""Disks whose listings lag: how long what they once had has not been seen there."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from webraid.table.local import Local

LAG = 3600.0  # seconds that a listing may lag: Google Drive's were seen to for five minutes
NOTHING = msgspec.msgpack.encode({})


def lags_long(local: Local, now: float, disk: bytes, lost: Iterable[str]) -> bool:
    """Whether one of these records has been missing for longer than listings lag.  ``now``: seconds.

    Where they lag, so does asking by name (Google Drive's search index), and a loss cannot be told from a delay at
    first.  The disk does not count meanwhile; the clock only decides when somebody is told.
    """
    key = f"lag:{disk.hex()}"
    before = msgspec.msgpack.decode(local.get(key) or NOTHING, type=dict[str, float])
    since = {name: min(now, before.get(name, now)) for name in lost}
    if since != before:
        local.set(key, msgspec.msgpack.encode(since))
    return any(now - seen >= LAG for seen in since.values())
