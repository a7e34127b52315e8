"""doctor: what is not as it should be, why it matters, and the very command to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from webraid.errors import EXIT_OK, worst
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import Notice, Started
from webraid.jobs.standing.doctor_canary import Blast, blast_radius
from webraid.jobs.standing.doctor_disks import disk_findings
from webraid.jobs.standing.doctor_finding import Finding, Severity
from webraid.jobs.standing.doctor_machine import machine_findings
from webraid.jobs.standing.doctor_pool import pool_findings
from webraid.jobs.standing.doctor_sources import source_findings
from webraid.jobs.standing.status import Status, status

__all__ = ["Diagnosis", "Finding", "Severity", "doctor"]
ORDER = (Severity.ALARM, Severity.WARNING, Severity.NOTE, Severity.GOOD)


@dataclass(slots=True)
class Diagnosis:
    """``findings``: the most severe first, those that are fine last.  ``blast``: what this machine's keys can erase;
    None where nobody asked."""

    findings: list[Finding] = field(default_factory=list)
    blast: Blast | None = None
    seconds: float = 0.0

    def add(self, more: Iterable[Finding]) -> None:
        """Take findings in, in their order."""
        self.findings = sorted([*self.findings, *more], key=lambda found: ORDER.index(found.severity))

    @property
    def open(self) -> list[Finding]:
        """What somebody should do something about."""
        return [found for found in self.findings if found.severity in (Severity.ALARM, Severity.WARNING)]

    @property
    def exit_code(self) -> int:
        """0 when nothing needs doing."""
        return worst(*(found.code for found in self.open), EXIT_OK)


def doctor(ctx: Context, *, canary: bool = True) -> Diagnosis:
    """Look at pool, disks and machine.  Reads only, but for the canaries."""
    started = ctx.env.monotonic()
    ctx.event(Started("doctor"))
    result = Diagnosis()
    now: Status = status(ctx)
    ctx.event(Notice("the disks were asked"))
    result.add(pool_findings(ctx, now))
    result.add(disk_findings(ctx, now))
    result.add(machine_findings(ctx))
    result.add(source_findings(ctx))
    if canary:
        result.blast, found = blast_radius(ctx)
        result.add(found)
    result.seconds = ctx.env.monotonic() - started
    return result
