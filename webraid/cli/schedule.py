"""schedule run: what cron and systemd start; install, show, rm: getting it started by them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from webraid.cli import complaints
from webraid.cli.documents import summary
from webraid.cli.flags import command, family
from webraid.cli.invocation import Invocation
from webraid.cli.words import ago, duration, iso, moment
from webraid.errors import EXIT_CODES, ConfigError

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.unattended.install import Host, Installed, Shown
    from webraid.unattended.record import LastRun
    from webraid.unattended.run import Finished


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = family(app, "schedule", "Runs that nobody starts: by cron or by a systemd timer.")
    command(group, "install")(install)
    command(group, "show")(show)
    command(group, "rm")(remove)
    command(group, "run")(run)


def install(
    call: Invocation,
    cron: Annotated[bool, typer.Option("--cron", help="By lines in your crontab.")] = False,
    systemd: Annotated[bool, typer.Option("--systemd", help="By a systemd timer.")] = False,
    user: Annotated[bool, typer.Option("--user", help="Your own timer; of root: the system's is the default.")] = False,
    system: Annotated[bool, typer.Option("--system", help="A timer of the system, for root.")] = False,
) -> None:
    """Have scheduled runs started, as [schedule] in the config says.

    By systemd where it runs, else by cron.  Run it again after every change of [schedule]: what was installed before
    is replaced.  Everything else in the crontab stays as it is.

    \b
    Example:
      webraid schedule install
      webraid schedule install --cron
    """
    from webraid.unattended import install as installing

    how = _one_of("--cron", cron, "--systemd", systemd)
    whose = _one_of("--user", user, "--system", system)
    made = installing.install(
        call.settings, _host(call), how="cron" if how == "--cron" else "systemd" if how else None,
        system=None if whose is None else whose == "--system",
    )  # fmt: skip
    call.summary(lambda: _made_document(made), lambda screen: _made_page(made, screen))


def show(call: Invocation) -> None:
    """Show what is installed, when the next run is, and how the last one went.

    \b
    Example:
      webraid schedule show
    """
    from webraid.unattended import install as installing

    shown = installing.show(call.settings, _host(call))
    call.show(lambda: _shown_document(shown), lambda screen: _shown_page(shown, screen, call.env.now()))


def remove(call: Invocation) -> None:
    """Have no runs started any more.

    The lines in the crontab or the systemd units go; the config, the log and what is stored stay.

    \b
    Example:
      webraid schedule rm
    """
    from webraid.unattended import install as installing

    gone = installing.remove(call.settings, _host(call))
    lines = [f"Removed: {what}." for what in gone] or ["No schedule was installed."]
    call.summary(lambda: summary("schedule rm", removed=gone), lambda screen: screen.lines(lines))


def _one_of(first: str, is_first: bool, second: str, is_second: bool) -> str | None:
    if is_first and is_second:
        raise ConfigError(f"{first} and {second} exclude each other", hint="Give one of them.")
    return first if is_first else second if is_second else None


def _host(call: Invocation) -> Host:
    from webraid.unattended.install import Host

    return Host(call.environ, os.geteuid() == 0)


def run(
    call: Invocation,
    job: Annotated[
        list[str] | None,
        typer.Option(metavar="JOB", help="Do this one instead of [schedule] jobs; may be given several times."),
    ] = None,
    timer: Annotated[
        bool, typer.Option("--timer", help="As cron calls it: only when due, later by chance, not on battery.")
    ] = False,
    no_jitter: Annotated[bool, typer.Option("--no-jitter", help="With --timer: at once.")] = False,
) -> int:
    """Do what [schedule] in the config says: put, forget, prune, check ...

    Nothing is printed when all goes well and nobody watches; what went wrong goes to stderr, so that cron mails it.
    There is always a log, see 'webraid schedule show'.

    \b
    Example:
      webraid schedule run
      webraid schedule run --job put --job check
    """
    from webraid.unattended.run import run_schedule

    finished = run_schedule(call.settings, jobs=tuple(job or ()), timer=timer, jitter=not no_jitter)
    _report(call, finished)
    return finished.code


def _report(call: Invocation, finished: Finished) -> None:
    if call.flags.json:
        call.lines.write(_document(finished))
    elif sys.stdout.isatty() and not call.flags.quiet and not finished.code:
        text = (finished.headline or f"no run: {finished.skipped}") + "."
        call.screen.line(text[:1].upper() + text[1:])
        for line in finished.details:
            call.screen.line(f"  {line}")
    elif not finished.quiet or (sys.stderr.isatty() and finished.code):
        complaints.tell(finished.headline, finished.code, hint="\n  ".join(finished.details))


def _document(finished: Finished) -> dict[str, Any]:
    record = _built(finished.record) if not finished.skipped else None
    return summary("schedule run", exit_code=finished.code, skipped=finished.skipped, run=record)


def _built(record: LastRun | None) -> Any:
    import msgspec

    return msgspec.to_builtins(record)


def _made_document(made: Installed) -> dict[str, Any]:
    return summary(
        "schedule install", how=made.how, changed=made.changed, next_run=iso(int(made.next_run * 1000)),
        crontab=made.lines, files=made.files, notes=made.notes, to_run=made.to_run,
    )  # fmt: skip


def _made_page(made: Installed, screen: Screen) -> None:
    kind = "lines in your crontab" if made.how == "cron" else "a systemd timer"
    state = "" if made.changed else ", as it was already"
    screen.line(f"Runs are started by {kind}{state}. The next one: {moment(int(made.next_run * 1000))}.")
    screen.lines(f"  {line}" for line in (*made.lines, *made.files))
    screen.lines(f"Note: {note}." for note in made.notes)
    if made.to_run:
        screen.next_step("; ".join(made.to_run))


def _shown_document(shown: Shown) -> dict[str, Any]:
    return summary(
        "schedule show", installed=shown.installed, cron=shown.cron, jobs=list(shown.jobs), stale=shown.stale,
        next_run=iso(int(shown.next_run * 1000)) if shown.next_run else None, crontab=shown.lines, files=shown.files,
        log=str(shown.log), last_run=_built(shown.last),
    )  # fmt: skip


def _shown_page(shown: Shown, screen: Screen, now: float) -> None:
    if not shown.installed:
        screen.line("No schedule is installed.")
    for how in shown.installed:
        screen.line(f"Installed: {how}.")
    screen.lines(f"  {line}" for line in (*shown.lines, *shown.files))
    rows = [("when", shown.cron), ("jobs", ", ".join(shown.jobs))]
    rows += [("next run", moment(int(shown.next_run * 1000)))] if shown.next_run else []
    screen.pairs([*rows, ("last run", _last(shown.last, now)), *_successes(shown.last, now), ("log", str(shown.log))])
    if shown.last:
        screen.pairs([(job.job, job.summary or "done") for job in shown.last.jobs])
    if shown.stale:
        screen.next_step("The config has changed since: run 'webraid schedule install' again.")
    elif not shown.installed:
        screen.next_step("webraid schedule install")


def _last(last: LastRun | None, now: float) -> str:
    if last is None:
        return "none yet"
    began = int(last.started.timestamp() * 1000)
    when = f"{moment(began)}, {ago(now, began)}"
    if last.ended is None:
        return f"{when}: still at work, or killed"
    took = duration((last.ended - last.started).total_seconds())
    code = f"exit code {last.exit_code}, {EXIT_CODES.get(last.exit_code, 'error')}"
    return f"{when}: {'went well' if not last.exit_code else 'failed, ' + code}, took {took}"


def _successes(last: LastRun | None, now: float) -> list[tuple[str, str]]:
    if last is None or not last.exit_code:
        return []
    if last.last_success is None:
        return [("last good run", "none yet")]
    then = int(last.last_success.timestamp() * 1000)
    return [("last good run", f"{moment(then)}, {ago(now, then)}")]
