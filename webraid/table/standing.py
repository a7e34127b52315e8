"""Which disks count for certain, and which may or may not: what the log says of joins and removals, and who holds that.

No I/O; the checkers in tests/models run on these functions.  docs/adr/0014-changes-of-the-disks-may-overlap.md says
why they are safe.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence, Set
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

from webraid.table.quorum import Membership, majority

D = TypeVar("D", bound=Hashable)


class What(Enum):
    """What a record says of a disk.  ADD and LEAVE announce, JOIN and REMOVE decide."""

    ADD = "add"
    JOIN = "join"
    LEAVE = "leave"
    REMOVE = "remove"

    @property
    def joins(self) -> bool:
        """Whether it is about a disk that comes."""
        return self in (What.ADD, What.JOIN)


@dataclass(frozen=True, slots=True)
class Step(Generic[D]):
    """A record of a change.  ``held``: the disks that are known to have it, or to have had it (heeded where it
    decides); ``number``: of the record, for ``follows``."""

    what: What
    disk: D
    number: int
    held: frozenset[D] = frozenset()


Follows = Callable[[int, int], bool]


def standing(
    steps: Sequence[Step[D]], follows: Follows, lost: Set[D] = frozenset()
) -> tuple[frozenset[D], frozenset[D]]:
    """(disks that count for certain, disks that somebody may count while somebody else does not).

    Whoever acknowledges must satisfy every combination of the undecided ones (see Membership).  A change is decided
    when nobody can have a fresh view without its record.  ``follows(a, b)``: who knows record a knows record b.
    ``lost``: nobody reads these any more, so that nobody is misled by what lies there.
    """
    view = _View(steps, follows, frozenset(lost))
    while view.settle():
        pass
    undecided = {step.disk for step in steps if view.open(step)}
    return frozenset(view.inside() - undecided), frozenset(undecided)


@dataclass(slots=True)
class _View(Generic[D]):
    """``known``: joins and removals that everybody with a fresh view knows of."""

    steps: Sequence[Step[D]]
    follows: Follows
    lost: frozenset[D]
    known: set[tuple[What, D]] = field(default_factory=set)

    def inside(self) -> set[D]:
        """Disks that joined for everybody, and did not leave for everybody."""
        return {disk for what, disk in self.known if what is What.JOIN and not self.outside(disk)}

    def outside(self, disk: D) -> bool:
        """Whether the disk counts for nobody any more."""
        return disk in self.lost or (What.REMOVE, disk) in self.known

    def open(self, step: Step[D]) -> bool:
        """Whether its disk may count or not because of that step."""
        return not self.outside(step.disk) and not (step.what.joins and (What.JOIN, step.disk) in self.known)

    def settle(self) -> bool:
        """Whether more is found to be known.  All that follows from what is known so far at once: what is found first
        must not depend on the order in which the changes are told."""
        found = set[tuple[What, D]]()
        for step in self.steps:
            one = (step.what, step.disk)
            if step.what in (What.JOIN, What.REMOVE) and one not in self.known and not self.outside(step.disk):
                own = [other for other in self.steps if (other.what, other.disk) == one]
                if self._carried(own) or self._met(own):
                    found.add(one)
        self.known |= found
        return bool(found)

    def _after(self, step: Step[D], own: Sequence[Step[D]]) -> bool:
        return any(self.follows(step.number, one.number) for one in own)

    def _carried(self, own: Sequence[Step[D]]) -> bool:
        """Whether something that everybody knows follows it."""
        followers: dict[tuple[What, D], bool] = {}
        for step in self.steps:
            one = (step.what, step.disk)
            if one in self.known:
                followers[one] = followers.get(one, True) and self._after(step, own)
        return any(followers.values())

    def _met(self, own: Sequence[Step[D]]) -> bool:
        """Whether its holders are a majority of every membership that somebody may believe in who does not know it;
        who then knows nothing that follows it either."""
        held = frozenset[D]().union(*(step.held for step in own))
        this = own[0]
        rivals = {
            step.disk
            for step in self.steps
            if self.open(step)
            and (step.disk != this.disk or (this.what is What.REMOVE and step.what.joins))
            and not self._after(step, own)
        }
        return Membership(self.inside() - rivals, rivals, 0).acceptable(held)  # type: ignore[arg-type]


def grown(before: Membership, now: Membership) -> bool:
    """Whether somebody may count disks in a way that could not be known before: what was accepted by ``before`` has to
    be sent again."""
    return not (before.joined <= now.joined and now.joined | now.joining <= before.joined | before.joining)


def could_leave(others: int, answering: int, going: int = 1) -> bool:
    """Whether ``going`` disks that do not answer can be taken out without anybody's word that they are lost.
    ``others``: joined disks besides them."""
    return answering >= majority(others + going)
