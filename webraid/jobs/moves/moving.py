"""Shards on their way to other disks: copied, or made from k others; verified, noted, recorded.  Never deletes.

What every job that moves data shares: the order of a writing run (docs/spec/protocol.md), bounded memory, and that
after an interruption nothing is sent twice (every home is in the local index as soon as it is verified).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from webraid.array.array import Salvage
from webraid.array.moves import Move, Rooms
from webraid.array.placement import Placement
from webraid.array.stripes import Stripe, StripeResult
from webraid.array.tolerance import pack_tolerance
from webraid.array.writer import Writer
from webraid.codec.shard import rebuild
from webraid.errors import EXIT_DEGRADED, EXIT_OK, EXIT_UNREADABLE, NotEnoughShards, worst
from webraid.jobs.base.context import Context, locked
from webraid.jobs.base.events import Notice, Progress
from webraid.jobs.base.idle import keep_alive
from webraid.jobs.base.pages import load_index
from webraid.jobs.base.reading import with_good_homes
from webraid.jobs.base.seats import object_sizes, seats
from webraid.jobs.runs.run import Run, new_run
from webraid.jobs.runs.settle import Leftovers, abort, settle
from webraid.model import Code, Home, Pack, PackKind, many, parse_size
from webraid.table.records import Abort
from webraid.table.table import View

BATCH = 4 << 30  # bytes after which what was moved is recorded on the disks
EVERY_SHARD = 1  # one in so many is read back where the provider does not vouch for it


@dataclass(slots=True)
class Carried:
    """What was moved.  ``copied`` and ``rebuilt``: shards; ``size``: bytes written; ``read``: payload shards fetched.
    ``waiting``: shards that no disk took just now; ``lost``: those that can neither be read nor made from others.
    ``elsewhere``: shards that went to another disk than was planned.  ``per_disk``: bytes by disk."""

    copied: int = 0
    rebuilt: int = 0
    size: int = 0
    read: int = 0
    waiting: int = 0
    lost: int = 0
    elsewhere: int = 0
    per_disk: dict[bytes, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def shards(self) -> int:
        """All that have a new home."""
        return self.copied + self.rebuilt

    @property
    def exit_code(self) -> int:
        """20 when something waits, 21 when something is lost."""
        return worst(EXIT_UNREADABLE if self.lost else EXIT_OK, EXIT_DEGRADED if self.waiting else EXIT_OK)


class Work:
    """An opened, settled pool whose shards are about to be moved; made by ``working``."""

    def __init__(self, ctx: Context, view: View) -> None:
        self.ctx = ctx
        self.view = view
        self.run: Run = new_run(ctx)

    def commit(self) -> bool:
        """Record the homes found since the last time.  Whether W disks have it, now.  Raises QuorumLost."""
        if not self.ctx.index.unrecorded():
            return True
        acks = self.run.commit(None)
        self.run = new_run(self.ctx)
        return acks.durable

    def good(self) -> Iterator[Pack]:
        """All data packs with the homes that count."""
        bad = self.ctx.index.bad()
        for pack in self.ctx.index.packs(PackKind.DATA):
            yield with_good_homes(self.ctx, pack, bad)

    def rooms(self, without: bytes = b"", also: Collection[bytes] = ()) -> Rooms:
        """The disks with what is free on them now; ``without``: one that is to get nothing; ``also``: spares that are
        about to become active."""
        left = self.ctx.table.state.left
        there = [replace(seat, writable=seat.writable and seat.id != without) for seat in seats(self.ctx, also)]
        return Rooms(there, lambda pack, index, disk: left(disk, pack, index))


def quorum(ctx: Context) -> None:
    """The usual condition for changing the pool."""
    ctx.table.require_quorum()


@contextmanager
def working(ctx: Context, *rights: str, ready: Callable[[Context], None] = quorum) -> Iterator[Work]:
    """The order of every writing run: lock, open with a quorum (``ready`` sees to it), take the index in, settle what
    an interrupted run left; at the end record what was moved.  Raises PoolBusy, QuorumLost, RightMissing."""
    with locked(ctx.settings.places):
        work = Work(ctx, ctx.open_table(spot=True))
        for right in rights:
            ctx.require_right(right)
        ready(ctx)
        ctx.table.spread_head()  # what an interrupted run wrote and did not send: decisions below count on it
        load_index(ctx)
        left = settle(ctx)
        _forget_tables(ctx, left)
        work.run.reuses |= set(left.packs)
        if left.packs:
            work.run.pin()
        abort(ctx, left)
        yield work
        ctx.note_findings()
        work.commit()
        if work.run.reuses:  # pinned, and there was nothing to record
            ctx.table.append(Abort(run=work.run.id))
        keep_alive(ctx)
        ctx.table.flush(ctx.config.limits.patience)


def _forget_tables(ctx: Context, left: Leftovers) -> None:
    """Table packs that no commit names may lie on few disks only.  They are small, and are made anew."""
    for pack_id in list(left.packs):
        pack = ctx.index.pack(pack_id)
        if pack is not None and pack.kind is PackKind.TABLE:
            ctx.index.drop(pack_id)
            left.packs.remove(pack_id)


def carry(work: Work, moves: Iterable[Move], rooms: Rooms, away: bytes = b"") -> Carried:
    """Make the moves, and record them every BATCH bytes.  ``away``: a disk that is to be emptied or is lost: its shards
    do not count.  Raises QuorumLost."""
    done, started = Carried(), work.ctx.env.monotonic()
    for batch in _batches(moves):
        _Carrier(work, rooms, done, away).go(batch)
        work.ctx.note_findings()
        work.commit()
    done.seconds = work.ctx.env.monotonic() - started
    return done


def _batches(moves: Iterable[Move]) -> Iterator[list[Move]]:
    batch: list[Move] = []
    size = 0
    for move in moves:
        batch.append(move)
        size += move.size
        if size >= BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def quick(ctx: Context, pack: Pack) -> Pack:
    """Without the disks that do not answer, where the others are enough."""
    usable = set(ctx.table.usable())
    answering = replace(pack, homes=tuple(home for home in pack.homes if home.disk in usable))
    return answering if pack_tolerance(answering, ctx.domains()) >= 0 else pack


class _Carrier:
    """Reads many shards at once, hands each to the writer of its new disk.  Used by one thread."""

    def __init__(self, work: Work, rooms: Rooms, done: Carried, away: bytes) -> None:
        self.ctx = work.ctx
        self.rooms = rooms
        self.done = done
        self.away = away
        self.bad = work.ctx.index.bad()
        self.meant: dict[bytes, list[Move]] = {}  # by pack, what is on its way
        self.others: dict[bytes, list[Home]] = {}  # by pack, the shards that stay where they are
        self.failed: list[Move] = []
        self.memory = parse_size(work.ctx.config.limits.memory)
        self.md5 = any("md5" in disk.caps.hashes for disk in work.ctx.disks.values())

    def go(self, moves: Sequence[Move]) -> None:
        """All of them: first as planned, then from k others what could not be copied."""
        with self.ctx.array.writer(
            patience=self.ctx.config.limits.patience, window=self.memory // 3, alternate=self._alternate,
            on_stripe=self._settled, sample=EVERY_SHARD,
        ) as writer:  # fmt: skip
            try:
                self._send(writer, moves)
                again, self.failed = self.failed, []
                self._send(writer, [replace(move, source=b"") for move in again], spoiled=again)
                writer.finish()
            finally:  # also when somebody presses Ctrl-C: the next run need not send them again
                for left in writer.so_far():
                    self.ctx.index.add_homes(left.pack, fresh=True)

    def _send(self, writer: Writer, moves: Sequence[Move], spoiled: Sequence[Move] = ()) -> None:
        wanted = self._wanted(moves, {(move.pack, move.index, move.source) for move in spoiled})
        for item, found in self.ctx.array.salvage(wanted, window=self.memory // 4):
            if not isinstance(found, NotEnoughShards):
                self.done.read += len(found)
                for move in item.tag:
                    self._submit(writer, item.pack, move, found)
            elif item.tag[0].source:
                self.failed += item.tag
            else:
                self.done.lost += len(item.tag)
                shards = many(len(item.tag), "shard")
                text = f"{shards} of pack {item.pack.id.hex()[:8]} can neither be copied nor made again"
                self.ctx.event(Notice(f"{text}: {found}", warning=True))

    def _wanted(self, moves: Sequence[Move], spoiled: set[tuple[bytes, int, bytes]]) -> Iterator[Salvage]:
        """Copies one by one; shards of one stripe that are made from the others are made from one reading of these."""
        groups: dict[tuple[bytes, int], list[Move]] = {}
        for number, move in enumerate(moves):
            groups.setdefault((move.pack, number if move.source else -1), []).append(move)
        for group in groups.values():
            first = group[0]
            pack = self.ctx.index.pack(first.pack)
            if pack is None:
                continue  # another machine has swept it meanwhile
            good = with_good_homes(self.ctx, pack, self.bad)
            indices = tuple(dict.fromkeys(move.index for move in group))
            stay = self.others.get(pack.id, good.homes)
            self.others[pack.id] = [home for home in stay if home.disk not in (self.away, first.source)]
            homes = [
                home for home in good.homes
                if (home.disk == first.source and home.index == first.index if first.source
                    else home.disk != self.away and (pack.id, home.index, home.disk) not in spoiled)
            ]  # fmt: skip
            wanted = replace(good, homes=tuple(homes))
            yield Salvage(wanted if first.source else quick(self.ctx, wanted), indices, group)

    def _submit(self, writer: Writer, pack: Pack, move: Move, payloads: Mapping[int, memoryview]) -> None:
        shard = rebuild(payloads, pack, move.index, self.ctx.pool, md5=self.md5)
        place = 0 if pack.geometry.code is Code.COPIES else move.index
        self.meant.setdefault(move.pack, []).append(move)
        homes = (*[None] * place, move.target)
        writer.submit(Stripe(replace(pack, homes=()), [shard], Placement(homes, (), False, "")))

    def _alternate(self, pack: Pack, index: int, homes: Mapping[int, bytes], tried: frozenset[bytes]) -> bytes | None:
        """Another legal disk for a shard whose own one refuses."""
        flying = [Home(move.index, move.target) for move in self.meant[pack.id] if move.target not in tried]
        size = object_sizes(pack)[index]
        left = {move.source for move in self.meant[pack.id]} | {self.away}
        other = self.rooms.pick(pack, index, [*self.others[pack.id], *flying], size, tried=tried | left)
        if other is not None:
            self.rooms.take(other, size)
        return other

    def _settled(self, result: StripeResult) -> None:
        """On this thread: a shard has found its home, or none."""
        pack, done, index = result.pack, self.done, self.ctx.index
        done.waiting += len(result.missing)
        for number, disk in result.missing:
            self._landed(pack.id, number, disk)
        for home in pack.homes:
            move = self._landed(pack.id, home.index, home.disk)
            index.add_homes(replace(pack, homes=(home,)), fresh=True)
            index.mark_good(pack.id, home.index, home.disk)
            self.others[pack.id].append(home)
            done.elsewhere += move.target != home.disk
            done.copied += bool(move.source)
            done.rebuilt += not move.source
            done.size += move.size
            done.per_disk[home.disk] = done.per_disk.get(home.disk, 0) + move.size
        self.ctx.event(Progress(done.shards, done.size, done.size))

    def _landed(self, pack: bytes, index: int, disk: bytes) -> Move:
        """The move that is over: the one to that disk, or, where another one took the shard, one of the same shard."""
        planned = [move for move in self.meant[pack] if move.index == index]
        move = next((move for move in planned if move.target == disk), planned[0])
        self.meant[pack].remove(move)
        return move
