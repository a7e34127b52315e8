"""What could go, and what stands in the way: the state of the pool as table/garbage.py wants to judge it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from webraid.array.tolerance import pack_tolerance
from webraid.errors import NotInTable
from webraid.jobs.base.context import Context
from webraid.jobs.base.reading import with_good_homes
from webraid.jobs.base.seats import object_sizes
from webraid.jobs.space.live import Liveness
from webraid.jobs.space.sweep import Listing, shard_of
from webraid.model import Home, Pack, PackKind, shard_name
from webraid.table import garbage
from webraid.table.fold import Shot
from webraid.table.garbage import Half, PackFacts

TINY_DATA, TINY_TABLE = 1 << 20, 128 << 10  # bytes of a pack below which it is tiny


@dataclass(frozen=True, slots=True)
class Terms:
    """``trash_ms``: how long condemned packs stay; ``lock_ms``: how old a forgotten snapshot must be (None: the owner
    has agreed to any)."""

    trash_ms: int
    lock_ms: int | None


@dataclass(slots=True)
class Plan:
    """Packs by id.  ``garbage``: to be condemned now; ``waiting``: condemned -> until when (ms); ``due``: condemned for
    long enough; ``spared``: condemned and used all the same; ``pinned``, ``locked``: nobody needs them but an
    unfinished run, or a forgotten snapshot that is too young.  ``orphans``: of all these, packs that no commit names.
    ``stored``: bytes of all shards; ``lost``: bytes of the shards of garbage that hold what is nowhere else."""

    facts: dict[bytes, PackFacts] = field(default_factory=dict)
    sizes: dict[bytes, int] = field(default_factory=dict)
    used: dict[bytes, int] = field(default_factory=dict)
    orphans: set[bytes] = field(default_factory=set)
    garbage: set[bytes] = field(default_factory=set)
    waiting: dict[bytes, int] = field(default_factory=dict)
    due: set[bytes] = field(default_factory=set)
    spared: set[bytes] = field(default_factory=set)
    pinned: set[bytes] = field(default_factory=set)
    locked: set[bytes] = field(default_factory=set)
    stored: int = 0
    lost: int = 0

    def size(self, packs: Iterable[bytes]) -> int:
        """Bytes that they take on all disks."""
        return sum(self.sizes.get(pack, 0) for pack in packs)


def make_plan(ctx: Context, live: Liveness, listing: Listing | None, terms: Terms) -> Plan:
    """What could go.  ``live`` must be up to date.  Without a ``listing`` (to tell, not to delete) the table is
    believed about what lies where, and there are no orphans."""
    state, clock = ctx.table.state, clock_of(ctx)
    sole, shared = live.marks.weigh(locked=True)
    facts = _facts(ctx, listing, live.marks.totals(), sole)
    plan = Plan(facts, used=garbage.used(facts, shared.items()))
    if terms.lock_ms is not None:
        plan.locked = plan.used.keys() - garbage.used(*_unlocked(live, facts)).keys()
        agreed = garbage.agreed(state) & plan.locked
        plan.locked -= agreed
        plan.used = {pack: size for pack, size in plan.used.items() if pack not in agreed}
    found = _listed(listing or {})
    plan.orphans = garbage.orphans(state, found, set(live.marks.packs()))
    plan.sizes = {**{pack: fact.stored for pack, fact in facts.items()}, **{p: found[p] for p in plan.orphans}}
    plan.stored = sum(plan.sizes.values())
    if listing is not None:  # what is told to lie, or to go, is what was seen there
        plan.sizes = {pack: found[pack] for pack in plan.sizes}
    every, pins = facts.keys() | plan.orphans, state.pins()
    plan.garbage = garbage.may_condemn(every, used=plan.used, pinned=pins, condemned=state.condemned)
    for pack in garbage.may_sweep(state.condemned, used=plan.used, pinned=pins, swept=state.swept):
        record = state.condemned[pack]
        if garbage.due(record, clock, terms.trash_ms):
            plan.due.add(pack)
        else:
            plan.waiting[pack] = clock.of(record) + terms.trash_ms
    plan.spared = {pack for pack in state.condemned.keys() & plan.used.keys() if pack not in state.swept}
    unfinished = {pack for pack, _ in ctx.index.pending()} & found.keys() & pins
    plan.sizes |= {pack: found[pack] for pack in unfinished}
    plan.pinned = {pack for pack in every if pack in pins and pack not in plan.used} | unfinished
    elsewhere = Counter[bytes]()
    for packs, size in shared.items():
        elsewhere.update(dict.fromkeys(packs, size))
    plan.lost = sum(_lost(facts[pack], elsewhere[pack]) for pack in plan.garbage & facts.keys())
    return plan


def clock_of(ctx: Context) -> garbage.Clock:
    """Now, and what the log shows of earlier times."""
    return garbage.Clock(ctx.table.state, int(ctx.env.now() * 1000))


def _unlocked(
    live: Liveness, facts: Mapping[bytes, PackFacts]
) -> tuple[dict[bytes, PackFacts], Iterable[tuple[tuple[bytes, ...], int]]]:
    sole, shared = live.marks.weigh(locked=False)
    return {id: dataclasses.replace(fact, sole=sole.get(id, 0)) for id, fact in facts.items()}, shared.items()


def _lost(pack: PackFacts, elsewhere: int) -> int:
    """Bytes of its shards less those of chunks that live on elsewhere."""
    return round(pack.stored * (1 - min(1.0, elsewhere / max(1, pack.total))))


def _facts(
    ctx: Context, listing: Listing | None, totals: Mapping[bytes, int], sole: Mapping[bytes, int]
) -> dict[bytes, PackFacts]:
    """All packs that commits name."""
    bad, domains = ctx.index.bad(), ctx.domains()
    if listing is not None:
        domains = {disk: domain for disk, domain in domains.items() if disk in listing}
    pending = {pack for pack, _ in ctx.index.pending()}
    copies = len(set(ctx.domains().values()))
    makers, trusted = garbage.makers(ctx.table.state), garbage.trusted(ctx.table.state)
    result = {}
    for pack in ctx.index.packs():
        if pack.id in pending:
            continue
        good = with_good_homes(ctx, pack, bad)
        sizes = object_sizes(pack)
        homes = tuple(home for home in good.homes if _lists(listing, pack, home, sizes[home.index]))
        maker = makers.get(pack.id, b"")
        table = pack.kind is PackKind.TABLE
        result[pack.id] = PackFacts(
            pack.id, pack.kind, _stored(ctx, pack), totals.get(pack.id, 0), sole.get(pack.id, 0),
            copies - 1 if table else pack.geometry.m, _margin(pack, homes, domains),
            pack.id in ctx.table.state.condemned, maker, maker in trusted,
        )  # fmt: skip
    return result


def _lists(listing: Listing | None, pack: Pack, home: Home, size: int) -> bool:
    """A shard that was cut short (a disk that lost power) is none."""
    found = None if listing is None else listing.get(home.disk, {}).get(shard_name(pack.id, home.index))
    return listing is None or (found is not None and found.size == size)


def _margin(pack: Pack, homes: tuple[Home, ...], domains: Mapping[bytes, str]) -> int:
    if pack.kind is PackKind.TABLE:
        return len({domains[home.disk] for home in homes}) - 1
    return pack_tolerance(dataclasses.replace(pack, homes=homes), domains)


def _stored(ctx: Context, pack: Pack) -> int:
    sizes = object_sizes(pack)
    if pack.kind is PackKind.TABLE:
        return sizes[0] * len(ctx.domains())
    return sum(sizes[home.index] for home in pack.homes)


def _listed(listing: Listing) -> Counter[bytes]:
    """Pack -> bytes that lie on the disks of it."""
    found: Counter[bytes] = Counter()
    for names in listing.values():
        for name, stored in names.items():
            shard = shard_of(name)
            if shard is not None:
                found[shard[0]] += stored.size
    return found


def halves(ctx: Context, plan: Plan) -> list[Half]:
    """Packs in use, as repacking looks at them.  One that an unfinished run may be using stays as it is."""
    pins, result = ctx.table.state.pins(), []
    for pack_id, size in plan.used.items():
        fact = plan.facts[pack_id]
        if pack_id not in pins and fact.whole:
            tiny = fact.total < (TINY_TABLE if fact.kind is PackKind.TABLE else TINY_DATA)
            result.append(Half(pack_id, min(size, fact.total), fact.total, pack_id in plan.spared, tiny))
    return result


def surges(ctx: Context, live: Liveness) -> list[str]:
    """What looks as if somebody had encrypted or wiped a source: the last such change of each, in words."""
    found = []
    for pairs in garbage.histories(ctx.table.state, int(ctx.env.now() * 1000)):
        fresh = _weighed(live, [pair for pair in pairs if pair[2] < garbage.WEEK_MS])
        wild = [one for one in fresh if one.surge]
        if not wild:
            continue
        older = _weighed(live, [pair for pair in pairs if pair[2] >= garbage.WEEK_MS])
        if garbage.habitual([(one.age, one.surge) for one in (*older, *fresh)]):
            continue
        last = wild[-1]
        more = f", and {len(wild) - 1} more such this week" if len(wild) > 1 else ""
        found.append(f"{last.changed} of {last.files} files are changed or gone in snapshot {last.what}{more}")
    return found


@dataclass(frozen=True, slots=True)
class _Change:
    """What a snapshot changed in the one before it.  ``age``: ms; ``what``: the later one, in words."""

    what: str
    files: int
    changed: int
    age: int

    @property
    def surge(self) -> bool:
        return garbage.surges(self.files, self.changed)


def _weighed(live: Liveness, pairs: Iterable[tuple[Shot, Shot, int]]) -> list[_Change]:
    result = []
    for one, other, age in pairs:
        try:
            changed = live.changed(one, other)
        except NotInTable:  # the earlier one is deleted already
            continue
        what = f"{other.name} of source {other.info.source}" if other.info.source else other.name
        result.append(_Change(what, one.info.files, changed, age))
    return result
