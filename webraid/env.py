"""Clock, randomness and sleep, passed in: the only door to them.  Tests and simulations pass their own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random, SystemRandom


@dataclass(frozen=True, slots=True)
class Env:
    """What the outside gives us besides disks and files.

    ``now``: seconds since the epoch (informative only: no decision about safety depends on it).  ``monotonic``:
    seconds, for durations.  ``random``: n cryptographically strong bytes.  ``sleep``: seconds.  ``rng``: a seedable
    generator for jitter and sampling, never for keys or names.
    """

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    random: Callable[[int], bytes] = os.urandom
    sleep: Callable[[float], None] = time.sleep
    rng: Random = field(default_factory=SystemRandom)


def seeded(seed: int) -> Env:
    """An Env whose randomness repeats from ``seed``; clock and sleep stay real.  For tests only: keys are guessable."""
    source = Random(seed)
    return Env(random=source.randbytes, rng=Random(seed + 1))
