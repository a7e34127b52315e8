"""How many disks must answer.  Pure arithmetic; the protocol checkers in tests/models run on these functions.

``n`` is the number of joined disks, ``m`` the largest number of lost disks that any level in use survives.
"""

from __future__ import annotations

from collections.abc import Iterable


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


def tolerance(table_copies: int, survivable: Iterable[int]) -> int:
    """t: how many whole disks (failure domains) may vanish now without loss; ``survivable`` per stripe of the run."""
    return max(0, min([table_copies - 1, *survivable]))
