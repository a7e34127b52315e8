"""backend ls, test and rm."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from webraid.array.tolerance import pack_tolerance
from webraid.backend.conformance import Result, Subject, run_checks
from webraid.backend.conformance.subject import scratch_prefix
from webraid.config import drop_disk, load_secrets, put_secrets
from webraid.errors import NotInTable, QuorumLost, RedundancyError
from webraid.jobs.connection import Opener, from_section, open_connection
from webraid.jobs.context import Context, locked
from webraid.jobs.pages import load_index
from webraid.jobs.reading import with_good_homes
from webraid.model import PackKind
from webraid.table.fold import DiskInfo
from webraid.table.quorum import majority
from webraid.table.records import RemoveDisk


def find_disk(ctx: Context, name: str) -> DiskInfo:
    """The member disk of that name.  Raises NotInTable."""
    for info in ctx.table.state.members():
        if info.name == name:
            return info
    known = ", ".join(sorted(info.name for info in ctx.table.state.members())) or "none"
    raise NotInTable(f"there is no disk called {name!r}; the pool has: {known}")


def test_backend(ctx: Context, name: str, on_result: Callable[[Result], None]) -> list[Result]:
    """Run the conformance checks on a disk of the pool, in a scratch folder of its own that is removed again."""
    info = find_disk(ctx, name)
    section = ctx.config.disk(name)
    secrets = load_secrets(ctx.settings.places.secrets).get(name, {})
    connection = (
        from_section(section, secrets) if section else open_connection(info, ctx.identity.root, ctx.pool)
    )  # fmt: skip
    opener = Opener(connection.kind, connection.options, connection.secrets, ctx.settings.environ)
    _, options, _ = opener.parts()
    with closing(opener()) as instance:
        caps = instance.caps  # an account's own, where they differ from the kind's
    subject = Subject(
        open=opener, caps=caps, prefix=scratch_prefix(ctx.env), env=ctx.env,
        secrets=tuple(connection.secrets.values()), shown=(options,),
    )  # fmt: skip
    return run_checks(subject, on_result)


def remove_disk(ctx: Context, name: str, *, force: bool = False, lost: bool = False) -> int:
    """Take a disk out of the pool; nothing on it is deleted.  Returns what the pool survives without it.

    ``lost``: it is gone for good (the user's word), so it is not waited for.  ``force``: even if data becomes
    unreadable.  Raises NotInTable, QuorumLost, RedundancyError.
    """
    with locked(ctx.settings.places):
        ctx.open_table()
        info = find_disk(ctx, name)
        load_index(ctx)
        rest = {disk: domain for disk, domain in ctx.domains().items() if disk != info.id}
        if _margin(ctx, rest) < 0 and not force:
            raise RedundancyError(
                f"without disk {name} some data could no longer be read",
                hint="Add another disk and run 'webraid repair' first; --force removes it all the same.",
            )
        if lost:
            good = sum(disk in rest for disk in ctx.table.usable())
            if rest and good < majority(len(rest)):
                raise QuorumLost(f"only {good} of the other {len(rest)} disks answer")
        elif info.joined:
            ctx.table.require_quorum()
        ctx.table.append(RemoveDisk(disk=info.id))
        ctx.table.flush(ctx.config.limits.patience)
        drop_disk(ctx.settings.places.config, name)
        put_secrets(ctx.settings.places.secrets, name, {})
        answering = {disk: domain for disk, domain in rest.items() if disk in ctx.table.usable()}
        return _margin(ctx, answering)


def _margin(ctx: Context, domains: dict[bytes, str]) -> int:
    bad = ctx.index.bad()
    worst = len(set(domains.values())) - 1
    for pack in ctx.index.packs(PackKind.DATA):
        worst = min(worst, pack_tolerance(with_good_homes(ctx, pack, bad), domains))
    return worst
