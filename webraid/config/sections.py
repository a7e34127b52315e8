"""What may stand in the config file: one structure a section, with its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """Base of the sections: an unknown key is an error, not a silent nothing."""


class PoolSection(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """[pool]"""

    name: str
    id: str
    level: str = "raid6"


class Limits(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """[limits]: rates of all disks together, as backend/timetable.py reads them; ``memory`` for shards under way,
    ``patience`` in seconds.  Of each disk: ``tps`` requests a second at most, 0: no limit; ``transfers`` at once, 0:
    what suits its kind; ``retries``: further tries of a request that failed."""

    upload: str = "0"
    download: str = "0"
    memory: str = "96 MiB"
    patience: float = 30.0
    tps: float = 0.0
    transfers: int = 0
    retries: int = 4


class Check(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """[check]: ``sample``: share of the shards that ``check`` reads where the provider tells no hash in its listing.
    ``scrub``: what a scrub of the schedule does; ``full_every``: how long it may take until everything was read once;
    ``drill``: files that a restore drill brings back, every ``drill_every``."""

    sample: str = "2%"
    scrub: Literal["list", "sample", "full", "off"] = "list"
    full_every: str = "60d"
    drill: int = 5
    drill_every: str = "30d"


class SecretStore(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """[secrets]: where the disks' secrets are kept on this machine, see webraid/jobs/base/vault.py."""

    store: Literal["file", "keyring"] = "file"


class Idle(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """[idle]: every disk is written to at least so often, so that nobody thinks the account dead ('0': never mind)."""

    every: str = "7d"


class Source(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """[[source]]: what a put without paths stores, one snapshot a source.  Patterns are those of .gitignore files."""

    name: str
    paths: tuple[str, ...]
    level: str = ""
    tags: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    iexclude: tuple[str, ...] = ()
    exclude_file: tuple[str, ...] = ()
    exclude_if_present: tuple[str, ...] = ()
    exclude_caches: bool = False
    exclude_larger_than: str = ""
    one_file_system: bool = False
    gitignore: bool = False
    skip_if_unchanged: bool = False


class Retention(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """[retention]: which snapshots 'forget' keeps, as restic's flags of the same names.  0 and '': that rule does not
    speak; -1: all of them."""

    keep_last: int = 0
    keep_hourly: int = 0
    keep_daily: int = 0
    keep_weekly: int = 0
    keep_monthly: int = 0
    keep_yearly: int = 0
    keep_within: str = ""
    keep_within_hourly: str = ""
    keep_within_daily: str = ""
    keep_within_weekly: str = ""
    keep_within_monthly: str = ""
    keep_within_yearly: str = ""
    keep_tag: tuple[str, ...] = ()
    group_by: str = "host,paths"


class Prune(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """[prune]: ``trash``: how long condemned packs stay; ``retention_lock``: younger snapshots' data go by the owner's
    word only; ``brake``: more of the stored bytes than this in a week needs the owner, too; ``repack``: packs of which
    more than this share is unused are packed anew."""

    trash: str = "7d"
    retention_lock: str = "30d"
    brake: str = "10%"
    repack: str = "50%"


class Schedule(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """[schedule]: when 'schedule run' is started and what it does.  ``profile``: what it does it under."""

    cron: str = "0 3 * * *"
    jitter: str = "15m"
    catch_up: bool = True
    on_battery: bool = False
    nice: int = 10
    jobs: tuple[str, ...] = ("put", "drain", "drill", "forget", "prune", "check")
    profile: str = ""


class Hooks(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """[hooks]: shell commands around a scheduled run."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    finally_: tuple[str, ...] = msgspec.field(default=(), name="finally")
    timeout: str = "10m"


class Notify(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """[notify]: who is told how scheduled runs end."""

    healthchecks: str = ""
    apprise: tuple[str, ...] = ()
    when: Literal["failure", "change", "always"] = "failure"


class Log(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """[log]: ``file``: '' is the state folder's log; ``keep``: old log files; ``metrics``: a file for Prometheus."""

    file: str = ""
    keep: int = 10
    metrics: str = ""


@dataclass(frozen=True, slots=True)
class DiskSection:
    """[[disk]]: ``options`` are the kind's own keys, ``manners`` those of MANNERS (jobs/base/manners.py reads), both in
    the file's spelling; sizes in bytes.  A ``reserve`` of None is for jobs/base/seats.py to choose."""

    name: str
    kind: str
    domain: str = ""
    capacity: int | None = None
    reserve: int | None = None
    threads: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    manners: Mapping[str, Any] = field(default_factory=dict)


Profile = Mapping[str, Mapping[str, Any]]  # section -> key -> value, in the file's spelling


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file.  ``profiles``: all that are in it, by name; ``profile``: the one in force, '' for none, which the
    sections hold already."""

    pool: PoolSection
    disks: tuple[DiskSection, ...] = ()
    sources: tuple[Source, ...] = ()
    limits: Limits = field(default_factory=Limits)
    check: Check = field(default_factory=Check)
    secrets: SecretStore = field(default_factory=SecretStore)
    idle: Idle = field(default_factory=Idle)
    retention: Retention = field(default_factory=Retention)
    prune: Prune = field(default_factory=Prune)
    schedule: Schedule = field(default_factory=Schedule)
    hooks: Hooks = field(default_factory=Hooks)
    notify: Notify = field(default_factory=Notify)
    log: Log = field(default_factory=Log)
    profile: str = ""
    profiles: Mapping[str, Profile] = field(default_factory=dict, repr=False)

    def disk(self, name: str) -> DiskSection | None:
        """The section of that disk."""
        return next((disk for disk in self.disks if disk.name == name), None)
