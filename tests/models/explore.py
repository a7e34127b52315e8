"""Every state that a small protocol can get into, breadth first, until one breaks a promise."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

S = TypeVar("S", bound=Hashable)
Bits = tuple[int, ...]  # one number a disk: what lies there, or whether it was asked


@dataclass(frozen=True)
class Verdict:
    """``violation``: '' when the protocol holds; ``trace``: the shortest way there."""

    states: int
    violation: str = ""
    trace: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return not self.violation


def explore(start: S, moves: Callable[[S], Iterable[tuple[str, S]]], broken: Callable[[S], str]) -> Verdict:
    """``moves(state)`` gives (what happens, next state); ``broken(state)`` says what is wrong with it, or ''."""
    came: dict[S, tuple[S, str] | None] = {start: None}
    queue, count = deque([start]), 0
    while queue:
        state = queue.popleft()
        count += 1
        if wrong := broken(state):
            return Verdict(count, wrong, tuple(_way(came, state)))
        for what, then in moves(state):
            if then not in came:
                came[then] = (state, what)
                queue.append(then)
    return Verdict(count)


def _way(came: dict[S, tuple[S, str] | None], state: S) -> list[str]:
    steps = []
    while (before := came[state]) is not None:
        state, what = before
        steps.append(what)
    return steps[::-1]


def with_bit(disks: Bits, at: int, bits: int) -> Bits:
    """``disks`` with more bits on one of them."""
    return (*disks[:at], disks[at] | bits, *disks[at + 1 :])


def not_asked(asked: Bits, alive: Bits) -> Iterator[int]:
    """Disks that can still be asked."""
    return (disk for disk, up in enumerate(alive) if up and not asked[disk])
