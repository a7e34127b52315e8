"""recover: an empty machine, a passphrase (or the recovery code) and any one disk bring the whole pool back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from webraid import config
from webraid.backend.base import Backend
from webraid.backend.disk import Disk
from webraid.backend.throttled import Limits
from webraid.codec.keys import new_device
from webraid.config import Config, PoolSection
from webraid.errors import ConfigError, IntegrityError, NotAPool, ObjectNotFound, RightMissing, WrongPassphrase
from webraid.jobs.access.bundle import read_bundle, record_blobs
from webraid.jobs.access.init import enroll
from webraid.jobs.access.owner import Tries
from webraid.jobs.base.connection import Connection, make_disk, open_connection
from webraid.jobs.base.context import Context, locked, open_context
from webraid.jobs.base.events import Notice
from webraid.jobs.base.pages import load_index
from webraid.jobs.base.settings import Settings, host
from webraid.jobs.base.slots import SLOT_PREFIX
from webraid.jobs.base.snapshots import ordered
from webraid.jobs.base.vault import Pending, vault_of
from webraid.jobs.disks.backends import section_of
from webraid.jobs.disks.login import Reached
from webraid.table.cache import open_cache
from webraid.table.device import Identity, OwnLog, forget_identity, has_identity, save_identity
from webraid.table.fold import ALL_RIGHTS
from webraid.table.gather import gather
from webraid.table.survey import MARKER, Marker, read_marker
from webraid.table.table import Table


@dataclass(slots=True)
class Recovered:
    """What came back."""

    name: str
    pool_id: str
    device: str
    disks: list[str] = field(default_factory=list)
    unreachable: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    snapshots: int = 0
    latest: str = ""
    fresh: bool = False
    machine: str = ""
    rights: tuple[str, ...] = ()
    others: list[str] = field(default_factory=list)  # machines of the pool besides this one


@dataclass(frozen=True, slots=True)
class _Given:
    """How the one disk is reached, and what it renewed since."""

    connection: Connection
    pending: Pending
    disk: bytes


@dataclass(frozen=True, slots=True)
class _Wanted:
    rights: tuple[str, ...]
    machine: str


@dataclass(slots=True)
class _Found:
    marker: Marker
    slots: dict[str, bytes]


def refuse_second(settings: Settings) -> None:
    """Before anybody logs in for nothing.  Raises ConfigError when this machine has a pool already; one that was put
    out of its pool may come back."""
    there = settings.places.config.exists() and has_identity(settings.places.device)
    if there and not _going_on(settings) and not _shut_out(settings):
        raise _taken(settings)


def recover(
    settings: Settings, reached: Reached, *, secret: str, rights: tuple[str, ...] = ALL_RIGHTS, machine: str = ""
) -> tuple[Recovered, Context]:  # fmt: skip
    """Open the pool that this one disk belongs to.  The caller closes the context.

    ``rights``: what this machine may do from now on; ``machine``: its name, the host's if empty.

    Raises NotAPool when the place is no disk of a pool, WrongPassphrase, BackendError, ConfigError when this machine
    has a pool already.  Run again after an interruption it begins anew, or, once the pool was there, goes on.
    """
    refuse_second(settings)
    going_on, pending = _going_on(settings), Pending()
    connection = Connection(
        name="recovery", kind=reached.kind, domain="recovery", options=reached.options, secrets=reached.secrets
    )
    disk = make_disk(connection, id=b"", settings=settings, limits=Limits(), keeper=pending)
    try:
        found = _look(settings, disk)
        tries = Tries(found.marker.pool, secret)
        tries.first(found.slots)
        if has_identity(settings.places.device):
            _same_pool(settings, found.marker.pool)
        if not going_on:
            with locked(settings.places, recovering=True):
                disk.id = found.marker.disk
                given = _Given(connection, pending, disk.id)
                _adopt(settings, tries, _Wanted(rights, machine or host()), Table.open, {disk.id: disk}, given)
    finally:
        disk.close()
    return _finish(settings, tries)


def recover_from_keys(
    settings: Settings, path: Path, *, secret: str, rights: tuple[str, ...] = ALL_RIGHTS, machine: str = ""
) -> tuple[Recovered, Context]:  # fmt: skip
    """As recover, with a file of 'key export' in the place of the one disk: it leads to all of them.

    Raises ConfigError, WrongPassphrase.  The caller closes the context.
    """
    refuse_second(settings)
    bundle = read_bundle(path)
    tries = Tries(bytes.fromhex(bundle.pool), secret)
    tries.first(bundle.slots)
    if has_identity(settings.places.device):
        _same_pool(settings, tries.pool)
    if not _going_on(settings):
        with locked(settings.places, recovering=True):
            records = record_blobs(bundle.records)
            _adopt(settings, tries, _Wanted(rights, machine or host()), lambda table: table.take_in(records), {}, None)
    return _finish(settings, tries)


def _finish(settings: Settings, tries: Tries) -> tuple[Recovered, Context]:
    ctx = open_context(settings)
    try:
        recovered = _report(ctx, tries)
        settings.places.recovering.unlink()
        return recovered, ctx
    except BaseException:
        ctx.close()
        raise


def _shut_out(settings: Settings) -> bool:
    """Whether this machine was removed from its pool, or was not given new keys: as it is it can write no more."""
    ctx = open_context(settings)
    try:
        ctx.require_right("")
    except RightMissing:
        return True
    finally:
        ctx.close()
    return False


def _going_on(settings: Settings) -> bool:
    """Whether an interrupted recover had brought the pool back already: it only was not looked at."""
    return (
        settings.places.config.exists() and has_identity(settings.places.device) and settings.places.recovering.exists()
    )


def _same_pool(settings: Settings, pool: bytes) -> None:
    if config.load(settings.places.config, settings.environ).pool.id != pool.hex():
        raise _taken(settings)


def _taken(settings: Settings) -> ConfigError:
    return ConfigError(
        f"this machine has a pool already: {settings.places.config}",
        hint="Set WEBRAID_CONFIG and WEBRAID_STATE_DIR to recover another one beside it.",
    )


def _look(settings: Settings, disk: Disk) -> _Found:
    def work(backend: Backend) -> _Found:
        try:
            marker = read_marker(backend.get(MARKER))
        except ObjectNotFound:
            raise NotAPool(
                "this place is no disk of a webraid pool", hint="Give the same options as when the disk was added."
            ) from None
        names = [stored.name for stored in backend.list(SLOT_PREFIX)]
        return _Found(marker, {name.removeprefix(SLOT_PREFIX): backend.get(name) for name in names})

    answers, errors = gather({0: disk.call(work)}, settings.env, enough=lambda _: False, patience=120.0)
    for error in errors.values():
        raise error
    return answers[0]


def _adopt(
    settings: Settings, tries: Tries, wanted: _Wanted, read: Callable[[Table], object], disks: dict[bytes, Disk],
    given: _Given | None,
) -> None:  # fmt: skip
    """Read the log, learn all disks from it, take a new device key (an old log is never continued)."""
    places, owner = settings.places, tries.owner
    identity = Identity(tries.pool, owner.public, wanted.machine, tries.root, new_device(settings.env))
    config.write_private(places.recovering, identity.pool.hex())
    forget_identity(places.device)
    for leftover in list(places.databases()):
        leftover.unlink()
    local = open_cache(places)
    try:
        table = Table(identity, local, OwnLog(places.device), disks, settings.env, patience=60.0)
        read(table)
        if not table.state.owner:
            raise NotAPool("there is no readable log of its pool", hint="Try another disk of the pool.")
        tries.hold_to(table)
        identity.name = _free_name(table, wanted.machine)
        _write_config(settings, table, identity, given)
        table.view.verdicts.clear()
        table.append(enroll(identity, owner, wanted.rights), wait=False)
    finally:
        local.close()
    save_identity(places.device, identity, settings.env)


def _free_name(table: Table, wanted: str) -> str:
    """The name that people will call this machine by: no other one's."""
    taken = {device.name for device in table.state.devices.values() if not device.evicted}
    names = (wanted, *(f"{wanted}-{number}" for number in range(2, len(taken) + 2)))
    return next(name for name in names if name not in taken)


def _write_config(settings: Settings, table: Table, identity: Identity, given: _Given | None) -> None:
    path, state = settings.places.config, table.state
    known = _kept_config(settings, identity.pool)
    if known is None:
        config.create(path, PoolSection(name=state.name, id=identity.pool.hex(), level=state.level))
    vault = vault_of(settings)
    for info in state.members():
        mine = given if given is not None and info.id == given.disk else None
        if known is not None and known.disk(info.name) is not None and mine is None:
            continue
        try:
            connection = open_connection(info, identity.root, identity.pool)
        except IntegrityError as error:
            settings.on_event(Notice(f"disk {info.name}: {error}", warning=True))
            continue
        connection = msgspec.structs.replace(connection, name=info.name, kind=info.kind, domain=info.domain)
        if mine is not None:
            connection = msgspec.structs.replace(connection, options=mine.connection.options)
            mine.pending.settle(vault, info.name, mine.connection.secrets)
        else:
            vault.put(info.name, connection.secrets)
        config.put_disk(path, section_of(connection))


def _kept_config(settings: Settings, pool: bytes) -> Config | None:
    """The config of this very pool, where only the state was lost: what the user wrote into it stays."""
    try:
        kept = config.load(settings.places.config, settings.environ)
    except ConfigError:
        return None
    return kept if kept.pool.id == pool.hex() else None


def _report(ctx: Context, tries: Tries) -> Recovered:
    """Open with all disks, publish the new device, take the index in."""
    view = ctx.open_table()
    before = ctx.identity.root
    try:
        tries.hold_to(ctx.table)  # the one disk may have been away for long
    except WrongPassphrase:
        forget_identity(ctx.settings.places.device)
        raise
    if ctx.identity.root != before:
        view = ctx.table.view
        save_identity(ctx.settings.places.device, ctx.identity, ctx.env)
    ctx.table.spread_head(wait=False)  # who is new here may be learnt later: restoring never waits for a quorum
    load_index(ctx)
    ctx.table.flush(ctx.config.limits.patience)
    state = ctx.table.state
    me = ctx.identity.key.id
    result = Recovered(state.name, ctx.pool.hex(), me.hex(), fresh=view.fresh, machine=ctx.identity.name)
    result.rights = state.devices[me].rights
    result.others = sorted(other.name for other in state.devices.values() if other.id != me and not other.evicted)
    for info in state.members():
        verdict = view.verdicts[info.id].verdict
        if verdict.counts:
            result.disks.append(info.name)
        elif verdict.alarming:
            result.alarms.append(f"{info.name}: {verdict.value}")
        else:
            result.unreachable.append(info.name)
    shots = ordered(ctx)
    result.snapshots = len(shots)
    result.latest = shots[-1].name if shots else ""
    return result
