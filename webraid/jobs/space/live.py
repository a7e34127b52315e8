"""What is live: the trees of all kept snapshots, walked, and the index, held to what the segments say.

Nothing here believes the local cache: trees are read from their roots in the log, every page is compared with its id,
and what the cache says of a pack must be what the index segments on the disks say of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from webraid.codec.pack import Place
from webraid.entry import CHUNK_ID
from webraid.errors import NotInTable
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import Notice
from webraid.jobs.base.pages import commit_index, load_index, marker_of, read_pages, read_segments
from webraid.model import Pack
from webraid.table import garbage
from webraid.table.fold import Shot
from webraid.table.index import Index, decode_segment
from webraid.table.marks import Marks
from webraid.table.tree import view_page

BATCH = 32  # pages read at a time
SEGMENTS = 4  # index segments held in memory at a time
Expected = dict[bytes, tuple[Pack, list[Place]]]  # what is said of packs by id


class Liveness:
    """Live chunks, noted in ``marks``.  ``update`` may be called again: what files need stays live."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.marks = Marks(ctx.database)
        self._segments: set[bytes] = set()
        self._strict: set[bytes] = set()  # pages whose chunks are noted
        self._locked: set[bytes] = set()
        self._below: dict[bytes, tuple[bytes, ...]] = {}  # page -> its children
        self._said: dict[bytes, frozenset[bytes]] = {}  # segment, or commit -> the packs it names
        self._nowhere: set[bytes] = set()  # segments that only removed machines announced, and nobody has
        self._named: set[bytes] = set()  # packs that a commit or segment names, or an unfinished run of this machine
        self._only_here: set[bytes] = set()  # packs that this machine knows from segments that nobody has any more

    def update(self, lock_ms: int | None, *, audit: bool = True) -> None:
        """Take in what the table says now.  ``lock_ms``: forgotten snapshots younger than that hold on to their data.
        ``audit``: hold the local index to the segments on the disks; whoever deletes must.

        Raises NotInTable where a kept snapshot, or the index, is not whole: then nothing is garbage for certain.
        """
        state = self.ctx.table.state
        if audit:
            self._audit()
        segments = set(garbage.live_segments(state)) - self._nowhere
        self.marks.remove(self._segments - segments)  # a repack has written them anew
        self.marks.add(segments)
        self._segments = segments
        for shot in state.shots:
            self._mark(shot)
        clock = garbage.Clock(state, int(self.ctx.env.now() * 1000))
        for shot in state.former:
            if lock_ms is not None and shot.id in state.forgotten and garbage.locked(shot, clock, lock_ms):
                self._walk([shot.info.root], self._locked, locked=True)
        self._let_go()
        lost = self.marks.lost()
        if lost:
            raise NotInTable(
                f"the index does not say where chunk {lost[0].hex()} of a kept snapshot is, so nothing is deleted",
                hint="Run 'webraid check'; forget the snapshots that it names, or repair them first.",
            )

    # -- trees -------------------------------------------------------------------------------------------------------
    def _mark(self, shot: Shot) -> None:
        try:
            self._walk([shot.info.root], self._strict, locked=False)
        except NotInTable as error:
            raise NotInTable(
                f"the tree of snapshot {shot.name} is not whole, so nothing is deleted: {error}",
                hint="Run 'webraid check'; forget that snapshot, or repair it first.",
            ) from error

    def _walk(self, roots: Iterable[bytes], seen: set[bytes], *, locked: bool) -> None:
        """``locked``: for a forgotten snapshot; what the owner had deleted of it is passed over."""
        todo = deque(roots)
        while todo:
            batch = dict.fromkeys(todo.popleft() for _ in range(min(BATCH, len(todo))))
            fresh = [page for page in batch if page not in seen and page not in self._strict]
            for page, plain in (self._as_far_as_there(fresh) if locked else read_pages(self.ctx, fresh)).items():
                view = view_page(plain)
                self._below[page] = view.children
                seen.add(page)
                todo.extend(view.children)
                ids = {ids[i : i + CHUNK_ID] for _, ids in view.files for i in range(0, len(ids), CHUNK_ID)}
                self.marks.add([page, *ids], locked=locked)

    def _as_far_as_there(self, pages: Sequence[bytes]) -> dict[bytes, bytes]:
        known = self.ctx.index.find(pages)
        return read_pages(self.ctx, [page for page in pages if page in known])

    # -- changes -----------------------------------------------------------------------------------------------------
    def changed(self, one: Shot, other: Shot) -> int:
        """How many files of ``one`` have other content in ``other``, or are gone.  Raises NotInTable."""
        before, after = self._leaves(one), self._leaves(other)
        left, right = self._files(before - after), self._files(after - before)
        return sum(1 for path, ids in left.items() if right.get(path) != ids)

    def _leaves(self, shot: Shot) -> set[bytes]:
        leaves, todo = set(), [shot.info.root]
        while todo:
            batch, todo = todo[:BATCH], todo[BATCH:]
            for page, plain in read_pages(self.ctx, [page for page in batch if page not in self._below]).items():
                self._below[page] = view_page(plain).children
            for page in batch:
                todo += self._below[page]
                if not self._below[page]:
                    leaves.add(page)
        return leaves

    def _files(self, leaves: Iterable[bytes]) -> Mapping[bytes, bytes]:
        pages = sorted(leaves)
        files: dict[bytes, bytes] = {}
        for start in range(0, len(pages), BATCH):
            for plain in read_pages(self.ctx, pages[start : start + BATCH]).values():
                files.update(view_page(plain).files)
        return files

    # -- the index ---------------------------------------------------------------------------------------------------
    def _audit(self) -> None:
        """The local index says of every pack what commits and segments say, and names no other packs."""
        wrong: Expected = {}
        for record, commit in self.ctx.table.state.live_commits():
            self._hold(commit_index(self.ctx, commit), marker_of(record), wrong)
        self._correct(wrong)  # segments lie in these
        live = garbage.live_segments(self.ctx.table.state)
        unread = [segment for segment in live if segment not in self._said]
        for start in range(0, len(unread), SEGMENTS):
            part = unread[start : start + SEGMENTS]
            found = read_segments(self.ctx, part)
            self._nowhere |= set(part) - found.keys()
            for segment, plain in found.items():
                self._hold(decode_segment(plain), segment, wrong)
        self._correct(wrong)
        markers = [marker_of(record) for record, _ in self.ctx.table.state.live_commits()]
        named = set().union(*(self._said[source] for source in (*markers, *live) if source not in self._nowhere))
        self._named = named | {pack for pack, _ in self.ctx.index.pending()}
        self._only_here = self.ctx.index.brought_by(self._nowhere) - self._named
        for pack in self.marks.packs():
            if pack not in self._named | self._only_here:
                self._unload(pack)

    def _unload(self, pack: bytes) -> None:
        self.ctx.event(Notice(f"the local index named pack {pack.hex()[:8]}, which no commit names: corrected"))
        self.ctx.index.unload(pack)

    def _let_go(self) -> None:
        """Packs that only this machine still knows: nothing is deleted on such word.  What nobody needs is forgotten;
        what a snapshot needs is not, as it can be read from here alone.  Raises NotInTable."""
        for pack in sorted(self._only_here):
            ids = self.marks.live_in(pack)
            if set(ids) - self.marks.elsewhere(ids, frozenset(self._named)):
                raise NotInTable(
                    "a part of the index that a removed machine announced is nowhere but in this machine's cache, and "
                    "snapshots need it, so nothing is deleted",
                    hint="Run 'webraid repair' on this machine: it writes that part anew.",
                )
            self._unload(pack)
        self._only_here = set()

    def _hold(self, said: Index, source: bytes, wrong: Expected) -> None:
        """``source``: the segment, or the commit, that says so; ``wrong``: packs of which the local index differs."""
        for pack in said.packs.values():
            if source in self._said or pack.id in self.ctx.table.state.swept:
                continue
            places = sorted(said.places[pack.id], key=lambda place: place.number)
            if not self._agrees(pack, places):
                wrong[pack.id] = pack, places
        self._said[source] = frozenset(said.packs)

    def _agrees(self, pack: Pack, places: Sequence[Place]) -> bool:
        here = self.ctx.index.pack(pack.id)
        same = here is not None and (here.kind, here.length) == (pack.kind, pack.length)
        return same and self.ctx.index.places(pack.id) == places

    def _correct(self, wrong: Expected) -> None:
        """Take in anew whatever is said of these packs: each segment may know other homes of them."""
        index = self.ctx.index
        for id in wrong:
            self.ctx.event(Notice(f"the local index was wrong about pack {id.hex()[:8]}: corrected"))
            index.drop(id)
        if wrong:
            index.forget_segments([source for source, packs in self._said.items() if not packs.isdisjoint(wrong)])
            load_index(self.ctx)
        for pack, places in wrong.values():
            if not self._agrees(pack, places):
                raise NotInTable(
                    f"two index segments say different things of pack {pack.id.hex()[:8]}, so nothing is deleted",
                    hint="Run 'webraid check': one of the machines that write here is broken, or is not to be trusted.",
                )
        wrong.clear()
