"""stats: how much is stored, for what, and how much of it nobody needs.  Reads the table only; changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from webraid.config import parse_duration
from webraid.entry import CHUNK_ID
from webraid.errors import WebRAIDError
from webraid.jobs.base.context import Context
from webraid.jobs.base.pages import read_pages
from webraid.jobs.base.seats import stored_bytes
from webraid.jobs.base.snapshots import chosen, open_for_reading
from webraid.jobs.space.live import BATCH, Liveness
from webraid.jobs.space.plan import Plan, Terms, make_plan
from webraid.model import PackKind
from webraid.table.fold import Shot
from webraid.table.marks import Marks
from webraid.table.tree import view_page

Mode = Literal["restore-size", "raw-data", "files-by-contents"]
MODES: tuple[Mode, ...] = ("restore-size", "raw-data", "files-by-contents")


@dataclass(slots=True)
class Measured:
    """The snapshots asked for.  ``size``: by the mode: of all files as restored, of distinct contents, or of distinct
    chunks as they are sealed; ``plain``: of these chunks before compression (raw-data)."""

    mode: Mode = "restore-size"
    snapshots: int = 0
    files: int = 0
    size: int = 0
    chunks: int = 0
    plain: int = 0


@dataclass(slots=True)
class Space:
    """The whole pool, in bytes.  ``stored``: all shards; ``payload``: of it, packs before parity and copies;
    ``sealed``: chunks of files, compressed; ``plain``: these before compression.  ``table``: shards of table packs.

    ``free_now``: what 'prune' would delete at once; ``free_later``: what it would condemn, or has condemned;
    ``unused``: in packs that stay; ``duplicate``: chunks that lie in more than one pack.  None where a snapshot's tree
    cannot be walked, see ``problem``."""

    stored: int = 0
    payload: int = 0
    sealed: int = 0
    plain: int = 0
    table: int = 0
    data_packs: int = 0
    table_packs: int = 0
    chunks: int = 0
    segments: int = 0
    free_now: int | None = None
    free_later: int | None = None
    condemned: int | None = None
    unused: int | None = None
    duplicate: int | None = None
    problem: str = ""
    disks: dict[str, int] = field(default_factory=dict)

    @property
    def overhead(self) -> float:
        """Bytes stored for each byte of packs."""
        return self.stored / self.payload if self.payload else 1.0


def stats(ctx: Context, names: Sequence[str] = (), *, mode: Mode = "restore-size") -> tuple[Measured, Space]:
    """Measure the snapshots ``names`` (all if none is named), and the pool.  Raises NotInTable."""
    open_for_reading(ctx)
    measured = _measure(ctx, chosen(ctx, names), mode)
    return measured, _space(ctx)


# ----------------------------------------------------------------------------------------------------------- snapshots
def _measure(ctx: Context, shots: Sequence[Shot], mode: Mode) -> Measured:
    result = Measured(mode, len(shots))
    if mode == "restore-size":
        result.files = sum(shot.info.files for shot in shots)
        result.size = sum(shot.info.size for shot in shots)
        return result
    marks, contents = Marks(ctx.database), dict[bytes, bytes]()
    try:
        for ids in chunks_of_files(ctx, shots):
            if mode == "raw-data":
                marks.add(ids[i : i + CHUNK_ID] for i in range(0, len(ids), CHUNK_ID))
                result.files += 1
            elif ids:
                contents[hashlib.sha256(ids).digest()[:CHUNK_ID]] = ids
        if mode == "raw-data":
            result.chunks, result.plain, result.size = marks.measure()
        else:
            result.files, result.size = len(contents), sum(_plain(ctx, ids) for ids in contents.values())
    finally:
        marks.close()
    return result


def chunks_of_files(ctx: Context, shots: Iterable[Shot]) -> Iterable[bytes]:
    """The chunk ids of every file, page by page; a page that several snapshots share is read once."""
    seen: set[bytes] = set()
    todo = [shot.info.root for shot in shots]
    while todo:
        batch, todo = [page for page in dict.fromkeys(todo[:BATCH]) if page not in seen], todo[BATCH:]
        for page, data in read_pages(ctx, batch).items():
            view = view_page(data)
            seen.add(page)
            todo += view.children
            yield from (ids for _, ids in view.files)


def _plain(ctx: Context, content: bytes) -> int:
    ids = [content[i : i + CHUNK_ID] for i in range(0, len(content), CHUNK_ID)]
    found = ctx.index.find(list(dict.fromkeys(ids)))
    return sum(found[chunk][0][1].plain for chunk in ids if chunk in found)


# ---------------------------------------------------------------------------------------------------------------- pool
def _space(ctx: Context) -> Space:
    result = Space(segments=len(ctx.table.state.segments()))
    used = stored_bytes(ctx)
    result.disks = {ctx.disk_name(disk): size for disk, size in sorted(used.items(), key=lambda i: ctx.disk_name(i[0]))}
    copies = len(used)
    for pack in ctx.index.packs():
        if pack.kind is PackKind.TABLE:
            result.table_packs += 1
            result.table += pack.length * copies
        else:
            result.data_packs += 1
        result.payload += pack.length
    live = Liveness(ctx)
    try:
        result.chunks, result.plain, result.sealed = live.marks.measure(everything=True)
        _needed(ctx, live, result)
    except WebRAIDError as error:
        result.problem = str(error)
    finally:
        live.marks.close()
    result.stored = sum(used.values())
    return result


def _needed(ctx: Context, live: Liveness, result: Space) -> None:
    section = ctx.config.prune
    trash, lock = parse_duration(section.trash) * 1000, parse_duration(section.retention_lock) * 1000
    live.update(int(lock), audit=False)
    plan: Plan = make_plan(ctx, live, None, Terms(int(trash), int(lock)))
    result.free_now = plan.size(plan.due)
    result.free_later = plan.size(plan.waiting) + plan.size(plan.garbage)
    result.condemned = plan.size(plan.waiting) + plan.size(plan.due)
    result.unused = sum(plan.facts[pack].total - size for pack, size in plan.used.items())
    _, shared = live.marks.weigh(locked=True)
    result.duplicate = sum(size * (len(packs) - 1) for packs, size in shared.items())
