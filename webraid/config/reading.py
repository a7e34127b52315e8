"""Reading the config file.  Precedence: flag > environment > profile > file > default."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin

import msgspec

from webraid.config.profiles import PROFILE, named, profiles_in
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
from webraid.config.wording import close, converted, words_of
from webraid.errors import ConfigError, NotAPool
from webraid.model import parse_size

VERSION = 1
SECTIONS: dict[str, type[msgspec.Struct]] = {
    "pool": PoolSection, "limits": Limits, "check": Check, "secrets": SecretStore, "idle": Idle,
    "retention": Retention, "prune": Prune, "schedule": Schedule, "hooks": Hooks, "notify": Notify, "log": Log,
}  # fmt: skip
TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}
BUDGETS = tuple(
    f"{what}-per-{period}" for what in ("writes", "reads", "deletes", "egress", "upload") for period in ("day", "month")
)
MANNERS = ("upload", "download", "tps", *BUDGETS)
COMMON = ("name", "kind", "domain", "capacity", "reserve", "threads", *MANNERS)
MOST_TPS, MOST_THREADS, MOST_RETRIES = 1e6, 64, 100
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
SHORT_HINT, LONG_HINT = "Write durations like 90s, 15m or 2h.", "Write durations like 15m, 2h or 7d."
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")


def valid_name(name: str, of: str = "a disk") -> str:
    """A name of a disk (or what ``of`` says): short, lower case, usable everywhere.  Raises ConfigError."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is not a name for {of}", hint="Use up to 63 lower-case letters, digits, '.', '-' or '_'."
        )
    return name


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Read and check the file.  ``environ``: with what flags say put in (cli/for_this_run.py).  Raises NotAPool when
    there is no file, ConfigError when it is wrong."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotAPool(f"there is no pool here: {path} does not exist") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if raw.pop("version", None) != VERSION:
        raise ConfigError(f"{path} must say 'version = {VERSION}'", hint="A newer webraid may have written it.")
    disks = raw.pop("disk", [])
    sources = raw.pop("source", [])
    profiles = profiles_in(path, raw.pop("profile", {}), valid_name)
    unknown = sorted(set(raw) - set(SECTIONS))
    if unknown:
        near = close(unknown[0], (*SECTIONS, "disk", "source", "profile"))
        raise ConfigError(f"{path}: unknown section [{unknown[0]}]{near}")
    for name, value in (("disk", disks), ("source", sources)):
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise ConfigError(f"{path}: write [[{name}]] in double brackets: there may be several")
    profile = environ.get(PROFILE, "")
    chosen = named(path, profile, profiles, f"-P, or {PROFILE}")
    found = {
        name: _section(path, name, kind, raw.get(name, {}), chosen.get(name, {}), environ)
        for name, kind in SECTIONS.items()
    }
    named(path, found["schedule"].profile, profiles, "[schedule] profile")
    _understood(path, found)
    for name, sections in profiles.items():
        _understood(path, {key: msgspec.convert(sections[key], SECTIONS[key]) for key in sections}, f"profile.{name}.")
    parsed = tuple(_disk(path, disk) for disk in disks)
    names = [disk.name for disk in parsed]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ConfigError(f"{path}: two disks are called {twice!r}")
    return Config(disks=parsed, sources=_sources(path, sources), profile=profile, profiles=profiles, **found)


def _understood(path: Path, found: Mapping[str, Any], within: str = "") -> None:
    """Values that the sections' types alone do not check."""
    durations = {
        "idle": ("every",), "check": ("full_every", "drill_every"), "prune": ("trash", "retention_lock"),
        "schedule": ("jitter",), "hooks": ("timeout",),
    }  # fmt: skip
    for section, keys in durations.items():
        for key in keys if section in found else ():
            try:
                parse_duration(getattr(found[section], key))
            except ConfigError as error:
                hint = SHORT_HINT if key in ("jitter", "timeout") else LONG_HINT
                raise ConfigError(f"{path}: [{within}{section}] {key.replace('_', '-')}: {error}", hint=hint) from None
    if "limits" in found:
        _numbers(path, found["limits"], f"[{within}limits]")


def _numbers(path: Path, limits: Limits, where: str) -> None:
    """What is asked of every disk."""
    for key, most in (("tps", MOST_TPS), ("transfers", MOST_THREADS), ("retries", MOST_RETRIES)):
        if not 0 <= getattr(limits, key) <= most:
            raise ConfigError(f"{path}: {where} {key} must be from 0 to {most:g}, not {getattr(limits, key):g}")


def _sources(path: Path, raw: list[dict[str, Any]]) -> tuple[Source, ...]:
    sources = tuple(converted(f"{path}:", _called(item), Source, item) for item in raw)
    names = [source.name for source in sources]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ConfigError(f"{path}: two sources are called {twice!r}")
    empty = next((source.name for source in sources if not source.paths), None)
    if empty:
        raise ConfigError(f"{path}: source {empty!r} has no paths")
    return sources


def _called(raw: Mapping[str, Any]) -> str:
    """A [[source]] as messages name it."""
    return f"[[source]] {raw['name']}" if isinstance(raw.get("name"), str) else "[[source]]"


def _section(
    path: Path, name: str, kind: type[Any], raw: object, profile: Mapping[str, Any], environ: Mapping[str, str]
) -> Any:
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: [{name}] must be a section")
    values = {**raw, **profile}
    for item in msgspec.structs.fields(kind):
        variable = f"WEBRAID_{name}_{item.encode_name}".upper().replace("-", "_")
        if variable in environ:
            try:
                values[item.encode_name] = _from_environ(environ[variable], item.type)
            except ValueError:
                raise ConfigError(f"{variable} must be {words_of(item.type)}, not {environ[variable]!r}") from None
    return converted(f"{path}:", f"[{name}]", kind, values)


def _from_environ(text: str, kind: Any) -> object:
    """Lists are written with one item a line; for commas stand in patterns, commands and addresses."""
    if kind is float or kind is int:
        return kind(text)
    if kind is bool:
        words = {
            "1": True,
            "true": True,
            "yes": True,
            "on": True,
            "0": False,
            "false": False,
            "no": False,
            "off": False,
        }
        if text.strip().lower() not in words:
            raise ValueError(text)
        return words[text.strip().lower()]
    if get_origin(kind) is tuple:
        return [line for line in text.splitlines() if line.strip()]
    return text


def _disk(path: Path, raw: Mapping[str, Any]) -> DiskSection:
    try:
        name, kind = str(raw["name"]), str(raw["kind"])
    except KeyError as error:
        raise ConfigError(f"{path}: a [[disk]] has no {error.args[0]}") from error
    threads = raw.get("threads")
    if threads is not None and (
        not isinstance(threads, int) or isinstance(threads, bool) or not 1 <= threads <= MOST_THREADS
    ):
        raise ConfigError(f"{path}: threads of disk {name} must be a whole number from 1 to {MOST_THREADS}")
    options = {key: value for key, value in raw.items() if key not in COMMON}
    manners = {key: value for key, value in raw.items() if key in MANNERS}
    capacity, reserve = raw.get("capacity"), raw.get("reserve")
    return DiskSection(
        valid_name(name), kind, str(raw.get("domain", "")), _size(path, name, "capacity", capacity),
        _size(path, name, "reserve", reserve), threads, options, manners,
    )  # fmt: skip


def _size(path: Path, name: str, key: str, value: object) -> int | None:
    try:
        return None if value is None else parse_size(str(value))
    except ConfigError as error:
        raise ConfigError(f"{path}: [[disk]] {name}: {key}: {error}", hint=error.hint) from None


def parse_duration(text: str) -> float:
    """'90', '90s', '15m', '2h', '3d' -> seconds.  Raises ConfigError."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise ConfigError(f"{text!r} is not a duration", hint=LONG_HINT)
    return float(match[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2] or "s"]


def expand(value: str, environ: Mapping[str, str]) -> str:
    """'${NAME}' stands for an environment variable.  Raises ConfigError when it is not set."""

    def variable(match: re.Match[str]) -> str:
        if match[1] not in environ:
            raise ConfigError(f"the config uses ${{{match[1]}}}, but that variable is not set")
        return environ[match[1]]

    return re.sub(r"\$\{(\w+)\}", variable, value)
