"""What may be deleted, and when: decisions of docs/spec/protocol.md, section Deletion.  No I/O, no clock of its own.

The protocol checkers in tests/models run on these functions.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TypeVar

from webraid.model import PackKind
from webraid.table.fold import Record, Shot, State
from webraid.table.records import Commit
from webraid.table.rights import SWEEP

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS  # what the brake and the look for surges reach back to
SURGE_FILES = 20  # of fewer files any change is a large share
SURGE = 0.5  # changed or vanished between two snapshots: more than people do
HABIT = 3  # surges of the week before the last from which on a source is known to change completely

P = TypeVar("P")  # a pack's id


@dataclass(frozen=True, slots=True)
class PackFacts:
    """A pack as deletion sees it.

    ``stored``: bytes of its shards on all disks; ``total``: of its sealed chunks; ``sole``: of those that are live and
    lie in no other pack.  ``m``: losses that it should survive; ``margin``: that it survives now, by what the disks
    list.  ``device``: who made it (b'': nobody knows); ``trusted``: that device may delete anyway.
    """

    id: bytes
    kind: PackKind
    stored: int
    total: int
    sole: int
    m: int
    margin: int
    condemned: bool = False
    device: bytes = b""
    trusted: bool = True

    @property
    def whole(self) -> bool:
        """Whether nothing of it is missing."""
        return self.margin >= self.m

    def replaces(self, other: PackFacts) -> bool:
        """Whether a chunk may go from ``other`` since it lies here as well.  A device that may not delete must not
        bring about that what others stored goes, by saying that it has all of it, too."""
        honest = self.trusted or (self.device == other.device != b"")
        return self.whole and not self.condemned and self.m >= other.m and honest


# ----------------------------------------------------------------------------------------------------------- liveness
def live_segments(state: State) -> list[bytes]:
    """Index segments that must stay: only settled commits make others superfluous."""

    def settled(record: Record, commit: Commit) -> bool:
        run = state.runs.get((record.device, commit.run))
        return run is not None and run.settled

    return list(dict.fromkeys((*state.segments_of(settled), *state.segments())))


class Clock:
    """When something was written.  For people; no safety depends on it.

    A clock may have been wrong: whatever a record says, it is no older than those before it in the log.  Those that
    seem to be of the future say nothing of others.
    """

    def __init__(self, state: State, now_ms: int) -> None:
        self.now_ms = now_ms
        self._orders = [order for order, _ in state.times]
        past = (time if time <= now_ms else 0 for _, time in state.times)
        self._latest = list(accumulate(past, max))

    def at(self, order: tuple[int, bytes, int, bytes], told_ms: int) -> int:
        """Of what stands there in the log and says ``told_ms`` of itself; milliseconds since 1970."""
        before = bisect_right(self._orders, order)
        return max(told_ms, self._latest[before - 1]) if before and told_ms <= self.now_ms else told_ms

    def of(self, record: Record) -> int:
        """Of a record."""
        return self.at(record.order, record.time_ms)


def locked(shot: Shot, clock: Clock, lock_ms: int) -> bool:
    """Whether what a forgotten snapshot needs stays for its youth's sake.  One of the future is no old one."""
    return clock.now_ms - clock.at(shot.order, shot.info.time_ms) < lock_ms


def makers(state: State) -> dict[bytes, bytes]:
    """Pack -> the device that announced it."""
    return {pack: run.device for run in state.runs.values() for pack in run.creates}


def trusted(state: State) -> set[bytes]:
    """Devices that may delete."""
    return {id for id, device in state.devices.items() if SWEEP in device.rights and not device.evicted}


def orphans(state: State, listed: Iterable[bytes], named: Collection[bytes]) -> set[bytes]:
    """Packs on the disks that no commit names though a settled run of the pool made them.  Whatever no run of ours
    announced is none of ours.  ``named``: packs in the index."""
    made = {pack for run in state.runs.values() if run.settled for pack in run.creates}
    return {pack for pack in listed if pack in made and pack not in named} - state.pins() - state.swept


def used(facts: Mapping[bytes, PackFacts], shared: Iterable[tuple[tuple[bytes, ...], int]]) -> dict[bytes, int]:
    """Packs that must stay, with the bytes of live chunks in them that no other pack keeps.

    ``shared``: (packs, bytes) of live chunks that lie in several packs.  One of these is enough if it is whole, not
    condemned, survives as many losses as any of them should, and can be believed; otherwise none of them goes.
    """
    result = {pack.id: pack.sole for pack in facts.values() if pack.sole}
    held = dict(result)
    groups = sorted(shared)
    for packs, size in groups:
        for id in packs:
            held[id] = held.get(id, 0) + size

    def rank(pack: PackFacts) -> tuple[bool, bool, int, bool, int, bool, float, bytes]:
        share = held.get(pack.id, 0) / max(1, pack.total)
        return (
            pack.whole, not pack.condemned, pack.m, pack.trusted, pack.margin, pack.id in result, share, pack.id,
        )  # fmt: skip

    for packs, size in groups:
        there = [facts[pack] for pack in packs]
        best = max(there, key=rank)
        alone = all(best.replaces(other) for other in there)
        for kept in [best] if alone else there:
            result[kept.id] = result.get(kept.id, 0) + size
    return result


# ---------------------------------------------------------------------------------------------------------- deciding
def may_condemn(packs: Iterable[P], *, used: Collection[P], pinned: Collection[P], condemned: Collection[P]) -> set[P]:
    """Those of ``packs`` that nothing needs: no kept snapshot, no segment, no unfinished run."""
    return {pack for pack in packs if pack not in used and pack not in pinned and pack not in condemned}


def may_sweep(condemned: Iterable[P], *, used: Collection[P], pinned: Collection[P], swept: Collection[P]) -> set[P]:
    """Those condemned packs that nobody uses.

    ``condemned`` MUST be on W disks before the log was read with R; ``used`` and ``pinned`` MUST come from that
    reading.  Then whoever pins one of them later sees that it is condemned, and stores its chunks anew.
    """
    return {pack for pack in condemned if pack not in used and pack not in pinned and pack not in swept}


def may_reuse(packs: Set[P], condemned: Collection[P]) -> set[P]:
    """Of the packs that a run has pinned (on W disks, before the log was read with R) those that it may use."""
    return {pack for pack in packs if pack not in condemned}


def due(record: Record, clock: Clock, trash_ms: int) -> bool:
    """Whether condemned packs have lain in the trash for long enough.  For people; no safety depends on it."""
    return not trash_ms or clock.of(record) + trash_ms <= clock.now_ms


def to_renew(record: Record, clock: Clock, trash_ms: int, *, spared: bool) -> bool:
    """Whether a pack is to be condemned once more, as the trash time counts from the last time: now and then while it
    is ``spared``, and where it was done by a clock that was ahead, so that it does not stay for years."""
    at = clock.of(record)
    return bool(trash_ms) and (at > clock.now_ms + DAY_MS or (spared and at < clock.now_ms - trash_ms / 2))


def recently(state: State, clock: Clock) -> int:
    """Bytes that anybody has condemned within the last week without asking the owner."""
    found = (op for record, op in state.condemnations if clock.now_ms - clock.of(record) < WEEK_MS)
    return sum(op.size for op in found if not op.agreed)


def agreed(state: State) -> set[bytes]:
    """Condemned packs of which the owner has said that they may go."""
    return set().union(*(op.packs for _, op in state.condemnations if op.agreed))


def brakes(stored: int, going: int, before: int, share: float) -> bool:
    """Whether more than ``share`` of all ``stored`` bytes would go: ``going`` now, ``before`` within the last week."""
    return going > 0 and going + before > share * stored


def surges(files: int, changed: int) -> bool:
    """Whether so many of a source's files have changed or vanished at once that somebody may be encrypting them."""
    return files >= SURGE_FILES and changed > SURGE * files


def habitual(known: Sequence[tuple[int, bool]]) -> bool:
    """Whether a source always changes completely, so that one more time is no surprise.

    ``known``: (age in ms, whether it was a surge) of its successions of two weeks.  Some must be older than a week, and
    none calm: files that somebody encrypts, were it every night, are noticed for at least a week.
    """
    return all(surge for _, surge in known) and sum(age >= WEEK_MS for age, _ in known) >= HABIT


def successions(state: State, now_ms: int) -> list[tuple[Shot, Shot]]:
    """(earlier, later) snapshots of one source, where the later one is not older than a week."""
    return [(one, other) for pairs in histories(state, now_ms) for one, other, age in pairs if age < WEEK_MS]


def histories(state: State, now_ms: int) -> list[list[tuple[Shot, Shot, int]]]:
    """For each source its (earlier, later, age of the later in ms) snapshots of the last two weeks that differ."""
    clock = Clock(state, now_ms)
    by_source: dict[object, list[Shot]] = {}
    for shot in sorted((*state.shots, *state.former), key=lambda shot: shot.order):
        if not shot.info.partial:
            key = (shot.info.host, shot.info.source, tuple((root.name, root.origin) for root in shot.info.roots))
            by_source.setdefault(key, []).append(shot)
    aged = (
        [(one, other, now_ms - clock.at(other.order, other.info.time_ms)) for one, other in pairwise(shots)]
        for shots in by_source.values()
    )
    return [
        [pair for pair in pairs if pair[2] < 2 * WEEK_MS and pair[0].info.root != pair[1].info.root] for pairs in aged
    ]


# ---------------------------------------------------------------------------------------------------------- repacking
@dataclass(frozen=True, slots=True)
class Half:
    """A pack that is used in part: ``used`` of ``total`` bytes of its chunks."""

    id: bytes
    used: int
    total: int
    spared: bool = False  # it was condemned, and is used all the same
    tiny: bool = False

    @property
    def unused(self) -> float:
        """Share of it that nobody needs."""
        return 1 - self.used / max(1, self.total)


MANY_TINY = 16  # tiny packs are merged when there are so many


def to_repack(
    packs: Iterable[Half], *, threshold: float, max_unused: float | None = None, max_size: int | None = None
) -> list[bytes]:
    """Packs whose used chunks are worth storing anew, the emptiest first.

    ``threshold``: share unused above which a pack is; with ``max_unused`` as many as it takes until no more than that
    share of everything is unused.  ``max_size``: bytes of chunks to move, at most.
    """
    every = sorted(packs, key=lambda pack: (not pack.spared, -pack.unused, pack.id))
    tiny = [pack for pack in every if pack.tiny]
    merged = {pack.id for pack in tiny} if len(tiny) >= MANY_TINY else set()
    waste, total = sum(pack.total - pack.used for pack in every), sum(pack.total for pack in every)
    chosen, size = [], 0
    for pack in every:
        half_dead = pack.unused > threshold if max_unused is None else pack.unused > 0 and waste > max_unused * total
        if not (half_dead or pack.spared or pack.id in merged):
            continue
        if max_size is not None and size + pack.used > max_size:
            continue
        chosen.append(pack.id)
        size += pack.used
        waste -= pack.total - pack.used
        total -= pack.total - pack.used
    return chosen
