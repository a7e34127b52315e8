"""The doctor looks at the pool: redundancy, snapshots, scrubs, drills, key slots, what fails together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from webraid.codec.keys import PASSPHRASE_SLOT, RECOVERY_SLOT, slot_type
from webraid.config import parse_duration
from webraid.errors import EXIT_ALARM, EXIT_UNREADABLE, SealBroken, WebRAIDError
from webraid.jobs.base.context import Context
from webraid.jobs.base.slots import slots
from webraid.jobs.standing.doctor_finding import Finding, alarm, good, note, warning
from webraid.jobs.standing.status import Status
from webraid.model import many

DAY = 86400.0
OLD = 7 * DAY  # seconds without a snapshot


def pool_findings(ctx: Context, now: Status) -> Iterator[Finding]:
    """All of them."""
    yield from _redundancy(now)
    yield from _together(now)
    yield from _one_drive(ctx)
    yield from _snapshots(ctx, now)
    yield from _scrubs(ctx, now)
    yield from _drills(ctx, now)
    yield from _slots(ctx)
    yield from _devices(ctx)


def _redundancy(now: Status) -> Iterator[Finding]:
    for text in now.alarms:
        yield alarm(
            "integrity", text, "a disk shows something else than what was stored: it does not count",
            "Find out what happened to it, then run 'webraid repair'.", code=EXIT_ALARM,
        )  # fmt: skip
    if now.survives < 0 and now.joined:
        yield alarm(
            "redundancy", f"some data cannot be read now ({many(now.unreadable_packs, 'pack')})",
            "fewer shards are in reach than it takes",
            "Bring the missing disks back; then 'webraid repair', which also looks into this machine's own files.",
            code=EXIT_UNREADABLE,
        )  # fmt: skip
    elif now.promised is not None and now.survives < now.promised:
        todo = "Run 'webraid repair'." if now.missing_shards else "See 'webraid status'."
        yield warning(
            "redundancy", f"{_further(now.survives)}, and {now.level} promises {now.promised}",
            "a further loss may take data with it", todo,
        )  # fmt: skip
    elif now.missing_shards:
        yield warning(
            "redundancy", f"{many(now.missing_shards, 'shard')} lacking", "less may be lost than was asked for",
            "Run 'webraid repair'.",
        )  # fmt: skip
    elif now.joined and not now.still_needed:
        yield good("redundancy", f"everything is there; {many(now.survives, 'disk')} may be lost")
        if not now.survives:
            yield note(
                "redundancy", f"{now.level} has nothing to spare", "the loss of any one disk loses data",
                "'webraid relevel' gives what is stored another level.",
            )  # fmt: skip
    if now.still_needed:
        yield warning(
            "redundancy", f"{now.level} needs {many(now.still_needed, 'more disk')}", "nothing can be stored yet",
            "Add them with 'webraid add-backend'.",
        )  # fmt: skip


def _further(survives: int) -> str:
    return "no further disk may be lost" if survives <= 0 else f"only {many(survives, 'further disk')} may be lost"


def _together(now: Status) -> Iterator[Finding]:
    domains: dict[str, list[str]] = {}
    for disk in now.disks:
        domains.setdefault(disk.domain, []).append(disk.name)
    for domain, names in sorted(domains.items()):
        if len(names) > 1:
            yield note(
                "domains", f"{', '.join(sorted(names))} are all in the domain {domain}",
                f"losing {domain} loses {len(names)} disks at once",
                "More places of other companies survive more; 'webraid durability' shows how much.",
            )  # fmt: skip


def _one_drive(ctx: Context) -> Iterator[Finding]:
    """Folders that count as domains of their own and lie on one file system."""
    drives: dict[int, dict[str, str]] = {}
    for info in ctx.table.state.joined():
        section = ctx.config.disk(info.name)
        if info.kind != "local" or section is None:
            continue
        with contextlib.suppress(OSError):
            device = Path(str(section.options.get("path", ""))).expanduser().stat().st_dev
            drives.setdefault(device, {})[info.name] = info.domain
    for disks in drives.values():
        if len(set(disks.values())) > 1:
            yield note(
                "one drive", f"{', '.join(sorted(disks))} are folders on one drive",
                "they count as separate losses and fail together",
                "Put them on different drives, or give them one domain: webraid backend domain NAME DOMAIN",
            )  # fmt: skip


def _snapshots(ctx: Context, now: Status) -> Iterator[Finding]:
    if not now.snapshots:
        yield warning(
            "snapshots", "nothing was stored yet", "there is nothing that could be restored", "webraid put PATH"
        )
        return
    time, stale = ctx.env.now(), False
    for source in now.sources:
        age = time - source.time_ms / 1000
        if source.configured and not source.snapshot:
            stale = True
            what = f"source {source.name} was never stored"
        elif source.configured and age > OLD:
            stale = True
            what = f"the last snapshot of source {source.name} is {many(round(age / DAY), 'day')} old"
        else:
            continue
        yield warning("snapshots", what, "what came since is in no backup", f"webraid put --source {source.name}")
    if not any(source.configured for source in now.sources) and time - now.last_time_ms / 1000 > OLD:
        stale = True
        yield warning(
            "snapshots", f"the last snapshot is {many(round((time - now.last_time_ms / 1000) / DAY), 'day')} old",
            "what came since is in no backup", "webraid put PATH, or 'webraid schedule install'",
        )  # fmt: skip
    if not stale:
        yield good("snapshots", "the newest snapshots are fresh")


def _scrubs(ctx: Context, now: Status) -> Iterator[Finding]:
    period = parse_duration(ctx.config.check.full_every)
    if not now.snapshots or ctx.config.check.scrub == "off":
        return
    if now.last_scrub is None:
        yield warning(
            "scrub", "this machine never scrubbed the pool", "disks lose bytes silently; a scrub finds them in time",
            "webraid scrub",
        )  # fmt: skip
    elif ctx.env.now() - now.last_scrub.time > period:
        days = many(round((ctx.env.now() - now.last_scrub.time) / DAY), "day")
        yield warning("scrub", f"the last scrub was {days} ago", "damage stays unseen", "webraid scrub")
    elif bad := now.last_scrub.corrupt + now.last_scrub.missing:
        yield note(
            "scrub", f"the last scrub found {many(bad, 'bad shard')}", "what is still bad of them is counted above",
            "webraid repair; webraid scrub",
        )  # fmt: skip
    else:
        yield good("scrub", "the last scrub found nothing bad")


def _drills(ctx: Context, now: Status) -> Iterator[Finding]:
    every = parse_duration(ctx.config.check.drill_every)
    if not now.snapshots:
        return
    if not now.last_drill_ms:
        yield warning(
            "drill", "no restore drill was ever made", "only a restore shows that a backup can be restored; until the "
            "first one nothing is ever deleted", "webraid check --drill 5",
        )  # fmt: skip
    elif every and ctx.env.now() - now.last_drill_ms / 1000 > 2 * every:
        days = many(round((ctx.env.now() - now.last_drill_ms / 1000) / DAY), "day")
        yield warning(
            "drill", f"the last restore drill was {days} ago", "nobody knows whether a restore still works",
            "webraid check --drill 5",
        )  # fmt: skip
    else:
        yield good("drill", f"a restore drill brought {many(now.last_drill_files, 'file')} back")


def _slots(ctx: Context) -> Iterator[Finding]:
    try:
        kinds = [slot_type(blob, ctx.pool) for blob in slots(ctx).values()]
    except SealBroken:
        yield alarm(
            "keys", "a key slot that this machine keeps is damaged", "the passphrase might not open the pool",
            "webraid key ls", code=EXIT_ALARM,
        )  # fmt: skip
        return
    except WebRAIDError as error:
        yield note("keys", f"the key slots could not be looked at: {error}")
        return
    if PASSPHRASE_SLOT not in kinds:
        yield warning("keys", "no passphrase opens this pool", "only the recovery code does", "webraid key add")
    if RECOVERY_SLOT not in kinds:
        yield warning(
            "keys", "there is no recovery code", "a forgotten passphrase would be the end of all data",
            "webraid key kit",
        )  # fmt: skip
    if {PASSPHRASE_SLOT, RECOVERY_SLOT} <= set(kinds):
        yield good("keys", "a passphrase and a recovery code open the pool; keep the printed kit in another house")


def _devices(ctx: Context) -> Iterator[Finding]:
    state = ctx.table.state
    me = state.devices.get(ctx.identity.key.id)
    for record, why in state.refused[-3:]:
        device = state.devices.get(record.device)
        yield warning(
            "devices", f"a record of {device.name if device else record.device.hex()} is ignored: {why}",
            "that machine tries what it may not do", "webraid device ls", code=EXIT_ALARM,
        )  # fmt: skip
    if me is not None and me.evicted:
        yield alarm(
            "devices", "this machine was evicted from the pool", "whatever it stores is ignored",
            "Run 'webraid recover' on it, for a new key.", code=EXIT_ALARM,
        )  # fmt: skip
