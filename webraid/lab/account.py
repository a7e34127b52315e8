"""A cloud account with its door: listens, refuses, hangs, comes back, is wiped; tells how it is."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, replace
from typing import TypedDict

from webraid.errors import ConfigError
from webraid.lab.connection import Connection
from webraid.lab.link import Link
from webraid.lab.profiles import LinkSpec

HOST = "127.0.0.1"
BUFFER = 128 * 1024  # bytes of the kernel's socket buffers: the client must feel the wire, not our buffers
_FAULTS = (  # what 'state' calls a cloud whose fields differ from its profile's
    ("slow", ("up", "down", "rtt", "service", "conn_up", "conn_down")),
    ("corrupting", ("corrupt_rate",)),
    ("throttled", ("req_rate",)),
    ("failing", ("error_rate", "lost_rate", "drop_after")),
)


class CloudStats(TypedDict):
    """Counters since the start or the last reset.  Bytes are those on the wire, headers included."""

    state: str
    bytes_up: int
    bytes_down: int
    open: int  # connections open now
    connections: int
    requests: int
    throttled: int  # answered 429
    errors: int  # answered 503
    lost: int  # took effect, then reset
    denied: int  # wrong key, signature or clock
    over_quota: int
    corrupted: int
    slowed: int  # by tail_rate
    dropped: int  # by drop_after
    objects: int
    stored: int  # bytes
    ops: dict[str, int]  # requests by S3's name of the operation


@dataclass(slots=True)
class Account:
    """``usual``: as the profile has it; ``port`` 0 until it first listens."""

    name: str
    usual: LinkSpec
    link: Link
    bucket: str
    port: int = 0
    _server: asyncio.Server | None = None
    _reserved: socket.socket | None = None

    async def open(self) -> None:
        """Take the port and do what the profile says.  Raises ConfigError when another program has the port."""
        self._reserve()
        self.link.store.make_bucket(self.bucket)
        await self.tune(self.link.spec)

    async def tune(self, spec: LinkSpec) -> None:
        """Take on new values, the state included."""
        self.link.shape(spec)
        if spec.state == "refuse":
            self._close()
        elif self._reserved:
            door, self._reserved = self._reserved, None
            self._server = await self.link.loop.create_server(lambda: Connection(self.link), sock=door, backlog=256)

    def wipe(self) -> None:
        """As if the account had been closed and opened again: same keys, nothing in it."""
        self.hang_up()
        self.link.uploads.clear()
        self.link.store.wipe()
        self.link.store.make_bucket(self.bucket)

    def hang_up(self) -> None:
        for connection in list(self.link.connections):
            connection.abort()

    @property
    def state(self) -> str:
        """'up', 'killed', 'hung', or what is wrong with it: 'slow, corrupting'."""
        now = self.link.spec
        if now.state != "up":
            return "killed" if now.state == "refuse" else "hung"
        words, rest = [], now
        for word, names in _FAULTS:
            usual = {name: getattr(self.usual, name) for name in names}
            changed, rest = rest, replace(rest, **usual)
            words += [word] if changed != rest else []
        words += ["changed"] if rest != self.usual else []
        return ", ".join(words) or "up"

    def stats(self) -> CloudStats:
        link = self.link
        count = link.count
        return {
            "state": self.state, "bytes_up": link.up.bytes, "bytes_down": link.down.bytes,
            "open": len(link.connections), "connections": count["connections"], "requests": count["requests"],
            "throttled": count["throttled"], "errors": count["errors"], "lost": count["lost"],
            "denied": count["denied"], "over_quota": count["over_quota"], "corrupted": count["corrupted"],
            "slowed": count["slowed"], "dropped": count["dropped"],
            "objects": sum(len(link.store.keys(bucket)) for bucket in link.store.buckets()),
            "stored": link.store.used, "ops": dict(link.ops),
        }  # fmt: skip

    def reset_stats(self) -> None:
        self.link.count.clear()
        self.link.ops.clear()
        self.link.up.bytes = self.link.down.bytes = 0

    def _close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        self._server = None
        self.hang_up()
        self._reserve()

    def _reserve(self) -> None:
        """Bind without listening: connections are refused, yet the kernel gives the port to nobody else.

        Without that a client that keeps trying may one day be given this very port for its own end, and reach itself.
        """
        door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        try:
            door.bind((HOST, self.port))
        except OSError as error:
            door.close()
            raise ConfigError(
                f"port {self.port} of the simulated cloud {self.name} is taken: {error.strerror}",
                hint="End the program that uses it, or destroy this lab and start a new one (its ports will differ).",
            ) from error
        self.port = door.getsockname()[1]
        self._reserved = door
