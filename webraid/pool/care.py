"""The public API: what lies on the disks is verified and mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webraid.pool.base import Opened

if TYPE_CHECKING:
    from webraid.jobs.check import CheckResult
    from webraid.jobs.repair import Repaired


class Care(Opened):
    """Verifying and mending."""

    def check(self, *, read_data: bool = False, sample: float | None = None) -> CheckResult:
        """Verify what lies on the disks."""
        from webraid.jobs.check import check

        return check(self._ctx, read_data=read_data, sample=sample)

    def repair(self) -> Repaired:
        """Make missing and damaged shards again."""
        from webraid.jobs.repair import repair

        return repair(self._ctx)
