"""Sections of rclone.conf: as text, as the JSON that is kept as a secret, and in the file our rclone works on."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from webraid.errors import ConfigError

Section = Mapping[str, str]
CONFIG = "rclone.conf"

# What tells one account or server from another; and what counts besides, where one of these is there.
_TELLING = (
    "url", "host", "user", "username", "account", "email", "access_key_id", "drive_id", "root_folder_id", "team_drive",
    "project_number", "share_name", "app", "remote", "upstreams",
)  # fmt: skip
_BESIDES = ("provider", "endpoint", "region", "port", "device", "mountpoint", "library")


def parse(text: str, name: str = "") -> dict[str, str]:
    """A section from JSON (one remote's, or 'rclone config dump' of many) or from the text of an rclone.conf.

    Where there are several, the one called ``name`` is meant.  Raises ConfigError, never with a value in it.
    """
    stripped = text.strip()
    found = _from_json(stripped) if stripped.startswith("{") else _from_ini(stripped)
    if len(found) > 1 and name in found:
        found = {name: found[name]}
    if len(found) != 1:
        raise ConfigError(
            f"the section is not one remote's: it holds {len(found)}", hint="Name it: --remote NAME:folder."
        )
    (section,) = found.values()
    if not section.get("type"):
        raise ConfigError("the section has no type", hint="It is what 'rclone config show NAME' prints.")
    if any("\n" in part or "\r" in part for item in section.items() for part in item):
        raise ConfigError("the section has a line break within a value")
    return section


def _from_json(text: str) -> dict[str, dict[str, str]]:
    try:
        found = json.loads(text)
    except ValueError:
        raise ConfigError("the section is no JSON") from None
    if not all(isinstance(value, dict) for value in found.values()):
        found = {"": found}
    return {str(name): {str(key): _plain(value) for key, value in one.items()} for name, one in found.items()}


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _from_ini(text: str) -> dict[str, dict[str, str]]:
    """As rclone reads it: no continuation, no escapes; what comes before the first '[name]' has the name ''."""
    found: dict[str, dict[str, str]] = {}
    name = ""
    for line in text.splitlines():
        head = re.fullmatch(r"\s*\[(.+)\]\s*", line)
        key, equals, value = line.partition("=")
        if head:
            name = head[1]
            found.setdefault(name, {})
        elif equals and not key.lstrip().startswith(("#", ";")):
            found.setdefault(name, {})[key.strip()] = value.strip()
    return found


def as_secret(section: Section) -> str:
    """The one spelling under which a section is kept."""
    return json.dumps(dict(section), sort_keys=True, separators=(",", ":"))


def place_of(section: Section) -> str:
    """'type/host/digest': equal for two sections that mean the same account, as far as can be told without asking.

    A section that tells no account counts by its login: the same account twice then looks like two.
    """
    telling = {key: section[key] for key in _TELLING if section.get(key)}
    if telling:
        telling |= {key: section[key] for key in _BESIDES if section.get(key)}
    told = telling or {key: value for key, value in section.items() if key != "token"} | {"token": _lasting(section)}
    digest = hashlib.sha256(as_secret({**told, "type": section["type"]}).encode()).hexdigest()[:12]
    return f"{section['type']}/{_host(section)}/{digest}"


def _lasting(section: Section) -> str:
    with contextlib.suppress(ValueError, AttributeError):
        return str(json.loads(section.get("token", "")).get("refresh_token", ""))
    return ""


def _host(section: Section) -> str:
    for key in ("url", "endpoint", "host"):
        text = section.get(key, "")
        with contextlib.suppress(ValueError):
            host = urlsplit(text if "//" in text else f"//{text}").hostname
            if host:
                return host
    return ""


class Sections:
    """The rclone.conf in a folder, of which each disk's section is one part.

    rclone writes a renewed token there at once, so after a crash the file is newer than the secret.  After a new login,
    or on a machine that was recovered, the secret is newer.  ``<section>.seen`` tells them apart: it holds the digest
    of the secret that the file's section descends from.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file = folder / CONFIG

    def read(self, name: str) -> dict[str, str]:
        """The section as it is now; empty where there is none."""
        try:
            return _from_ini(self.file.read_text("utf-8")).get(name, {})
        except FileNotFoundError:
            return {}

    def settle(self, name: str, secret: str) -> tuple[str, bool]:
        """Bring file and secret together; the secret that holds from now on, and whether the file was changed."""
        with self._locked():
            there = self.read(name)
            if not there or self._seen(name) != _digest(secret):
                self._write(name, json.loads(secret))
                self._mark(name, secret)
                return secret, as_secret(there) != secret
        return as_secret(there), False

    def mark(self, name: str, secret: str) -> None:
        """The secret has become that one, and holds what the file holds."""
        with self._locked():
            self._mark(name, secret)

    def stamp(self) -> tuple[int, int]:
        """Changes when the file does; costs next to nothing."""
        try:
            found = self.file.stat()
        except FileNotFoundError:
            return (0, 0)
        return found.st_mtime_ns, found.st_ino

    def create(self) -> None:
        """An empty file, where there is none: rclone asks for one."""
        with self._locked():
            if not self.file.exists():
                _replace(self.file, "")

    def _write(self, name: str, section: Section) -> None:
        found = _from_ini(self.file.read_text("utf-8")) if self.file.exists() else {}
        found[name] = dict(section)
        lines = [
            line
            for title, values in found.items() if title
            for line in (f"[{title}]", *(f"{key} = {value}" for key, value in values.items()), "")
        ]  # fmt: skip
        _replace(self.file, "\n".join(lines))

    def _seen(self, name: str) -> str:
        try:
            return (self._folder / f"{name}.seen").read_text("ascii")
        except FileNotFoundError:
            return ""

    def _mark(self, name: str, secret: str) -> None:
        _replace(self._folder / f"{name}.seen", _digest(secret))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Against other webraids on this machine, and our own threads."""
        with open(self._folder / "rclone.lock", "wb", opener=_private) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _replace(path: Path, text: str) -> None:
    """Whole or not at all, mode 0600."""
    new = path.with_name(f"{path.name}.new")
    with open(new, "w", encoding="utf-8", opener=_private) as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    new.replace(path)
