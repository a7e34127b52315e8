"""Stripes are made wider: shards are added to packs, those that are there stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from webraid.array.array import Salvage
from webraid.array.placement import Placement
from webraid.array.stripes import Stripe, StripeResult
from webraid.codec.shard import Shard, widen
from webraid.errors import NotEnoughShards
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import Notice, Progress
from webraid.jobs.base.reading import with_good_homes
from webraid.jobs.base.seats import object_sizes
from webraid.jobs.care.repair import repair_missing
from webraid.jobs.moves.moving import EVERY_SHARD, Work, quick
from webraid.model import Code, Geometry, Home, Pack, parse_size


@dataclass(slots=True)
class Widened:
    """``packs`` made wider; ``read`` and ``stored``: payload and object bytes; ``missing``: new shards that no disk
    took; ``lost``: packs that cannot be read."""

    packs: int = 0
    read: int = 0
    stored: int = 0
    missing: int = 0
    lost: int = 0


class Widening:
    """Packs get the shards that they lack for stripes of ``n``.  Used by one thread."""

    def __init__(self, work: Work, n: int) -> None:
        self.ctx = work.ctx
        self.n = n
        self.done = Widened()
        self.rooms = work.rooms()
        self.memory = parse_size(work.ctx.config.limits.memory)
        self.md5 = any("md5" in disk.caps.hashes for disk in work.ctx.disks.values())

    def go(self, packs: Sequence[Pack]) -> Widened:
        """All of them.  Raises ValueError for code xor."""
        self._copy([pack for pack in packs if pack.geometry.code is Code.COPIES])
        coded = [pack for pack in packs if pack.geometry.code is not Code.COPIES]
        with self.ctx.array.writer(
            patience=self.ctx.config.limits.patience, window=self.memory // 3, on_stripe=self._settled,
            sample=EVERY_SHARD,
        ) as writer:  # fmt: skip
            for item, found in self.ctx.array.salvage(self._wanted(coded), window=self.memory // 4):
                if isinstance(found, NotEnoughShards):
                    self.done.lost += 1
                    self.ctx.event(Notice(f"pack {item.pack.id.hex()[:8]} cannot be read: {found}", warning=True))
                    continue
                self.done.read += sum(map(len, found.values()))
                writer.submit(self._stripe(item.tag, widen(found, item.tag, self.n, self.ctx.pool, md5=self.md5)))
        return self.done

    def _copy(self, packs: Sequence[Pack]) -> None:
        """Every copy is like the others: the queue of repairs makes those that are wanted now."""
        for pack in packs:
            self.ctx.index.widen(replace(pack, geometry=replace(pack.geometry, n=self.n)))
            self.done.packs += 1
        if packs:
            before = _sent(self.ctx)
            repair_missing(self.ctx)
            self.done.stored += _sent(self.ctx) - before

    def _wanted(self, packs: Sequence[Pack]) -> Iterator[Salvage]:
        bad = self.ctx.index.bad()
        for pack in packs:
            good = with_good_homes(self.ctx, pack, bad)
            yield Salvage(quick(self.ctx, _wide(good, self.n)), tuple(range(pack.geometry.n, self.n)), good)

    def _stripe(self, pack: Pack, fresh: Sequence[Shard]) -> Stripe:
        wide = replace(_wide(pack, self.n), shards=(*pack.shards, *(shard.sha256 for shard in fresh)))
        self.ctx.index.widen(wide)  # before the first shard leaves: should we be stopped, the queue of repairs goes on
        homes: list[bytes | None] = [None] * self.n
        others = list(pack.homes)
        for shard in fresh:
            target = self.rooms.pick(wide, shard.index, others, len(shard.object))
            if target is not None:
                self.rooms.take(target, len(shard.object))
                others.append(Home(shard.index, target))
                homes[shard.index] = target
        missing = tuple(shard.index for shard in fresh if homes[shard.index] is None)
        return Stripe(replace(wide, homes=()), fresh, Placement(tuple(homes), missing, bool(missing), ""))

    def _settled(self, result: StripeResult) -> None:
        pack, done = result.pack, self.done
        self.ctx.index.add_homes(pack, fresh=True)
        done.packs += 1
        done.missing += len(result.missing)
        done.stored += sum(object_sizes(pack)[home.index] for home in pack.homes)
        self.ctx.event(Progress(done.packs, done.stored, done.stored))


def _wide(pack: Pack, n: int) -> Pack:
    return replace(pack, geometry=Geometry(Code.RS, pack.geometry.k, n, pack.geometry.rotates))


def _sent(ctx: Context) -> int:
    return sum(disk.meter.total().up for disk in ctx.disks.values())
