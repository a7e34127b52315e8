"""The vocabulary as frozen types (see docs/glossary.md).  No behaviour beyond what the values imply."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from webraid.errors import ConfigError

MIB = 1 << 20
UNIT = MIB  # bytes of a pack dealt to one data shard at a time


class Level(StrEnum):
    """How stripes are laid over disks; the names users type."""

    RAID0 = "raid0"
    RAID1 = "raid1"
    RAID4 = "raid4"
    RAID5 = "raid5"
    RAID6 = "raid6"
    RS = "rs"


class Code(StrEnum):
    """How the n - k redundant shards follow from the k data shards."""

    NONE = "none"  # k = n
    COPIES = "copies"  # k = 1, every shard is shard 0
    XOR = "xor"  # n = k + 1
    RS = "rs"  # zfec's systematic code (k, n)


@dataclass(frozen=True, slots=True)
class Geometry:
    """What a level is over n disks: any k of n shards give the pack back.  ``rotates``: parity changes its disk."""

    code: Code
    k: int
    n: int
    rotates: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.n <= 255:
            raise ConfigError(f"a stripe needs 1 <= k <= n <= 255, not k={self.k}, n={self.n}")

    @property
    def m(self) -> int:
        """How many shards may be lost."""
        return self.n - self.k


class DiskState(StrEnum):
    """State of a disk as this machine sees it; the transitions are the table in backend/health.py."""

    ONLINE = "online"
    UNREACHABLE = "unreachable"
    FAULTED = "faulted"
    OFFLINE = "offline"
    REBUILDING = "rebuilding"
    DRAINING = "draining"
    SPARE = "spare"


class PoolState(StrEnum):
    """online: all redundancy there; degraded: some lost, all readable; failed: something is unreadable."""

    ONLINE = "online"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Stored:
    """An object as a disk has it.

    ``locator``: the provider's own handle ('' where the name is enough).  ``hashes``: algorithm -> hex digest as the
    provider told it (empty where it tells none).  ``verified``: the provider's hash was compared with ours.
    """

    name: str
    size: int
    locator: str = ""
    version: str = ""
    hashes: tuple[tuple[str, str], ...] = ()
    verified: bool = False

    def hash(self, algorithm: str) -> str | None:
        """The provider's hex digest by that algorithm, or None."""
        return dict(self.hashes).get(algorithm)


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes on a disk; None where the provider does not tell."""

    used: int | None = None
    free: int | None = None
    total: int | None = None


class PackKind(StrEnum):
    """data: file contents; table: tree pages and index segments, a copy on every disk."""

    DATA = "data"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Home:
    """A shard that lies on a disk.  ``disk`` is the disk's 8-byte id (its incarnation); ``md5`` 16 bytes or b''."""

    index: int
    disk: bytes
    locator: str = ""
    md5: bytes = b""


@dataclass(frozen=True, slots=True)
class Pack:
    """One stripe.  ``length``: bytes of the sealed pack.  ``shards``: SHA-256 of each whole shard object by index
    (b'' for a data shard that is empty and therefore not stored; one entry where code is copies).  ``homes``: where
    verified shards lie; may name an index several times (copies, or a rebuilt shard)."""

    id: bytes
    kind: PackKind
    geometry: Geometry
    length: int
    shards: tuple[bytes, ...]
    homes: tuple[Home, ...] = ()


def shard_name(pack_id: bytes, index: int) -> str:
    """The object name of a shard."""
    text = pack_id.hex()
    return f"shards/{text[:2]}/{text}.{index}"


_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgtp]?)(i?)b?\s*", re.IGNORECASE)


def parse_size(text: str) -> int:
    """'13 GiB' -> bytes; '10MB' is decimal.  Raises ConfigError."""
    match = _SIZE.fullmatch(text)
    if not match:
        raise ConfigError(f"{text!r} is not a size", hint="Write sizes like 200MiB, 13GiB or 1.5TB.")
    power = " kmgtp".index(match[2].lower() or " ")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


def show_size(count: float) -> str:
    """Bytes for people: '1.4 GiB'."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(count) < 1024 or unit == "TiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    raise AssertionError


def many(number: int, noun: str, plural: str = "") -> str:
    """'1 file', '1,200 files', '3 entries'."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
