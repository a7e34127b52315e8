"""What probes found out about accounts, kept on this machine: the caps of this very account, with their date."""

from __future__ import annotations

import dataclasses

import msgspec

from webraid.backend.base import Caps
from webraid.backend.probe import Probe
from webraid.table.local import Local


class Kept(msgspec.Struct, frozen=True):
    """A probe's findings: ``latency`` in seconds, ``up`` and ``down`` in bytes a second, ``at`` since the epoch."""

    caps: Caps
    latency: float
    up: float
    down: float
    at: float


def keep_caps(local: Local, disk: bytes, found: Probe) -> None:
    """Remember a probe's findings."""
    kept = Kept(found.caps, found.latency, found.up, found.down, found.at)
    local.set(f"probed:{disk.hex()}", msgspec.msgpack.encode(kept))


def kept_caps(local: Local, disk: bytes) -> Kept | None:
    """What the last probe of this disk found; None where there was none, or another release wrote it."""
    data = local.get(f"probed:{disk.hex()}")
    try:
        return None if not data else msgspec.msgpack.decode(data, type=Kept)
    except msgspec.ValidationError:
        return None


def cautious(caps: Caps, kind: Caps) -> Caps:
    """An account's ``caps``, never better than what its ``kind`` says by now."""
    eventual = "eventual" in (caps.list_consistency, kind.list_consistency)
    return dataclasses.replace(
        caps,
        list_consistency="eventual" if eventual else "strong",
        hashes=tuple(algorithm for algorithm in caps.hashes if algorithm in kind.hashes),
        hashes_in_list=caps.hashes_in_list and kind.hashes_in_list,
        local=kind.local,
    )
