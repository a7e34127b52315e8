"""add-backend: a disk joins the pool.  Announced, filled with all metadata, and only then counted (mc_join)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from webraid.backend.base import Backend, Digest
from webraid.backend.disk import Disk
from webraid.codec.levels import parse_level
from webraid.config import DiskSection, put_disk, put_secrets, valid_name
from webraid.errors import BackendError, ConfigError, NotEnoughDisks, ObjectNotFound, QuorumLost
from webraid.jobs.connection import Connection, Opener, make_disk, seal_connection
from webraid.jobs.context import Context, limits_of
from webraid.jobs.events import Notice
from webraid.jobs.init import SLOTS
from webraid.jobs.pages import table_pack
from webraid.model import Usage, shard_name
from webraid.table.fold import DiskInfo
from webraid.table.gather import gather
from webraid.table.log import Comparison, Verdict
from webraid.table.records import AddDisk, Joined
from webraid.table.survey import LOG, MARKER, digest_of, marker, read_marker

SLOT_PREFIX = "slots/"


@dataclass(frozen=True, slots=True)
class Added:
    """What joined, and what the pool survives now with its default level (None: too few disks for it yet)."""

    name: str
    kind: str
    domain: str
    free: int | None
    disks: int
    level: str
    survives: int | None
    still_needed: int


def add_backend(
    ctx: Context, *, kind: str, name: str, options: Mapping[str, object], domain: str = "",
    capacity: int | None = None, reserve: int = 0,
) -> Added:  # fmt: skip
    """Join a new disk; run again after an interruption it goes on where it was.

    Raises ConfigError for a name, place or option that does not fit, BackendError when the place refuses, QuorumLost
    when too few of the other disks answer.
    """
    valid_name(name)
    opener = Opener(kind, options, {}, ctx.settings.environ)
    cls, parsed, secrets = opener.parts()
    identity = cls.identity(parsed)
    section = DiskSection(name, kind, domain or cls.default_domain(parsed, name), capacity, reserve)
    plain = {key: value for key, value in options.items() if key.replace("-", "_") not in secrets}
    section = DiskSection(name, kind, section.domain, capacity, reserve, None, plain)
    ctx.open_table()
    info = _same(ctx, name, identity)
    if ctx.table.state.joined():
        ctx.table.require_quorum()
    connection = Connection(
        name=name, kind=kind, domain=section.domain, options=plain, secrets=secrets, capacity=capacity, reserve=reserve
    )
    disk_id = info.id if info else ctx.env.random(8)
    disk = make_disk(
        connection, id=disk_id, env=ctx.env, environ=ctx.settings.environ,
        limits=limits_of(ctx.config, len(ctx.disks) + 1), wrap=ctx.settings.wrap,
    )  # fmt: skip
    try:
        usage = _claim(ctx, disk, mine=info is not None)
    except BaseException:
        disk.close()
        raise
    ctx.disks[disk_id] = disk
    if info is None:
        sealed = seal_connection(connection, ctx.identity.root, ctx.pool, ctx.env)
        ctx.table.append(
            AddDisk(
                disk=disk_id, name=name, kind=kind, domain=section.domain, identity=identity, capacity=capacity,
                connection=sealed,
            )
        )  # fmt: skip
    put_secrets(ctx.settings.places.secrets, name, secrets)
    put_disk(ctx.settings.places.config, section)
    join(ctx, disk)
    return _result(ctx, section, usage)


def _same(ctx: Context, name: str, identity: str) -> DiskInfo | None:
    """The seat of an interrupted add-backend of the very same disk, if there is one."""
    for info in ctx.table.state.members():
        same_place = info.identity == identity
        if info.name == name and same_place and not info.joined:
            return info
        if same_place:
            raise ConfigError(
                f"this place is a disk of the pool already, called {info.name!r}",
                hint="Two disks in one place would fail together: nothing would be gained.",
            )
        if info.name == name:
            raise ConfigError(f"there is a disk called {name!r} already", hint="Choose another name.")
    return None


def _claim(ctx: Context, disk: Disk, *, mine: bool) -> Usage:
    """Make the place ours: empty before, marked after.  Tries it out with real requests."""

    def work(backend: Backend) -> Usage:
        backend.prepare()
        _refuse_foreign(ctx, backend, disk, mine)
        data = marker(ctx.pool, disk.id)
        backend.put(MARKER, data, digest=digest_of(data))
        if backend.get(MARKER) != data:
            raise ConfigError(f"disk {disk.name}: what was written is not what is read back", hint="Do not use it.")
        return backend.usage()

    answers, errors = gather(
        {disk.id: disk.call(work)}, ctx.env, enough=lambda _: False, patience=ctx.config.limits.patience
    )
    for error in errors.values():
        error.disk = error.disk or disk.name
        raise error
    return answers[disk.id]


def _refuse_foreign(ctx: Context, backend: Backend, disk: Disk, mine: bool) -> None:
    try:
        found = read_marker(backend.get(MARKER))
    except ObjectNotFound:
        if mine or next(iter(backend.list("")), None) is None:
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


def join(ctx: Context, disk: Disk) -> None:
    """Fill the disk with slots, records and table packs, then let it count.  The order is checked by mc_join."""
    members = {info.id for info in ctx.table.state.joined()}
    ctx.table.view.verdicts[disk.id] = Comparison(Verdict.BEHIND)
    there = _listing(ctx, disk)
    for _ in range(10):
        if members:
            ctx.open_table()
            ctx.table.require_quorum()
        ctx.table.view.verdicts[disk.id] = Comparison(Verdict.BEHIND)
        before = len(ctx.table.book.names)
        _copy(ctx, disk, there)
        if not members or _nothing_new(ctx, before):
            break
    ctx.table.append(Joined(disk=disk.id))
    ctx.table.flush(ctx.config.limits.patience)


def _nothing_new(ctx: Context, before: int) -> bool:
    return len(ctx.table.book.names) == before


def _listing(ctx: Context, disk: Disk) -> set[str]:
    names: set[str] = set()
    for prefix in (SLOT_PREFIX, LOG, "shards/"):
        names |= {stored.name for stored in _one(ctx, disk, disk.list(prefix))}
    return names


def _one(ctx: Context, disk: Disk, future: Any) -> Any:
    answers, errors = gather({0: future}, ctx.env, enough=lambda _: False, patience=ctx.config.limits.patience * 4)
    for error in errors.values():
        error.disk = error.disk or disk.name
        raise error
    return answers[0]


def _copy(ctx: Context, disk: Disk, there: set[str]) -> None:
    """Everything of the metadata that the disk does not have yet."""
    objects: dict[str, bytes] = {SLOT_PREFIX + slot: blob for slot, blob in slots(ctx).items()}
    for name, record in ctx.table.book.names.items():
        if name not in there:
            objects[name] = ctx.local.blob(record.device, record.seq, record.digest)
    for name, data in objects.items():
        if name not in there:
            _one(ctx, disk, disk.put(name, data, digest=digest_of(data), urgent=True))
            there.add(name)
    for _, commit in ctx.table.state.live_commits():
        for packed in commit.packs:
            name = shard_name(packed.id, 0)
            if name not in there:
                _one(ctx, disk, disk.put(name, data := _object(ctx, packed.id), digest=_digest(data)))
                there.add(name)


def _digest(data: bytes) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest(), hashlib.md5(data, usedforsecurity=False).hexdigest())


def _object(ctx: Context, pack_id: bytes) -> bytes:
    return bytes(ctx.array.reconstruct(table_pack(ctx, pack_id), 0, pool=ctx.pool).object)


def slots(ctx: Context) -> dict[str, bytes]:
    """The pool's key slots: from the local cache, else from the disks."""
    kept = ctx.local.get(SLOTS)
    if kept is not None:
        return msgspec.msgpack.decode(kept, type=dict[str, bytes])
    found: dict[str, bytes] = {}
    for disk_id in ctx.table.usable():
        disk = ctx.disks[disk_id]
        try:
            for stored in _one(ctx, disk, disk.list(SLOT_PREFIX)):
                found[stored.name.removeprefix(SLOT_PREFIX)] = _one(ctx, disk, disk.get(stored.name))
        except BackendError as error:
            ctx.event(Notice(f"the key slots could not be read from one disk: {error}"))
    if not found:
        raise QuorumLost("no disk could be asked for the pool's key slots")
    ctx.local.set(SLOTS, msgspec.msgpack.encode(found))
    return found


def _result(ctx: Context, section: DiskSection, usage: Usage) -> Added:
    count = len(ctx.table.state.joined())
    spec = parse_level(ctx.table.state.level)
    try:
        survives: int | None = spec.losses(count)
        needed = 0
    except NotEnoughDisks:
        survives, needed = None, spec.least - count
    return Added(
        section.name, section.kind, section.domain, usage.free, count, str(spec), survives, needed
    )  # fmt: skip

