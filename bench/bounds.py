"""What the links allow at best, in seconds.  Pure.  The smaller the bound, the more it asks: latency is left out of the
big transfers, and of small ones only those round trips count that nobody can save."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """A disk's line: ``up`` and ``down`` bytes a second, ``rtt`` seconds, ``setup`` round trips of a new connection."""

    up: float
    down: float
    rtt: float = 0.0
    setup: float = 2.0


def read_rate(rates: Sequence[float], k: int) -> float:
    """Bytes a second of user data when every stripe needs k distinct disks and any k will do.

    k times the largest x with sum(min(rate, x)) >= k * x: no disk can be in a stripe twice, so what a disk has beyond x
    is of no use.  Raises ValueError for fewer than k disks.
    """
    if len(rates) < k:
        raise ValueError(f"{len(rates)} disks cannot give {k} shards")
    # Each disk that is faster than x is capped at x, the fastest first, until none is.
    ordered = sorted(rates, reverse=True)
    capped, x = 0, sum(ordered) / k
    while x < ordered[capped]:
        capped += 1
        x = sum(ordered[capped:]) / (k - capped)
    return k * x


def read_seconds(links: Sequence[Link], k: int, size: float) -> float:
    """A big file from the disks that are left."""
    return size / read_rate([link.down for link in links], k)


def write_seconds(links: Sequence[Link], k: int, size: float) -> float:
    """A big file with a shard on every one of these disks: the slowest decides."""
    return size / (k * min(link.up for link in links))


def acknowledged_seconds(links: Sequence[Link], k: int, size: float, quorum: int) -> float:
    """The same until ``quorum`` disks have all their shards."""
    return size / (k * sorted((link.up for link in links), reverse=True)[quorum - 1])


def quorum_of(n: int, m: int) -> tuple[int, int]:
    """(W, R): disks that must take a record, and that must answer for a fresh view."""
    w = max(m + 1, n // 2 + 1)
    return w, n - w + 1


def small_put_seconds(links: Sequence[Link], m: int) -> float:
    """A connection, then open, PREPARE, shards, COMMIT: each a round trip of the last disk of the quickest quorum."""
    quorum = max(quorum_of(len(links), m))
    link = sorted(links, key=lambda link: link.rtt)[quorum - 1]
    return (link.setup + 4) * link.rtt


def small_get_seconds(links: Sequence[Link], m: int, size: float) -> float:
    """A fresh view from the quickest R disks, then the content in one round trip from the quickest disk."""
    ordered = sorted(links, key=lambda link: link.rtt)
    last = ordered[quorum_of(len(links), m)[1] - 1]
    return (last.setup + 1) * last.rtt + ordered[0].rtt + size / ordered[0].down


def range_seconds(links: Sequence[Link], size: float) -> float:
    """A connection, the table, the page, the bytes: round trips of the quickest disk alone, freshness left open."""
    link = min(links, key=lambda link: link.rtt)
    return (link.setup + 3) * link.rtt + size / link.down
