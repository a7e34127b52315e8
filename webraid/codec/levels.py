"""RAID levels as users type them, and what each is over so many disks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from webraid.errors import ConfigError, NotEnoughDisks
from webraid.model import Code, Geometry, Level

_SYNTAX = re.compile(r"(raid[0-9]+)(?::([0-9]+))?|rs:([0-9]+)\+([0-9]+)")
_HINT = "Levels are raid0, raid1[:copies], raid4, raid5[:width], raid6[:width] and rs:k+m, such as rs:10+4."
_LEAST = {Level.RAID0: 1, Level.RAID1: 2, Level.RAID4: 3, Level.RAID5: 3, Level.RAID6: 4}
_WIDTH_IS = {Level.RAID1: "copies", Level.RAID5: "disks a stripe", Level.RAID6: "disks a stripe"}
_REFUSED = {
    "raid2": "raid2 is Hamming code over bits: a disk of today says itself when it fails, so it only costs more parity",
    "raid3": "raid3 deals single bytes: over the web every read would ask every disk, with no gain",
}
_MOST = 255  # shards: numbers of the field GF(256) that zfec's code has rows for


@dataclass(frozen=True, slots=True)
class LevelSpec:
    """A level and its numbers.  ``width``: shards a stripe, 0 = one on every disk.  ``parity``: m of rs:k+m, else 0."""

    level: Level
    width: int = 0
    parity: int = 0

    def __str__(self) -> str:
        if self.level is Level.RS:
            return f"rs:{self.width - self.parity}+{self.parity}"
        return f"{self.level.value}:{self.width}" if self.width else self.level.value

    @property
    def least(self) -> int:
        """Disks it takes at least."""
        return self.width or _LEAST[self.level]

    def span(self, disks: int, domains: int) -> int:
        """How many disks to spread over.  A level without a width takes one disk of each failure domain, where there
        are enough of them: two shards in one domain would use up two losses at once."""
        return domains if not self.width and domains >= self.least else disks

    def geometry(self, disks: int) -> Geometry:
        """What a stripe is over ``disks`` disks.

        Raises NotEnoughDisks, saying how many more it takes; ConfigError if there are too many for one stripe.
        """
        if disks < self.least:
            more = self.least - disks
            raise NotEnoughDisks(
                f"{self} needs {self.least} disks and there {'is' if disks == 1 else 'are'} {disks}",
                hint=f"Add {more} more with 'webraid add-backend', or choose a smaller level.",
            )
        n = self.width or disks
        if n > _MOST:
            raise ConfigError(
                f"a stripe has at most {_MOST} shards, not {n}", hint=f"Give the width, such as {self.level.value}:16."
            )
        match self.level:
            case Level.RAID0:
                return Geometry(Code.NONE, n, n)
            case Level.RAID1:
                return Geometry(Code.COPIES, 1, n)
            case Level.RAID4 | Level.RAID5:
                return Geometry(Code.XOR, n - 1, n, rotates=self.level is Level.RAID5)
            case Level.RAID6:
                return Geometry(Code.RS, n - 2, n)
            case Level.RS:
                return Geometry(Code.XOR if self.parity == 1 else Code.RS, n - self.parity, n)

    def losses(self, disks: int) -> int:
        """How many disks may be lost at once.  Raises as geometry does."""
        return self.geometry(disks).m

    def explain(self, disks: int) -> str:
        """One line for people.  Raises as geometry does."""
        shape = self.geometry(disks)
        if shape.m == 0:
            return f"{self}: spread over {shape.n} disks, survives the loss of no disk"
        lost = "any one disk" if shape.m == 1 else f"any {shape.m} disks"
        if shape.code is Code.COPIES:
            return f"{self}: {shape.n} copies, survives the loss of {lost}, stores {shape.n} times the bytes"
        return (
            f"{self}: any {shape.k} of {shape.n} shards give the data back, survives the loss of {lost}, "
            f"stores {shape.n / shape.k:.2f} times the bytes"
        )


def parse_level(text: str) -> LevelSpec:
    """'raid6', 'raid1:3', 'rs:10+4'...  Raises ConfigError that says what is wrong."""
    match = _SYNTAX.fullmatch(text.strip().lower())
    if not match:
        raise ConfigError(f"{text!r} is not a level", hint=_HINT)
    name, width, k, m = match.groups()
    if name is None:
        return _reed_solomon(int(k), int(m))
    if name in _REFUSED:
        raise ConfigError(f"{name} is not offered", hint=f"{_REFUSED[name]}. Use raid5 or raid6.")
    try:
        level = Level(name)
    except ValueError:
        raise ConfigError(f"there is no level {name}", hint=_HINT) from None
    if width is None:
        return LevelSpec(level)
    if level not in _WIDTH_IS:
        raise ConfigError(f"{name} takes no number: it always uses every disk", hint=_HINT)
    if not _LEAST[level] <= int(width) <= _MOST:
        raise ConfigError(
            f"{name} has from {_LEAST[level]} to {_MOST} {_WIDTH_IS[level]}, not {int(width)}", hint=_HINT
        )
    return LevelSpec(level, int(width))


def _reed_solomon(k: int, m: int) -> LevelSpec:
    if k < 1 or m < 1:
        raise ConfigError("rs:k+m takes at least one data shard and one parity shard", hint=_HINT)
    if k + m > _MOST:
        raise ConfigError(f"a stripe has at most {_MOST} shards, not {k + m}", hint=_HINT)
    return LevelSpec(Level.RS, k + m, m)
