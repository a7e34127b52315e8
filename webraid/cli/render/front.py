"""The front page: verdict first, then the disks, then what was stored last and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from webraid.cli import verdict
from webraid.cli.render.canvas import BAD, FAINT, GOOD, WARN, Canvas
from webraid.cli.words import ago, many, moment, safe
from webraid.model import DiskState, PoolState, show_size

if TYPE_CHECKING:
    from webraid.cli.scheduled import Scheduled
    from webraid.jobs.standing.status import DiskStatus, Status

STYLES = {
    DiskState.ONLINE: GOOD, DiskState.UNREACHABLE: WARN, DiskState.REBUILDING: WARN, DiskState.FAULTED: BAD,
    DiskState.DRAINING: WARN,
}  # fmt: skip
NEARLY_FULL = 0.9
ROOMY = 100  # columns
BARS = 60  # columns
MOST_SOURCES = 8


class Front(Canvas):
    """The pool and its disks."""

    def status(self, now: Status, plan: Scheduled | None = None) -> None:
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
        rows = [("last snapshot", self._last(now)), *self._sources(now, plan), ("snapshots", f"{now.snapshots:,}")]
        rows += self._care(now, plan)
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
            self.line(
                Text.assemble(
                    (name, "bold"),
                    f"  {time}  {safe(host)}  {level}  {files} {'file' if files == '1' else 'files'}, {size}",
                )
            )
            self.line(f"    {paths}" + (f"  [{tags}]" if tags else ""))

    def _last(self, now: Status) -> str:
        if not now.snapshots:
            return "none yet"
        when = f"{moment(now.last_time_ms)} ({ago(self.env.now(), now.last_time_ms)})"
        return f"{now.last_snapshot}  {when}  {many(now.last_files, 'file')}, {show_size(now.last_bytes)}"

    def _sources(self, now: Status, plan: Scheduled | None) -> list[tuple[str, str]]:
        """The newest snapshot of each source, where there are several or the config names any."""
        if len(now.sources) < 2 and not any(source.configured for source in now.sources):
            return []
        hosts = {source.host for source in now.sources}
        rows = []
        for source in now.sources[:MOST_SOURCES]:
            of = f"{source.name} of {source.host}" if len(hosts) > 1 else source.name
            late = source.configured and plan is not None and plan.late(source.time_ms)
            words = [ago(self.env.now(), source.time_ms), many(source.files, "file"), show_size(source.bytes)]
            text = ", ".join(words) if source.snapshot else "never stored"
            trouble = [f"{many(source.problems, 'file')} with problems"] if source.problems else []
            trouble += ["OVERDUE"] if late else []
            rows.append(("", "; ".join([f"{of}: {text}", *trouble])))
        if len(now.sources) > MOST_SOURCES:
            rows.append(("", f"and {len(now.sources) - MOST_SOURCES} more: webraid snapshots"))
        return rows

    def _care(self, now: Status, plan: Scheduled | None) -> list[tuple[str, str]]:
        """When everything was last verified, tried out and run."""
        if not now.snapshots and not now.unfinished_packs:
            return []
        scrub, time = now.last_scrub, self.env.now()
        more = " (one was interrupted: the next goes on there)" if now.scrub_unfinished else ""
        rows = [("last scrub", f"never on this machine{more}")]
        if scrub is not None:
            bad = many(scrub.corrupt + scrub.missing, "bad shard") if scrub.corrupt + scrub.missing else "nothing bad"
            rows = [
                ("last scrub", f"{ago(time, int(scrub.time * 1000))}: {bad}; {scrub.covered:.0%} read lately{more}")
            ]
        drill = "never: 'webraid check --drill 5'"
        if now.last_drill_ms:
            drill = f"{ago(time, now.last_drill_ms)}: {many(now.last_drill_files, 'file')} came back"
        rows.append(("last drill", drill))
        if plan is not None and plan.began_ms:
            ended = "went well" if not plan.exit_code else f"ended with {plan.exit_code}: {plan.error or plan.summary}"
            if not plan.ended_ms:
                ended = "has not ended"
            late = "; OVERDUE" if plan.overdue else ""
            rows.append(("last run", f"{ago(time, plan.began_ms)}: {ended}{late}"))
        elif plan is not None:
            rows.append(("last run", "none yet" if plan.installed else "no schedule: 'webraid schedule install'"))
        if now.unfinished_packs:
            rows.append(("under way", "a put that runs, or was interrupted: run it again, it goes on where it was"))
        if now.condemned_packs:
            trash = f"{many(now.condemned_packs, 'pack')}, {show_size(now.condemned_bytes)}"
            rows.append(("in the trash", trash))
        return rows

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
            if disk.role == "draining":
                until = f" until {moment(disk.deadline_ms)[:10]}" if disk.deadline_ms else ""
                to_go = show_size(disk.stored if disk.alone is None else disk.alone)
                text = f"is being emptied{until}: {to_go} to go"
                if disk.alone == 0:
                    text = f"is emptied: nothing needs it any more ('webraid backend rm {disk.name}')"
                self.line(Text.assemble((f"  {safe(disk.name)}: ", FAINT), text))
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
