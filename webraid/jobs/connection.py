"""How a disk is reached: from its section of the config file, or from the sealed connection in the signed log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from webraid.backend.base import Backend, Caps
from webraid.backend.disk import Disk
from webraid.backend.registry import load, make_options
from webraid.backend.retrying import RetryPolicy
from webraid.backend.throttled import Limits
from webraid.codec.keys import Root
from webraid.codec.seal import open_envelope, seal_envelope
from webraid.config import DiskSection, expand
from webraid.env import Env
from webraid.errors import PluginMissing
from webraid.table.fold import DiskInfo

KIND = b"conn"
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

    def parts(self) -> tuple[type[Backend], Any, dict[str, str]]:
        """The plug-in class, its options, its secrets.  Raises ConfigError and PluginMissing."""
        cls = load(self.kind)
        given = {key: expand(v, self.environ) if isinstance(v, str) else v for key, v in self.options.items()}
        options, found = make_options(cls, given)
        return cls, options, {**found, **{key: expand(v, self.environ) for key, v in self.secrets.items()}}

    def __call__(self) -> Backend:
        cls, options, secrets = self.parts()
        return cls.connect(options, secrets)


def seal_connection(connection: Connection, root: Root, pool: bytes, env: Env) -> bytes:
    """For the log: any machine of the pool can reach the disk with it."""
    return seal_envelope(root.creds, pool, KIND, msgspec.msgpack.encode(connection), env)


def open_connection(info: DiskInfo, root: Root, pool: bytes) -> Connection:
    """The connection that the log holds for a disk.  Raises SealBroken."""
    return msgspec.msgpack.decode(open_envelope(root.creds, pool, KIND, info.connection), type=Connection)


def from_section(section: DiskSection, secrets: Mapping[str, str]) -> Connection:
    """The connection that this machine's config describes."""
    return Connection(
        name=section.name, kind=section.kind, domain=section.domain, options=dict(section.options),
        secrets=dict(secrets), capacity=section.capacity, reserve=section.reserve, threads=section.threads,
    )  # fmt: skip


def make_disk(
    connection: Connection, *, id: bytes, env: Env, environ: Mapping[str, str], limits: Limits,
    wrap: Callable[[str, Callable[[], Backend]], Callable[[], Backend]],
    probed: Callable[[Caps | None], Caps | None] = lambda caps: caps,
) -> Disk:  # fmt: skip
    """The disk, not yet talked to.  ``wrap`` lets tests put a double around every backend;
    ``probed`` makes the kind's caps as cautious as this account needs."""
    opener = Opener(connection.kind, connection.options, connection.secrets, environ)
    caps = probed(_caps(connection.kind))
    return Disk(
        connection.name, wrap(connection.name, opener), env=env, id=id, domain=connection.domain,
        threads=connection.threads, limits=limits, caps=caps, retry=ONCE if caps is not None and caps.local else None,
    )  # fmt: skip


def _caps(kind: str) -> Caps | None:
    try:
        return getattr(load(kind), "caps", None)
    except PluginMissing:  # said again, with its hint, by every job of that disk
        return None
