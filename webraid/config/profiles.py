"""[profile.NAME]: other values for some sections, in force when a run names the profile."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from webraid.config.sections import Check, Config, Hooks, Idle, Limits, Log, Notify, Profile, Prune, Retention
from webraid.config.wording import close, converted
from webraid.errors import ConfigError

PROFILE = "WEBRAID_PROFILE"  # which one is in force
# What a run does and how.  Not what the pool is, where secrets are, or when runs are started.
PROFILED: dict[str, type[msgspec.Struct]] = {
    "limits": Limits, "check": Check, "idle": Idle, "retention": Retention, "prune": Prune, "hooks": Hooks,
    "notify": Notify, "log": Log,
}  # fmt: skip


def profiles_in(path: Path, raw: object, valid_name: Callable[[str, str], str]) -> dict[str, Profile]:
    """All profiles of the file, checked as the sections are.  Raises ConfigError."""
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: write [profile.NAME.limits]: a profile has a name and sections of its own")
    return {name: _profile(path, valid_name(name, "a profile"), sections) for name, sections in raw.items()}


def _profile(path: Path, name: str, raw: object) -> Profile:
    sections = raw if isinstance(raw, dict) else {}
    for section, values in sections.items():
        where = f"[profile.{name}.{section}]"
        if section not in PROFILED:
            hint = f"A profile may have: {', '.join(PROFILED)}."
            raise ConfigError(f"{path}: {where}: no profile changes that{close(section, PROFILED)}", hint=hint)
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: {where} must be a section")
        converted(f"{path}:", where, PROFILED[section], values)
    if not sections:
        raise ConfigError(f"{path}: [profile.{name}] changes nothing", hint=f"Write [profile.{name}.limits] and so on.")
    return sections


def named(path: Path, name: str, profiles: Mapping[str, Profile], asked_by: str) -> Profile:
    """The profile of that name; '' is none.  ``asked_by``: where the name comes from.  Raises ConfigError."""
    if not name:
        return {}
    if name not in profiles:
        known = f"There are: {', '.join(profiles)}." if profiles else f"Write [profile.{name}.limits] and so on."
        raise ConfigError(f"{path} has no profile {name!r} ({asked_by}){close(name, profiles)}", hint=known)
    return profiles[name]


def under(config: Config, name: str) -> Config:
    """``config`` as it would be under another one of its profiles, whatever the environment says."""
    changed: dict[str, Any] = {}
    for section, values in config.profiles[name].items():
        before = msgspec.to_builtins(getattr(config, section))
        changed[section] = msgspec.convert({**before, **values}, PROFILED[section])
    return dataclasses.replace(config, profile=name, **changed)
