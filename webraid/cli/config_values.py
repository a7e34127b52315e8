"""Everything in the config file held against the parsers that read it later, so that no night finds it out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from webraid.errors import ConfigError

if TYPE_CHECKING:
    from webraid.config import Config, DiskSection, Source

Check = tuple[str, Callable[[], object]]  # where the value stands, and who reads it
COMPARE = "Compare with config.example.toml."
RETENTION_SPANS = ("", "_hourly", "_daily", "_weekly", "_monthly", "_yearly")


def troubles(config: Config, environ: Mapping[str, str]) -> list[ConfigError]:
    """What is wrong with the values, each with its section and key."""
    found = []
    for where, read in _checks(config, environ):
        try:
            read()
        except ConfigError as error:
            text = str(error)
            told = text if text.startswith(("[", where)) else f"{where}: {text}"
            # the usual hint names the command that is running
            found.append(ConfigError(told, hint=COMPARE if error.hint == ConfigError.default_hint else error.hint))
    return found


def _checks(config: Config, environ: Mapping[str, str]) -> Iterator[Check]:
    yield from _of_sections(config)
    yield from _of_notify(config, environ)
    for name in config.profiles:
        yield from _of_profile(config, name, environ)
    for source in config.sources:
        yield from _of_source(source, environ)
    for disk in config.disks:
        yield from _of_disk(disk)


def _of_sections(config: Config) -> Iterator[Check]:
    from webraid.backend.timetable import parse_timetable
    from webraid.cli.check import parse_share
    from webraid.codec.levels import parse_level
    from webraid.jobs.base.retention import parse_span
    from webraid.jobs.base.snapshots import parse_groups
    from webraid.jobs.space.prune import share_of
    from webraid.model import parse_size
    from webraid.unattended.cron import parse_cron
    from webraid.unattended.steps import known

    yield "[pool] level", partial(parse_level, config.pool.level)
    yield "[limits] upload", partial(parse_timetable, config.limits.upload)
    yield "[limits] download", partial(parse_timetable, config.limits.download)
    yield "[limits] memory", partial(parse_size, config.limits.memory)
    yield "[limits] patience", partial(_at_least, config.limits.patience, 0.001, "more than 0 seconds")
    yield "[check] sample", partial(parse_share, config.check.sample)
    yield "[check] drill", partial(_at_least, config.check.drill, 0, "0 or more files")
    for key in ("brake", "repack"):
        yield f"[prune] {key}", partial(share_of, getattr(config.prune, key), key)
    for bucket in RETENTION_SPANS:
        key = f"keep_within{bucket}"
        yield f"[retention] {key.replace('_', '-')}", partial(parse_span, getattr(config.retention, key))
    for key in ("last", *(bucket[1:] for bucket in RETENTION_SPANS[1:])):
        count = getattr(config.retention, f"keep_{key}")
        yield f"[retention] keep-{key}", partial(_at_least, count, -1, "a number of snapshots, or -1 for all")
    yield "[retention] group-by", partial(parse_groups, config.retention.group_by)
    yield "[schedule] cron", partial(parse_cron, config.schedule.cron)
    yield "[schedule] jobs", partial(known, config.schedule.jobs)
    yield "[schedule] nice", partial(_within, config.schedule.nice, 0, 19)
    yield "[log] keep", partial(_at_least, config.log.keep, 0, "0 or more old files")


def _of_profile(config: Config, name: str, environ: Mapping[str, str]) -> Iterator[Check]:
    """What it changes."""
    from webraid.config import under

    own, changed = config.profiles[name], under(config, name)
    for where, read in (*_of_sections(changed), *_of_notify(changed, environ)):
        section, key = where.removeprefix("[").split("] ")
        if key in own.get(section, ()):
            yield f"[profile.{name}.{section}] {key}", read


def _of_notify(config: Config, environ: Mapping[str, str]) -> Iterator[Check]:
    from webraid.config import expand

    yield "[notify] healthchecks", partial(expand, config.notify.healthchecks, environ)
    for address in config.notify.apprise:
        yield "[notify] apprise", partial(expand, address, environ)


def _of_source(source: Source, environ: Mapping[str, str]) -> Iterator[Check]:
    from webraid.codec.levels import parse_level
    from webraid.files.select import Rules, lines, lines_of
    from webraid.jobs.storing.sources import place_of
    from webraid.model import parse_size

    where = f"[[source]] {source.name}"
    for path in source.paths:
        yield f"{where}: paths", partial(place_of, environ, source, path)
    if source.level:
        yield f"{where}: level", partial(parse_level, source.level)
    if source.exclude_larger_than:
        yield f"{where}: exclude-larger-than", partial(parse_size, source.exclude_larger_than)
    yield f"{where}: exclude", Rules(lines(source.exclude)).check
    yield f"{where}: iexclude", Rules(lines(source.iexclude, any_case=True)).check
    yield f"{where}: exclude-if-present", Rules(if_present=source.exclude_if_present).check
    for path in source.exclude_file:

        def listed(path: str = path) -> object:
            return Rules(lines_of(place_of(environ, source, path))).check()

        yield f"{where}: exclude-file", listed


def _of_disk(disk: DiskSection) -> Iterator[Check]:
    from webraid.backend.budget import parse_allowance
    from webraid.config import BUDGETS
    from webraid.jobs.base.manners import table_of, tps_of

    for key in ("upload", "download"):
        yield f"[[disk]] {disk.name}: {key}", partial(table_of, disk, key)
    yield f"[[disk]] {disk.name}: tps", partial(tps_of, disk)
    for key in BUDGETS:
        if key in disk.manners:
            yield f"[[disk]] {disk.name}: {key}", partial(parse_allowance, key, disk.manners[key])


def _at_least(value: float, least: float, meaning: str) -> None:
    if not value >= least:
        raise ConfigError(f"{value} is not {meaning}", hint=COMPARE)


def _within(value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{value} is not between {low} and {high}", hint=COMPARE)
