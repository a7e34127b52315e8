"""Whether a run is due, and when the next one is: cron's times against this machine's clock and what has run."""

from __future__ import annotations

from datetime import UTC, datetime

from webraid.errors import EXIT_BUSY, EXIT_INTERRUPTED, EXIT_TEMPORARY
from webraid.unattended.cron import CronTime
from webraid.unattended.record import LastRun

AGAIN = (EXIT_TEMPORARY, EXIT_BUSY, EXIT_INTERRUPTED)  # nobody needs to do anything: the next try may go well
SLACK = 60.0  # seconds that a clock may be set back without making a run look as if it came from the future


def wall(seconds: float) -> datetime:
    """What the clock on the wall shows, without a zone: comparing these is right on the two odd days of a year."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().replace(tzinfo=None)


def next_time(cron: CronTime, now: float) -> float:
    """When cron starts the next run, seconds since the epoch."""
    when = cron.next_after(wall(now))
    first = when.astimezone().timestamp()
    return first if first > now else when.replace(fold=1).astimezone().timestamp()  # the hour that comes twice


def due(cron: CronTime, now: float, last: LastRun | None, since: float) -> bool:
    """Whether the run that was last scheduled has not taken place.

    It has not when none began since, or the one that did was broken off or failed in a way that may be over by
    itself.  ``since``: when the schedule was installed; what was scheduled before does not count.
    """
    wanted = cron.last_until(wall(now))
    if last is None:
        return wall(since) < wanted
    began = last.started.timestamp()
    if began > now + SLACK:  # by a clock that was wrong
        return True
    if wall(began) < wanted:
        return wall(since) < wanted
    return last.ended is None or last.exit_code in AGAIN
