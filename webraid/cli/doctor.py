"""doctor: what is not as it should be, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from webraid.cli import documents
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.words import ago, many

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.cli.scheduled import Scheduled
    from webraid.jobs.standing.doctor import Diagnosis
    from webraid.jobs.standing.doctor_finding import Finding


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "doctor")(doctor)


def doctor(
    call: Invocation,
    no_canary: Annotated[
        bool, typer.Option("--no-canary", help="Do not try which disks this machine could erase.")
    ] = False,
) -> int:
    """Look for trouble before it comes.

    At the disks (logins, room, accounts that rest), the pool (redundancy, snapshots, scrubs, drills, keys) and this
    machine (clock, config, schedule, state).  To learn what a thief or ransomware here could erase, a small object is
    put on every disk and deleted again.  Ends with 0 when nothing needs doing.

    \b
    Example:
      webraid doctor
    """
    from webraid.cli.scheduled import scheduled

    with call.pool() as pool, call.hush(), call.job("doctor", pool):
        found = pool.doctor(canary=not no_canary)
        found.add(_schedule(scheduled(call, pool._ctx.config), call.env.now()))
    call.show(lambda: _document(found), lambda screen: _page(screen, found))
    return found.exit_code


def _schedule(plan: Scheduled, now: float) -> Iterator[Finding]:
    from webraid.jobs.standing.doctor_finding import good, warning

    if not plan.installed:
        yield warning(
            "schedule", "no schedule is installed on this machine", "a backup that somebody must remember is forgotten",
            "webraid schedule install",
        )  # fmt: skip
    elif plan.overdue:
        when = ago(now, plan.last_ms) if plan.last_ms else "never"
        yield warning(
            "schedule", f"a scheduled run is overdue: the last one that went well was {when}",
            "what came since is in no backup", "webraid schedule show; webraid schedule run",
        )  # fmt: skip
    elif plan.exit_code:
        yield warning(
            "schedule", f"the last scheduled run ended with {plan.exit_code}: {plan.error or plan.summary}",
            "something in it did not go well", "webraid schedule show", code=plan.exit_code,
        )  # fmt: skip
    else:
        yield good("schedule", f"runs by {plan.how}")


def _document(found: Diagnosis) -> dict[str, Any]:
    return documents.summary(
        "doctor",
        findings=[
            {
                "severity": str(item.severity),
                "topic": item.topic,
                "message": item.what,
                "why": item.why,
                "todo": item.todo,
                "backend": item.disk,
                "exit_code": item.code,
            }
            for item in found.findings
        ],
        blast_radius={
            "backends": [{"name": name, "fate": str(fate)} for name, fate in found.blast.fates.items()],
            "erasable": found.blast.erasable,
            "survives": found.blast.survives,
        }
        if found.blast
        else None,
        total_duration=round(found.seconds, 3),
        exit_code=found.exit_code,
    )


def _page(screen: Screen, found: Diagnosis) -> None:
    count = len(found.open)
    verdict = f"{many(count, 'thing')} to look after." if count else "Nothing needs doing."
    screen.verdict(verdict, found.exit_code)
    for item in found.findings:
        if item.severity != "good":
            screen.line()
            screen.finding(str(item.severity), item.topic, item.what, item.why, item.todo)
    fine = [f"{item.topic}: {item.what}" for item in found.findings if item.severity == "good"]
    if fine:
        screen.line()
        screen.fine(fine)
