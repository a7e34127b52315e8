"""status: where the pool stands, verdict first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from webraid.backend.budget import Balance
from webraid.codec.levels import parse_level
from webraid.config import Source
from webraid.errors import QuorumLost, WebRAIDError
from webraid.files.problem import display
from webraid.jobs.base.context import Context
from webraid.jobs.base.idle import every, overdue, written
from webraid.jobs.base.pages import load_index
from webraid.jobs.base.seats import object_sizes, stored_bytes, used_by_name
from webraid.jobs.base.settings import host
from webraid.jobs.base.snapshots import ordered
from webraid.jobs.care.margin import margin
from webraid.jobs.care.scrub_record import LastScrub, last_scrub, unfinished
from webraid.jobs.moves.drain import drain_progress
from webraid.jobs.standing.growth import note_growth
from webraid.model import DiskState, PoolState, many
from webraid.table.fold import DiskInfo, Shot
from webraid.table.gather import gather
from webraid.table.log import Verdict
from webraid.table.records import ACTIVE, DRAINING, SPARE


@dataclass(frozen=True, slots=True)
class DiskStatus:
    """One disk.  ``stored``: bytes of ours by the table; ``free``: None where nobody knows.  ``written_ms``: when this
    machine last wrote to it, None if never; ``overdue``: so long ago that the provider may think the account idle.
    ``hint``: what only the user can do about it (a login that is over); '' where waiting or plugging in is enough.
    ``role``: active, draining or spare; ``deadline_ms``: until when a draining one is to be empty, 0: whenever;
    ``alone``: bytes that lie on a draining one and on no other, None for all other disks."""

    name: str
    kind: str
    domain: str
    state: str
    detail: str
    stored: int
    free: int | None
    capacity: int | None
    written_ms: int | None = None
    overdue: bool = False
    budgets: tuple[Balance, ...] = ()
    hint: str = ""
    role: str = ACTIVE
    deadline_ms: int = 0
    alone: int | None = None


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """What is stored of one source: its newest whole snapshot.  ``name``: the config's, else the folders' names."""

    name: str
    host: str
    snapshot: str
    time_ms: int
    files: int
    bytes: int
    problems: int
    snapshots: int
    configured: bool = False


@dataclass(slots=True)
class Status:
    """The front page.  ``survives``: disks (failure domains) that may vanish from now on without any loss; -1: some
    data is unreadable now.  ``promised``: what the pool's level promises with all disks there.  ``sources``: what was
    last stored of each, those of the config first, also where there is nothing yet.  ``last_drill_ms``: on whatever
    machine, 0: none yet.  ``condemned_...``: what waits in the trash.  ``unfinished_packs``: stored by a put of this
    machine that goes on just now, or was interrupted."""

    name: str
    pool_id: str
    level: str
    state: str
    survives: int
    promised: int | None
    fresh: bool
    answered: int
    joined: int
    disks: list[DiskStatus] = field(default_factory=list)
    snapshots: int = 0
    last_snapshot: str = ""
    last_time_ms: int = 0
    last_files: int = 0
    last_bytes: int = 0
    packs: int = 0
    chunks: int = 0
    missing_shards: int = 0
    unreadable_packs: int = 0
    alarms: list[str] = field(default_factory=list)
    level_explained: str = ""
    still_needed: int = 0
    sources: list[SourceStatus] = field(default_factory=list)
    last_scrub: LastScrub | None = None
    last_drill_ms: int = 0
    last_drill_files: int = 0
    condemned_packs: int = 0
    condemned_bytes: int = 0
    scrub_unfinished: bool = False
    unfinished_packs: int = 0


def status(ctx: Context) -> Status:
    """Ask all disks, then say where the pool stands.  Never raises because disks are missing, but where none answers
    and this machine has no cache that tells of them: QuorumLost."""
    view = ctx.open_table()
    state = ctx.table.state
    if not state.level:
        raise QuorumLost("no disk of this pool answered, and there is no local cache that tells about it")
    usable = set(ctx.table.usable())
    domains = {disk: domain for disk, domain in ctx.domains().items() if disk in usable}
    load_failed = ""
    try:
        load_index(ctx)
    except WebRAIDError as error:  # a state to report, not a reason to stop
        load_failed = str(error)
    safe = margin(ctx, domains)
    spec, count = parse_level(state.level), len(state.joined())
    enough = count >= spec.least
    promised = spec.losses(ctx.span(spec)) if enough else None
    shots = ordered(ctx)
    result = Status(
        name=state.name, pool_id=ctx.pool.hex(), level=state.level, state="", survives=0, promised=promised,
        fresh=view.fresh, answered=view.counted, joined=count, snapshots=len(shots),
        level_explained=spec.explain(ctx.span(spec)) if enough else "", still_needed=max(0, spec.least - count),
    )  # fmt: skip
    ctx.manners.note_stored(lambda: used_by_name(ctx))
    result.disks = _disks(ctx)
    note_growth(ctx.local, {disk.name: disk.stored for disk in result.disks}, ctx.env.now())
    table_margin = len(set(domains.values())) - 1
    result.survives = min(safe.survives, table_margin, promised if promised is not None else table_margin)
    result.missing_shards, result.unreadable_packs = safe.missing, safe.unreadable
    result.alarms = [f"{ctx.disk_name(disk)}: {answer.verdict.value}" for disk, answer in view.alarms().items()]
    if load_failed:
        result.alarms.append(load_failed)
    result.packs, result.chunks = ctx.index.counts()
    if shots:
        last = shots[-1]
        result.last_snapshot, result.last_time_ms = last.name, last.info.time_ms
        result.last_files, result.last_bytes = last.info.files, last.info.size
    _history(ctx, result)
    healthy = len(usable & set(ctx.domains())) == count and not safe.missing and not result.alarms
    result.state = PoolState.FAILED if result.survives < 0 else PoolState.ONLINE if healthy else PoolState.DEGRADED
    return result


def _history(ctx: Context, result: Status) -> None:
    """What was last done, and what waits to be deleted."""
    state = ctx.table.state
    result.sources = _sources(ctx)
    result.last_scrub = last_scrub(ctx.local)
    result.scrub_unfinished = unfinished(ctx.local) is not None
    result.unfinished_packs = len(ctx.index.pending())
    if state.drilled:
        _, last = max(state.drilled, key=lambda item: item[1].time_ms)
        result.last_drill_ms, result.last_drill_files = last.time_ms, last.files
    for pack_id in state.condemned.keys() - state.swept:
        pack = ctx.index.pack(pack_id)
        result.condemned_packs += 1
        result.condemned_bytes += sum(object_sizes(pack)[home.index] for home in pack.homes) if pack else 0


def _sources(ctx: Context) -> list[SourceStatus]:
    """The config's sources as this machine stores them, then whatever else was stored, by machine and folders."""
    found: dict[tuple[str, str], list[Shot]] = {}
    here = host()
    own = {source.name: _paths(source) for source in ctx.config.sources}
    for shot in ordered(ctx):
        if not shot.info.partial:
            found.setdefault((shot.info.host, _named(shot, own if shot.info.host == here else {})), []).append(shot)
    configured = [(here, name) for name in own]
    rest = sorted(found.keys() - set(configured))
    return [_source(key, found.get(key, []), configured=key in configured) for key in [*configured, *rest]]


def _paths(source: Source) -> set[bytes]:
    return {bytes(Path(path).expanduser().absolute()) for path in source.paths}


def _named(shot: Shot, own: Mapping[str, set[bytes]]) -> str:
    """The source's name; one of the config stored by hand is that one, too."""
    if shot.info.source:
        return shot.info.source
    origins = {root.origin for root in shot.info.roots}
    known = next((name for name, paths in own.items() if paths == origins), "")
    names = ", ".join(display(root.name) for root in shot.info.roots)
    return known or (f"{names} (by hand)" if names in own else names)


def _source(key: tuple[str, str], shots: list[Shot], *, configured: bool) -> SourceStatus:
    if not shots:
        return SourceStatus(key[1], key[0], "", 0, 0, 0, 0, 0, configured)
    last, info = shots[-1], shots[-1].info
    return SourceStatus(
        key[1], key[0], last.name, info.time_ms, info.files, info.size, info.problems, len(shots), configured
    )  # fmt: skip


def _disks(ctx: Context) -> list[DiskStatus]:
    used = stored_bytes(ctx)
    usable = set(ctx.table.usable())
    asked = {
        disk: ctx.disks[disk].usage(urgent=True) for disk in usable if disk in ctx.disks and ctx.disks[disk].caps.usage
    }
    told, _ = gather(asked, ctx.env, enough=lambda _: False, patience=ctx.config.limits.patience)
    result = []
    for info in sorted(ctx.table.state.members(), key=lambda item: item.name):
        section = ctx.config.disk(info.name)
        capacity = section.capacity if section is not None and section.capacity is not None else info.capacity
        free = told[info.id].free if info.id in told else None
        if capacity is not None:
            room = max(0, capacity - used.get(info.id, 0))
            free = room if free is None else min(room, free)
        word, detail = _state(ctx, info)
        result.append(
            DiskStatus(
                info.name, info.kind, info.domain, word, detail, used.get(info.id, 0), free, capacity,
                *_rest(ctx, info), _balances(ctx, info), _hint(ctx, info), info.role,
                info.deadline_ms, drain_progress(ctx, info.id).left if info.role == DRAINING else None,
            )
        )  # fmt: skip
    return result


def _hint(ctx: Context, info: DiskInfo) -> str:
    error = ctx.table.view.errors.get(info.id)
    return error.hint if error is not None and error.needs_you else ""


def _rest(ctx: Context, info: DiskInfo) -> tuple[int | None, bool]:
    """When it was last written to (ms), and whether that is too long ago."""
    last = written(ctx, info.id)
    if last is None:
        return None, False
    local = info.id in ctx.disks and ctx.disks[info.id].caps.local
    return int(last * 1000), overdue(info.kind, local, ctx.env.now() - last, every(ctx.config))


def _balances(ctx: Context, info: DiskInfo) -> tuple[Balance, ...]:
    budget = ctx.manners.budget(info.name)
    return tuple(budget.balances()) if budget else ()


def _state(ctx: Context, info: DiskInfo) -> tuple[str, str]:
    view = ctx.table.view
    answer = view.verdicts.get(info.id)
    if answer is None or answer.verdict is Verdict.SILENT:
        error = view.errors.get(info.id)
        return DiskState.UNREACHABLE.value, (error.args[0] if error else "no answer")
    if answer.verdict in (Verdict.FOREIGN, Verdict.EMPTY):
        return DiskState.FAULTED.value, view.notes.get(info.id, "")
    if answer.verdict is Verdict.LAGGING:
        return DiskState.UNREACHABLE.value, f"does not yet show {many(len(answer.lost), 'record')} that it acknowledged"
    if answer.verdict.alarming:
        detail = view.notes.get(info.id) or f"it lost {many(len(answer.lost), 'record')} that it had acknowledged"
        return DiskState.FAULTED.value, f"{answer.verdict.value}: {detail}"
    if not info.joined:
        return DiskState.REBUILDING.value, "joining: run add-backend again to finish"
    words = [f"behind by {many(len(answer.missing), 'record')}; the next put catches it up"] if answer.missing else []
    words += [balance.sentence() for balance in _balances(ctx, info) if not balance.left]
    state = {DRAINING: DiskState.DRAINING, SPARE: DiskState.SPARE}.get(info.role, DiskState.ONLINE)
    return state.value, "; ".join(words)
