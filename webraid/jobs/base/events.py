"""What a running job reports as it goes.  Jobs never print: cli/render.py shows events, --json writes them as lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Started:
    """A job begins.  ``total_files``/``total_bytes``: None while unknown."""

    job: str
    total_files: int | None = None
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a job is.  ``stored``: bytes sent to the disks so far, parity included.

    ``total_files``, ``total_bytes``: what the whole job comes to, where that was found out on the way or has changed;
    None: what ``Started`` said stands.
    """

    files: int = 0
    bytes: int = 0
    stored: int = 0
    current: str = field(default="", repr=False)
    total_files: int | None = None
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class DiskBytes:
    """Bytes that went to (``up``) or came from a disk."""

    disk: str
    up: int = 0
    down: int = 0


@dataclass(frozen=True, slots=True)
class DiskNotice:
    """Something about a disk that the user should read.  ``alarm``: exit code 24."""

    disk: str
    text: str
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class ShardFound:
    """A shard that is not what it should be.  ``problem``: 'missing', 'corrupt' or 'unreadable'."""

    disk: str
    pack: str
    index: int
    problem: str


@dataclass(frozen=True, slots=True)
class FileTrouble:
    """A file that could not be read or written as it should.  ``path`` is safe to print."""

    path: str = field(repr=False)
    reason: str


@dataclass(frozen=True, slots=True)
class FileStored:
    """A file that a put took in, or would.  ``action``: 'new', 'changed' or 'unchanged'; ``path`` is safe to print."""

    path: str = field(repr=False)
    action: str
    size: int


@dataclass(frozen=True, slots=True)
class FileRestored:
    """What a get did, or would do, with a file.  ``action``: 'restored', 'updated', 'unchanged' or 'deleted'."""

    path: str = field(repr=False)
    action: str
    size: int


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence for the user.  ``warning``: it wants attention."""

    text: str
    warning: bool = False


Event = Started | Progress | DiskBytes | DiskNotice | ShardFound | FileTrouble | FileStored | FileRestored | Notice
OnEvent = Callable[[Event], None]


def ignore(event: Event) -> None:
    """For callers that do not want events."""
