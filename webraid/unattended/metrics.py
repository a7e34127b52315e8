"""A file for the textfile collector of Prometheus' node exporter.

The format (https://prometheus.io/docs/instrumenting/exposition_formats/): HELP, TYPE, then all samples of a name.  The
collector reads '*.prom' whenever it likes, so the file is replaced in one step, and everybody may read it: it holds
numbers and the names of disks, sources and jobs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from webraid.model import DiskState
from webraid.unattended.record import LastRun
from webraid.unattended.traffic import Flows

if TYPE_CHECKING:
    from webraid.jobs.standing.status import Status

Labels = Mapping[str, str]


class Page:
    """Samples by name, in the order in which names first came."""

    def __init__(self, pool: str) -> None:
        self._pool = pool
        self._families: dict[str, tuple[str, list[str]]] = {}

    def add(self, name: str, meaning: str, value: float | None, **labels: str) -> None:
        """One sample; None is no sample."""
        if value is None:
            return
        pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in {"pool": self._pool, **labels}.items())
        text = str(value) if isinstance(value, int) else repr(float(value))
        self._families.setdefault(f"webraid_{name}", (meaning, []))[1].append(f"{{{pairs}}} {text}")

    def text(self) -> str:
        """The file's content."""
        lines: list[str] = []
        for name, (meaning, samples) in self._families.items():
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} gauge", *(name + sample for sample in samples)]
        return "\n".join(lines) + "\n"


def render(run: LastRun, now: Status | None, flows: Flows) -> str:
    """All of it.  ``now``: how the pool stands, None where that could not be found out."""
    page = Page(run.pool)
    _of_run(page, run)
    for name, count in sorted(flows.disks.items()):
        page.add("disk_sent_bytes", "Bytes sent to the disk in the last run.", count.up, disk=name)
        page.add("disk_received_bytes", "Bytes fetched from the disk in the last run.", count.down, disk=name)
        page.add("disk_requests", "Requests to the disk in the last run.", count.requests, disk=name)
        page.add("disk_errors", "Requests that failed in the last run.", sum(count.errors.values()), disk=name)
    if now is not None:
        _of_pool(page, now)
    return page.text()


def _of_run(page: Page, run: LastRun) -> None:
    page.add("last_run_timestamp_seconds", "When the last scheduled run began.", run.started.timestamp())
    if run.ended:
        took = max(0.0, (run.ended - run.started).total_seconds())  # the clock may have been set back
        page.add("last_run_duration_seconds", "How long the last scheduled run took.", took)
    page.add("last_run_exit_code", "Exit code of the last scheduled run, 0 is good.", run.exit_code)
    good = run.last_success.timestamp() if run.last_success else 0
    page.add("last_success_timestamp_seconds", "When a scheduled run last ended well, 0 is never.", good)
    for job in run.jobs:
        if not job.left_out:
            page.add("job_exit_code", "Exit code of the job in the last run.", job.exit_code, job=job.job)
            page.add("job_duration_seconds", "How long the job took in the last run.", job.seconds, job=job.job)
    for name, when in sorted(run.done.items()):
        page.add("job_last_success_timestamp_seconds", "When the job last went well.", when.timestamp(), job=name)
    for name, source in sorted(run.sources.items()):
        stored = source.time.timestamp()
        page.add("source_last_snapshot_timestamp_seconds", "When the source was last stored.", stored, source=name)
        page.add("source_files", "Files in the source's last snapshot.", source.files, source=name)
        page.add("source_bytes", "Bytes in the source's last snapshot.", source.bytes, source=name)
        page.add("source_added_bytes", "New bytes in the source's last snapshot.", source.added, source=name)


def _of_pool(page: Page, now: Status) -> None:
    page.add("survives", "Disks that may vanish now without any loss, -1: data are unreadable.", now.survives)
    page.add("promised", "Disks that may vanish by the pool's level.", now.promised)
    page.add("snapshots", "Snapshots in the pool.", now.snapshots)
    last = now.last_time_ms / 1000 if now.snapshots else None
    page.add("last_snapshot_timestamp_seconds", "When the newest snapshot was made.", last)
    page.add("missing_shards", "Shards that lie nowhere.", now.missing_shards)
    page.add("unreadable_packs", "Packs with too few shards left.", now.unreadable_packs)
    page.add("alarms", "Disks that raise an alarm.", len(now.alarms))
    for disk in now.disks:
        page.add("disk_stored_bytes", "Bytes of the pool on the disk.", disk.stored, disk=disk.name)
        page.add("disk_free_bytes", "Bytes that are free for the pool on the disk.", disk.free, disk=disk.name)
        page.add("disk_capacity_bytes", "Bytes that the pool may use on the disk.", disk.capacity, disk=disk.name)
    for disk in now.disks:
        for state in DiskState:
            here = int(disk.state == state.value)
            page.add("disk_state", "The disk's state: 1 at the one it is in.", here, disk=disk.name, state=state.value)


def write(path: Path, text: str) -> None:
    """Replace the file in one step, mode 0644.  Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")  # does not end in .prom: the collector leaves it alone
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o644)  # whatever the umask of a cron job is
            file.write(text)
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
