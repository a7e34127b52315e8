"""Pages and documents of rebuild, replace, drain, rebalance and relevel."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from webraid.cli.documents import flows_of, summary
from webraid.cli.traffic import Traffic
from webraid.cli.words import duration, iso, many, moment
from webraid.errors import ConfigError
from webraid.model import parse_size, show_size

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.jobs.moves.drain import Drained
    from webraid.jobs.moves.evacuate import Evacuated
    from webraid.jobs.moves.rebalance import Rebalanced
    from webraid.jobs.moves.relevel import Releveled

NOTHING = "it held nothing but the table, which every disk has"
HOMELESS = "Add a disk with 'webraid add-backend' and run it again."


def limit_of(text: str) -> int | None:
    """The bytes of --max.  Raises ConfigError."""
    return parse_size(text) if text else None


def deadline_of(text: str) -> int | None:
    """Milliseconds since 1970 at which that day begins here; 'none': 0; '': None.  Raises ConfigError."""
    if not text:
        return None
    if text == "none":
        return 0
    try:
        day = datetime.datetime.strptime(text, "%Y-%m-%d").astimezone()
    except ValueError:
        raise ConfigError(f"{text!r} is not a date", hint="Write it like 2027-01-31, or 'none'.") from None
    return int(day.timestamp() * 1000)


def day(time_ms: int) -> str:
    """A date in this machine's zone."""
    return moment(time_ms).partition(" ")[0]


# ----------------------------------------------------------------------------------------------------------- documents
def moved(command: str, result: Evacuated, flows: Sequence[Traffic]) -> dict[str, Any]:
    """What rebuild, replace or drain did, or would do."""
    done = result.carried
    return summary(
        command,
        backend=result.name,
        dry_run=result.dry_run,
        total_bytes=result.total,
        total_shards=result.shards,
        planned=[{"backend": name, "bytes": size} for name, size in sorted(result.planned.items())],
        shards_copied=done.copied,
        shards_rebuilt=done.rebuilt,
        shards_read=done.read,
        shards_waiting=done.waiting,
        shards_lost=done.lost,
        shards_elsewhere=result.elsewhere + done.elsewhere,
        data_stored=done.size,
        homeless_shards=result.homeless,
        homeless_bytes=result.short,
        bytes_left=result.left,
        removed=result.removed,
        total_duration=round(done.seconds, 3),
        backends=flows_of(flows),
        exit_code=result.exit_code,
    )


def drained(result: Drained, flows: Sequence[Traffic]) -> dict[str, Any]:
    """The same, with the time it takes."""
    more = {
        "deadline": iso(result.deadline_ms) if result.deadline_ms else None,
        "ends": None if result.ends_ms is None else iso(result.ends_ms),
        "late": result.late,
    }
    return {**moved("drain", result, flows), **more}


def rebalanced(result: Rebalanced, flows: Sequence[Traffic]) -> dict[str, Any]:
    """What rebalance did, or would do."""
    done, freed = result.carried, result.freed
    return summary(
        "rebalance",
        dry_run=result.dry_run,
        planned_bytes=result.planned,
        planned_shards=result.moves,
        stripes_crowded=result.crowded,
        before=[{"backend": name, "bytes": size} for name, size in result.before.items()],
        after=[{"backend": name, "bytes": size} for name, size in result.after.items()],
        shards_moved=done.shards,
        shards_waiting=done.waiting,
        shards_lost=done.lost,
        shards_dropped=result.dropped,
        shards_deleted=freed.shards,
        shards_in_trash=freed.waiting,
        shards_kept=freed.kept,
        data_stored=done.size,
        data_freed=freed.size,
        bytes_left=result.left,
        total_duration=round(done.seconds, 3),
        backends=flows_of(flows),
        exit_code=result.exit_code,
    )


def releveled(result: Releveled, flows: Sequence[Traffic]) -> dict[str, Any]:
    """What relevel did, or would do."""
    return summary(
        "relevel",
        snapshot_id=result.snapshot,
        dry_run=result.dry_run,
        level_before=result.before,
        packs=result.packs,
        packs_fitting=result.fitting,
        packs_widened=result.widened,
        packs_repacked=result.repacked,
        data_read=result.read,
        data_stored=result.stored,
        shards_missing=result.missing,
        lost=result.lost,
        redundancy={"level": result.level, "survives": result.survives, "promised": result.promised},
        total_duration=round(result.seconds, 3),
        backends=flows_of(flows),
        exit_code=result.exit_code,
    )


# --------------------------------------------------------------------------------------------------------------- pages
def show_moved(screen: Screen, verb: str, result: Evacuated, unfinished: str = "", *, lost: bool = False) -> None:
    """What rebuild, replace or drain did, or would do.  ``unfinished``: what to say while the disk must stay; ``lost``:
    nothing can be read from it."""
    if result.dry_run:
        _plan(screen, result)
    else:
        _done(screen, verb if result.removed or not unfinished else f"{unfinished} yet", result, lost=lost)
    if result.short:
        shards = many(result.homeless, "shard finds", "shards find")
        screen.line(f"{shards} no legal home ({show_size(result.short)}): add a disk.", style="yellow")
        screen.next_step(HOMELESS)
    elif result.carried.waiting:
        screen.line(f"{many(result.carried.waiting, 'shard')} could not be stored just now.", style="yellow")
        screen.next_step("Run it again when the disks answer: 'webraid status' says how they are.")


def _plan(screen: Screen, result: Evacuated) -> None:
    if not result.total:
        screen.line(f"{result.name} holds nothing that is not elsewhere as well: nothing would move.")
        return
    count = result.shards - result.homeless
    if not count:
        screen.line(f"Nothing of {result.name} would get a new home.", style="yellow")
        return
    size = show_size(result.total - result.short)
    screen.line(f"{size} in {many(count, 'shard')} of {result.name} would get new homes:")
    screen.pairs([(name, show_size(size)) for name, size in sorted(result.planned.items())])
    _elsewhere(screen, "would go", result.elsewhere)


def _elsewhere(screen: Screen, verb: str, count: int) -> None:
    if count:
        why = "there is no room, or a shard of the same stripe"
        screen.line(f"{many(count, 'shard')} {verb} to other disks than asked for: {why}.")


def _done(screen: Screen, verb: str, result: Evacuated, *, lost: bool) -> None:
    done = result.carried
    parts = [f"{many(done.copied, 'shard')} copied"] if done.copied else []
    parts += [f"{many(done.rebuilt, 'shard')} made again"] if done.rebuilt else []
    told = " and ".join(parts) or ("nothing was moved" if result.left else NOTHING)
    screen.line(f"{verb}: {told}.", style="green" if not result.exit_code else "yellow")
    if done.shards:
        screen.pairs([("stored", f"{show_size(done.size)} in {duration(done.seconds)}")])
    _elsewhere(screen, "went", result.elsewhere + done.elsewhere)
    if done.lost:
        screen.line(f"{many(done.lost, 'shard')} can neither be read nor made again.", style="bold red")
    if result.removed:
        screen.line(f"Disk {result.name} is no longer part of the pool; what lies on it was not touched.")
    elif result.left and lost:
        screen.line(f"Of what lay on {result.name}, {show_size(result.left)} must still be made again.")
    elif result.left:
        screen.line(f"{result.name} still holds {show_size(result.left)} that no other disk has.")


def show_drained(result: Drained, screen: Screen) -> None:
    """The same, with the time it takes and what to do next."""
    ready = not result.left and not result.crowded
    show_moved(screen, f"Disk {result.name} is {'drained' if ready else 'being drained'}", result)
    if result.ends_ms is not None and result.left:
        when = f"At this speed it ends {moment(result.ends_ms)}"
        if result.deadline_ms:
            word = "AFTER" if result.late else "before"
            when += f", {word} the deadline ({day(result.deadline_ms)})"
        screen.line(f"{when}.", style="bold red" if result.late else "")
    elif result.late:
        screen.line(f"The deadline ({day(result.deadline_ms)}) will be missed.", style="bold red")
    if result.late and not result.short:
        screen.next_step("Let it run longer or more often, raise [limits], or add a faster disk and drain onto it.")
    if not result.left and not result.removed and not result.crowded and not result.dry_run:
        screen.line(f"Nothing needs {result.name} any more.", style="green")
        screen.next_step(f"webraid backend rm {result.name}")
    elif result.left and not result.exit_code and not result.dry_run:
        screen.next_step("Run 'webraid drain' again to go on; 'webraid drain --stop NAME' keeps the disk after all.")


def show_rebalanced(screen: Screen, result: Rebalanced) -> None:
    """How full the disks were and are."""
    if not result.moves and not result.dropped and not result.freed.shards:
        screen.line(
            "The disks are as evenly full as they can be, and every stripe lies as it should: nothing to move.",
            style="green",
        )
    elif result.dry_run:
        took = "" if result.seconds is None else f", about {duration(result.seconds)}"
        screen.line(f"{show_size(result.planned)} in {many(result.moves, 'shard')} would move{took}:")
    else:
        took = duration(result.carried.seconds)
        moved = many(result.carried.shards, "shard")
        screen.line(f"{moved} moved, {show_size(result.carried.size)} in {took}.", style="green")
    if result.moves or result.dropped:
        head = ("Disk", "Before", "After")
        rows = [(name, show_size(size), show_size(result.after.get(name, 0))) for name, size in result.before.items()]
        screen.table(head, rows, right=head[1:])
    if result.crowded:
        screen.line(f"{many(result.crowded, 'stripe')} lay with too many shards in one failure domain.")
    _freed(screen, result)


def _freed(screen: Screen, result: Rebalanced) -> None:
    freed = result.freed
    verb = "would be deleted" if result.dry_run else "deleted"
    if freed.shards:
        screen.line(f"{many(freed.shards, 'shard')} {verb} where they lay before: {show_size(freed.size)}.")
    if freed.waiting:
        shards = many(freed.waiting, "moved shard stays", "moved shards stay")
        screen.line(
            f"{shards} in the trash for now: a later 'webraid prune' or 'webraid rebalance' deletes what is due."
        )
    if freed.kept:
        shards = many(freed.kept, "moved shard stays", "moved shards stay")
        screen.line(f"{shards}: no whole copy was found elsewhere.", style="yellow")
        screen.next_step("webraid repair")
    elif result.left and not result.dry_run:
        screen.next_step(f"Run it again to move the other {show_size(result.left)}.")


def show_releveled(screen: Screen, result: Releveled) -> None:
    """What became of the snapshot's packs."""
    would = "would be " if result.dry_run else ""
    if result.packs == result.fitting:
        screen.line(f"Everything in snapshot {result.snapshot} lies at {result.level} already.", style="green")
    else:
        style = "green" if not result.exit_code else "yellow"
        screen.line(f"Snapshot {result.snapshot}: {result.before} -> {result.level}.", style=style)
        counts = (
            ("only more shards", result.widened), ("stored anew", result.repacked), ("as they were", result.fitting),
        )  # fmt: skip
        rows = [(name, many(count, "pack")) for name, count in counts if count]
        screen.pairs([
            *rows, (f"{would}read", show_size(result.read)), (f"{would}stored", show_size(result.stored))
        ])  # fmt: skip
    if result.lost:
        screen.line("Some of it cannot be read: the snapshot keeps its level.", style="bold red")
        screen.next_step("webraid repair")
    elif result.missing:
        screen.line(f"{many(result.missing, 'new shard')} found no disk.", style="yellow")
        screen.next_step("Add a disk, or bring the missing ones back; then run 'webraid repair'.")
    elif result.repacked and not result.dry_run:
        screen.next_step("'webraid prune' frees what the old packs take.")
