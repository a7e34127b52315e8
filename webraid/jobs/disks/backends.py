"""backend ls, test, speed, rm and domain."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

from msgspec.structs import replace

from webraid.array.moves import leaving
from webraid.array.tolerance import pack_tolerance
from webraid.backend.conformance import Result, Subject, run_checks
from webraid.backend.conformance.subject import scratch_prefix
from webraid.backend.probe import Probe, Speed, measure
from webraid.config import DiskSection, put_disk
from webraid.errors import IntegrityError, NotInTable, RedundancyError
from webraid.jobs.base.caps import keep_caps, kept_caps
from webraid.jobs.base.connection import Connection, Opener, from_section, open_connection, seal_connection
from webraid.jobs.base.context import Context, locked
from webraid.jobs.base.pages import load_index
from webraid.jobs.base.reading import with_good_homes
from webraid.jobs.base.vault import lazily, vault_of
from webraid.jobs.disks.takeout import half_out, require_others, take_out
from webraid.model import PackKind, many
from webraid.table.fold import SWEEP, DiskInfo
from webraid.table.records import AddDisk

SCRATCH = "scratch/"  # where places are tried out; nothing of the pool lies there
MOST = 8  # connections at once that are measured


def find_disk(ctx: Context, name: str) -> DiskInfo:
    """The member disk of that name.  Raises NotInTable."""
    for info in ctx.table.state.members():
        if info.name == name:
            return info
    known = ", ".join(sorted(info.name for info in ctx.table.state.members())) or "none"
    raise NotInTable(
        f"there is no disk called {name!r}; the pool has: {known}", hint="'webraid backend ls' shows the disks."
    )


def connection_of(ctx: Context, info: DiskInfo) -> Connection:
    """How this machine reaches a disk, its secrets included.  Where they got lost here, the log still has them.

    Raises ConfigError, SealBroken.
    """
    section = ctx.config.disk(info.name)
    secrets = vault_of(ctx.settings, ctx.config).get(info.name)
    if section is None:
        return open_connection(info, ctx.identity.root, ctx.pool)
    if not secrets:
        with contextlib.suppress(IntegrityError):  # then there are none
            secrets = open_connection(info, ctx.identity.root, ctx.pool).secrets
    return from_section(section, secrets)


def section_of(connection: Connection) -> DiskSection:
    """The disk's section of the config file."""
    return DiskSection(
        connection.name, connection.kind, connection.domain, connection.capacity, connection.reserve or None,
        connection.threads, connection.options,
    )  # fmt: skip


def _opener(ctx: Context, connection: Connection) -> Opener:
    settings = ctx.settings
    return Opener(
        connection.kind, connection.options, connection.secrets, settings.environ, connection.name,
        settings.places.plugin(connection.kind), partial(lazily, settings, connection.name),
    )  # fmt: skip


def test_backend(ctx: Context, name: str, on_result: Callable[[Result], None]) -> list[Result]:
    """Run the conformance checks on a disk of the pool, in a scratch folder of its own that is removed again."""
    connection = connection_of(ctx, find_disk(ctx, name))
    opener = _opener(ctx, connection)
    _, options, _ = opener.parts()
    with closing(opener()) as instance:
        caps = instance.caps  # an account's own, where they differ from the kind's
    subject = Subject(
        open=opener, caps=caps, prefix=scratch_prefix(ctx.env), env=ctx.env,
        secrets=tuple(connection.secrets.values()), shown=(options,),
    )  # fmt: skip
    return run_checks(subject, on_result)


def measure_disk(ctx: Context, name: str) -> Speed:
    """How fast a disk of the pool is, measured in a scratch folder of its own that is removed again; kept here."""
    info = find_disk(ctx, name)
    opener = _opener(ctx, connection_of(ctx, info))
    opened = ctx.settings.wrap(name, opener)
    with closing(opened()) as instance:
        caps = instance.caps
        for left in list(instance.list(f"{SCRATCH}speed/")):  # of a run that was interrupted
            instance.delete(left.name, locator=left.locator)
    speed = measure(opened, ctx.env, f"{SCRATCH}speed/{ctx.env.random(6).hex()}/", max(1, min(MOST, caps.connections)))
    kept = kept_caps(ctx.local, info.id)
    found = Probe(kept.caps if kept else caps, speed.latency, speed.up, speed.down, speed.at, 0)
    keep_caps(ctx.local, info.id, found)
    return speed


def remove_disks(ctx: Context, names: Sequence[str], *, force: bool = False, lost: bool = False) -> int:
    """Take disks out of the pool; nothing on them is deleted.  Returns what the pool survives without them.

    Refused while stored data need them to survive what they survive now.  ``lost``: they are gone for good (the user's
    word), so they are not waited for, and only refused if data becomes unreadable.  ``force``: never refused.  Raises
    NotInTable, RightMissing, QuorumLost, RedundancyError.
    """
    with locked(ctx.settings.places):
        ctx.open_table()
        infos = [half_out(ctx, name) or find_disk(ctx, name) for name in dict.fromkeys(names)]
        ctx.require_right(SWEEP)
        load_index(ctx)
        if not force:
            _refuse_needed(ctx, infos, lost=lost)
        usable = set(ctx.table.usable())
        silent = [info for info in infos if lost and info.id not in usable]
        rest = {disk: domain for disk, domain in ctx.domains().items() if all(disk != info.id for info in infos)}
        if silent:
            require_others(ctx, {info.id for info in silent})
            take_out(ctx, *silent, lost=True, heedless=True)
        for info in infos:
            if info not in silent:
                if info.joined:
                    ctx.table.require_quorum()
                take_out(ctx, info, lost=lost, heedless=force or lost)
        answering = {disk: domain for disk, domain in rest.items() if disk in ctx.table.usable()}
        return _margin(ctx, answering)


def _refuse_needed(ctx: Context, infos: Sequence[DiskInfo], *, lost: bool) -> None:
    """Raises RedundancyError when stripes would survive less without the disks, and less than they promise; when they
    are ``lost`` only those count that could not be read any more.  What was moved off them already needs them no more.
    """
    gone = {info.id for info in infos}
    bad, domains = ctx.index.bad(), ctx.domains()
    before, after, count = len(domains), len(domains), 0
    for pack in ctx.index.named(PackKind.DATA):
        good = with_good_homes(ctx, pack, bad)
        others = [home for home in good.homes if home.disk not in gone]
        doubled = len({home.disk for home in others}) < len(others)
        if len(others) == len(good.homes) or not (doubled or any(leaving(good, disk) for disk in gone)):
            continue
        now, then = pack_tolerance(good, domains), pack_tolerance(good, domains, others)
        if then < min(now, 0 if lost else pack.geometry.m):
            count, before, after = count + 1, min(before, now), min(after, then)
    if not count:
        return
    names = [info.name for info in infos]
    what, name = ("disk " if len(names) == 1 else "disks ") + " and ".join(names), names[0]
    if after < 0:
        raise RedundancyError(
            f"without {what} some data could no longer be read",
            hint=f"'webraid replace {name} NEW' or 'webraid drain {name} --remove' moves what it has first.  "
            "If it is gone, run 'webraid repair' first.  --force takes it out all the same.",
        )
    stripes = many(count, "stripe")
    are, them = ("is", "it") if len(names) == 1 else ("are", "them")
    raise RedundancyError(
        f"{what} {are} needed: without {them} {stripes} would survive the loss of {after} more, "
        f"and of {before} with {them}",
        hint=f"'webraid replace {name} NEW' or 'webraid drain {name} --remove' moves what it has first.  "
        f"If it is gone, 'webraid rebuild {name}' makes it again.  --force takes it out all the same.",
    )


def move_domain(ctx: Context, name: str, domain: str) -> None:
    """The disk fails together with others than was said when it joined.  New stripes heed it; 'rebalance' moves what
    lies wrongly now.  Raises NotInTable, QuorumLost."""
    with locked(ctx.settings.places):
        ctx.open_table()
        info = find_disk(ctx, name)
        ctx.table.require_quorum()
        connection = replace(open_connection(info, ctx.identity.root, ctx.pool), domain=domain)
        sealed = seal_connection(connection, ctx.identity.root, ctx.pool, ctx.env)
        ctx.table.append(
            AddDisk(
                disk=info.id, name=info.name, kind=info.kind, domain=domain, identity=info.identity,
                capacity=info.capacity, connection=sealed,
            )
        )  # fmt: skip
        ctx.table.flush(ctx.config.limits.patience)
        section = ctx.config.disk(name)
        if section is not None:
            put_disk(ctx.settings.places.config, dataclasses.replace(section, domain=domain))


def _margin(ctx: Context, domains: dict[bytes, str]) -> int:
    bad = ctx.index.bad()
    worst = len(set(domains.values())) - 1
    for pack in ctx.index.named(PackKind.DATA):
        worst = min(worst, pack_tolerance(with_good_homes(ctx, pack, bad), domains))
    return worst
