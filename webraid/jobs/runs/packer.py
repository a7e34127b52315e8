"""New chunks to packs to disks, in the background and within bounded memory.

The caller's thread fills packs; one worker seals, codes and hands shards to the array's writer; disks have threads of
their own.  Every pack is noted in the local index before its first shard leaves, every home when it is verified, so an
interrupted run sends nothing twice.  A pack of which fewer than k shards found a home is forgotten there at once, and
ends the run: nothing may name it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from webraid.array.placement import Placement, Seat, place, stand_in
from webraid.array.stripes import Stripe, StripeResult
from webraid.array.writer import Writer
from webraid.codec.pack import AUTO, Chunk, ChunkKind, seal_pack
from webraid.codec.shard import Shard, make_shards
from webraid.errors import BackendError
from webraid.jobs.base.context import Context
from webraid.jobs.base.seats import object_sizes
from webraid.jobs.runs.no_room import is_short, no_room, planned
from webraid.model import Code, Geometry, Pack, PackKind
from webraid.table.index import Index

CHUNK_OVERHEAD = 64  # bytes a chunk costs in the pack besides itself, about
SHARD_TARGET = 8 << 20
COPIES_IN_MEMORY = 8  # packs' worth of buffers that a pack causes on its way, at most


@dataclass(slots=True)
class Packing:
    """Bytes so far: ``plain`` of new chunks, ``packed`` after compression and sealing; ``settled``: of ``plain``, what
    is no longer on its way to the disks."""

    plain: int = 0
    packed: int = 0
    settled: int = 0


class Packer:
    """Use as a context: leaving it normally waits for everything, leaving it by an exception drops what is queued."""

    def __init__(
        self, ctx: Context, geometry: Geometry, seats: Sequence[Seat], *, run: bytes,
        new_pack_id: Callable[[], bytes], memory: int, compression: str = AUTO, whole: bool = False,
        on_settled: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        """``whole``: a pack of which any shard found no home counts as one of which fewer than k did.  ``on_settled``:
        called on another thread when ``stats.settled`` has grown."""
        self.stats = Packing()
        self.fresh: set[bytes] = set()
        self._ctx = ctx
        self._geometry = geometry
        self._seats = list(seats)
        self._run = run
        self._new_pack_id = new_pack_id
        self._memory = memory
        self._compression = compression
        self._whole = whole
        self._on_settled = on_settled
        self._plain: dict[bytes, int] = {}  # packs on their way: bytes of their chunks
        self._target = int(geometry.k * min(SHARD_TARGET, memory / COPIES_IN_MEMORY / geometry.k))
        self._chunks: list[Chunk] = []
        self._size = 0
        self._stripes = 0
        self._results: list[StripeResult] = []
        self._short: BackendError | None = None
        self._gone = threading.Event()
        self._queue: queue.Queue[tuple[bytes, list[Chunk]] | None] = queue.Queue(maxsize=1)
        self._error: BaseException | None = None
        self._writer: Writer
        self._worker = threading.Thread(target=self._work, name="packer", daemon=True)
        self._worker.start()

    def __enter__(self) -> Packer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gone.set()

    def add(self, id: bytes, plain: bytes) -> None:
        """Store a chunk that no usable pack holds."""
        if id in self.fresh:
            return
        self.fresh.add(id)
        self._chunks.append(Chunk(id, ChunkKind.DATA, plain))
        self._size += len(plain) + CHUNK_OVERHEAD
        self.stats.plain += len(plain)
        if self._size >= self._target:
            self.flush()

    def flush(self) -> None:
        """Send off what has gathered."""
        if self._chunks:
            chunks, self._chunks, self._size = self._chunks, [], 0
            self._hand_over((self._new_pack_id(), chunks))

    def finish(self) -> list[StripeResult]:
        """Everything is on its disks, or known to be missing.  Raises what went wrong in the background: QuotaExceeded,
        AuthExpired or Unavailable where a pack had room for fewer than k shards (as ``add`` may, too)."""
        self.flush()
        self._hand_over(None)
        self._worker.join()
        self._raise()
        return self._results

    @property
    def stored(self) -> list[StripeResult]:
        """The packs that can be read, so far; all of them once ``finish`` has returned, or it or ``add`` has raised."""
        return self._results

    def _hand_over(self, item: tuple[bytes, list[Chunk]] | None) -> None:
        while True:
            self._raise()
            try:
                self._queue.put(item, timeout=0.2)
                return
            except queue.Full:
                continue

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        ctx = self._ctx
        try:
            with ctx.array.writer(
                patience=ctx.config.limits.patience, window=self._memory // 3, alternate=self._alternate,
                on_stripe=self._settled,
            ) as writer:  # fmt: skip
                self._writer = writer
                while self._short is None and (item := self._next()) is not None:
                    stripe = self._stripe(*item)
                    if stripe is not None:
                        writer.submit(stripe)
                writer.finish()
            if self._short is not None:
                raise self._short
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, whatever it is
            self._error = error

    def _next(self) -> tuple[bytes, list[Chunk]] | None:
        while True:
            if self._gone.is_set():
                raise InterruptedError("the run was given up")
            try:
                return self._queue.get(timeout=0.2)
            except queue.Empty:
                continue

    def _settled(self, result: StripeResult) -> None:
        self.stats.settled += self._plain.pop(result.pack.id, 0)
        if (self._whole and result.missing) or is_short(result.pack, self._seats):
            self._ctx.index.drop(result.pack.id)
            self._is_short(result.pack, [home.disk for home in result.pack.homes], self._writer.refusals)
            return
        self._ctx.index.add_homes(result.pack, fresh=True)
        self._results.append(result)
        if self._on_settled is not None:
            self._on_settled()

    def _is_short(self, pack: Pack, holders: Collection[bytes], refusals: Mapping[bytes, BackendError]) -> None:
        """No more packs are begun; those under way may still find their homes."""
        if self._short is None:
            self._short = no_room(self._ctx, self._seats, max(object_sizes(pack)), holders, refusals)

    def _alternate(self, pack: Pack, index: int, homes: Mapping[int, bytes], tried: frozenset[bytes]) -> bytes | None:
        """Another legal disk for a shard whose own one refuses."""
        return stand_in(pack.geometry, self._seats, list(homes.values()), object_sizes(pack)[index], tried=tried)

    def _stripe(self, pack_id: bytes, chunks: list[Chunk]) -> Stripe | None:
        """None where the disks are known to have no room for k shards (or all of them): then none is sent."""
        ctx, geometry = self._ctx, self._geometry
        self._plain[pack_id] = sum(len(chunk.plain) for chunk in chunks)
        sealed = seal_pack(
            ctx.identity.root.data, ctx.pool, pack_id, chunks, shuffle=ctx.env.rng, compression=self._compression
        )  # fmt: skip
        chunks.clear()
        wants_md5 = any("md5" in disk.caps.hashes for disk in ctx.disks.values())
        shards = make_shards(ctx.pool, pack_id, PackKind.DATA, geometry, sealed.data, md5=wants_md5)
        pack = Pack(pack_id, PackKind.DATA, geometry, len(sealed.data), shard_hashes(geometry, shards))
        placement = self._place(pack)
        homes = planned(pack, placement)
        missing = len(homes) < sum(1 for size in object_sizes(pack) if size)
        if (self._whole and missing) or is_short(pack, self._seats, homes):
            self._is_short(pack, [home.disk for home in homes], self._writer.refusals)
            return None
        self.stats.packed += pack.length
        index = Index()
        index.add(pack, sealed.places)
        del sealed  # the pack's own buffer is not needed while its shards wait for their disks
        ctx.index.add(index, run=self._run)
        return Stripe(pack, shards, placement)

    def _place(self, pack: Pack) -> Placement:
        sizes = object_sizes(pack)
        number = self._stripes
        self._stripes += 1
        placement = place(pack.geometry, self._seats, sizes, stripe_number=number)
        self._seats = [
            _less(seat, sum(sizes[i] for i, home in enumerate(placement.homes) if home == seat.id))
            for seat in self._seats
        ]
        return placement


def shard_hashes(geometry: Geometry, shards: Sequence[Shard]) -> tuple[bytes, ...]:
    """What the table keeps: SHA-256 by index, b'' for a data shard that is empty and not stored."""
    if geometry.code is Code.COPIES:
        return (shards[0].sha256,)
    by_index = {shard.index: shard.sha256 for shard in shards}
    return tuple(by_index.get(index, b"") for index in range(geometry.n))


def _less(seat: Seat, size: int) -> Seat:
    free = None if seat.free is None else seat.free - size
    return Seat(seat.id, seat.domain, free, seat.writable, seat.suspect, seat.speed)
