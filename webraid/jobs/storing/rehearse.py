"""A put's dry run: everything is looked at, and what is new is read, but nothing is written anywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

from webraid.codec.levels import parse_level
from webraid.entry import Entry
from webraid.errors import SourcesUnreadable
from webraid.files.roots import Root
from webraid.jobs.base.context import Context
from webraid.jobs.base.dated import require_past
from webraid.jobs.base.events import Started
from webraid.jobs.base.known import Known
from webraid.jobs.base.settings import host
from webraid.jobs.base.snapshots import open_for_reading
from webraid.jobs.storing.before import Before
from webraid.jobs.storing.intake import Intake
from webraid.jobs.storing.least import refuse_weak
from webraid.jobs.storing.put_result import PutOptions, PutResult
from webraid.jobs.storing.vanished import refuse_missing, refuse_shrunk


class _Nowhere:
    """The store of a dry run: counts what would be added."""

    packed = waiting = 0

    def __init__(self, ctx: Context, losses: int) -> None:
        self.added = 0
        self._known = Known(ctx, losses)
        self._fresh: set[bytes] = set()

    def has(self, ids: Sequence[bytes]) -> bool:
        """Whether a put would find these chunks stored."""
        packs = self._known(ids)
        return all(chunk in packs or chunk in self._fresh for chunk in ids)

    def add(self, chunk: bytes, plain: bytes) -> None:
        """Count it."""
        self._fresh.add(chunk)
        self.added += len(plain)

    def pause(self, under_way: Callable[[], Entry | None]) -> None:
        """There is nothing to keep."""


def rehearse(ctx: Context, roots: Sequence[Root], options: PutOptions) -> PutResult:
    """What a put would store.  Raises what ``put`` raises for the same reasons, but needs no quorum."""
    open_for_reading(ctx)
    return rehearsed(ctx, roots, options)


def rehearsed(ctx: Context, roots: Sequence[Root], options: PutOptions) -> PutResult:
    """The same with the table opened already."""
    started, me = ctx.env.monotonic(), options.host or host()
    if options.time_ms is not None:
        require_past(options.time_ms, ctx.env.now())
    spec = parse_level(options.level or ctx.config.pool.level)
    geometry = spec.geometry(ctx.span(spec))
    refuse_weak(ctx, spec, geometry, options.least)
    if not options.allow_empty:
        refuse_missing(ctx, roots, me, options.source)
    result = PutResult(source=options.source, dry_run=True, level=str(spec), promised=geometry.m)
    result.disks = len(ctx.table.state.joined())
    ctx.event(Started("put"))
    store = _Nowhere(ctx, geometry.m)
    intake = Intake(ctx, options, result, store, Before(ctx, roots, options, me))
    with closing(intake.entries(roots)) as entries:
        for _ in entries:
            pass
    if not result.files + result.dirs + result.others:
        raise SourcesUnreadable("none of the paths could be read: nothing would be stored")
    if not options.allow_empty:
        refuse_shrunk(ctx, roots, me, options.source, intake.kept)
    result.added = store.added
    result.seconds = ctx.env.monotonic() - started
    return result
