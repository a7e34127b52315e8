"""What probes found out about accounts, kept on this machine: caps more cautious than the kind's own."""

from __future__ import annotations

import dataclasses
from typing import Literal

import msgspec

from webraid.backend.base import Caps
from webraid.backend.probe import Probe
from webraid.table.local import Local


class _Kept(msgspec.Struct, frozen=True):
    list_consistency: str
    hashes: tuple[str, ...]
    hashes_in_list: bool
    latency: float
    up: float
    down: float
    at: float


def keep_caps(local: Local, disk: bytes, found: Probe) -> None:
    """Remember a probe's findings with their date."""
    caps = found.caps
    kept = _Kept(caps.list_consistency, caps.hashes, caps.hashes_in_list, found.latency, found.up, found.down, found.at)
    local.set(f"probe:{disk.hex()}", msgspec.msgpack.encode(kept))


def probed_caps(local: Local, disk: bytes, caps: Caps | None) -> Caps | None:
    """The kind's caps, as far as the probe of this disk confirmed them; unchanged where none was kept."""
    data = local.get(f"probe:{disk.hex()}")
    if data is None or caps is None:
        return caps
    kept = msgspec.msgpack.decode(data, type=_Kept)
    lags: Literal["strong", "eventual"] = "strong"
    if "eventual" in (kept.list_consistency, caps.list_consistency):
        lags = "eventual"
    hashes = tuple(algorithm for algorithm in caps.hashes if algorithm in kept.hashes)
    in_list = caps.hashes_in_list and kept.hashes_in_list
    return dataclasses.replace(caps, list_consistency=lags, hashes=hashes, hashes_in_list=in_list)
