"""recover: an empty machine, a passphrase (or the recovery code) and any one disk bring the whole pool back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from webraid import config
from webraid.backend.base import Backend
from webraid.backend.disk import Disk
from webraid.backend.throttled import Limits
from webraid.codec.keys import Opened, new_device, open_slot
from webraid.config import Config, PoolSection
from webraid.errors import ConfigError, IntegrityError, NotAPool, ObjectNotFound, SealBroken, WrongPassphrase
from webraid.jobs.backends import section_of
from webraid.jobs.connection import Connection, make_disk, open_connection
from webraid.jobs.context import Context, locked, open_context
from webraid.jobs.events import Notice
from webraid.jobs.fill import SLOT_PREFIX
from webraid.jobs.init import enroll, host
from webraid.jobs.login import Reached
from webraid.jobs.pages import load_index
from webraid.jobs.settings import Settings
from webraid.jobs.snapshots import ordered
from webraid.jobs.vault import Pending, vault_of
from webraid.table.device import Identity, OwnLog, forget_identity, has_identity, save_identity
from webraid.table.gather import gather
from webraid.table.local import Database, Local
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


@dataclass(frozen=True, slots=True)
class _Given:
    """How the one disk is reached, and what it renewed since."""

    connection: Connection
    pending: Pending
    disk: bytes


@dataclass(slots=True)
class _Found:
    marker: Marker
    slots: dict[str, bytes]


def refuse_second(settings: Settings) -> None:
    """Before anybody logs in for nothing.  Raises ConfigError when this machine has a pool already."""
    if settings.places.config.exists() and has_identity(settings.places.device) and not _going_on(settings):
        raise _taken(settings)


def recover(settings: Settings, reached: Reached, *, secret: str) -> tuple[Recovered, Context]:
    """Open the pool that this one disk belongs to.  The caller closes the context.

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
        opened = _unlock(found, secret)
        if going_on:
            _same_pool(settings, found.marker.pool)
        else:
            with locked(settings.places):
                _adopt(settings, disk, found, opened, _Given(connection, pending, found.marker.disk))
    finally:
        disk.close()
    ctx = open_context(settings)
    try:
        recovered = _report(ctx)
        _unfinished(settings).unlink()
        return recovered, ctx
    except BaseException:
        ctx.close()
        raise


def _unfinished(settings: Settings) -> Path:
    """A note that a recover has not come to its end yet."""
    return settings.places.state / "recovering"


def _going_on(settings: Settings) -> bool:
    """Whether an interrupted recover had brought the pool back already: it only was not looked at."""
    return settings.places.config.exists() and has_identity(settings.places.device) and _unfinished(settings).exists()


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


def _unlock(found: _Found, secret: str) -> Opened:
    damaged = 0
    for blob in found.slots.values():
        try:
            return open_slot(blob, found.marker.pool, secret)
        except WrongPassphrase:
            continue
        except SealBroken:
            damaged += 1
    if damaged or not found.slots:
        raise SealBroken(
            f"{damaged} of {len(found.slots)} key slots on this disk are damaged and no other one opens",
            hint="Try another disk of the pool.",
        )
    raise WrongPassphrase("no key slot opens with this passphrase or recovery code")


def _adopt(settings: Settings, disk: Disk, found: _Found, opened: Opened, given: _Given) -> None:
    """Read the log from this disk, learn the others, take a new device key (an old log is never continued)."""
    places = settings.places
    identity = Identity(found.marker.pool, opened.owner.public, host(), opened.root, new_device(settings.env))
    config.write_private(_unfinished(settings), identity.pool.hex())
    forget_identity(places.device)
    for leftover in places.database.parent.glob(places.database.name + "*"):
        leftover.unlink()
    database = Database(places.database)
    try:
        local = Local(database)
        disk.id = found.marker.disk
        table = Table(
            identity, local, OwnLog(places.device), {found.marker.disk: disk}, settings.env, patience=60.0
        )  # fmt: skip
        table.open()
        if not table.state.owner:
            raise NotAPool("this disk holds no readable log of its pool", hint="Try another disk of the pool.")
        _write_config(settings, table, identity, given)
        table.view.verdicts.clear()
        table.append(enroll(identity, opened.owner), wait=False)
    finally:
        database.close()
    save_identity(places.device, identity, settings.env)


def _write_config(settings: Settings, table: Table, identity: Identity, given: _Given) -> None:
    path, state = settings.places.config, table.state
    known = _kept_config(settings, identity.pool)
    if known is None:
        config.create(path, PoolSection(name=state.name, id=identity.pool.hex(), level=state.level))
    vault = vault_of(settings)
    for info in state.members():
        mine = info.id == given.disk
        if known is not None and known.disk(info.name) is not None and not mine:
            continue
        try:
            connection = open_connection(info, identity.root, identity.pool)
        except IntegrityError as error:
            settings.on_event(Notice(f"disk {info.name}: {error}", warning=True))
            continue
        connection = msgspec.structs.replace(connection, name=info.name, kind=info.kind, domain=info.domain)
        if mine:
            connection = msgspec.structs.replace(connection, options=given.connection.options)
            given.pending.settle(vault, info.name, given.connection.secrets)
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


def _report(ctx: Context) -> Recovered:
    """Open with all disks, publish the new device, take the index in."""
    view = ctx.open_table()
    ctx.table.spread_head(wait=False)  # who is new here may be learnt later: restoring never waits for a quorum
    load_index(ctx)
    ctx.table.flush(ctx.config.limits.patience)
    state = ctx.table.state
    result = Recovered(state.name, ctx.pool.hex(), ctx.identity.key.id.hex(), fresh=view.fresh)
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
