"""add-backend: a disk joins the pool.  Announced, filled with all metadata, and only then counted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from webraid.backend.base import Backend
from webraid.backend.disk import Disk
from webraid.backend.probe import Probe, probe
from webraid.backend.registry import load
from webraid.codec.levels import parse_level
from webraid.config import put_disk, valid_name
from webraid.errors import BackendError, ConfigError, NotEnoughDisks, ObjectNotFound, RightMissing, Unavailable
from webraid.jobs.base.caps import keep_caps
from webraid.jobs.base.connection import Connection, make_disk, seal_connection
from webraid.jobs.base.context import Context
from webraid.jobs.base.fill import ask, fill, listing
from webraid.jobs.base.pages import load_index
from webraid.jobs.base.vault import Pending, vault_of
from webraid.jobs.care.margin import margin
from webraid.jobs.disks.backends import SCRATCH, section_of
from webraid.jobs.disks.login import Reached, explained
from webraid.jobs.disks.nested import refuse_nested
from webraid.jobs.disks.takeout import refuse_taken_out, take_out
from webraid.model import Usage
from webraid.table.fold import SWEEP, DiskInfo
from webraid.table.records import AddDisk, Joined
from webraid.table.spread import Acks
from webraid.table.survey import MARKER, digest_of, marker, read_marker

ADDING = "adding"  # key of the local cache: the disk that is being added


@dataclass(frozen=True, slots=True)
class Added:
    """What joined, and what the pool survives now with its default level (None: too few disks for it yet).
    ``stored_survives``: what the data stored so far survive (None: there are none).  ``latency`` seconds, ``up`` and
    ``down`` bytes a second, ``notes``: what the probe found; ``free_tier``: what costs nothing there, in words.
    ``silent``: disks of the pool that do not answer."""

    name: str
    kind: str
    domain: str
    free: int | None
    disks: int
    level: str
    survives: int | None
    still_needed: int
    stored_survives: int | None = None
    latency: float = 0.0
    up: float = 0.0
    down: float = 0.0
    notes: tuple[str, ...] = ()
    free_tier: str = ""
    silent: tuple[str, ...] = ()


def check_name(ctx: Context, name: str) -> None:
    """Before anybody logs in for nothing.  Raises ConfigError."""
    valid_name(name)
    try:
        ctx.require_right(SWEEP)
    except RightMissing:  # the owner may have given it since this machine looked last
        ctx.open_table()
        ctx.require_right(SWEEP)
    for info in ctx.table.state.members():
        if info.name == name and not _unfinished(ctx, info):
            raise _taken(name)


def add_backend(
    ctx: Context, reached: Reached, *, domain: str = "", capacity: int | None = None, reserve: int | None = None
) -> Added:  # fmt: skip
    """Join a new disk; run again after an interruption it goes on where it was.

    Raises ConfigError for a name or place that does not fit, BackendError when the place refuses, QuorumLost when too
    few of the other disks answer.
    """
    name = valid_name(reached.name)
    ctx.open_table()
    ctx.require_right(SWEEP)
    info = _same(ctx, name, reached.identity)
    if info is None:
        refuse_nested(ctx, reached)
    if ctx.table.state.joined():
        ctx.table.require_quorum()
    connection = Connection(
        name=name, kind=reached.kind, domain=domain or reached.company, options=reached.options,
        secrets=reached.secrets, capacity=capacity, reserve=reserve or 0,
    )  # fmt: skip
    disk_id = info.id if info else ctx.env.random(8)
    pending, manners = Pending(), ctx.manners
    disk = make_disk(
        connection, id=disk_id, settings=ctx.settings, limits=manners.limits(name), lines=manners.lines, keeper=pending,
        transfers=ctx.config.limits.transfers, retries=ctx.config.limits.retries,
    )  # fmt: skip
    try:
        claimed = _claim(ctx, disk, mine=info is not None)
    except BaseException as error:
        disk.close()
        if isinstance(error, BackendError):
            explained(error)
        raise
    _seat(ctx, disk)
    ctx.local.set(ADDING, disk_id)
    secrets = pending.settle(vault_of(ctx.settings), name, reached.secrets)
    connection = msgspec.structs.replace(connection, secrets=secrets)
    acks = None if info is not None and info.joined else _announce(ctx, disk_id, connection, reached.identity)
    put_disk(ctx.settings.places.config, replace(section_of(connection), reserve=reserve))
    join(ctx, disk, acks)
    keep_caps(ctx.local, disk_id, claimed.probe)
    ctx.local.set(ADDING, b"")
    return _result(ctx, connection, claimed)


def _announce(ctx: Context, disk: bytes, connection: Connection, identity: str) -> Acks:
    """The disk takes its seat; an interrupted run's is taken again, with the login given now."""
    sealed = seal_connection(connection, ctx.identity.root, ctx.pool, ctx.env)
    return ctx.table.append(
        AddDisk(
            disk=disk, name=connection.name, kind=connection.kind, domain=connection.domain, identity=identity,
            capacity=connection.capacity, connection=sealed,
        )
    )  # fmt: skip


def _seat(ctx: Context, disk: Disk) -> None:
    """An interrupted add-backend has left the disk a seat: this connection is the one the user gives now."""
    before = ctx.disks.get(disk.id)
    if before is not None:
        before.close()
    ctx.disks[disk.id] = disk


def _same(ctx: Context, name: str, identity: str) -> DiskInfo | None:
    """The seat of an interrupted add-backend of the very same disk, if there is one."""
    for info in ctx.table.state.members():
        same_place = info.identity == identity
        if info.name == name and same_place and _unfinished(ctx, info):
            return info
        if same_place:
            raise ConfigError(
                f"this place is a disk of the pool already, called {info.name!r}",
                hint="Two disks in one place would fail together: nothing would be gained.",
            )
        if info.name == name:
            raise _taken(name)
    return None


def _unfinished(ctx: Context, info: DiskInfo) -> bool:
    return not info.joined or ctx.local.get(ADDING) == info.id


def _taken(name: str) -> ConfigError:
    return ConfigError(f"there is a disk called {name!r} already", hint="Choose another name.")


@dataclass(frozen=True, slots=True)
class _Claimed:
    usage: Usage
    probe: Probe


def _claim(ctx: Context, disk: Disk, *, mine: bool) -> _Claimed:
    """Make the place ours: empty before, tried out with real requests, marked after."""

    def work(backend: Backend) -> _Claimed:
        backend.prepare()
        _refuse_foreign(ctx, backend, disk, mine)
        for left in list(backend.list(SCRATCH)):  # of an add-backend that was interrupted
            backend.delete(left.name, locator=left.locator)
        try:
            found = probe(backend, ctx.env, f"{SCRATCH}{ctx.env.random(6).hex()}/")
        except ObjectNotFound as error:
            raise Unavailable(
                "what was just put there is gone: is another machine adding this very place?", key=error.key
            ) from error
        data = marker(ctx.pool, disk.id)
        backend.put(MARKER, data, digest=digest_of(data))
        return _Claimed(backend.usage(), found)

    return ask(ctx, disk, disk.call(work))


def _refuse_foreign(ctx: Context, backend: Backend, disk: Disk, mine: bool) -> None:
    try:
        found = read_marker(backend.get(MARKER))
    except ObjectNotFound:
        left = (stored.name for stored in backend.list("") if not stored.name.startswith(SCRATCH))
        if mine or next(left, None) is None:
            return
        raise ConfigError(
            f"disk {disk.name}: the place is not empty and no disk of this pool",
            hint="Choose an empty folder, bucket or prefix: webraid never shares one with other data.",
        ) from None
    if found.pool != ctx.pool:
        raise ConfigError(
            f"disk {disk.name}: the place is a disk of another pool ({found.pool.hex()[:8]})",
            hint="Choose an empty place, or recover that pool with 'webraid recover'.",
        )
    known = ctx.table.state.disks.get(found.disk)
    if found.disk != disk.id and known is not None:
        raise ConfigError(
            f"disk {disk.name}: the place holds the pool's disk {known.name!r}",
            hint="It belongs to the pool already, or was removed from it: empty it before it is used again.",
        )


def join(ctx: Context, disk: Disk, announced: Acks | None) -> None:
    """Fill the disk, then let it count.  The order is checked by tests/models/changes.py: whoever commits after our
    reading of the log finds the AddDisk record, and sends his commit to this disk, too, or to one more of the others.

    ``announced``: who took the AddDisk record; None: an interrupted run came as far as JOINED.
    """
    there = listing(ctx, disk)
    if ctx.table.state.joined():
        if announced is None:
            ctx.open_table()
            ctx.table.require_quorum()
        else:
            ctx.table.fence(announced)
            _give_way(ctx, disk)
        load_index(ctx)
    refuse_taken_out(ctx, disk.id)
    fill(ctx, disk, there)
    ctx.table.trust(disk.id, there)
    joined = ctx.table.state.disks[disk.id].joined
    ctx.table.fence(ctx.table.spread_head() if joined else ctx.table.append(Joined(disk=disk.id)))
    refuse_taken_out(ctx, disk.id)
    load_index(ctx)
    fill(ctx, disk, there | ctx.table.book.names.keys())  # table packs of commits that came meanwhile
    ctx.table.flush(ctx.config.limits.patience)


def _give_way(ctx: Context, disk: Disk) -> None:
    """Another machine adds this very place at the same moment, or one of this name: at least one of the two sees the
    other here, and takes its own out again.  Raises ConfigError."""
    mine = ctx.table.state.disks[disk.id]
    others = [info for info in ctx.table.state.members() if info.id != disk.id]
    same = [info for info in others if info.identity == mine.identity]
    if not same and not any(info.name == mine.name for info in others):
        return
    what = "this place" if same else f"a disk called {mine.name!r}"
    if not mine.removed:
        take_out(ctx, mine, lost=bool(same), heedless=True)
    raise ConfigError(
        f"another machine is adding {what} at this moment: nothing was added here",
        hint="'webraid backend ls' shows in a while whether it came to its end there; if not, run the command again"
        + ("." if same else ", perhaps with another name and an empty place."),
    )


def _result(ctx: Context, connection: Connection, claimed: _Claimed) -> Added:
    count = len(ctx.table.state.joined())
    spec = parse_level(ctx.table.state.level)
    try:
        survives: int | None = spec.losses(ctx.span(spec))
        needed = 0
    except NotEnoughDisks:
        survives, needed = None, spec.least - count
    usable = set(ctx.table.usable())
    domains = {disk: domain for disk, domain in ctx.domains().items() if disk in usable}
    stored = margin(ctx, domains).survives if ctx.index.counts()[0] else None
    silent = sorted(info.name for info in ctx.table.state.joined() if info.id not in usable)
    found = claimed.probe
    return Added(
        connection.name, connection.kind, connection.domain, claimed.usage.free, count, str(spec), survives, needed,
        stored, found.latency, found.up, found.down, found.notes, load(connection.kind).free_tier, tuple(silent),
    )  # fmt: skip
