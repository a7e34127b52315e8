"""The public API: what lies on the disks is verified, mended, and restored for a trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from webraid.pool.base import Opened

if TYPE_CHECKING:
    from webraid.jobs.care.check import CheckResult
    from webraid.jobs.care.repair import Repaired
    from webraid.jobs.care.repair_plan import Foreseen
    from webraid.jobs.care.scrub import ScrubResult
    from webraid.jobs.restoring.drill import DrillResult


class Care(Opened):
    """Verifying and mending."""

    def check(
        self, *, read_data: bool = False, sample: float | None = None, subset: str = "", disks: Sequence[str] = ()
    ) -> CheckResult:  # fmt: skip
        """A quick look at everything: logs, listings, hashes, a sample of the data, every snapshot's tree.

        ``read_data``: all shards are read; ``sample``: this share of them, 0 to 1, where reading costs something;
        ``subset``: '1/7', '5%' or '2GiB' of them.  ``disks``: only those of these names.
        """
        from webraid.jobs.care.check import check

        return check(self._ctx, read_data=read_data, sample=sample, subset=subset, disks=disks)

    def scrub(
        self, mode: str = "", *, subset: str = "", restart: bool = False, resume: bool = False,
        disks: Sequence[str] = (),
    ) -> ScrubResult:  # fmt: skip
        """Compare what lies on the disks with the table.  What is found bad does not count until it is repaired.

        ``mode``: 'list' (the providers' hashes, no download; folders are read), 'sample' (besides, [check] sample),
        'round' (a part, so that all is read once in [check] full-every), 'full'; '' is what [check] scrub says.
        ``subset``: '1/7', '5%' or '2GiB' of everything instead.  One that was interrupted is gone on with, unless
        ``restart``; ``resume``: whatever it was to read.  ``disks``: only those of these names, always begun anew.
        Raises PoolBusy while another one runs on this machine.
        """
        from webraid.jobs.care.scrub import Request, scrub

        return scrub(self._ctx, Request(mode, subset, restart, resume, tuple(disks)))

    def pause_scrub(self) -> None:
        """Ask the scrub that runs on this machine, in any process, to stop.  Raises PoolError when none runs."""
        from webraid.jobs.care.scrub import pause

        pause(self._ctx.settings.places)

    def repair(self) -> Repaired:
        """Make missing and damaged shards again, from this machine's files or from k others.  Only adds."""
        from webraid.jobs.care.repair import repair

        return repair(self._ctx)

    def repair_plan(self) -> Foreseen:
        """What ``repair`` would make again now, and on which disks.  Changes nothing."""
        from webraid.jobs.care.repair_plan import repair_plan

        return repair_plan(self._ctx)

    def drill(self, files: int = 5) -> DrillResult:
        """A restore drill: bring so many files back, chosen by chance, without as many disks as may be lost, and
        compare them.  When all went well the pool remembers it; deletion is allowed only after the first one."""
        from webraid.jobs.restoring.drill import drill

        return drill(self._ctx, files)
