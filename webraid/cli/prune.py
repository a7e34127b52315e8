"""prune: what no snapshot needs any more is deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from webraid.cli import documents
from webraid.cli.asking import ask
from webraid.cli.check import parse_share
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.passphrase import needed
from webraid.cli.words import iso, many, moment
from webraid.model import parse_size, show_size

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.jobs.space.pruned import DiskSpace, Pruned
    from webraid.pool import Pool


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "prune")(prune)


def prune(
    call: Invocation,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Tell what would go; change nothing.")] = False,
    now: Annotated[
        bool,
        typer.Option(
            "--now",
            help="Delete at once: no trash time, no retention lock, no brake, no drill. Asks for the passphrase.",
        ),
    ] = False,
    owner: Annotated[
        bool,
        typer.Option("--owner", help="Confirm with the passphrase what brake, retention lock and drill hold up."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --now: do not ask.")] = False,
    repack: Annotated[
        bool, typer.Option("--repack/--no-repack", help="Pack half-dead packs anew.", show_default=False)
    ] = True,
    max_repack_size: Annotated[
        str, typer.Option(metavar="SIZE", help="Move no more than this when repacking, such as 2GiB.")
    ] = "",
    max_unused: Annotated[
        str, typer.Option(metavar="SHARE", help="Repack until no more than this is unused, such as 5%.")
    ] = "",
) -> int:
    """Delete what no kept snapshot needs.

    It is condemned first, and deleted by a later prune when it has lain in the trash for [prune] trash (7 days).

    \b
    Examples:
      webraid forget --keep-daily 7 --keep-monthly 12
      webraid prune --dry-run
      webraid prune
      webraid prune --now
    """
    options: dict[str, Any] = {
        "repack": repack,
        "max_repack": parse_size(max_repack_size) if max_repack_size else None,
        "max_unused": parse_share(max_unused) if max_unused else None,
    }
    with call.pool() as pool:
        if now and not dry_run:
            result = _at_once(call, pool, yes, options)
        else:
            secret = needed(call) if owner else ""
            with call.job("prune", pool):
                result = pool.prune(dry_run=dry_run, now=now, secret=secret, **options)
    tell = call.show if result.exit_code or dry_run else call.summary
    tell(lambda: document(result), lambda screen: page(screen, result))
    return result.exit_code


def _at_once(call: Invocation, pool: Pool, yes: bool, options: Mapping[str, Any]) -> Pruned:
    """First it is told what goes, and asked; nothing more than that goes then."""
    told: list[int] = []
    if not yes:
        preview = pool.prune(dry_run=True, now=True, **options)
        if preview.swept[0] or preview.repacked[0] or preview.moved[0]:
            page(call.screen, preview, asking=True)
            answer = ask(call, "Delete this for good? Type 'yes'", instead="--yes")
            if answer.lower() != "yes":
                preview.declined = True
                return preview
        told.append(preview.swept[1])
    secret = needed(call)

    def confirm(pruned: Pruned) -> bool:
        return not told or pruned.swept[1] <= told[0]

    with call.job("prune", pool):
        return pool.prune(now=True, secret=secret, confirm=confirm, **options)


# ---------------------------------------------------------------------------------------------------------- documents
def document(result: Pruned) -> dict[str, Any]:
    """For programs.  Sizes in bytes."""
    return documents.summary(
        "prune",
        dry_run=result.dry_run,
        now=result.now,
        snapshots=result.snapshots,
        forgotten=result.forgotten,
        retention_locked=result.young,
        total_stored=result.stored,
        bytes_unused=result.unused,
        freed=result.freed,
        condemned=_pair(result.condemned),
        waiting={**_pair(result.waiting), "until": iso(result.until_ms) if result.until_ms else None},
        deleted={**_pair(result.swept), "objects": result.objects},
        moved={"shards": result.moved[0], "bytes": result.moved[1]},
        repacked={**_pair(result.repacked), "frees": result.repack_frees},
        pinned=_pair(result.pinned),
        unfinished_runs_of=result.unfinished,
        locked=_pair(result.locked),
        spared=result.spared,
        disks=[_disk(disk) for disk in result.disks],
        held=result.held,
        declined=result.declined,
        total_duration=result.seconds,
    )


def _pair(pair: tuple[int, int]) -> dict[str, int]:
    return {"packs": pair[0], "bytes": pair[1]}


def _disk(disk: DiskSpace) -> dict[str, Any]:
    return {
        "name": disk.name, "stored": disk.stored, "freed": disk.freed, "later": disk.later, "problem": disk.problem,
    }  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- page
def page(screen: Screen, result: Pruned, *, asking: bool = False) -> None:
    """For people: what goes, when, and where it makes room.  ``asking``: before they say whether it may."""
    would = result.dry_run
    if would and result.declined:  # they have just read the rest
        screen.line("Nothing was deleted.")
        return
    screen.line(f"{many(result.snapshots, 'snapshot')} kept. This would go:" if asking else _headline(result))
    rows = [(name, _amount(pair)) for name, pair in _amounts(result) if pair[0]]
    if result.waiting[0] and result.until_ms:
        rows.append(("deleted by", f"{moment(result.until_ms)}, with the next prune after that"))
    if result.dry_run and result.repack_frees:
        rows.append(("repacking frees about", show_size(result.repack_frees)))
    if result.unused:
        rows.append(("unused, but stays", show_size(result.unused)))
    if result.moved[0]:
        what = f"{many(result.moved[0], 'shard')}, {show_size(result.moved[1])}"
        rows.append((f"{'would be ' if would else ''}deleted, moved", what))
    screen.pairs(rows)
    if any(disk.freed or disk.later or disk.problem for disk in result.disks):
        screen.line()
        screen.table(
            ("Disk", "Stored", "Would be freed" if would else "Freed", "Later", ""),
            [[d.name, show_size(d.stored), show_size(d.freed), show_size(d.later), d.problem] for d in result.disks],
            ("Stored", "Would be freed" if would else "Freed", "Later"),
        )
    if result.forgotten and would:
        screen.line(f"Forgotten snapshots whose data is still there: {', '.join(result.forgotten)}")
    if result.young and not result.now:
        day = moment(result.young_until_ms).partition(" ")[0]
        locked = f"{', '.join(result.young)}: forgotten while young, so what they hold stays until {day}"
        screen.line(f"{locked} ([prune] retention-lock; 'webraid prune --owner' does not wait).")
    if result.unfinished:
        screen.line(
            f"Unfinished runs hold packs: of {', '.join(result.unfinished)}. The machine's next put ends them; where it"
            " will never come back: webraid device rm NAME"
        )
    for reason in result.held:
        screen.line(f"Held: {reason}")
    if result.declined:
        screen.line("Nothing was deleted.")
    if result.held:
        screen.next_step("if that is what you want: webraid prune --owner")


def _headline(result: Pruned) -> str:
    kept = f"{many(result.snapshots, 'snapshot')} kept"
    if result.dry_run:
        return f"{kept}; nothing is changed by a dry run."
    if not (result.condemned[0] or result.swept[0] or result.repacked[0] or result.objects):
        return f"{kept}; {'nothing was deleted' if result.held or result.declined else 'there was nothing to delete'}."
    return f"{kept}; {show_size(result.freed)} freed in {result.seconds:.1f} s."


def _amounts(result: Pruned) -> list[tuple[str, tuple[int, int]]]:
    would = "would be " if result.dry_run else ""
    return [
        (f"{would}condemned", (0, 0) if result.now else result.condemned),  # 'deleted' tells of it
        ("in the trash", result.waiting),
        (f"{would}deleted", result.swept),
        (f"{would}repacked", result.repacked),
        ("kept for an unfinished run", result.pinned),
        ("kept by the retention lock", result.locked),
    ]


def _amount(pair: tuple[int, int]) -> str:
    return f"{many(pair[0], 'pack')}, {show_size(pair[1])}"
