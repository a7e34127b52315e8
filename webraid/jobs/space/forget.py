"""forget: snapshots that nobody wants any more are struck off the list.  No data goes; that is for prune to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from webraid.config import Retention
from webraid.errors import ConfigError
from webraid.jobs.base.context import Context, locked
from webraid.jobs.base.dated import AHEAD
from webraid.jobs.base.events import Notice
from webraid.jobs.base.idle import keep_alive
from webraid.jobs.base.retention import (
    BUCKETS,
    FUTURE,
    Candidate,
    Clock,
    Decision,
    Policy,
    decide,
    parse_span,
    parse_tags,
)
from webraid.jobs.base.snapshots import EVERY, Group, Which, chosen, grouped, look, ordered, parse_groups
from webraid.table.fold import FORGET, Shot
from webraid.table.records import Forget

IN_RECORD = 1000  # snapshots that one record strikes off


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot that stays, why, and what the rules have left after it."""

    shot: Shot
    reasons: tuple[str, ...]
    counters: dict[str, int]


@dataclass(slots=True)
class Judged:
    """What the policy says of one group, both lists newest first."""

    group: Group
    keep: list[Kept] = field(default_factory=list)
    remove: list[Shot] = field(default_factory=list)


@dataclass(slots=True)
class Forgotten:
    """``groups``: only where a policy judged; ``removed``: all that went (or would go); ``spoke``: whether any rule
    spoke."""

    groups: list[Judged] = field(default_factory=list)
    removed: list[Shot] = field(default_factory=list)
    dry_run: bool = False
    spoke: bool = True
    seconds: float = 0.0

    @property
    def kept(self) -> list[Kept]:
        """All that the policy keeps."""
        return [kept for judged in self.groups for kept in judged.keep]


def policy_of(section: Retention) -> Policy:
    """The policy in the config.  Raises ConfigError."""
    try:
        return Policy(
            {name: getattr(section, f"keep_{name}") for name in BUCKETS},
            parse_span(section.keep_within),
            {name: parse_span(getattr(section, f"keep_within_{name}")) for name in BUCKETS if name != "last"},
            parse_tags(section.keep_tag),
        )
    except ConfigError as error:
        raise ConfigError(f"[retention] of the config: {error}", hint=error.hint) from None


def forget_by_policy(
    ctx: Context, which: Which = EVERY, *, group_by: str | None = None, allow_none: bool = False, dry_run: bool = False
) -> Forgotten:
    """What [retention] of the config says.  Where it says nothing, nothing is forgotten."""
    section = ctx.config.retention
    by = parse_groups(section.group_by if group_by is None else group_by)
    return forget(ctx, policy=policy_of(section), which=which, by=by, allow_none=allow_none, dry_run=dry_run)


def forget(
    ctx: Context, names: Sequence[str] = (), *, policy: Policy | None = None, which: Which = EVERY,
    by: Sequence[str] = ("host", "paths"), allow_none: bool = False, dry_run: bool = False,
    clock: Clock = datetime.astimezone,
) -> Forgotten:  # fmt: skip
    """Strike off the snapshots ``names``, or those of ``which`` that ``policy`` does not keep, group by group.

    ``clock``: whose hours and days count; this machine's zone if not given.  ``allow_none``: a group may lose all it
    has.  ``dry_run``: nothing is changed.  Raises NotInTable, RightMissing, QuorumLost, PoolBusy, and ConfigError when
    a group would lose all its snapshots.
    """
    started = ctx.env.monotonic()
    if dry_run:
        look(ctx)
        result = _choose(ctx, names, policy or Policy(), which, by, clock)
        _refuse_nothing(result, allow_none=allow_none)
        result.dry_run = True
    else:
        with locked(ctx.settings.places):
            result = _forget(ctx, names, policy or Policy(), which, by, clock, allow_none=allow_none)
    result.seconds = ctx.env.monotonic() - started
    return result


def _forget(
    ctx: Context, names: Sequence[str], policy: Policy, which: Which, by: Sequence[str], clock: Clock, *,
    allow_none: bool,
) -> Forgotten:  # fmt: skip
    ctx.open_table(spot=True)
    ctx.table.require_quorum()
    result = _choose(ctx, names, policy, which, by, clock)
    _refuse_nothing(result, allow_none=allow_none)
    if result.removed or result.spoke:
        ctx.require_right(FORGET)
    gone = [shot.id for shot in result.removed]
    for start in range(0, len(gone), IN_RECORD):
        ctx.table.append(Forget(snapshots=tuple(gone[start : start + IN_RECORD])))
    if result.removed:
        keep_alive(ctx)
        ctx.table.flush(ctx.config.limits.patience)
    return result


def _choose(
    ctx: Context, names: Sequence[str], policy: Policy, which: Which, by: Sequence[str], clock: Clock
) -> Forgotten:
    if names:
        return Forgotten(removed=chosen(ctx, names, which))
    horizon = datetime.fromtimestamp(ctx.env.now(), UTC) + AHEAD
    result = Forgotten(spoke=bool(policy))
    for group, shots in grouped(ordered(ctx, which), by).items():
        judged = _judge(ctx, group, shots, decide([_candidate(shot) for shot in shots], policy, clock, horizon))
        result.groups.append(judged)
        result.removed += judged.remove
    return result


def _candidate(shot: Shot) -> Candidate:
    time = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=shot.info.time_ms)
    return Candidate(shot.id, time, frozenset(shot.info.tags), shot.info.partial, bool(shot.info.problems))


def _judge(ctx: Context, group: Group, shots: Sequence[Shot], decisions: Sequence[Decision]) -> Judged:
    by_id = {shot.id: shot for shot in shots}
    judged = Judged(group)
    for decision in decisions:
        shot = by_id[decision.snapshot.id]
        if decision.keep:
            judged.keep.append(Kept(shot, decision.reasons, dict(decision.counters)))
        else:
            judged.remove.append(shot)
        if FUTURE in decision.reasons:
            text = f"snapshot {shot.name} is {FUTURE}: it stays and counts for no rule"
            ctx.event(Notice(f"{text}; was the clock of {shot.info.host} wrong?", warning=True))
    return judged


def _refuse_nothing(result: Forgotten, *, allow_none: bool) -> None:
    """A mistyped rule must not be the end of all backups."""
    for judged in result.groups:
        whole = [kept for kept in judged.keep if not kept.shot.info.partial and FUTURE not in kept.reasons]
        gone = [shot for shot in judged.remove if not shot.info.partial]
        if gone and not whole and not allow_none:
            raise ConfigError(
                f"nothing was forgotten: these rules keep no snapshot of {_name(judged.group)} ({len(gone)} now)",
                hint="Add --keep-last 1, or --unsafe-allow-remove-all if that is what you want.",
            )


def _name(group: Group) -> str:
    parts = [group.host or "", " ".join(path.decode("utf-8", "backslashreplace") for path in group.paths or ())]
    parts += [",".join(group.tags)] if group.tags else []
    return " ".join(part for part in parts if part) or "the pool"
