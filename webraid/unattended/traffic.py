"""What each disk was asked in a scheduled run, over all its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webraid.model import show_size
from webraid.unattended.logbook import Logbook

if TYPE_CHECKING:
    from webraid.backend.metered import Count
    from webraid.pool import Pool


class Flows:
    """Disk -> what was counted."""

    def __init__(self) -> None:
        self.disks: dict[str, Count] = {}

    def take(self, pool: Pool) -> None:
        """Add what a pool's disks have counted; called once, at its end."""
        for disk in list(pool._ctx.disks.values()):
            total = disk.meter.total()
            known = self.disks.get(disk.name)
            self.disks[disk.name] = known + total if known else total

    def log(self, log: Logbook) -> None:
        """A line for each disk."""
        for name, count in sorted(self.disks.items()):
            errors = f", errors: {', '.join(f'{n} {kind}' for kind, n in sorted(count.errors.items()))}"
            log.line(
                f"disk {name}: {show_size(count.up)} sent, {show_size(count.down)} received, {count.requests} requests,"
                f" {count.retries} retries{errors if count.errors else ''}"
            )
