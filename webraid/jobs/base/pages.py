"""Table packs: finding and reading tree pages and index segments, and taking new index segments in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from webraid.errors import NotInTable, RedundancyError, SealBroken
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import Notice
from webraid.jobs.base.reading import ChunkFailure, Wanted, find_pack, read_chunks
from webraid.model import Code, Geometry, Pack, PackKind
from webraid.table.fold import Record
from webraid.table.index import Index, decode_segment
from webraid.table.records import Commit, TablePack

KEEP = 256  # pages kept in memory
_DROPPED = "dropped"  # key of the local cache: how many moved shards it has heeded


def as_pack(packed: TablePack, copies: int) -> Pack:
    """A table pack as the array knows packs: identical objects on all disks."""
    geometry = Geometry(Code.COPIES, 1, max(1, copies))
    return Pack(packed.id, PackKind.TABLE, geometry, packed.length, (packed.sha256,))


def table_pack(ctx: Context, pack_id: bytes) -> Pack:
    """A table pack with the disks that have it."""
    return find_pack(ctx, pack_id, ctx.index.bad())


def commit_index(ctx: Context, commit: Commit) -> Index:
    """What a commit says of its own table packs."""
    index = Index()
    for number, packed in enumerate(commit.packs):
        if packed.id in ctx.table.state.swept:
            continue
        places = [at.place() for at in commit.places if at.pack == number]
        index.add(as_pack(packed, len(ctx.table.state.joined())), places)
    return index


def marker_of(record: Record) -> bytes:
    """The "segment" of the table packs that a commit names."""
    return b"commit:" + record.digest


def load_index(ctx: Context) -> None:
    """Take in what commits say that this machine has not seen yet: table packs, then the index segments in them."""
    _forget_swept(ctx)  # first: nothing is looked for where it was deleted
    before = ctx.index.segments()
    _load(ctx, before)
    _forget_swept(ctx)
    _forget_dropped(ctx, before)


def _forget_swept(ctx: Context) -> None:
    gone = ctx.index.known_of(ctx.table.state.swept)
    if gone:
        with ctx.index.db.transaction():
            for pack_id in gone:
                ctx.index.drop(pack_id)


def _forget_dropped(ctx: Context, before: set[bytes]) -> None:
    """Shards that moved away count no more where they were, in old segments and in new ones."""
    dropped = ctx.table.state.dropped
    count = str(sum(map(len, dropped.values()))).encode()
    if dropped and (ctx.local.get(_DROPPED) != count or ctx.index.segments() - before):
        for disk, shards in dropped.items():
            ctx.index.drop_homes(disk, shards)
        ctx.local.set(_DROPPED, count)


def _load(ctx: Context, known: set[bytes]) -> None:
    if ctx.table.state.dropped and not set(ctx.table.state.segments()) <= known:
        ctx.local.set(_DROPPED, b"")  # should we be stopped on the way
    for record, commit in ctx.table.state.live_commits():
        if marker_of(record) not in known:
            ctx.index.add(commit_index(ctx, commit), segment=marker_of(record))
    live = ctx.table.state.segments()
    missing = [segment for segment in live if segment not in known]
    for start in range(0, len(missing), 8):
        part = missing[start : start + 8]
        for segment, plain in read_segments(ctx, part).items():
            ctx.index.add(decode_segment(plain), segment=segment)
    if set(live) <= ctx.index.segments():
        gone = {old for _, commit in ctx.table.state.commits for old in commit.supersedes}
        ctx.index.forget_segments((gone & known) - set(live))


def read_segments(ctx: Context, ids: Sequence[bytes]) -> dict[bytes, bytes]:
    """Plain index segments by id.  What only machines announced that were removed, and nobody has, is passed over: it
    may never have been there, and nobody could use it.  Raises as ``read_pages`` does."""
    try:
        return read_pages(ctx, ids)
    except (NotInTable, RedundancyError, SealBroken):
        ends, found = ctx.table.state.ends, dict[bytes, bytes]()
        for segment in ids:
            by = {record.device for record, commit in ctx.table.state.commits if segment in commit.segments}
            try:
                found |= read_pages(ctx, [segment])
            except (NotInTable, RedundancyError, SealBroken):
                if not by <= ends.keys():
                    raise
                text = "a part of the index that a removed machine announced is nowhere: passed over"
                ctx.event(Notice(text, warning=True))
        return found


def read_pages(ctx: Context, ids: Sequence[bytes]) -> dict[bytes, bytes]:
    """Plain pages by id.  Raises NotInTable, or the reason why one cannot be read."""
    found = ctx.index.find(ids)
    by_pack: dict[bytes, Wanted] = {}
    for page in dict.fromkeys(ids):
        options = [(pack, place) for pack, place in found.get(page, []) if pack]
        if not options:
            raise NotInTable(
                f"page {page.hex()} is in no table pack known here", hint="Run 'webraid check' to see what is lost."
            )
        pack, place = options[0]
        by_pack.setdefault(pack, Wanted(pack)).places.append(place)
    pages: dict[bytes, bytes] = {}
    for item in read_chunks(ctx, by_pack.values()):
        if isinstance(item, ChunkFailure):
            raise item.error
        place, plain = item
        pages[place.id] = plain
    return pages


class Pages:
    """Fetches pages with a small memory of the last ones; what table/tree.py wants as ``fetch``."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._kept: dict[bytes, bytes] = {}

    def __call__(self, ids: Sequence[bytes]) -> Mapping[bytes, bytes]:
        missing = [page for page in ids if page not in self._kept]
        fresh = read_pages(self._ctx, missing) if missing else {}
        result = {page: fresh[page] if page in fresh else self._kept[page] for page in ids}
        if len(self._kept) + len(fresh) > KEEP:
            self._kept.clear()
        self._kept.update(fresh)
        return result
