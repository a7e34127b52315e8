"""The disks' secrets in a file of their own, mode 0600, beside the config file."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path

from webraid.config.places import write_private
from webraid.errors import ConfigError


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
        import tomlkit  # only to write: see writing

        write_private(path, tomlkit.dumps(everything))
