"""What is told of a run that has ended: in which words, to whom, and how it reaches them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from webraid.config import Config, expand
from webraid.errors import EXIT_BUSY, ConfigError, WebRAIDError
from webraid.jobs.base.settings import Settings
from webraid.pool import open_pool
from webraid.unattended import metrics, notices, pings
from webraid.unattended.due import AGAIN
from webraid.unattended.record import JobRecord, LastRun
from webraid.unattended.steps import code_words
from webraid.unattended.traffic import Flows

if TYPE_CHECKING:
    from webraid.jobs.standing.status import Status


@dataclass(frozen=True, slots=True)
class Pinged:
    """Which server, and what went wrong ('': nothing)."""

    where: str
    what: str


def to_tell(run: LastRun, before: LastRun | None) -> bool:
    """Whether people read of it: a run that failed, unless the timer only tried again what failed just so before."""
    if run.exit_code in (0, EXIT_BUSY):
        return False
    again = run.timer and run.exit_code in AGAIN
    return not (again and before is not None and before.ended is not None and before.exit_code == run.exit_code)


def headline(run: LastRun) -> str:
    """One sentence."""
    how = f"failed (exit code {code_words(run.exit_code)})" if run.exit_code else "went well"
    return f"the scheduled run of pool {run.pool} {how}"


def details(run: LastRun) -> list[str]:
    """A line for each job, and where more can be read.  No file is named."""
    lines = [run.error] if run.error else []
    for job in run.jobs:
        state = "" if not job.exit_code else f" [exit code {job.exit_code}]"
        lines.append(f"{job.job}{state}: {job.summary or 'done'}")
    if run.asleep >= 60:
        lines.append(f"this machine slept for {run.asleep:.0f} s meanwhile")
    return [*lines, f"log: {run.log}"]


def reason(error: str, jobs: Sequence[JobRecord]) -> str:
    """Why it failed, in a line, for hooks."""
    return error or next((f"{job.job}: {job.summary}" for job in jobs if job.exit_code), "")


def ping(base: str, ending: str, body: str, settings: Settings) -> Pinged:
    """Tell healthchecks.  ``base`` may hold '${NAME}'."""
    try:
        address = expand(base, settings.environ)
    except ConfigError as error:
        return Pinged("(no address)", str(error))
    return Pinged(pings.shown(address), pings.ping(address, ending, body, settings.env))


def notify(config: Config, environ: Mapping[str, str], run: LastRun) -> str:
    """Tell people by Apprise.  Returns what went wrong, or ''."""
    try:
        addresses = [expand(address, environ) for address in config.notify.apprise]
    except ConfigError as error:
        return str(error)
    verdict = f"failed ({code_words(run.exit_code)})" if run.exit_code else "went well"
    body = "\n".join(details(run)[:-1])  # where the log lies is nobody else's business
    return notices.tell(addresses, f"WebRAID {run.pool}: {verdict}", body, failed=bool(run.exit_code))


def write_metrics(settings: Settings, config: Config, run: LastRun, flows: Flows) -> str:
    """The file for Prometheus, anew.  Returns what went wrong, or ''."""
    now, trouble = _status(settings)
    try:
        metrics.write(Path(config.log.metrics).expanduser(), metrics.render(run, now, flows))
    except OSError as error:
        return f"{config.log.metrics} cannot be written: {error.strerror}"
    return trouble


def _status(settings: Settings) -> tuple[Status | None, str]:
    """Where the pool stands now, or why nobody knows."""
    try:
        with open_pool(settings) as pool:
            return pool.status(), ""
    except WebRAIDError as error:
        return None, f"without the disks: {error}"
    except OSError as error:
        return None, f"without the disks: {error.strerror}"
