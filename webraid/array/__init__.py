"""The array: stripes over disks - where shards go, who is asked for them, what to do when a disk fails."""

from __future__ import annotations

from webraid.array.array import Array, Request
from webraid.array.events import ArrayEvent, DiskStalled, Finding, ShardBad, ShardRead, ShardWritten
from webraid.array.layout import PackView
from webraid.array.placement import Placement, Seat, place, stand_in
from webraid.array.stripes import Stripe, StripeResult
from webraid.array.tolerance import losses_survived, pack_tolerance
from webraid.array.writer import Alternate, Writer

__all__ = [
    "Alternate",
    "Array",
    "ArrayEvent",
    "DiskStalled",
    "Finding",
    "PackView",
    "Placement",
    "Request",
    "Seat",
    "ShardBad",
    "ShardRead",
    "ShardWritten",
    "Stripe",
    "StripeResult",
    "Writer",
    "losses_survived",
    "pack_tolerance",
    "place",
    "stand_in",
]
