"""What each disk was asked and what went there, read from the pool's meters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webraid.pool import Pool


@dataclass(frozen=True, slots=True)
class Traffic:
    """One disk's part of a run.  Bytes of bodies; ``requests`` counts repeated ones too."""

    disk: str
    up: int = 0
    down: int = 0
    requests: int = 0
    retries: int = 0
    errors: int = 0


def traffic(pool: Pool) -> list[Traffic]:
    """All disks, by name."""
    result = []
    for disk in list(pool._ctx.disks.values()):  # a disk may join meanwhile
        total = disk.meter.total()
        errors = sum(total.errors.values())
        result.append(Traffic(disk.name, total.up, total.down, total.requests, total.retries, errors))
    return sorted(result, key=lambda item: item.disk)
