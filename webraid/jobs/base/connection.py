"""How a disk is reached: from its section of the config file, or from the sealed connection in the signed log."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from webraid.backend.base import Backend, Caps
from webraid.backend.budget import Budget
from webraid.backend.disk import Disk
from webraid.backend.login import Keep, Secrets
from webraid.backend.registry import load, make_options
from webraid.backend.retrying import RetryPolicy, trying_again
from webraid.backend.throttled import Limits, Lines
from webraid.codec.keys import Root
from webraid.codec.seal import open_envelope, seal_envelope
from webraid.config import DiskSection, expand
from webraid.env import Env
from webraid.errors import PluginMissing, SealBroken
from webraid.jobs.base.caps import Kept, cautious
from webraid.jobs.base.settings import Settings
from webraid.jobs.base.vault import lazily
from webraid.table.fold import DiskInfo

KIND = b"conn"
Keeper = Callable[[Mapping[str, str]], Keep]  # from the secrets a disk was opened with to where renewed ones go
ONCE = RetryPolicy(attempts=1)  # a folder that is gone does not come back within seconds


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """All that it takes to reach a disk, secrets included; only ever stored sealed with root.creds."""

    name: str
    kind: str
    domain: str
    options: dict[str, Any]
    secrets: dict[str, str]
    capacity: int | None = None
    reserve: int = 0
    threads: int | None = None

    def __repr__(self) -> str:
        return f"Connection({self.name!r}, {self.kind!r})"


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens a backend of one disk; each thread of the disk gets an instance of its own."""

    kind: str
    options: Mapping[str, Any] = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)
    disk: str = ""
    folder: Path | None = field(default=None, repr=False)
    keeper: Keeper | None = field(default=None, repr=False)
    _made: list[Secrets] = field(default_factory=list, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def parts(self) -> tuple[type[Backend], Any, Secrets]:
        """The plug-in class, its options, and its secrets (the same ones for all threads of the disk).

        Raises ConfigError and PluginMissing.
        """
        cls = load(self.kind)
        given = {key: expand(v, self.environ) if isinstance(v, str) else v for key, v in self.options.items()}
        options, found = make_options(cls, given)
        with self._lock:
            if not self._made:
                values = {**found, **self.secrets}
                keep = self.keeper(values) if self.keeper else None
                self._made.append(Secrets(values, disk=self.disk, folder=self.folder, keep=keep))
        return cls, options, self._made[0]

    def __call__(self) -> Backend:
        cls, options, secrets = self.parts()
        return cls.connect(options, secrets)


def seal_connection(connection: Connection, root: Root, pool: bytes, env: Env) -> bytes:
    """For the log: any machine of the pool can reach the disk with it."""
    return seal_envelope(root.creds, pool, KIND, msgspec.msgpack.encode(connection), env)


def open_connection(info: DiskInfo, root: Root, pool: bytes) -> Connection:
    """The connection that the log holds for a disk, sealed in any epoch.  Raises SealBroken."""
    *newer, last = root.every()
    for each in newer:
        with contextlib.suppress(SealBroken):
            return msgspec.msgpack.decode(open_envelope(each.creds, pool, KIND, info.connection), type=Connection)
    return msgspec.msgpack.decode(open_envelope(last.creds, pool, KIND, info.connection), type=Connection)


def from_section(section: DiskSection, secrets: Mapping[str, str]) -> Connection:
    """The connection that this machine's config describes."""
    return Connection(
        name=section.name, kind=section.kind, domain=section.domain, options=dict(section.options),
        secrets=dict(secrets), capacity=section.capacity, reserve=section.reserve or 0, threads=section.threads,
    )  # fmt: skip


def make_disk(
    connection: Connection, *, id: bytes, settings: Settings, limits: Limits,
    kept: Callable[[], Kept | None] = lambda: None, keeper: Keeper | None = None, lines: Lines | None = None,
    budget: Budget | None = None, transfers: int = 0, retries: int | None = None,
) -> Disk:  # fmt: skip
    """The disk, not yet talked to.  ``kept``: what a probe found out about this account.  ``keeper``: where
    renewed secrets go, if not into the vault.  ``lines`` are shared with the pool's other disks.  ``transfers``
    at once, 0: what suits the kind; ``retries``: None for the usual ones."""
    places = settings.places
    opener = Opener(
        connection.kind, connection.options, connection.secrets, settings.environ, connection.name,
        places.plugin(connection.kind), keeper or partial(lazily, settings, connection.name),
    )  # fmt: skip
    kind, found = _caps(connection.kind), kept()
    caps = None if kind is None or found is None else cautious(found.caps, kind)
    return Disk(
        connection.name, settings.wrap(connection.name, opener), env=settings.env, id=id, domain=connection.domain,
        threads=connection.threads, limits=limits, lines=lines, budget=budget, caps=caps, guess=kind,
        retry=ONCE if kind is not None and kind.local else None if retries is None else trying_again(retries),
        transfers=transfers or None,
    )  # fmt: skip


def _caps(kind: str) -> Caps | None:
    try:
        return getattr(load(kind), "caps", None)
    except PluginMissing:  # said again, with its hint, by every job of that disk
        return None
