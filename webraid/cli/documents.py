"""The results as documents for programs (--json).  Field names are restic's wherever restic has one."""

from __future__ import annotations

import base64
import stat
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from webraid.cli.traffic import Traffic
from webraid.cli.words import iso

if TYPE_CHECKING:
    from webraid.backend.budget import Balance
    from webraid.entry import Entry
    from webraid.jobs.base.events import FileTrouble
    from webraid.jobs.care.check import CheckResult
    from webraid.jobs.care.findings import DiskCheck
    from webraid.jobs.care.repair import Repaired
    from webraid.jobs.restoring.get import GetResult
    from webraid.jobs.standing.status import DiskStatus, Status
    from webraid.jobs.storing.put import PutResult
    from webraid.table.fold import Shot

SCHEMA = 1
# by the letter of entry.EntryType, which is not imported here: it brings msgspec, and --help needs none
TYPES = {"f": "file", "d": "dir", "l": "symlink", "p": "fifo", "c": "chardev", "b": "dev", "s": "socket"}
KINDS = {
    "f": stat.S_IFREG, "d": stat.S_IFDIR, "l": stat.S_IFLNK, "p": stat.S_IFIFO, "c": stat.S_IFCHR, "b": stat.S_IFBLK,
    "s": stat.S_IFSOCK,
}  # fmt: skip


def summary(command: str, **values: Any) -> dict[str, Any]:
    """The one document that ends every command."""
    return {"message_type": "summary", "schema_version": SCHEMA, "command": command, **values}


def put(result: PutResult, flows: Sequence[Traffic]) -> dict[str, Any]:
    """What a put did."""
    return summary(
        "put",
        snapshot_id=result.snapshot,
        files_new=result.files_new,
        files_changed=result.files_changed,
        files_unmodified=result.files_unmodified,
        data_added=result.added,
        data_added_packed=result.packed,
        data_stored=result.stored,
        total_files_processed=result.files,
        total_dirs_processed=result.dirs,
        total_others_processed=result.others,
        total_bytes_processed=result.bytes,
        total_duration=round(result.seconds, 3),
        problems=_troubles(result.problems),
        conflicts=result.conflicts,
        alarms=result.alarms,
        shards_repaired=result.repaired,
        backends=_flows(flows),
        redundancy={
            "level": result.level,
            "survives": result.survives,
            "promised": result.promised,
            "disks": result.disks,
            "missing_shards": result.missing_shards,
        },
        exit_code=result.exit_code,
    )


def got(result: GetResult, flows: Sequence[Traffic]) -> dict[str, Any]:
    """What a get did."""
    return summary(
        "get",
        snapshot_id=result.snapshot,
        target=result.target,
        total_files=result.files + result.skipped + len(result.unreadable),
        files_restored=result.files,
        files_updated=result.updated,
        files_skipped=result.skipped,
        dirs_restored=result.dirs,
        files_deleted=result.deleted,
        files_verified=result.verified,
        bytes_restored=result.bytes,
        dry_run=result.dry_run,
        total_duration=round(result.seconds, 3),
        problems=_troubles(result.problems),
        unreadable=_troubles(result.unreadable),
        mismatched=_troubles(result.mismatched),
        notes=result.notes,
        backends=_flows(flows),
        exit_code=result.exit_code,
    )


def check(result: CheckResult, flows: Sequence[Traffic]) -> dict[str, Any]:
    """What a check found."""
    return summary(
        "check",
        snapshots=result.snapshots,
        chunks=result.chunks,
        chunks_lost=result.lost_chunks,
        alarms=result.alarms,
        total_duration=round(result.seconds, 3),
        backends=checked_disks(result.disks, flows),
        redundancy={
            "survives": result.survives,
            "disks": result.among,
            "missing_shards": result.missing_shards,
            "unreadable_packs": result.unreadable_packs,
        },
        exit_code=result.exit_code,
    )


def checked_disks(disks: Iterable[DiskCheck], flows: Sequence[Traffic]) -> list[dict[str, Any]]:
    """What check and scrub found on each disk, and what it cost."""
    moved = {flow.disk: flow for flow in flows}
    return [
        {
            "name": disk.name,
            "verdict": disk.verdict,
            "shards_listed": disk.listed,
            "hashes_compared": disk.hashed,
            "shards_read": disk.read,
            "records_read": disk.records,
            "bytes_read": disk.bytes_read,
            "missing": disk.missing,
            "corrupt": disk.corrupt,
            "error": disk.error,
            **_costs(moved.get(disk.name) or Traffic(disk.name)),
        }
        for disk in disks
    ]


def repair(result: Repaired, code: int, flows: Sequence[Traffic]) -> dict[str, Any]:
    """What a repair did."""
    return summary(
        "repair",
        shards_repaired=result.shards,
        shards_waiting=result.waiting,
        packs_lost=result.lost,
        bytes_stored=result.bytes,
        total_duration=round(result.seconds, 3),
        backends=_flows(flows),
        exit_code=code,
    )


def status(now: Status, verdict: str, next_step: str, code: int) -> dict[str, Any]:
    """Where the pool stands."""
    last = {
        "id": now.last_snapshot,
        "time": iso(now.last_time_ms),
        "total_files_processed": now.last_files,
        "total_bytes_processed": now.last_bytes,
    }
    return summary(
        "status",
        pool={"name": now.name, "id": now.pool_id, "level": now.level},
        state=now.state,
        verdict=verdict,
        redundancy={
            "survives": now.survives,
            "promised": now.promised,
            "disks": now.joined,
            "answered": now.answered,
            "still_needed": now.still_needed,
            "missing_shards": now.missing_shards,
            "unreadable_packs": now.unreadable_packs,
            "fresh": now.fresh,
        },
        backends=[backend(disk) for disk in now.disks],
        snapshots=now.snapshots,
        last_snapshot=last if now.snapshots else None,
        packs=now.packs,
        chunks=now.chunks,
        alarms=now.alarms,
        next_step=next_step,
        exit_code=code,
    )


def backend(disk: DiskStatus) -> dict[str, Any]:
    """One disk as status and 'backend ls' tell it."""
    document = {
        "name": disk.name,
        "kind": disk.kind,
        "domain": disk.domain,
        "state": disk.state,
        "detail": disk.detail,
        "bytes_stored": disk.stored,
        "bytes_free": disk.free,
        "capacity": disk.capacity,
        "overdue": disk.overdue,
        "hint": disk.hint,
        "role": disk.role,
    }
    if disk.alone is not None:
        document["bytes_alone"] = disk.alone
    if disk.deadline_ms:
        document["deadline"] = iso(disk.deadline_ms)
    if disk.written_ms is not None:
        document["last_written"] = iso(disk.written_ms)
    return {**document, "budgets": _budgets(disk.budgets)} if disk.budgets else document


def snapshot(shot: Shot) -> dict[str, Any]:
    """One snapshot."""
    info = shot.info
    return {
        "id": shot.id.hex(),
        "short_id": shot.name,
        "time": iso(info.time_ms),
        "hostname": info.host,
        "tags": list(info.tags),
        "paths": [_text(root.origin) for root in info.roots],
        "names": [_text(root.name) for root in info.roots],
        "level": info.level,
        "partial": info.partial,
        "problems": info.problems,
        "summary": {"total_files_processed": info.files, "total_bytes_processed": info.size},
    }


def node(entry: Entry) -> dict[str, Any]:
    """One file or folder of a snapshot, as restic's ls has it."""
    kind = TYPES[entry.type]
    document = {
        "message_type": "node",
        "struct_type": "node",
        "name": _text(entry.path.rpartition(b"/")[2]),
        "type": kind,
        "path": "/" + _text(entry.path),
        "uid": entry.uid,
        "gid": entry.gid,
        "user": entry.user,
        "group": entry.group,
        "size": entry.size if kind == "file" else None,
        "mode": entry.mode,
        "permissions": permissions(entry),
        "mtime": iso(entry.mtime_ns // 1_000_000),
        "ctime": iso(entry.ctime_ns // 1_000_000),
        "inode": entry.inode,
    }
    if _text(entry.path).encode("utf-8", "replace") != entry.path:
        document["path_b64"] = base64.b64encode(b"/" + entry.path).decode()
    if entry.target:
        document["linktarget"] = _text(entry.target)
    return document


def permissions(entry: Entry) -> str:
    """'-rw-r--r--', 'drwxr-xr-x'."""
    return stat.filemode(KINDS[entry.type] | (entry.mode & 0o7777))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


def _troubles(found: Iterable[FileTrouble]) -> list[dict[str, str]]:
    return [{"item": trouble.path, "message": trouble.reason} for trouble in found]


def flows_of(flows: Sequence[Traffic]) -> list[dict[str, Any]]:
    """What went to and came from each disk: the member 'backends' of most documents."""
    return _flows(flows)


def _flows(flows: Sequence[Traffic]) -> list[dict[str, Any]]:
    return [{"name": flow.disk, **_costs(flow)} for flow in flows]


def _costs(flow: Traffic) -> dict[str, Any]:
    costs = {
        "bytes_up": flow.up,
        "bytes_down": flow.down,
        "requests": flow.requests,
        "retries": flow.retries,
        "errors": flow.errors,
        "seconds_throttled": round(flow.throttled, 3),
    }
    return {**costs, "budgets": _budgets(flow.budgets)} if flow.budgets else costs


def _budgets(balances: Iterable[Balance]) -> list[dict[str, Any]]:
    return [
        {
            "resource": str(balance.allowance.resource),
            "period": str(balance.allowance.period),
            "limit": balance.limit,
            "spent": balance.spent,
            "left": balance.left,
            "until": iso(int(balance.until * 1000)),
        }
        for balance in balances
    ]
