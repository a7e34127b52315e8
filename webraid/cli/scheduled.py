"""What status and doctor say of the schedule: whether there is one, how its last run ended, what is overdue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from webraid.cli.invocation import Invocation
    from webraid.config import Config

GRACE = 12 * 3600.0  # seconds that a run may be late: a laptop may sleep through a night


@dataclass(frozen=True, slots=True)
class Scheduled:
    """``how``: cron or systemd; times in ms since the epoch, 0: never.  ``due_ms``: when the run was due that should
    have gone well by now; ``overdue``: none has since."""

    installed: bool = False
    how: str = ""
    last_ms: int = 0
    ended_ms: int = 0
    began_ms: int = 0
    exit_code: int = 0
    error: str = ""
    summary: str = ""
    due_ms: int = 0
    overdue: bool = False

    def late(self, time_ms: int) -> bool:
        """Whether what was last done at ``time_ms`` should have been done again."""
        return self.installed and bool(self.due_ms) and time_ms < self.due_ms


def scheduled(call: Invocation, config: Config) -> Scheduled:
    """From the files of this machine alone."""
    from webraid.errors import ConfigError
    from webraid.unattended.cron import parse_cron
    from webraid.unattended.due import wall
    from webraid.unattended.installed import mark
    from webraid.unattended.record import last_run

    found, last = mark(call.places), last_run(call.places)
    due_ms = 0
    if found is not None:
        try:
            wanted = parse_cron(config.schedule.cron).last_until(wall(call.env.now() - GRACE)).astimezone().timestamp()
        except ConfigError:  # 'config check' tells of it
            wanted = 0.0
        due_ms = int(wanted * 1000) if wanted > found.since.timestamp() else 0
    if last is None:
        return Scheduled(found is not None, found.how if found else "", due_ms=due_ms, overdue=bool(due_ms))
    good = int(last.last_success.timestamp() * 1000) if last.last_success else 0
    worst = next((job.summary for job in last.jobs if job.exit_code), "")
    return Scheduled(
        found is not None, found.how if found else "", good, int(last.ended.timestamp() * 1000) if last.ended else 0,
        int(last.started.timestamp() * 1000), last.exit_code, last.error, worst, due_ms, good < due_ms,
    )  # fmt: skip
