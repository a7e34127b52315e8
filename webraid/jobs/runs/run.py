"""One writing run: its pins, its table packs, its commit.  The order of the steps is that of docs/spec/protocol.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from webraid.array.tolerance import pack_tolerance
from webraid.codec import Bytes
from webraid.codec.chunker import chunk_id
from webraid.codec.pack import Chunk, ChunkKind, Place, seal_pack
from webraid.codec.shard import make_shards
from webraid.errors import NotInTable, Unavailable
from webraid.jobs.base.context import Context
from webraid.jobs.base.pages import as_pack, load_index, read_pages, table_pack
from webraid.jobs.base.reading import with_good_homes
from webraid.model import Code, Geometry, PackKind, shard_name
from webraid.table.garbage import may_reuse
from webraid.table.index import MERGE_ABOVE, Index, decode_segment, encode_segments
from webraid.table.records import ChunkAt, Close, Commit, Prepare, Snapshot, TablePack, chunk_at
from webraid.table.table import Acks

IDS = 64  # pack ids pinned at a time
TABLE_PACK = 8 << 20  # bytes of pages after which a table pack is closed
SMALL_SEGMENT = 1 << 20  # bytes: smaller ones are worth merging


@dataclass(slots=True)
class Run:
    """Pins, then pages and segments, then the commit.  Used by one thread."""

    ctx: Context
    id: bytes
    reuses: set[bytes] = field(default_factory=set)
    rescue: Callable[[bytes], None] = lambda pack_id: None  # stores the chunks of a condemned data pack anew
    guard: Callable[[], None] = lambda: None  # raises what forbids a commit that names a snapshot, at the last moment
    replaced: set[bytes] = field(default_factory=set)  # segments whose content the commit repeats, besides small ones
    _pinned: set[bytes] = field(default_factory=set)
    _looked: set[bytes] = field(default_factory=set)  # pinned, and then found not to be condemned
    _ids: list[bytes] = field(default_factory=list)
    _pages: list[Chunk] = field(default_factory=list)
    _fresh: set[bytes] = field(default_factory=set)
    _size: int = 0
    _packs: list[TablePack] = field(default_factory=list)
    _places: list[ChunkAt] = field(default_factory=list)
    _weakest: int = 1 << 30
    _left: set[bytes] | None = None  # table packs of interrupted runs that are not adopted (yet)

    def pin(self) -> None:
        """PREPARE: pack ids if none are left, and whatever is re-used so far."""
        fresh = [] if self._ids else [self.ctx.env.random(16) for _ in range(IDS)]
        reuses = self.reuses - self._pinned
        self.ctx.table.append(Prepare(run=self.id, creates=tuple(fresh), reuses=tuple(sorted(reuses))))
        self._ids += fresh
        self._pinned |= {*reuses, *fresh}

    @property
    def pinned(self) -> bool:
        """Whether the log knows of this run."""
        return bool(self._pinned)

    def new_pack_id(self) -> bytes:
        """A name that no other run uses, pinned on W disks before it is handed out."""
        if not self._ids:
            self.pin()
        return self._ids.pop()

    # -- pages and segments ------------------------------------------------------------------------------------------
    def store_page(self, plain: bytes, kind: ChunkKind = ChunkKind.PAGE) -> bytes:
        """The id of a page that is, or will be at the commit, in a table pack."""
        page = chunk_id(self.ctx.identity.root.id, plain)
        if page in self._fresh or self._known(page, kind):
            return page
        self._fresh.add(page)
        self._pages.append(Chunk(page, kind, plain))
        self._size += len(plain)
        if self._size >= TABLE_PACK:
            self._close_pack()
        return page

    def _known(self, page: bytes, kind: ChunkKind) -> bool:
        condemned = self.ctx.table.state.condemned
        for pack, _ in self.ctx.index.find([page]).get(page, []):
            if pack in condemned:
                continue
            if pack in self._leftovers():
                self._adopt(pack)
            if any(packed.id == pack for packed in self._packs):
                return True
            if kind is ChunkKind.PAGE:  # pins for what is re-used come before segments are made
                self.reuses.add(pack)
                return True
        return False

    def _leftovers(self) -> set[bytes]:
        if self._left is None:
            others = [pack for pack, run in self.ctx.index.pending() if run != self.id]
            self._left = {pack for pack in others if self._is_table(pack)}
        return self._left

    def _adopt(self, pack_id: bytes) -> None:
        """A table pack of an interrupted run: this run's commit names it.  Its copies were repaired before."""
        pack = self.ctx.index.pack(pack_id)
        if pack is None:
            raise AssertionError("a pack that is left over is in the index")
        self._leftovers().discard(pack_id)
        self._name(TablePack(id=pack_id, length=pack.length, sha256=pack.shards[0]), self.ctx.index.places(pack_id))
        good = with_good_homes(self.ctx, pack, self.ctx.index.bad())
        self._copies(frozenset(home.disk for home in good.homes))

    def _name(self, packed: TablePack, places: Iterable[Place]) -> None:
        """The commit will name this table pack and what is in it."""
        self._places += [chunk_at(place, len(self._packs)) for place in places]
        self._packs.append(packed)

    def _close_pack(self) -> None:
        """Seal what has gathered and put it on every disk."""
        if not self._pages:
            return
        pack_id, pages = self.new_pack_id(), self._pages
        self._pages, self._size = [], 0
        sealed = seal_pack(self.ctx.identity.root.meta, self.ctx.pool, pack_id, pages, shuffle=self.ctx.env.rng)
        geometry = Geometry(Code.COPIES, 1, max(1, len(self.ctx.table.state.joined())))
        (shard,) = make_shards(self.ctx.pool, pack_id, PackKind.TABLE, geometry, sealed.data, md5=False)
        packed = TablePack(id=pack_id, length=len(sealed.data), sha256=shard.sha256)
        self._name(packed, sealed.places)
        index = Index()
        index.add(as_pack(packed, geometry.n), sealed.places)
        self.ctx.index.add(index, run=self.id)  # noted before it leaves, so that an interrupted run sends it once
        self._spread(pack_id, shard.object)

    def _spread(self, pack_id: bytes, data: Bytes) -> None:
        index = self.ctx.index
        acks = self.ctx.table.everywhere(
            shard_name(pack_id, 0), bytes(data), lambda disk: index.mark_good(pack_id, 0, disk)
        )
        with index.db.transaction():
            for disk in self.ctx.domains():
                if disk in acks.disks:
                    index.mark_good(pack_id, 0, disk)
                else:
                    index.mark_bad(pack_id, 0, disk, "missing")
        self._copies(acks.disks)

    def _copies(self, holders: frozenset[bytes]) -> None:
        self._weakest = min(self._weakest, self._domains(holders) - 1)

    def _domains(self, holders: frozenset[bytes]) -> int:
        domains = self.ctx.domains()
        return len({domains[disk] for disk in holders if disk in domains})

    # -- the commit --------------------------------------------------------------------------------------------------
    def commit(self, snapshot: Snapshot | None, *, close: bool = True) -> Acks:
        """Segments for everything new, pins for everything re-used, then the one commit point, then CLOSE.

        Not ``close``: the pins stay, for a run that goes on with what this one stored; ``close`` of it ends them.
        """
        self._pin_reused()
        segments, supersedes = self._segments(snapshot=snapshot is not None)
        self._close_pack()
        if snapshot is not None:
            self.guard()
        commit = Commit(
            run=self.id, packs=tuple(self._packs), places=tuple(self._places), segments=tuple(segments),
            supersedes=tuple(supersedes), snapshot=snapshot,
        )  # fmt: skip
        acks = self.ctx.table.fence(self.ctx.table.append(commit), again=self._spread_again)
        for segment, index in segments.items():
            self.ctx.index.add(index, segment=segment)
        load_index(self.ctx)
        for pack_id in self._leftovers():  # of an earlier run, and of no use to this one
            self.ctx.index.drop(pack_id)
        if close:
            self.close()
        return acks

    def heir(self) -> Run:
        """A run that goes on where this one has committed, so that what this one stored counts for its own promise."""
        run = new_run(self.ctx)
        run.rescue, run.guard, run._weakest = self.rescue, self.guard, self._weakest
        return run

    def close(self, *earlier: Run) -> None:
        """It is settled, and so are ``earlier`` runs that it went on with."""
        self.ctx.table.append(*[Close(run=run.id) for run in (*earlier, self)], wait=False)

    def _spread_again(self) -> None:
        """The membership has changed: all table packs for the disks that are members now."""
        for packed in self._packs:
            pack = table_pack(self.ctx, packed.id)
            self._spread(packed.id, self.ctx.array.reconstruct(pack, 0, pool=self.ctx.pool).object)

    def _segments(self, *, snapshot: bool) -> tuple[dict[bytes, Index], list[bytes]]:
        """New segments by id, and the ids of older ones that they repeat."""
        index, domains = Index(), self.ctx.domains()
        pending = {pack for pack, _ in self.ctx.index.pending()}
        for pack_id in sorted(self.ctx.index.unrecorded()):
            pack = self.ctx.index.pack(pack_id)
            if pack is None or pack.kind is not PackKind.DATA:
                continue
            if pack_id in pending and pack_tolerance(pack, domains) < 0:  # no record names what cannot be read
                self._refuse_or_drop(pack_id, named=snapshot)
                continue
            index.add(pack, self.ctx.index.places(pack_id))
        wanted, swept = dict.fromkeys((*self._mergeable(), *sorted(self.replaced))), self.ctx.table.state.swept
        supersedes = [old for old in wanted if self.ctx.index.has_all_of(old, swept)]
        if supersedes:
            merged = self.ctx.index.of_segments(supersedes)
            for pack_id, pack in merged.packs.items():
                index.add(pack, merged.places[pack_id])
        encoded = encode_segments(index)
        segments = {self.store_page(data, ChunkKind.INDEX): decode_segment(data) for data in encoded}
        return segments, [old for old in supersedes if old not in segments]

    def _refuse_or_drop(self, pack_id: bytes, *, named: bool) -> None:
        """A new pack with fewer than k shards: disks have left the pool since it was stored."""
        self.ctx.index.drop(pack_id)
        if named:
            raise Unavailable(
                "disks left the pool while this run was writing to them, and took new data along: nothing names it",
                hint="Run the command again: what is lacking is stored anew.",
            )

    def _mergeable(self) -> list[bytes]:
        live = self.ctx.table.state.segments()
        if len(live) < MERGE_ABOVE:
            return []
        small = []
        for segment, found in self.ctx.index.find(live).items():
            if found[0][1].plain < SMALL_SEGMENT:
                small.append(segment)
        return small

    def _pin_reused(self) -> None:
        """Pins, then a look whether somebody condemned what is re-used; such chunks are stored anew, and so on.

        A pin that came with new pack ids needs the look as well: whoever condemned the pack just before did not see it.
        """
        while self.reuses - self._looked:
            if self.reuses - self._pinned:
                self.pin()
            self.ctx.open_table()
            self.ctx.table.require_quorum()
            gone = self.reuses - may_reuse(self.reuses, self.ctx.table.state.condemned)
            self.reuses -= gone
            self._looked |= self.reuses
            for pack_id in sorted(gone):
                if self.ctx.index.pack(pack_id) is None:
                    raise NotInTable(
                        "what this run was to use again has been deleted meanwhile",
                        hint="Run the command again: what is lacking is stored anew.",
                    )
                if self._is_table(pack_id):
                    self._again(pack_id)
                else:
                    self.rescue(pack_id)

    def _again(self, pack_id: bytes) -> None:
        """Pages of a condemned table pack: stored once more."""
        places = self.ctx.index.places(pack_id)
        self.copy_pages([place.id for place in places if place.kind is ChunkKind.PAGE])

    def copy_pages(self, pages: Sequence[bytes]) -> None:
        """Pages that lie elsewhere, stored once more, so that where they lie may go."""
        for start in range(0, len(pages), IDS):
            wanted = [page for page in pages[start : start + IDS] if page not in self._fresh]
            for page, plain in read_pages(self.ctx, wanted).items():
                self._fresh.add(page)
                self._pages.append(Chunk(page, ChunkKind.PAGE, plain))
                self._size += len(plain)
            if self._size >= TABLE_PACK:
                self._close_pack()

    def _is_table(self, pack_id: bytes) -> bool:
        pack = self.ctx.index.pack(pack_id)
        return pack is not None and pack.kind is PackKind.TABLE

    def survives(self, acks: Acks, packs: Iterable[int]) -> int:
        """t, honestly: what the table's and the data's copies survive; ``packs``: the losses each stripe survives."""
        return self._least(acks.disks, packs)

    def would_survive(self, packs: Iterable[int]) -> int:
        """The same before the commit, which goes to the disks that answer."""
        return self._least(frozenset(self.ctx.table.usable()), packs)

    def _least(self, holders: frozenset[bytes], packs: Iterable[int]) -> int:
        return max(-1, min([self._weakest, self._domains(holders) - 1, *packs]))


def new_run(ctx: Context) -> Run:
    """A run with a fresh id."""
    return Run(ctx, ctx.env.random(16))
