"""What each disk was asked, what went there and what its budget has left, read from the pool's meters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webraid.backend.budget import Balance
    from webraid.pool import Pool


@dataclass(frozen=True, slots=True)
class Traffic:
    """One disk's part of a run.  Bytes of bodies; ``requests`` counts repeated ones too.  ``throttled``: seconds that
    its requests waited, all added up, for our own limits or because the provider asked for patience.  ``budgets``: how
    they stand on this machine now, this run included."""

    disk: str
    up: int = 0
    down: int = 0
    requests: int = 0
    retries: int = 0
    errors: int = 0
    throttled: float = 0.0
    budgets: list[Balance] = field(default_factory=list)


def traffic(pool: Pool) -> list[Traffic]:
    """All disks, by name."""
    result = []
    for disk in list(pool._ctx.disks.values()):  # a disk may join meanwhile
        total = disk.meter.total()
        errors = sum(total.errors.values())
        budgets = disk.budget.balances() if disk.budget else []
        result.append(
            Traffic(
                disk.name, total.up, total.down, total.requests, total.retries, errors, total.throttled, budgets
            )
        )  # fmt: skip
    return sorted(result, key=lambda item: item.disk)
