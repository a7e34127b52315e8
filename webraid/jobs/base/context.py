"""What every job works with: identity, local cache, disks, table, array; opened and closed here."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from webraid.array.array import Array
from webraid.array.events import ArrayEvent, DiskRefused, DiskStalled, Finding, ShardBad, ShardRead, ShardWritten
from webraid.backend.base import Backend
from webraid.backend.disk import Disk
from webraid.backend.health import Event
from webraid.codec.keys import Root
from webraid.codec.levels import LevelSpec
from webraid.config import Config, Places, load
from webraid.env import Env
from webraid.errors import ConfigError, IntegrityError, PoolBusy, PoolError, RecoveryPending, RightMissing
from webraid.jobs.base.caps import kept_caps
from webraid.jobs.base.connection import Connection, from_section, make_disk, open_connection
from webraid.jobs.base.events import DiskBytes, DiskNotice, Notice, ShardFound
from webraid.jobs.base.idle import note_writes
from webraid.jobs.base.manners import LastResorts, Manners, patient
from webraid.jobs.base.settings import Settings
from webraid.jobs.base.vault import vault_of
from webraid.model import many
from webraid.table.cache import open_cache
from webraid.table.device import Identity, OwnLog, load_identity
from webraid.table.fold import DiskInfo, State
from webraid.table.gather import gather
from webraid.table.local import Database, Local
from webraid.table.local_index import LocalIndex
from webraid.table.log import Verdict
from webraid.table.records import ACTIVE
from webraid.table.survey import MARKER, Marker, read_marker
from webraid.table.table import Table, View


@dataclass(slots=True)
class Context:
    """An opened pool."""

    settings: Settings
    config: Config
    identity: Identity
    database: Database
    local: Local
    index: LocalIndex
    disks: dict[bytes, Disk]
    table: Table
    manners: Manners
    findings: list[Finding] = field(default_factory=list)
    opened_with: dict[bytes, Root] = field(default_factory=dict, repr=False)  # pack -> the root that sealed it
    array: Array = field(init=False)
    closed: bool = False

    def __post_init__(self) -> None:
        self.array = Array(
            LastResorts(self.disks), env=self.env, on_event=self._array_event, patience=self.config.limits.patience
        )  # fmt: skip

    @property
    def env(self) -> Env:
        """Clock, randomness, sleep."""
        return self.settings.env

    @property
    def pool(self) -> bytes:
        """The pool's id, 16 bytes."""
        return self.identity.pool

    def event(self, event: object) -> None:
        """Tell whoever listens."""
        self.settings.on_event(event)  # type: ignore[arg-type]

    def disk_name(self, disk: bytes) -> str:
        """The name users know."""
        info = self.table.state.disks.get(disk)
        return info.name if info else disk.hex()

    def domains(self) -> dict[bytes, str]:
        """Disk -> failure domain, of the disks that are joined."""
        return {info.id: info.domain for info in self.table.state.joined()}

    def span(self, spec: LevelSpec) -> int:
        """Over how many of the joined disks a stripe of that level goes: spares and draining ones get nothing."""
        domains = {info.id: info.domain for info in self.table.state.joined() if info.role == ACTIVE}
        return spec.span(len(domains), len(set(domains.values())))

    def open_table(self, *, spot: bool = False) -> View:
        """Open the table, tell what is odd about the disks, take alarming ones out of use."""
        view = self.table.open(spot=spot)
        for disk, answer in view.verdicts.items():
            name, verdict = self.disk_name(disk), answer.verdict
            if verdict is Verdict.ROLLED_BACK:
                text = f"shows an older state: it lost {many(len(answer.lost), 'record')} that it had acknowledged"
                self.event(DiskNotice(name, text, alarm=True))
            elif verdict is Verdict.LAGGING:
                records = many(len(answer.lost), "record")
                text = f"does not yet show {records} that it acknowledged: it does not count for now"
                self.event(DiskNotice(name, text))
            elif verdict is Verdict.CORRUPT:
                self.event(DiskNotice(name, f"serves damaged data: {view.notes.get(disk, '')}", alarm=True))
            elif verdict in (Verdict.FOREIGN, Verdict.EMPTY):
                self.event(DiskNotice(name, f"does not count: {view.notes.get(disk, '')}", alarm=verdict.alarming))
            elif verdict is Verdict.SILENT and not self._left_out(name):
                self.event(DiskNotice(name, f"does not answer: {view.errors.get(disk, 'no answer')}"))
        for device, seq in view.forks:
            self.event(DiskNotice("log", f"device {device.hex()} wrote number {seq} twice: it was cloned", alarm=True))
        for gap in view.gaps:
            self.event(DiskNotice("log", f"record {gap} is missing on every disk that answered", alarm=True))
        if not spot:  # a run that writes will be told by an error
            self._tell_shut_out()
        return view

    def _left_out(self, name: str) -> bool:
        return bool(self.settings.only) and name not in self.settings.only

    def _tell_shut_out(self) -> None:
        """This machine may read on, but it cannot write, and what is newer it cannot read."""
        try:
            self.table.require_right("")
        except RightMissing as error:
            self.event(Notice(f"{error}. {error.hint}", warning=True))

    def require_right(self, right: str) -> None:
        """Raises RightMissing unless this machine may do that (fold.APPEND, FORGET or SWEEP)."""
        self.table.require_right(right)

    def note_findings(self) -> None:
        """Shards that reads found to be bad count no more; called by jobs now and then, on their own thread."""
        by_name = {info.name: info.id for info in self.table.state.members()}
        while self.findings:
            found = self.findings.pop()
            if found.disk in by_name and found.problem != "unreadable":
                self.index.mark_bad(bytes.fromhex(found.pack), found.index, by_name[found.disk], found.problem)

    def _array_event(self, event: ArrayEvent) -> None:
        """On any thread: pass on what people see, keep findings for ``note_findings``."""
        match event:
            case ShardBad():
                found = event.finding
                self.findings.append(found)
                self.event(ShardFound(found.disk, found.pack, found.index, found.problem))
            case ShardRead():
                self.event(DiskBytes(event.disk, down=event.size))
            case ShardWritten():
                self.event(DiskBytes(event.disk, up=event.size))
            case DiskRefused():
                self.event(DiskNotice(event.disk, f"gets no more shards in this run: {event.why}. {event.hint}"))
            case DiskStalled():
                self.event(DiskNotice(event.disk, "does not answer in its time: the others do its work"))

    def close(self) -> None:
        """Keep what was counted, stop the disks' threads without waiting for hung ones."""
        for disk in self.disks.values():
            disk.close()
        if not self.closed:
            self.closed = True
            try:
                note_writes(self)
                self.manners.close()
            except PoolError as error:  # the run's own result counts more than what was counted
                self.event(Notice(f"what this run has used up could not be noted: {error}", warning=True))
            self.local.close()


@contextmanager
def locked(places: Places, *, recovering: bool = False) -> Iterator[None]:
    """One writing run a machine, and none but recover itself while a recovery is unfinished.  The kernel frees the lock
    whatever happens to us.  Raises PoolBusy, RecoveryPending."""
    places.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    if places.recovering.exists() and not recovering:
        raise RecoveryPending("a recovery of this machine has begun and has not come to its end")
    descriptor = os.open(places.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PoolBusy("another webraid run on this machine is changing the pool") from None
        yield
    finally:
        os.close(descriptor)


def open_context(settings: Settings) -> Context:
    """Everything but the first look at the disks (``Context.open_table``).  Raises NotAPool and ConfigError."""
    config = patient(load(settings.places.config, settings.environ))
    identity = load_identity(settings.places.device)
    if identity.pool.hex() != config.pool.id:
        raise ConfigError(
            f"{settings.places.config} is of another pool than the key in {settings.places.device}",
            hint="Set WEBRAID_CONFIG and WEBRAID_STATE_DIR so that they belong together.",
        )
    local = open_cache(settings.places)
    database = local.db
    disks: dict[bytes, Disk] = {}
    manners = Manners(config, local, settings.env, settings.on_event)
    table = Table(
        identity, local, OwnLog(settings.places.device), disks, settings.env, patience=config.limits.patience
    )  # fmt: skip
    secrets = vault_of(settings, config).all(section.name for section in config.disks)

    def made(connection: Connection, disk_id: bytes) -> Disk:
        name = connection.name
        disk = make_disk(
            connection, id=disk_id, settings=settings, limits=manners.limits(name), lines=manners.lines,
            budget=manners.budget(name), kept=lambda: kept_caps(local, disk_id), transfers=config.limits.transfers,
            retries=config.limits.retries,
        )  # fmt: skip
        if settings.only and name not in settings.only:
            disk.health.decide(Event.OFFLINE)
        return disk

    def connect(info: DiskInfo) -> None:
        connection = _connection(settings, config, identity, info, secrets)
        if connection is not None:
            disks[info.id] = made(connection, info.id)

    table.on_member = connect
    table.meet_members()
    if not table.state.members():  # the cache was deleted: the config says where to look, the markers who is there
        strangers = [made(from_section(section, secrets.get(section.name, {})), b"") for section in config.disks]
        _identify(strangers, disks, identity, settings.env, config.limits.patience)
    refuse_unknown(settings.only, config, table.state)
    return Context(settings, config, identity, database, local, LocalIndex(database), disks, table, manners)


def refuse_unknown(names: Collection[str], config: Config, state: State) -> None:
    """Raises ConfigError where one of ``names`` is no disk's."""
    known = {disk.name for disk in config.disks} | {info.name for info in state.members()}
    wrong = sorted(set(names) - known)
    if wrong:
        raise ConfigError(f"there is no disk {wrong[0]!r}", hint=f"There are: {', '.join(sorted(known)) or 'none'}.")


def _marker(backend: Backend) -> Marker | None:
    try:
        return read_marker(backend.get(MARKER))
    except IntegrityError:
        return None


def _identify(
    strangers: Sequence[Disk], disks: dict[bytes, Disk], identity: Identity, env: Env, patience: float
) -> None:
    """Ask each disk for its marker; those of this pool are taken in under the id they tell."""
    asked = {number: disk.call(_marker) for number, disk in enumerate(strangers)}
    answers, _ = gather(asked, env, enough=lambda found: len(found) * 2 > len(strangers), patience=patience)
    for number, disk in enumerate(strangers):
        marker = answers.get(number)
        if marker is not None and marker.pool == identity.pool:
            disk.id = marker.disk
            disks[marker.disk] = disk
        else:
            disk.close()


def _connection(
    settings: Settings, config: Config, identity: Identity, info: DiskInfo, secrets: Mapping[str, dict[str, str]]
) -> Connection | None:
    """The config's section where there is one (this machine may reach a disk by another path), else the log's."""
    section = config.disk(info.name)
    if section is not None:
        connection = from_section(section, secrets.get(info.name, {}))
        return connection if connection.domain else msgspec.structs.replace(connection, domain=info.domain)
    try:
        return open_connection(info, identity.root, identity.pool)
    except IntegrityError as error:
        settings.on_event(DiskNotice(info.name, f"its connection data cannot be opened: {error}"))
        return None
