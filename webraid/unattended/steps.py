"""The jobs of a schedule: one table from a job's name to what it asks of the pool, and what came of it in a sentence.

Sentences hold counts and names of disks, sources and levels, never a file's: they go into mails and messages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from webraid.config import Config, parse_duration
from webraid.errors import (
    EXIT_CODES,
    EXIT_DEGRADED,
    EXIT_OK,
    EXIT_PARTIAL,
    EXIT_QUOTA,
    ConfigError,
    PoolBusy,
    RecoveryPending,
    RightMissing,
    WebRAIDError,
    worst,
)
from webraid.model import many, show_size
from webraid.table.fold import FORGET, SWEEP

if TYPE_CHECKING:
    from webraid.jobs.care.findings import Findings
    from webraid.jobs.storing.put import PutResult
    from webraid.pool import Pool

STOPPING = (ConfigError, PoolBusy, RecoveryPending)  # the next job would end in the same way
GOOD_ENOUGH = (EXIT_OK, EXIT_PARTIAL, EXIT_DEGRADED)  # a snapshot was made
DELETING = ("forget", "prune")  # never after a put that did not work ...
ROOM = "prune"  # ... but for lack of room: what was forgotten before makes some


@dataclass(slots=True)
class Outcome:
    """What a job did.  ``summaries``: sentences; ``stored``: source -> its new snapshot; ``worked``: whether the next
    jobs may rely on it; ``no_room``: it did not, for lack of room alone; ``left_out``: there was nothing to do;
    ``stops``: the next jobs would fail in the same way."""

    code: int = EXIT_OK
    summaries: list[str] = field(default_factory=list)
    stored: dict[str, PutResult] = field(default_factory=dict)
    worked: bool = True
    no_room: bool = False
    left_out: bool = False
    stops: bool = False

    def failed(self, error: WebRAIDError | OSError, where: str = "") -> None:
        """Take an error in.  An OSError's file name stays where it is."""
        code, text = _of_error(error)
        self.no_room = code == EXIT_QUOTA and (self.worked or self.no_room)
        self.code, self.worked = worst(self.code, code), False
        self.summaries.append(where + text)
        self.stops |= isinstance(error, STOPPING)

    @property
    def summary(self) -> str:
        """All in one line."""
        return "; ".join(self.summaries)


def left_out(why: str) -> Outcome:
    """Nothing was done."""
    return Outcome(summaries=[f"left out: {why}"], left_out=True)


def _of_error(error: WebRAIDError | OSError) -> tuple[int, str]:
    if isinstance(error, OSError):
        return 1, (error.strerror or type(error).__name__).lower() + ": this machine could not write or read a file"
    hint = f" ({error.hint.rstrip('.')})" if error.hint else ""
    return error.exit_code, f"{error}{hint}"


# ------------------------------------------------------------------------------------------------------------- storing
def _put(pool: Pool, config: Config) -> Outcome:
    """All sources; one that is gone does not keep the others from being stored."""
    outcome = Outcome()
    for result in pool.put_sources():
        name = result.source
        if result.failure is not None:
            outcome.failed(result.failure, f"source {name}: ")
            continue
        outcome.code = worst(outcome.code, result.exit_code)
        outcome.worked = outcome.worked and result.exit_code in GOOD_ENOUGH
        outcome.stored[name] = result
        outcome.summaries.append(f"source {name}: {_of_put(result)}")
    outcome.stops = False  # what is wrong with one source is no matter to the other jobs
    return outcome


def _of_put(result: PutResult) -> str:
    changes = f"{result.files_new} new, {result.files_changed} changed, {result.files_unmodified} unmodified files"
    words = [
        f"nothing has changed since snapshot {result.snapshot}" if result.skipped else f"snapshot {result.snapshot}"
    ]
    words += [changes]
    words += [f"{show_size(result.added)} added", survival(result.survives, result.promised)]
    words += [f"{many(len(result.problems), 'file')} with problems"] if result.problems else []
    words += [f"alarm at {', '.join(result.alarms)}"] if result.alarms else []
    return ", ".join(words)


def _drain(pool: Pool, config: Config) -> Outcome:
    """Disks that are being emptied go on, the nearest deadline first."""
    outcome = Outcome()
    for result in pool.drain_on():
        outcome.code = worst(outcome.code, result.exit_code)
        words = [f"disk {result.name}: {show_size(result.left)} still lie only there"]
        words += ["that is too slow for its deadline"] if result.late else []
        words += [f"{show_size(result.short)} find no other disk: add one"] if result.short else []
        outcome.summaries.append(", ".join(words))
    return outcome if outcome.summaries else left_out("no disk is being drained")


# ------------------------------------------------------------------------------------------------------------ deleting
def _forget(pool: Pool, config: Config) -> Outcome:
    result = pool.forget_by_policy()
    if not result.spoke:
        return left_out("[retention] holds no rule: nothing is forgotten")
    return Outcome(summaries=[f"{many(len(result.removed), 'snapshot')} forgotten, {len(result.kept)} kept"])


def _prune(pool: Pool, config: Config) -> Outcome:
    result = pool.prune()
    words = [f"{show_size(result.freed)} freed"]
    for what, (packs, size) in (("condemned", result.condemned), ("waiting in the trash", result.waiting)):
        words += [f"{many(packs, 'pack')} {what} ({show_size(size)})"] if packs else []
    words += [f"disk {disk.name}: {disk.problem}" for disk in result.disks if disk.problem]
    if result.held:
        words += [f"the owner must confirm with 'webraid prune --owner': {'; '.join(result.held)}"]
    return Outcome(result.exit_code, [", ".join(words)])


# -------------------------------------------------------------------------------------------------------------- others
def _check(pool: Pool, config: Config) -> Outcome:
    result = pool.check()
    return Outcome(result.exit_code, [", ".join(_found(result))])


def _found(result: Findings) -> list[str]:
    corrupt = sum(disk.corrupt for disk in result.disks)
    words = [survival(result.survives, result.promised)]
    words += [f"{many(result.missing_shards, 'shard')} missing"] if result.missing_shards else []
    words += [f"{many(corrupt, 'shard')} corrupt"] if corrupt else []
    words += [f"{many(result.unreadable_packs, 'pack')} unreadable"] if result.unreadable_packs else []
    words += [f"ALARM: {', '.join(result.alarms)}"] if result.alarms else []
    return words + [f"{disk.name} {disk.verdict}" for disk in result.disks if disk.verdict != "equal"]


def _scrub(pool: Pool, config: Config) -> Outcome:
    if config.check.scrub == "off":
        return left_out("[check] scrub is off")
    result = pool.scrub()
    read = f"{show_size(result.bytes_read)} read, {result.covered:.0%} of all within {config.check.full_every}"
    return Outcome(result.exit_code, [", ".join([read, *_found(result)])])


def _drill(pool: Pool, config: Config) -> Outcome:
    """Not every night: it downloads."""
    if not config.check.drill:
        return left_out("[check] drill is 0")
    drills, now = pool._ctx.table.state.drilled, pool._ctx.env.now()
    last = max((record.time_ms / 1000 for record, _ in drills), default=None)
    if last is not None and 0 <= now - last < parse_duration(config.check.drill_every):
        days = many(round((now - last) / 86400), "day")
        return left_out(f"the last one was {days} ago, and [check] wants one every {config.check.drill_every}")
    result = pool.drill(config.check.drill)
    words = [f"{many(len(result.files), 'file')} brought back and compared ({show_size(result.bytes)})"]
    words += [f"without {', '.join(result.without)}"] if result.without else []
    words += [f"{len(result.failed)} did not come back as they were"] if result.failed else []
    return Outcome(result.exit_code, [", ".join(words)])


STEPS: dict[str, Callable[[Pool, Config], Outcome]] = {
    "put": _put, "drain": _drain, "forget": _forget, "prune": _prune, "check": _check, "scrub": _scrub, "drill": _drill,
}  # fmt: skip


def known(jobs: tuple[str, ...]) -> tuple[str, ...]:
    """``jobs`` when all are known.  Raises ConfigError."""
    wrong = next((job for job in jobs if job not in STEPS), None)
    if wrong is not None:
        raise ConfigError(f"{wrong!r} is no job of a schedule", hint=f"Known: {', '.join(STEPS)}.")
    if not jobs:
        raise ConfigError("[schedule] jobs is empty: there is nothing to do", hint=f"Known: {', '.join(STEPS)}.")
    return jobs


def run_step(job: str, pool: Pool, config: Config) -> Outcome:
    """One job; its errors become an outcome."""
    outcome = Outcome()
    try:
        return STEPS[job](pool, config)
    except RightMissing as error:
        if job in (*DELETING, "drain") and _append_only(pool):
            return left_out(f"another machine does it, as {error}")  # what such a device is for
        outcome.failed(error)
    except (WebRAIDError, OSError) as error:
        outcome.failed(error)
    return outcome


def survival(survives: int, promised: int) -> str:
    """How many disks may be lost now, and by the level."""
    if survives < 0:
        return "some data cannot be read now"
    now = f"survives the loss of {many(survives, 'disk')}"
    return now if survives == promised else f"{now} ({promised} promised)"


def _append_only(pool: Pool) -> bool:
    me = pool._ctx.table.state.devices.get(pool._ctx.identity.key.id)
    return me is not None and not {FORGET, SWEEP} <= set(me.rights)


def code_words(code: int) -> str:
    """'22: quota full'."""
    return f"{code}: {EXIT_CODES.get(code, 'error')}"
