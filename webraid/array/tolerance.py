"""How many whole failure domains may vanish before a stripe is lost: the figure behind every honest acknowledgement."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from webraid.model import Code, Home, Pack

_STEPS = 200_000  # of the exact search; beyond it the answer is a safe under-estimate


def pack_tolerance(pack: Pack, domains: Mapping[bytes, str], homes: Iterable[Home] | None = None) -> int:
    """Losses ``pack`` survives with its homes (or those given); -1 when fewer than k shards are there even now.

    ``domains``: disk id -> failure domain; a home on a disk that is not in it does not count."""
    held: dict[str, set[int]] = defaultdict(set)
    for home in pack.homes if homes is None else homes:
        if home.disk in domains:
            held[domains[home.disk]].add(home.index)
    code, k = pack.geometry.code, pack.geometry.k
    empty = 0 if code is Code.COPIES else sum(1 for digest in pack.shards[:k] if not digest)
    return losses_survived(held.values(), k - empty)


def losses_survived(held: Iterable[Collection[int]], k: int) -> int:
    """t: any t domains may vanish and at least k distinct shards are left.  -1 when there are fewer than k now.

    ``held``: per failure domain the indices of the shards it holds; an index may be in several.  ``k``: distinct shards
    needed (less those that are empty and need no disk).  Exact for the worst choice of domains; should the search grow
    too large (many duplicates in many domains), t is never over-estimated.
    """
    sets = sorted((frozenset(indices) for indices in held if indices), key=len, reverse=True)
    distinct = len(frozenset().union(*sets)) if sets else 0
    if distinct < k:
        return -1
    if k <= 0:
        return len(sets)
    search = _Search(sets, distinct - k + 1)
    for removed in range(1, len(sets) + 1):
        if search.fatal(removed):
            return removed - 1
    return len(sets)


@dataclass
class _Search:
    """Is there a set of r domains whose loss loses at least ``fatal_loss`` distinct shards?"""

    sets: list[frozenset[int]]  # largest first
    fatal_loss: int
    steps: int = 0

    def fatal(self, removed: int) -> bool:
        self.steps = 0
        return self._lose(0, removed, Counter(index for held in self.sets for index in held), 0)

    def _lose(self, at: int, removed: int, copies: Counter[int], lost: int) -> bool:
        """``copies``: how often each index that can still be lost is left; ``removed``: domains still to be taken away
        among those from ``at`` on."""
        need = self.fatal_loss - lost
        if need <= 0:
            return True
        # To lose an index, each of its copies must go, and a domain takes at most as many as it holds.
        within_reach = sum(len(held) for held in self.sets[at : at + removed])
        cheapest = sorted(copies.values())[:need]
        if not removed or len(cheapest) < need or sum(cheapest) > within_reach:
            return False
        self.steps += 1
        if self.steps > _STEPS:
            return True
        return self._take(at, removed, copies, lost) or self._keep(at, removed, copies, lost)

    def _take(self, at: int, removed: int, copies: Counter[int], lost: int) -> bool:
        left = copies - Counter(self.sets[at])  # drops what reaches zero
        gone = sum(1 for index in self.sets[at] if copies.get(index) == 1)
        return self._lose(at + 1, removed - 1, left, lost + gone)

    def _keep(self, at: int, removed: int, copies: Counter[int], lost: int) -> bool:
        safe = self.sets[at]
        left = Counter({index: count for index, count in copies.items() if index not in safe})
        return self._lose(at + 1, removed, left, lost)
