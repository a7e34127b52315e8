"""forget: snapshots that are not wanted any more, by restic's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from webraid.cli import prune as pages
from webraid.cli.choosing import HOSTS, PATHS, TAGS, origins, which
from webraid.cli.completion import snapshot_names
from webraid.cli.documents import snapshot, summary
from webraid.cli.flags import command
from webraid.cli.invocation import Invocation
from webraid.cli.snapshots import of_group
from webraid.cli.words import many, moment
from webraid.errors import ConfigError

if TYPE_CHECKING:
    from webraid.cli.render import Screen
    from webraid.jobs.base.retention import Policy
    from webraid.jobs.space.forget import Forgotten, Judged, Kept
    from webraid.jobs.space.pruned import Pruned
    from webraid.pool import Pool
    from webraid.table.fold import Shot


def _count(what: str, *spelled: str) -> Any:
    return typer.Option(*spelled, metavar="N", help=f"Keep {what}.")


def _span(what: str) -> Any:
    return typer.Option(metavar="SPAN", help=f"Keep {what} within SPAN of the newest.")


LAST = Annotated[str | None, _count("the newest N (or: unlimited)", "--keep-last", "-l")]
HOURLY = Annotated[str | None, _count("one for each of N hours", "--keep-hourly", "-H")]
DAILY = Annotated[str | None, _count("one for each of N days", "--keep-daily", "-d")]
WEEKLY = Annotated[str | None, _count("one for each of N weeks", "--keep-weekly", "-w")]
MONTHLY = Annotated[str | None, _count("one for each of N months", "--keep-monthly", "-m")]
YEARLY = Annotated[str | None, _count("one for each of N years", "--keep-yearly", "-y")]
WITHIN = Annotated[str | None, _span("all (SPAN: 14d, 1y6m, 2d12h)")]
HOURLY_WITHIN = Annotated[str | None, _span("one an hour")]
DAILY_WITHIN = Annotated[str | None, _span("one a day")]
WEEKLY_WITHIN = Annotated[str | None, _span("one a week")]
MONTHLY_WITHIN = Annotated[str | None, _span("one a month")]
YEARLY_WITHIN = Annotated[str | None, _span("one a year")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "forget")(forget)


def forget(
    call: Invocation,
    snapshots: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SNAP...]",
            help="These snapshots, whatever the rules say.",
            show_default=False,
            autocompletion=snapshot_names,
        ),
    ] = None,
    keep_last: LAST = None,
    keep_hourly: HOURLY = None,
    keep_daily: DAILY = None,
    keep_weekly: WEEKLY = None,
    keep_monthly: MONTHLY = None,
    keep_yearly: YEARLY = None,
    keep_within: WITHIN = None,
    keep_within_hourly: HOURLY_WITHIN = None,
    keep_within_daily: DAILY_WITHIN = None,
    keep_within_weekly: WEEKLY_WITHIN = None,
    keep_within_monthly: MONTHLY_WITHIN = None,
    keep_within_yearly: YEARLY_WITHIN = None,
    keep_tag: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG[,TAG]", help="Keep those with this tag; 'a,b': with both (repeatable)."),
    ] = None,
    host: HOSTS = None,
    path: PATHS = None,
    tag: TAGS = None,
    group_by: Annotated[
        str | None,
        typer.Option("--group-by", "-g", metavar="host,paths,tags", help="What makes a group; '': all is one."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only show what would go.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Then run 'webraid prune'.")] = False,
    compact: Annotated[bool, typer.Option("--compact", "-c", help="Fewer columns.")] = False,
    unsafe_allow_remove_all: Annotated[
        bool, typer.Option("--unsafe-allow-remove-all", help="The rules may keep nothing at all.")
    ] = False,
) -> int:
    """Forget snapshots that are named, or that no rule keeps.

    Every rule counts for itself, and what any of them wants stays.  Without a rule [retention] of the config counts.
    Nothing is deleted: the space comes back with 'webraid prune'.  Snapshots of the future, and unfinished ones, count
    for no rule.

    \b
    Examples:
      webraid forget --keep-last 3 --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run
      webraid forget --keep-within 14d --keep-within-monthly 1y --host laptop
      webraid forget --keep-last 1 --keep-tag holidays --group-by host --prune
      webraid forget 4f3a12cd
    """
    counts = {
        "last": keep_last, "hourly": keep_hourly, "daily": keep_daily, "weekly": keep_weekly, "monthly": keep_monthly,
        "yearly": keep_yearly,
    }  # fmt: skip
    spans = {
        "hourly": keep_within_hourly, "daily": keep_within_daily, "weekly": keep_within_weekly,
        "monthly": keep_within_monthly, "yearly": keep_within_yearly,
    }  # fmt: skip
    policy = _policy(counts, keep_within, spans, keep_tag or [])
    some = which(host, path, tag)
    if snapshots and (policy or some or group_by is not None):
        raise ConfigError("rules cannot stand beside named snapshots", hint="Name snapshots, or give rules.")
    with call.pool() as pool, call.hush(people=False):
        if snapshots or policy is not None:
            by = "host,paths" if group_by is None else group_by
            result = pool.forget(
                snapshots or [], policy=policy, which=some, group_by=by, allow_none=unsafe_allow_remove_all,
                dry_run=dry_run,
            )  # fmt: skip
        else:
            result = pool.forget_by_policy(
                which=some, group_by=group_by, allow_none=unsafe_allow_remove_all, dry_run=dry_run
            )
        if prune and result.removed and not dry_run:
            return _then_prune(call, pool, result, compact=compact)
    call.summary(lambda: document(result), lambda screen: page(screen, result, compact=compact))
    return 0


def _then_prune(call: Invocation, pool: Pool, result: Forgotten, *, compact: bool) -> int:
    """Whatever becomes of the prune, what was forgotten is told."""
    call.listener.hushed = False
    pruned: Pruned | None = None
    try:
        with call.job("prune", pool):
            pruned = pool.prune()
    finally:
        more = {"prune": pages.document(pruned)} if pruned else {}
        call.summary(
            lambda: {**document(result), **more}, lambda screen: page(screen, result, compact=compact, pruned=pruned)
        )
    return pruned.exit_code


def _policy(
    counts: dict[str, str | None], within: str | None, spans: dict[str, str | None], tags: list[str]
) -> Policy | None:
    """What the flags say; None when they say nothing."""
    if within is None and not tags and not any(text is not None for text in (*counts.values(), *spans.values())):
        return None
    from webraid.jobs.base.retention import Policy, parse_count, parse_span, parse_tags

    return Policy(
        {name: parse_count(text) for name, text in counts.items() if text is not None},
        parse_span(within or ""),
        {name: parse_span(text) for name, text in spans.items() if text is not None},
        parse_tags(tags),
    )


# ------------------------------------------------------------------------------------------------------------ programs
def document(result: Forgotten) -> dict[str, Any]:
    """For programs: restic's list of groups, and what went."""
    return summary(
        "forget",
        dry_run=result.dry_run,
        groups=[_group(judged) for judged in result.groups],
        removed=[shot.id.hex() for shot in result.removed],
        total_duration=round(result.seconds, 3),
    )


def _group(judged: Judged) -> dict[str, Any]:
    group = judged.group
    return {
        "tags": None if group.tags is None else list(group.tags),
        "host": group.host or "",
        "paths": None if group.paths is None else [_text(path) for path in group.paths],
        "keep": [snapshot(kept.shot) for kept in judged.keep],
        "remove": [snapshot(shot) for shot in judged.remove],
        "reasons": [
            {"snapshot": snapshot(kept.shot), "matches": list(kept.reasons), "counters": kept.counters}
            for kept in judged.keep
        ],
    }


def _text(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


# -------------------------------------------------------------------------------------------------------------- people
def page(screen: Screen, result: Forgotten, *, compact: bool, pruned: Pruned | None = None) -> None:
    """For people: every group with what stays and why, then what went."""
    if not result.spoke:
        screen.line("No rule was given, and [retention] of the config holds none: nothing was forgotten.")
        screen.next_step("webraid forget --keep-last 3 --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run")
        return
    for judged in result.groups:
        screen.line(f"{of_group(judged.group)}: {len(judged.keep):,} to keep, {len(judged.remove):,} to forget")
        screen.line()
        if judged.keep:
            _kept(screen, judged.keep, compact=compact)
            screen.line()
        if judged.remove:
            _gone(screen, judged.remove, compact=compact)
            screen.line()
    if not result.groups and result.removed:
        _gone(screen, result.removed, compact=compact)
        screen.line()
    if not result.removed:
        screen.line("Nothing is to be forgotten.")
    elif result.dry_run:
        screen.line(f"{many(len(result.removed), 'snapshot')} would be forgotten.")
    else:
        screen.line(f"{many(len(result.removed), 'snapshot')} forgotten.")
        if pruned is None:
            screen.next_step("webraid prune, as the data is still there")
        else:
            screen.line()
            pages.page(screen, pruned)


def _kept(screen: Screen, kept: list[Kept], *, compact: bool) -> None:
    if compact:
        screen.table(("Keep", "Time", "Why"), [[*_short(one.shot)[:2], ", ".join(one.reasons)] for one in kept])
    else:
        rows = [[*_short(one.shot), ", ".join(one.reasons)] for one in kept]
        screen.table(("Keep", "Time", "Host", "Tags", "Why"), rows)


def _gone(screen: Screen, shots: list[Shot], *, compact: bool) -> None:
    if compact:
        screen.table(("Forget", "Time"), [_short(shot)[:2] for shot in shots])
    else:
        screen.table(("Forget", "Time", "Host", "Tags", "Paths"), [[*_short(shot), origins(shot)] for shot in shots])


def _short(shot: Shot) -> list[str]:
    info = shot.info
    mark = " (partial)" if info.partial else ""
    return [f"{shot.name}{mark}", moment(info.time_ms), info.host, ",".join(info.tags)]
