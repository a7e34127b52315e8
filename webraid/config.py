"""The config file (TOML), its environment overrides, and the places where things lie.  Secrets are in a file of their
own, mode 0600.  Precedence: flag > environment > file > default."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import platformdirs
import tomlkit

from webraid.errors import ConfigError, NotAPool
from webraid.model import parse_size

VERSION = 1


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """Base of the sections: an unknown key is an error, not a silent nothing."""


class PoolSection(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """[pool]"""

    name: str
    id: str
    level: str = "raid6"


class Limits(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """[limits]: rates of all disks together, as backend/timetable.py reads them; ``memory`` for shards under way,
    ``patience`` in seconds."""

    upload: str = "0"
    download: str = "0"
    memory: str = "96 MiB"
    patience: float = 30.0


class Check(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """[check]: share of the shards that ``check`` reads where the provider tells no hash in its listing."""

    sample: str = "2%"


class SecretStore(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """[secrets]: where the disks' secrets are kept on this machine, see webraid/jobs/vault.py."""

    store: Literal["file", "keyring"] = "file"


class Idle(_Section, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """[idle]: every disk is written to at least so often, so that nobody thinks the account dead ('0': never mind)."""

    every: str = "7d"


@dataclass(frozen=True, slots=True)
class DiskSection:
    """[[disk]]: ``options`` are the kind's own keys, ``manners`` those of MANNERS (jobs/manners.py reads them), both in
    the file's spelling; sizes in bytes.  A ``reserve`` of None is for jobs/seats.py to choose."""

    name: str
    kind: str
    domain: str = ""
    capacity: int | None = None
    reserve: int | None = None
    threads: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    manners: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    pool: PoolSection
    disks: tuple[DiskSection, ...] = ()
    limits: Limits = Limits()
    check: Check = Check()
    secrets: SecretStore = field(default_factory=SecretStore)
    idle: Idle = field(default_factory=Idle)

    def disk(self, name: str) -> DiskSection | None:
        """The section of that disk."""
        return next((disk for disk in self.disks if disk.name == name), None)


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie on this machine."""

    config: Path
    state: Path

    @property
    def secrets(self) -> Path:
        """The disks' secrets, mode 0600, beside the config file."""
        return self.config.with_name("secrets.toml")

    def plugin(self, kind: str) -> Path:
        """What the disks of a kind keep in files of their own, mode 0700."""
        return self.config.with_name("plugins") / kind

    @property
    def database(self) -> Path:
        """The local cache."""
        return self.state / "table.sqlite"

    @property
    def device(self) -> Path:
        """This machine's key and its own log records that are not yet everywhere."""
        return self.state / "device"

    @property
    def lock(self) -> Path:
        """Held by a run that writes."""
        return self.state / "lock"


def places(environ: Mapping[str, str], *, config: str | None = None) -> Places:
    """From the flag, WEBRAID_CONFIG, WEBRAID_STATE_DIR, or the platform's usual folders."""
    default = Path(platformdirs.user_config_dir("webraid")) / "config.toml"
    path = config or environ.get("WEBRAID_CONFIG") or str(default)
    state = environ.get("WEBRAID_STATE_DIR") or platformdirs.user_state_dir("webraid")
    return Places(Path(path).expanduser().absolute(), Path(state).expanduser().absolute())


BUDGETS = tuple(
    f"{what}-per-{period}" for what in ("writes", "reads", "deletes", "egress", "upload") for period in ("day", "month")
)
MANNERS = ("upload", "download", "tps", *BUDGETS)
_COMMON = ("name", "kind", "domain", "capacity", "reserve", "threads", *MANNERS)
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")


def valid_name(name: str) -> str:
    """A disk's name: short, lower case, usable everywhere.  Raises ConfigError."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is not a name for a disk", hint="Use up to 63 lower-case letters, digits, '.', '-' or '_'."
        )
    return name


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Read and check the file.  Raises NotAPool when there is none, ConfigError when it is wrong."""
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
    unknown = set(raw) - {"pool", "limits", "check", "secrets", "idle"}
    if unknown:
        raise ConfigError(f"{path}: unknown section [{sorted(unknown)[0]}]")
    sections = {
        name: _section(path, name, kind, raw.get(name, {}), environ)
        for name, kind in (
            ("pool", PoolSection), ("limits", Limits), ("check", Check), ("secrets", SecretStore), ("idle", Idle)
        )
    }  # fmt: skip
    parse_duration(sections["idle"].every)
    parsed = tuple(_disk(path, disk) for disk in disks)
    names = [disk.name for disk in parsed]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ConfigError(f"{path}: two disks are called {twice!r}")
    return Config(
        sections["pool"], parsed, sections["limits"], sections["check"], sections["secrets"], sections["idle"]
    )  # fmt: skip


def _section(path: Path, name: str, kind: type[Any], raw: object, environ: Mapping[str, str]) -> Any:
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: [{name}] must be a section")
    values = dict(raw)
    for item in msgspec.structs.fields(kind):
        variable = f"WEBRAID_{name}_{item.name}".upper()
        if variable in environ:
            text = environ[variable]
            values[item.encode_name] = float(text) if item.type is float else text
    try:
        return msgspec.convert(values, kind)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigError(f"{path}: [{name}]: {error}") from error


def _disk(path: Path, raw: Mapping[str, Any]) -> DiskSection:
    try:
        name, kind = str(raw["name"]), str(raw["kind"])
    except KeyError as error:
        raise ConfigError(f"{path}: a [[disk]] has no {error.args[0]}") from error
    threads = raw.get("threads")
    if threads is not None and (not isinstance(threads, int) or isinstance(threads, bool) or not 1 <= threads <= 64):
        raise ConfigError(f"{path}: threads of disk {name} must be a whole number from 1 to 64")
    options = {key: value for key, value in raw.items() if key not in _COMMON}
    manners = {key: value for key, value in raw.items() if key in MANNERS}
    capacity, reserve = raw.get("capacity"), raw.get("reserve")
    return DiskSection(
        valid_name(name), kind, str(raw.get("domain", "")), None if capacity is None else parse_size(str(capacity)),
        None if reserve is None else parse_size(str(reserve)), threads, options, manners,
    )  # fmt: skip


def parse_duration(text: str) -> float:
    """'90', '90s', '15m', '2h', '3d' -> seconds.  Raises ConfigError."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise ConfigError(f"{text!r} is not a duration", hint="Write durations like 90s, 15m or 2h.")
    return float(match[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2] or "s"]


# ------------------------------------------------------------------------------------------------------------ writing
def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, mode 0600, durable before it returns."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)  # a leftover's mode and a planted link are not taken over
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def create(path: Path, pool: PoolSection) -> None:
    """Write a new config file for ``pool``."""
    document = tomlkit.document()
    document.add("version", tomlkit.item(VERSION))
    document.add("pool", tomlkit.item({"name": pool.name, "id": pool.id, "level": pool.level}))
    write_private(path, "# WebRAID: every option is explained in config.example.toml\n" + tomlkit.dumps(document))


def put_disk(path: Path, disk: DiskSection) -> None:
    """Add (or replace) a [[disk]], keeping everything else in the file as it is, comments too."""
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    disks = document.setdefault("disk", tomlkit.aot())
    table = tomlkit.table()
    values: dict[str, Any] = {"name": disk.name, "kind": disk.kind, "domain": disk.domain}
    if disk.capacity is not None:
        values["capacity"] = f"{disk.capacity}"
    if disk.reserve is not None:
        values["reserve"] = f"{disk.reserve}"
    if disk.threads is not None:
        values["threads"] = disk.threads
    old = [i for i, item in enumerate(disks) if item.get("name") == disk.name]
    kept = {key: item for i in old for key, item in disks[i].items() if key in ("reserve", *MANNERS)}
    for key, value in {**kept, **values, **disk.manners, **disk.options}.items():
        table.add(key, value)
    for i in reversed(old):
        del disks[i]
    disks.append(table)
    write_private(path, tomlkit.dumps(document))


def drop_disk(path: Path, name: str) -> None:
    """Remove the [[disk]] of that name."""
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    disks = document.get("disk", [])
    for i in reversed([i for i, item in enumerate(disks) if item.get("name") == name]):
        del disks[i]
    if not len(disks):
        document.pop("disk", None)
    write_private(path, tomlkit.dumps(document))


def put_store(path: Path, store: str) -> None:
    """Set where secrets are kept."""
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    section = document.get("secrets")
    if section is None:
        section = tomlkit.table()
        disks = document.pop("disk", None)  # sections of their own come before the list of disks
        document.add("secrets", section)
        if disks is not None:
            document.add("disk", disks)
    section["store"] = store
    write_private(path, tomlkit.dumps(document))


# ------------------------------------------------------------------------------------------------------------ secrets
def load_secrets(path: Path) -> dict[str, dict[str, str]]:
    """Disk name -> secrets.  Raises ConfigError when others may read the file."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path} can be read by others", hint=f"Run: chmod 600 {path}")
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML (line {getattr(error, 'lineno', '?')})") from None
    return {name: {key: str(value) for key, value in values.items()} for name, values in raw.items()}


def put_secrets(path: Path, name: str, secrets: Mapping[str, str]) -> None:
    """Set (or with an empty mapping remove) the secrets of one disk."""
    everything = load_secrets(path)
    everything.pop(name, None)
    if secrets:
        everything[name] = dict(secrets)
    if everything or path.exists():
        write_private(path, tomlkit.dumps(everything))


def expand(value: str, environ: Mapping[str, str]) -> str:
    """'${NAME}' stands for an environment variable.  Raises ConfigError when it is not set."""

    def variable(match: re.Match[str]) -> str:
        if match[1] not in environ:
            raise ConfigError(f"the config uses ${{{match[1]}}}, but that variable is not set")
        return environ[match[1]]

    return re.sub(r"\$\{(\w+)\}", variable, value)
