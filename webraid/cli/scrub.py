"""scrub: what lies on the disks is compared and read, all of it over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from webraid.cli import documents, verdict
from webraid.cli.choosing import BACKENDS
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.traffic import Traffic, traffic
from webraid.cli.words import duration
from webraid.errors import ConfigError
from webraid.model import show_size

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.jobs.care.scrub import ScrubResult


ALONE = "Leave --backend out, or --resume and --pause."


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "scrub")(scrub)


def scrub(
    call: Invocation,
    list_only: Annotated[
        bool, typer.Option("--list", help="Compare the providers' hashes, download nothing; folders are read.")
    ] = False,
    read_data: Annotated[bool, typer.Option("--read-data", help="Read everything.")] = False,
    subset: Annotated[
        str,
        typer.Option("--read-data-subset", metavar="PART", help="Read a part: 1/7, or the next 5% or 2GiB in turn."),
    ] = "",
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, even if one was interrupted.")] = False,
    pause: Annotated[bool, typer.Option("--pause", help="Stop the scrub that is running on this machine.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the one that was interrupted.")] = False,
    backend: BACKENDS = None,
) -> int:
    """Find damage before it is needed.  Deletes and writes nothing.

    Without flags it does what [check] scrub in the config says.  Ctrl-C is safe: the next scrub goes on where this one
    stopped.  Shards that are bad do not count until 'webraid repair' has made them again.

    \b
    Example:
      webraid scrub
      webraid scrub --read-data-subset 1/7
    """
    _fit(list_only=list_only, read_data=read_data, subset=subset, restart=restart, resume=resume, pause=pause)
    if backend and (resume or pause):
        raise ConfigError("a scrub of some disks is always begun anew, and none goes on with it", hint=ALONE)
    mode = "list" if list_only else "full" if read_data else ""
    with call.pool() as pool:
        if pause:
            pool.pause_scrub()
            document = documents.summary("scrub", paused=True)
            call.summary(lambda: document, lambda screen: screen.line("The scrub will stop within seconds."))
            return 0
        with call.job("scrub", pool):
            result = pool.scrub(mode, subset=subset, restart=restart, resume=resume, disks=backend or ())
        flows = traffic(pool)
    tell = call.show if result.exit_code else call.summary  # -q hides what went as it should, nothing else
    tell(lambda: _document(result, flows), lambda screen: _page(screen, result, flows))
    return result.exit_code


def _fit(*, list_only: bool, read_data: bool, subset: str, restart: bool, resume: bool, pause: bool) -> None:
    """Raises ConfigError for flags that do not go together."""
    from webraid.jobs.care.ring import parse_subset

    if subset:
        parse_subset(subset)
    if sum((list_only, read_data, bool(subset), resume, pause)) > 1 or (restart and (resume or pause)):
        raise ConfigError("these flags do not go together", hint="Use one of --list, --read-data, --read-data-subset.")


def _document(result: ScrubResult, flows: Sequence[Traffic]) -> dict[str, Any]:
    return documents.summary(
        "scrub",
        mode=result.mode,
        resumed=result.resumed,
        paused=result.paused,
        cut_short=result.cut_short,
        bytes_to_read=result.to_read,
        bytes_read=result.bytes_read,
        covered=round(result.covered, 4),
        alarms=result.alarms,
        total_duration=round(result.seconds, 3),
        backends=documents.checked_disks(result.disks, flows),
        redundancy={
            "survives": result.survives,
            "promised": result.promised,
            "disks": result.among,
            "missing_shards": result.missing_shards,
            "unreadable_packs": result.unreadable_packs,
        },
        exit_code=result.exit_code,
    )


MODES = {
    "list": "compared by the providers' hashes; folders were read",
    "sample": "compared by the providers' hashes, and a sample read",
    "round": "compared by the providers' hashes, and the part read that was due",
    "part": "compared by the providers' hashes, and the part read that was asked for",
    "full": "read whole",
}


def _page(screen: Screen, result: ScrubResult, flows: Sequence[Traffic]) -> None:
    screen.verdict(verdict.of_findings(result), result.exit_code)
    screen.line()
    screen.inspected(result.disks)
    for alarm in result.alarms:
        screen.alarm(alarm)
    rows = [
        ("scrub", MODES[result.mode] + (", going on where the last one stopped" if result.resumed else "")),
        ("read", f"{show_size(result.bytes_read)} in {duration(result.seconds)}"),
        ("covered", f"{result.covered:.0%} of all shards were read within [check] full-every"),
    ]
    screen.pairs(rows)
    screen.flows(flows)
    if result.cut_short:
        screen.line(f"Not read to the end: {', '.join(result.cut_short)}. The next scrub goes on there.")
    if result.paused:
        screen.next_step("Paused. 'webraid scrub' goes on where it stopped.")
    else:
        screen.next_step(verdict.after_findings(result))
