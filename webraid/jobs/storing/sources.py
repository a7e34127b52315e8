"""put without paths: every [[source]] of the config becomes a snapshot of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from webraid.config import Source, expand
from webraid.errors import BackendError, ConfigError, NoRoomForTable, NotEnoughDisks, SourcesUnreadable, TooWeak
from webraid.files.roots import Root, roots_for
from webraid.files.select import Line, Rules, lines, lines_of
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import Notice
from webraid.jobs.base.snapshots import open_for_reading
from webraid.jobs.storing.put import DEFAULT, Put, PutOptions, PutResult
from webraid.jobs.storing.rehearse import rehearsed
from webraid.jobs.storing.session import session
from webraid.model import parse_size

Storing = Callable[[Sequence[Root], PutOptions], PutResult]
# The others may do all the same: a smaller one may still find room, or need none.
OF_ONE_SOURCE = (SourcesUnreadable, ConfigError, NotEnoughDisks, TooWeak, BackendError, NoRoomForTable)


def put_sources(ctx: Context, names: Sequence[str] = (), options: PutOptions = DEFAULT) -> list[PutResult]:
    """One snapshot for each source that is named, or for all; one opening and one lock for all of them.

    ``options`` add to what the config says of a source.  A source that cannot be stored has ``failure`` set in its
    result and does not keep the others from being stored; if none can, the first one's error is raised.  Raises
    PoolBusy, QuorumLost, ConfigError (no such source).
    """
    sources = chosen(ctx, names)
    if options.dry_run:
        open_for_reading(ctx)
        results = [_one(ctx, source, options, partial(rehearsed, ctx)) for source in sources]
    else:
        with session(ctx) as running:
            results = []
            for source in sources:
                results.append(_one(ctx, source, options, lambda roots, how: Put(running, roots, how).run()))
                if results[-1].failure is not None:
                    running.unsettle()
    failures = [result.failure for result in results if result.failure is not None]
    if len(failures) == len(results):
        raise failures[0]
    for failure in failures:
        ctx.event(Notice(f"{failure}. {failure.hint}", warning=True))
    return results


def chosen(ctx: Context, names: Sequence[str]) -> list[Source]:
    """The sources of those names, in the config's order.  Raises ConfigError."""
    known = {source.name: source for source in ctx.config.sources}
    wrong = next((name for name in names if name not in known), None)
    if wrong is not None:
        raise ConfigError(
            f"there is no source {wrong!r} in the config", hint=f"There are: {', '.join(known) or 'none'}."
        )
    if not known:
        raise ConfigError(
            "there is nothing to put: no PATH was given, and the config has no [[source]]",
            hint="Name files and folders: 'webraid put PATH...', or say in the config what is to be stored every time.",
        )
    return [source for source in ctx.config.sources if not names or source.name in names]


def _one(ctx: Context, source: Source, options: PutOptions, store: Storing) -> PutResult:
    try:
        return store(roots_of_source(ctx, source), options_of(ctx, source, options))
    except OF_ONE_SOURCE as error:
        return PutResult(source=source.name, failure=error, dry_run=options.dry_run)


def roots_of_source(ctx: Context, source: Source) -> list[Root]:
    """Where a source lies.  '~' is the home folder.  Raises ConfigError."""
    return roots_for(_place(ctx, source, path) for path in source.paths)


def options_of(ctx: Context, source: Source, options: PutOptions) -> PutOptions:
    """What the config says of a source, and what this run adds.  Raises ConfigError."""
    return replace(
        options, level=options.level or source.level, tags=(*source.tags, *options.tags), source=source.name,
        rules=(rules_of(ctx, source) | options.rules).check(),
        skip_if_unchanged=options.skip_if_unchanged or source.skip_if_unchanged,
    )  # fmt: skip


def rules_of(ctx: Context, source: Source) -> Rules:
    """What a source leaves out.  Raises ConfigError."""
    listed: tuple[Line, ...] = ()
    for path in source.exclude_file:
        listed += lines_of(_place(ctx, source, path))
    return Rules(
        (*listed, *lines(source.exclude), *lines(source.iexclude, any_case=True)), source.exclude_if_present,
        source.exclude_caches, parse_size(source.exclude_larger_than) if source.exclude_larger_than else None,
        source.gitignore, source.one_file_system,
    )  # fmt: skip


def _place(ctx: Context, source: Source, text: str) -> str:
    return place_of(ctx.settings.environ, source, text)


def place_of(environ: Mapping[str, str], source: Source, text: str) -> str:
    """A path that the config gives a source.  Raises ConfigError."""
    path = Path(expand(text, environ)).expanduser()
    if not path.is_absolute():
        raise ConfigError(
            f"{text!r} of source {source.name} is no absolute path: where it would be depends on who runs webraid",
            hint="Write the whole path, or one that begins with '~/'.",
        )
    return str(path)
