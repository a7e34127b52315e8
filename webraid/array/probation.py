"""Disks that stalled: left alone for a while, then tried with one request at a time.  Pure: time is given."""

from __future__ import annotations

from dataclasses import dataclass

FIRST = 5.0  # seconds, doubled each time it stalls again
LONGEST = 300.0


@dataclass(slots=True)
class _Sentence:
    until: float
    seconds: float


class Probation:
    """Shared by all reads of an array, so that a hung disk costs its delay once.  Not thread-safe, like RateBook."""

    def __init__(self) -> None:
        self._sentences: dict[bytes, _Sentence] = {}

    def stalled(self, disk: bytes, now: float) -> bool:
        """The disk stalled; True if that is news."""
        old = self._sentences.get(disk)
        if old and now < old.until:
            return False
        seconds = min(LONGEST, old.seconds * 2) if old else FIRST
        self._sentences[disk] = _Sentence(now + seconds, seconds)
        return True

    def answered(self, disk: bytes) -> None:
        """It works again."""
        self._sentences.pop(disk, None)

    def shut(self, disk: bytes, now: float) -> bool:
        """Whether it is to be left alone."""
        sentence = self._sentences.get(disk)
        return sentence is not None and now < sentence.until

    def wary(self, disk: bytes) -> bool:
        """Whether it stalled and has not answered since."""
        return disk in self._sentences
