"""mend: a disk that was rolled back, or whose log is damaged, gets back what it lost, so that it counts again.

Safe because the other disks prove alone that nothing acknowledged is unseen; then all of it is put back on this one.
A disk that is empty or another one is never filled: it may be a folder whose drive is not plugged in.
"""

from __future__ import annotations

from collections.abc import Mapping

from webraid.backend.base import Backend
from webraid.errors import BackendError, ObjectNotFound, ProtocolError
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import DiskNotice
from webraid.jobs.base.fill import ask, fill_slots, listing
from webraid.jobs.base.reading import with_good_homes
from webraid.model import shard_name
from webraid.table.log import Verdict
from webraid.table.survey import MARKER, digest_of, marker
from webraid.table.table import View

PART = 100  # records looked at in one go
DAMAGED = "damaged-log:"  # key of the local cache, before the disk's id: a check found damaged records there


def mend_all(ctx: Context, view: View) -> None:
    """Every disk whose answers raise an alarm, and those on which a check has found damaged records of the log."""
    alarming = {disk: answer.verdict for disk, answer in view.alarms().items()}
    for disk in ctx.domains():
        key = DAMAGED + disk.hex()
        if ctx.local.get(key):
            alarming.setdefault(disk, Verdict.CORRUPT if disk in ctx.table.usable() else Verdict.SILENT)
    for disk, verdict in alarming.items():
        if mend(ctx, disk, verdict) and ctx.local.get(DAMAGED + disk.hex()):
            ctx.local.set(DAMAGED + disk.hex(), b"")


def mend(ctx: Context, disk: bytes, verdict: Verdict) -> bool:
    """Note which shards ``disk`` lacks, put right what it has of the log, and let it be written to again.

    ``repair`` then makes its shards anew, and last sends the records it lacks: should we be stopped before, the disk
    still shows that it was rolled back.  Needs an opened table with a quorum (of other disks), and the index.
    Whether that went well.
    """
    if verdict not in (Verdict.ROLLED_BACK, Verdict.CORRUPT) or disk not in ctx.domains():
        return False
    try:
        there = listing(ctx, ctx.disks[disk])
        if not there & ctx.table.book.names.keys():
            raise ProtocolError("nothing on it shows that it is the pool's")
        _note_shards(ctx, disk, there)
        fill_slots(ctx, ctx.disks[disk], there)
        if verdict is Verdict.CORRUPT:
            _put_log_right(ctx, disk, there)
    except BackendError as error:
        ctx.event(DiskNotice(ctx.disk_name(disk), f"could not be mended: {error}"))
        return False
    ctx.table.trust(disk, there)
    ctx.event(DiskNotice(ctx.disk_name(disk), "is put right: what it lost comes back to it"))
    return True


def _put_log_right(ctx: Context, disk: bytes, there: set[str]) -> None:
    names = sorted(there & ctx.table.book.names.keys())
    _put_right(ctx, disk, {MARKER: marker(ctx.pool, disk)})
    for start in range(0, len(names), PART):
        _put_right(ctx, disk, {name: _blob(ctx, name) for name in names[start : start + PART]})


def _put_right(ctx: Context, disk: bytes, objects: Mapping[str, bytes]) -> None:
    """Every one of ``objects`` that the disk does not give back as it should is put anew, and looked at again."""

    def work(backend: Backend) -> None:
        for name, data in objects.items():
            if _reads(backend, name) == data:
                continue
            backend.put(name, data, digest=digest_of(data))
            if _reads(backend, name) != data:
                raise ProtocolError("what was put back is not what is read", key=name)

    ask(ctx, ctx.disks[disk], ctx.disks[disk].call(work))


def _reads(backend: Backend, name: str) -> bytes | None:
    try:
        return backend.get(name)
    except ObjectNotFound:
        return None


def _blob(ctx: Context, name: str) -> bytes:
    record = ctx.table.book.names[name]
    return ctx.local.blob(record.device, record.seq, record.digest)


def _note_shards(ctx: Context, disk: bytes, there: set[str]) -> None:
    bad = ctx.index.bad()
    for pack in ctx.index.packs():
        for home in with_good_homes(ctx, pack, bad).homes:
            if home.disk == disk and shard_name(pack.id, home.index) not in there:
                ctx.index.mark_bad(pack.id, home.index, disk, "missing")
