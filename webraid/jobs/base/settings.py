"""Where a pool's files are on this machine, what it is called, and how the outside is reached."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from webraid.backend.base import Backend
from webraid.config import Places
from webraid.env import Env
from webraid.jobs.base.events import OnEvent, ignore

Wrap = Callable[[str, Callable[[], Backend]], Callable[[], Backend]]


def _plain(name: str, opener: Callable[[], Backend]) -> Callable[[], Backend]:
    return opener


@dataclass(slots=True)
class Settings:
    """``only``: names of the disks that are used, no other one is asked anything; none given: all.

    Tests replace what they need; ``wrap(name, opener)`` lets them put a double around every disk's backend.
    """

    places: Places
    environ: Mapping[str, str]
    env: Env = field(default_factory=Env)
    wrap: Wrap = _plain
    on_event: OnEvent = ignore
    only: frozenset[str] = frozenset()


def host() -> str:
    """This machine's name, for people."""
    return socket.gethostname() or "unnamed"
