"""repair: missing and damaged shards are made again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from webraid.cli import documents, verdict
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.traffic import Traffic, traffic
from webraid.cli.words import listed, many
from webraid.model import show_size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from webraid.cli.render import Screen
    from webraid.jobs.care.repair_plan import Foreseen


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "repair")(repair)


def repair(
    call: Invocation,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Only say what would be made again, and where it would go.")
    ] = False,
) -> int:
    """Make missing and damaged shards again.

    They are made from this machine's own files where these still hold what was stored, else from shards on other
    disks, and put back on their disk, on a hot spare, or on another one when theirs is gone.  Nothing is ever removed.

    \b
    Examples:
      webraid repair --dry-run
      webraid repair
    """
    if dry_run:
        return _foresee(call)
    with call.pool() as pool:
        with call.job("repair", pool):
            result = pool.repair()
        flows = traffic(pool)
    code = verdict.repair_code(result)
    call.summary(
        lambda: (
            documents.repair(result, code, flows)
            | {
                "shards_from_files": result.from_files,
                "bytes_read": result.read,
                "chunks_saved": result.saved,
                "bytes_saved": result.saved_bytes,
                "packs_without_room": result.unsaved,
            }
        ),
        lambda screen: screen.repaired(result),
    )
    return code


def _foresee(call: Invocation) -> int:
    with call.pool() as pool:
        with call.job("repair", pool):
            result = pool.repair_plan()
        flows = traffic(pool)
    call.show(lambda: _document(result, flows), lambda screen: _page(screen, result))
    return result.exit_code


def _document(result: Foreseen, flows: Sequence[Traffic]) -> dict[str, Any]:
    return documents.summary(
        "repair",
        dry_run=True,
        shards_repaired=result.shards,
        shards_waiting=result.waiting,
        packs_lost=result.lost,
        bytes_stored=result.size,
        bytes_read=result.read,
        planned=[{"backend": name, "bytes": size} for name, size in sorted(result.planned.items())],
        backends_to_mend=result.mend,
        backends_silent=result.silent,
        total_duration=round(result.seconds, 3),
        backends=documents.flows_of(flows),
        exit_code=result.exit_code,
    )


def _page(screen: Screen, result: Foreseen) -> None:
    idle = not (result.shards or result.waiting or result.lost or result.mend)
    if result.silent:
        do = "does" if len(result.silent) == 1 else "do"
        screen.line(f"{listed(result.silent)} {do} not answer: what lies there is waited for.", style="yellow")
    if idle:
        screen.line("Nothing else is known to be missing." if result.silent else "Nothing is known to be missing.")
        screen.next_step(f"webraid rebuild {result.silent[0]}   (if it is gone for good)" if result.silent else "")
        return
    if result.mend:
        them = "it" if len(result.mend) == 1 else "them"
        text = f"{listed(result.mend)} would be put right first: more may turn out to be missing on {them}."
        screen.line(text, style="yellow")
    if result.shards:
        screen.line(f"{many(result.shards, 'shard')} would be made again, {show_size(result.size)}:")
        screen.pairs([(name, show_size(size)) for name, size in sorted(result.planned.items())])
        screen.line(f"{show_size(result.read)} would be read for it, less what this machine's own files still hold.")
    if result.waiting:
        screen.line(f"{many(result.waiting, 'shard')} would have to wait for a disk.", style="yellow")
    if result.lost:
        packs = many(result.lost, "pack has", "packs have")
        screen.line(f"{packs} too few shards left: a repair looks into this machine's own files.", style="bold red")
    screen.next_step("webraid repair" if result.shards or result.mend or result.lost else "")
