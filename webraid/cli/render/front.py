"""The front page: verdict first, then the disks, then what was stored last and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from webraid.cli import verdict
from webraid.cli.render.canvas import BAD, FAINT, GOOD, WARN, Canvas
from webraid.cli.words import ago, many, moment, safe
from webraid.model import DiskState, PoolState, show_size

if TYPE_CHECKING:
    from webraid.jobs.status import DiskStatus, Status

STYLES = {
    DiskState.ONLINE: GOOD, DiskState.UNREACHABLE: WARN, DiskState.REBUILDING: WARN, DiskState.FAULTED: BAD,
}  # fmt: skip
NEARLY_FULL = 0.9
ROOMY = 100  # columns
BARS = 60  # columns


class Front(Canvas):
    """The pool and its disks."""

    def status(self, now: Status) -> None:
        """Where the pool stands."""
        style = {PoolState.ONLINE: GOOD, PoolState.DEGRADED: WARN, PoolState.FAILED: BAD}[PoolState(now.state)]
        style = WARN if style == GOOD and verdict.weaker(now) else style
        self.line(Text(verdict.of_status(now), style=f"bold {style}".replace("bold bold", "bold")))
        self.line()
        self.pairs([
            ("pool", f"{now.name} ({now.pool_id[:8]})"),
            ("level", now.level_explained or now.level),
        ])  # fmt: skip
        self.line()
        if now.disks:
            self.disks(now.disks)
            self.line()
        rows = [("last snapshot", self._last(now)), ("snapshots", f"{now.snapshots:,}")]
        if now.missing_shards:
            rows.append(("missing", many(now.missing_shards, "shard")))
        if now.unreadable_packs:
            rows.append(("unreadable", many(now.unreadable_packs, "pack")))
        self.pairs(rows)
        resting = verdict.of_resting(now.disks)
        if resting:
            self.line(resting, style=WARN)
        if not now.fresh and now.joined:
            text = f"Only {now.answered} of {many(now.joined, 'disk')} answered: newer snapshots may exist unseen."
            self.line(text, style=WARN)
        for alarm in now.alarms:
            self.line(f"ALARM: {alarm}", style=BAD)
        self.next_step(verdict.after_status(now))

    def snapshots(self, rows: list[list[str]]) -> None:
        """A line for each; where there is little room, the paths go below."""
        head = ("Snapshot", "Time", "Host", "Level", "Tags", "Files", "Size", "Paths")
        if not self.narrow:
            self.table(head, rows, right=("Files", "Size"))
            return
        for name, time, host, level, tags, files, size, paths in rows:
            self.line(Text.assemble((name, "bold"), f"  {time}  {safe(host)}  {level}  {files} files, {size}"))
            self.line(f"    {paths}" + (f"  [{tags}]" if tags else ""))

    def _last(self, now: Status) -> str:
        if not now.snapshots:
            return "none yet"
        when = f"{moment(now.last_time_ms)} ({ago(self.env.now(), now.last_time_ms)})"
        return f"{now.last_snapshot}  {when}  {many(now.last_files, 'file')}, {show_size(now.last_bytes)}"

    def disks(self, disks: list[DiskStatus]) -> None:
        """A line for each disk; what is odd about one follows below it."""
        head = ["Disk", "State", "Used", *([""] if self._bars else []), "Free", "Domain"]
        head += [] if self.narrow else ["Kind"]
        head += ["Written"] if any(disk.written_ms is not None for disk in disks) else []
        self.table(
            head,
            [self._row(disk)[: len(head)] for disk in disks],
            right=("", "Free") if self._bars else ("Used", "Free"),
        )
        for disk in disks:
            if disk.detail:
                self.line(Text.assemble((f"  {safe(disk.name)}: ", FAINT), safe(disk.detail)))

    def _row(self, disk: DiskStatus) -> list[str | Text]:
        written = "?" if disk.written_ms is None else ago(self.env.now(), disk.written_ms)
        return [
            disk.name,
            Text(disk.state, style=STYLES.get(DiskState(disk.state), FAINT)),
            *([self._fill(disk)] if self._bars else []),
            show_size(disk.stored),
            "?" if disk.free is None else show_size(disk.free),
            disk.domain,
            *([] if self.narrow else [disk.kind]),
            Text(written, style=WARN if disk.overdue else ""),
        ]

    @property
    def _bars(self) -> bool:
        """Whether there is room for bars beside whole words and numbers."""
        return self.out.width >= BARS

    def _fill(self, disk: DiskStatus) -> Text:
        width = 6 if self.narrow else 10 if self.out.width < ROOMY else 14
        room = disk.capacity if disk.free is None else disk.stored + disk.free
        if not room:
            return Text(" " * width)
        share = disk.stored / room
        return self.bar(share, width, WARN if share > NEARLY_FULL else GOOD)
