"""The config file (TOML), its environment overrides, secrets, and the places where things lie."""

from __future__ import annotations

from webraid.config.places import Places, places, write_private
from webraid.config.profiles import PROFILE, PROFILED, under
from webraid.config.reading import (
    BUDGETS,
    COMMON,
    MANNERS,
    MOST_RETRIES,
    MOST_THREADS,
    MOST_TPS,
    SECTIONS,
    expand,
    load,
    parse_duration,
    valid_name,
)
from webraid.config.secrets import load_secrets, put_secrets
from webraid.config.sections import (
    Check,
    Config,
    DiskSection,
    Hooks,
    Idle,
    Limits,
    Log,
    Notify,
    PoolSection,
    Prune,
    Retention,
    Schedule,
    SecretStore,
    Source,
)
from webraid.config.writing import create, drop_disk, put_disk, put_store

__all__ = [
    "BUDGETS",
    "COMMON",
    "MANNERS",
    "MOST_RETRIES",
    "MOST_THREADS",
    "MOST_TPS",
    "PROFILE",
    "PROFILED",
    "SECTIONS",
    "Check",
    "Config",
    "DiskSection",
    "Hooks",
    "Idle",
    "Limits",
    "Log",
    "Notify",
    "Places",
    "PoolSection",
    "Prune",
    "Retention",
    "Schedule",
    "SecretStore",
    "Source",
    "create",
    "drop_disk",
    "expand",
    "load",
    "load_secrets",
    "parse_duration",
    "places",
    "put_disk",
    "put_secrets",
    "put_store",
    "under",
    "valid_name",
    "write_private",
]
