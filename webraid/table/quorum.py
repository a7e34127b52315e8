"""How many disks must answer.  Pure arithmetic; the protocol checkers in tests/models run on these functions.

``n`` is the number of joined disks, ``m`` the largest number of lost disks that any level in use survives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass


def majority(n: int) -> int:
    """The fewest disks on which a record may be acknowledged at all (exit 20 when below write_quorum)."""
    return n // 2 + 1 if n else 0


def write_quorum(n: int, m: int) -> int:
    """W: as many disks must hold a record before it counts as durable; never more than there are."""
    return min(n, max(m + 1, majority(n)))


def read_quorum(n: int) -> int:
    """R: as many disks must answer before the newest acknowledged state is certain to be among the answers.

    Follows from the majority, not from W: so it also meets what was acknowledged in a degraded pool.
    """
    return n - majority(n) + 1 if n else 0


@dataclass(frozen=True, slots=True)
class Membership:
    """Who counts: ``joined`` disks, and ``joining`` ones that may count soon.  ``losses``: m of the levels in use."""

    joined: Set[bytes]
    joining: Set[bytes]
    losses: int

    def acceptable(self, holders: Set[bytes]) -> bool:
        """Whether a record on ``holders`` may be acknowledged at all: every read quorum will meet it."""
        return self._enough(holders, majority)

    def durable(self, holders: Set[bytes]) -> bool:
        """Whether it may be acknowledged in full."""
        return self._enough(holders, lambda n: write_quorum(n, self.losses))

    def _enough(self, holders: Set[bytes], need: Callable[[int], int]) -> bool:
        """A joining disk that lacks the record may be the next to count: then one more of the others must have it.

        Where it has the record nothing changes, since a quorum grows by one at most when a disk is added."""
        return len(holders & self.joined) >= need(len(self.joined) + len(self.joining - holders))


def tolerance(table_copies: int, survivable: Iterable[int]) -> int:
    """t: how many whole disks (failure domains) may vanish now without loss; ``survivable`` per stripe of the run."""
    return max(0, min([table_copies - 1, *survivable]))
