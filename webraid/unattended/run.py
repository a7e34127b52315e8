"""A scheduled run from its start to its end: whether it takes place, hooks around it, its jobs, and who is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from webraid.config import PROFILE, Config, load, parse_duration
from webraid.errors import (
    EXIT_BUSY,
    EXIT_ERROR,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_TEMPORARY,
    ConfigError,
    PoolBusy,
    WebRAIDError,
    worst,
)
from webraid.jobs.base.settings import Settings
from webraid.pool import open_pool
from webraid.unattended import aftermath, due, installed, machine, notices, pings
from webraid.unattended.cron import parse_cron
from webraid.unattended.hooks import hook_environ, run_hooks
from webraid.unattended.listening import Listening
from webraid.unattended.logbook import Logbook, log_path
from webraid.unattended.record import JobRecord, LastRun, SourceRecord, last_run, moment, save
from webraid.unattended.steps import DELETING, ROOM, Outcome, code_words, known, left_out, run_step
from webraid.unattended.traffic import Flows

ASLEEP = 60.0  # seconds between the two clocks from which on the machine has slept
AFTER_WAKING = 20.0  # seconds until a network is usually there again
STALE = 3 * 86400.0  # seconds without a good run from which on even 'busy' is told


@dataclass(slots=True)
class Finished:
    """How it went.  ``quiet``: nobody needs to read it.  ``skipped``: why nothing was done, '' when something was."""

    code: int = EXIT_OK
    quiet: bool = True
    skipped: str = ""
    headline: str = ""
    details: list[str] = field(default_factory=list)
    log: Path | None = None
    record: LastRun | None = None


def run_schedule(
    settings: Settings, *, jobs: Sequence[str] = (), timer: bool = False, jitter: bool = True,
    power: Path = machine.POWER,
) -> Finished:  # fmt: skip
    """Do the jobs of [schedule], or those named.

    ``timer``: cron or systemd ask, so it only takes place when it is due, after the jitter, and not on battery.
    Raises ConfigError and NotAPool before anything has begun; whatever happens later is in the answer.
    """
    settings, config = _config(settings)
    wanted = known(tuple(jobs) or config.schedule.jobs)
    log = Logbook(log_path(config, settings.places), settings.env)
    try:
        with machine.single(settings.places):
            before = last_run(settings.places)
            why_not = _wait(settings, config, before, jitter=jitter, power=power) if timer else ""
            if why_not:
                if why_not != NOT_DUE:
                    log.line(f"no run: {why_not}")
                return Finished(skipped=why_not, record=before)
            return _Run(settings, config, wanted, log, before, timer=timer).go()
    except PoolBusy as error:
        log.line(f"no run: {error}")
        return _busy(settings, error, last_run(settings.places))


NOT_DUE = "it is not due"


def _config(settings: Settings) -> tuple[Settings, Config]:
    """The config, under the profile of [schedule] unless another one is asked for; one that cannot be read is told in
    the log, too, at its usual place."""
    try:
        config = load(settings.places.config, settings.environ)
        if config.schedule.profile and PROFILE not in settings.environ:
            settings = replace(settings, environ={**settings.environ, PROFILE: config.schedule.profile})
            config = load(settings.places.config, settings.environ)
        return settings, config
    except ConfigError as error:
        if settings.places.state.is_dir():
            Logbook(settings.places.state / "webraid.log", settings.env).line(f"no run: {error}")
        raise


def _wait(settings: Settings, config: Config, before: LastRun | None, *, jitter: bool, power: Path) -> str:
    """Why a run that the timer asks for does not take place; else '' after the jitter."""
    env, schedule = settings.env, config.schedule
    cron = parse_cron(schedule.cron)
    if schedule.catch_up and not due.due(cron, env.now(), before, installed.since(settings.places)):
        return NOT_DUE
    longest = parse_duration(schedule.jitter)
    if jitter and longest:
        env.sleep(env.rng.uniform(0, longest))
    if not schedule.on_battery and machine.on_battery(power):
        return "this machine is on battery"
    return ""


def _busy(settings: Settings, error: PoolBusy, before: LastRun | None) -> Finished:
    """Quiet, unless it has been so for days: a run that hangs must not end all backups in silence."""
    succeeded = before.last_success.timestamp() if before and before.last_success else None
    stale = succeeded is not None and settings.env.now() - succeeded > STALE
    headline = f"no scheduled run: {error}"
    details = ["the last run that went well was days ago: see what holds the pool"] if stale else []
    return Finished(EXIT_BUSY, not stale, str(error), headline, details, record=before)


class _Run:
    def __init__(
        self, settings: Settings, config: Config, jobs: tuple[str, ...], log: Logbook, before: LastRun | None, *,
        timer: bool,
    ) -> None:  # fmt: skip
        self.config, self.jobs, self.log, self.before = config, jobs, log, before
        self.env = settings.env
        self.settings = replace(settings, on_event=Listening(log).event)
        self.flows = Flows()
        self.code, self.error = EXIT_OK, ""
        self.outcomes: list[JobRecord] = []
        self.sources: dict[str, SourceRecord] = dict(before.sources) if before else {}
        self.done = dict(before.done) if before else {}
        self.snapshots: list[str] = []
        self.margins: list[tuple[int, int]] = []
        self.backed_up = before.backed_up if before and "put" not in jobs else "put" not in jobs
        self.no_room = False
        self.started, self.lag = self.env.now(), self._lag()
        self.record = LastRun(
            pool=config.pool.name, started=moment(self.started), timer=timer, sources=self.sources, done=self.done,
            last_success=before.last_success if before else None, backed_up=self.backed_up, log=str(log.path),
        )  # fmt: skip

    def go(self) -> Finished:
        """All of it.  What is foreseen by nobody passes through, with everything ended as it should be."""
        machine.stand_back(self.config.schedule.nice)
        self.log.begin(self.config.log.keep)
        self.log.line(f"run of pool {self.config.pool.name}: {', '.join(self.jobs)}")
        self._save(self.record)
        self._ping("start")
        foreseen = False
        try:
            self._jobs_between_hooks()
            foreseen = True
        except KeyboardInterrupt:
            self._failed(EXIT_INTERRUPTED, "interrupted: the next run goes on from here")
            foreseen = True
        finally:
            if not foreseen:
                self._failed(EXIT_ERROR, "an error that nobody foresaw: run 'webraid schedule run --debug' to see it")
            finished = self._end()
        return finished

    # -- what is done ------------------------------------------------------------------------------------------------
    def _jobs_between_hooks(self) -> None:
        trouble = self._hooks("before")
        if trouble:
            self._failed(EXIT_ERROR, trouble)
            return
        stopped = ""
        for job in self.jobs:
            if stopped:
                self._note(job, left_out(f"{stopped} has failed in a way that stops the run"), 0.0)
                continue
            if job in DELETING and not self.backed_up and not (job == ROOM and self.no_room):
                self._note(job, left_out("nothing is deleted until put has worked"), 0.0)
                continue
            stopped = job if self._job(job).stops else ""

    def _job(self, job: str) -> Outcome:
        """One job, once more when the machine has slept meanwhile and its connections were dead when it woke up."""
        began, lag = self.env.monotonic(), self._lag()
        self.log.line(f"{job}: begins")
        outcome = self._step(job)
        if outcome.code == EXIT_TEMPORARY and self._lag() - lag > ASLEEP:
            self.log.line(f"{job}: {outcome.summary}")
            self.log.line(f"{job}: this machine has slept for {self._lag() - lag:.0f} s meanwhile: once more")
            self.env.sleep(AFTER_WAKING)
            outcome = self._step(job)
        self._note(job, outcome, self.env.monotonic() - began)
        return outcome

    def _step(self, job: str) -> Outcome:
        """On a pool opened anew: what hangs or has been given up in one job is no burden for the next one."""
        outcome = Outcome()
        try:
            with open_pool(self.settings) as pool:
                outcome = run_step(job, pool, self.config)
                self.flows.take(pool)
        except (WebRAIDError, OSError) as error:
            outcome.failed(error)
        return outcome

    def _note(self, job: str, outcome: Outcome, seconds: float) -> None:
        self.code = worst(self.code, outcome.code)
        for sentence in outcome.summaries:
            self.log.line(f"{job}: {sentence}")
        self.log.line(f"{job}: {'left out' if outcome.left_out else f'exit code {code_words(outcome.code)}'}")
        self.outcomes.append(
            JobRecord(
                job=job, exit_code=outcome.code, summary=outcome.summary, seconds=round(seconds, 3),
                left_out=outcome.left_out,
            )
        )  # fmt: skip
        now = moment(self.env.now())
        if outcome.worked and not outcome.left_out and (job == "put" or outcome.code == EXIT_OK):
            self.done[job] = now
        if job == "put":
            self.backed_up, self.no_room = outcome.worked and not outcome.left_out, outcome.no_room
        for source, result in outcome.stored.items():
            self.margins.append((result.survives, result.promised))
            self.snapshots += [result.snapshot] if result.snapshot else []
            self.sources[source] = SourceRecord(
                snapshot=result.snapshot, time=now, files=result.files, bytes=result.bytes, added=result.added
            )

    # -- how it ends -------------------------------------------------------------------------------------------------
    def _end(self) -> Finished:
        trouble = self._hooks("after") if self.code == EXIT_OK else ""
        if trouble:
            self._failed(EXIT_ERROR, trouble)
        for when in (*(("failed",) if self.code else ()), "finally"):
            trouble = self._hooks(when)
            if trouble:
                self._failed(EXIT_ERROR, trouble)
        self.flows.log(self.log)
        ended = self.env.now()
        least = min(self.margins, default=None)
        self.record = LastRun(
            pool=self.record.pool, started=self.record.started, ended=moment(ended), exit_code=self.code,
            error=self.error, timer=self.record.timer, asleep=round(max(0.0, self._lag() - self.lag), 1),
            jobs=tuple(self.outcomes), snapshots=tuple(self.snapshots), survives=least[0] if least else None,
            promised=least[1] if least else None, sources=self.sources, done=self.done, backed_up=self.backed_up,
            last_success=moment(ended) if self.code == EXIT_OK else self.record.last_success, log=self.record.log,
        )  # fmt: skip
        told = aftermath.to_tell(self.record, self.before)
        self.log.line(f"ended after {max(0.0, ended - self.started):.0f} s: exit code {code_words(self.code)}")
        self._tell(told)
        self._save(self.record)
        return self._finished(told)

    def _tell(self, told: bool) -> None:
        """Metrics, healthchecks, people; each may fail, and none of it changes how the run ended."""
        if self.config.log.metrics:
            trouble = aftermath.write_metrics(self.settings, self.config, self.record, self.flows)
            if trouble:
                self.log.line(f"metrics: {trouble}")
        self._ping(str(self.code) if self.code else "")
        if notices.wanted(self.config, self.record, self.before, told=told):
            trouble = aftermath.notify(self.config, self.settings.environ, self.record)
            self.log.line(f"notify: {trouble or 'told'}")

    def _finished(self, told: bool) -> Finished:
        details = aftermath.details(self.record)
        if self.log.trouble:
            details.append(self.log.trouble)
        return Finished(
            self.code, not told and not self.log.trouble, "", aftermath.headline(self.record), details, self.log.path,
            self.record,
        )  # fmt: skip

    # -- small ones --------------------------------------------------------------------------------------------------
    def _lag(self) -> float:
        """The two clocks' difference: it grows while the machine sleeps, as only one of them goes on."""
        return self.env.now() - self.env.monotonic()

    def _failed(self, code: int, why: str) -> None:
        self.code = worst(self.code, code)
        self.error = self.error or why
        self.log.line(why)

    def _hooks(self, when: str) -> str:
        hooks = self.config.hooks
        commands: Mapping[str, tuple[str, ...]] = {
            "before": hooks.before, "after": hooks.after, "failed": hooks.failed, "finally": hooks.finally_
        }  # fmt: skip
        jobs = [item.job for item in self.outcomes if item.exit_code] if when == "failed" else self.jobs
        environ = hook_environ(
            self.settings.environ, hook=when, job=" ".join(jobs), exit_code=str(self.code),
            error=aftermath.reason(self.error, self.outcomes), snapshot=(self.snapshots or [""])[-1],
            snapshots=" ".join(self.snapshots), pool=self.config.pool.name,
        )  # fmt: skip
        return run_hooks(when, commands[when], environ, timeout=parse_duration(hooks.timeout), log=self.log)

    def _ping(self, ending: str) -> None:
        base = self.config.notify.healthchecks
        if not base:
            return
        trouble = aftermath.ping(base, ending, self.log.tail(pings.MOST_BODY), self.settings)
        self.log.line(f"healthchecks at {trouble.where}: {trouble.what or 'told'}")

    def _save(self, record: LastRun) -> None:
        try:
            save(self.settings.places, record)
        except OSError as error:
            self.log.trouble = f"{self.settings.places.state} cannot be written: {error.strerror}"
            self.log.line(self.log.trouble)
