"""One screen at the end of every job."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from webraid.cli import verdict
from webraid.cli.render.canvas import BAD, FAINT, GOOD, WARN, Canvas
from webraid.cli.words import duration, listed, many, not_as_it_should_be, rate, safe, survival
from webraid.errors import EXIT_DEGRADED
from webraid.model import show_size

if TYPE_CHECKING:
    from webraid.backend.probe import Speed
    from webraid.cli.traffic import Traffic
    from webraid.jobs.access.init import Made
    from webraid.jobs.access.recover import Recovered
    from webraid.jobs.care.check import CheckResult, DiskCheck
    from webraid.jobs.care.repair import Repaired
    from webraid.jobs.disks.add_backend import Added
    from webraid.jobs.restoring.get import GetResult
    from webraid.jobs.storing.put import PutResult

INDENT = (0, 0, 0, 4)  # columns to the left, in rich's order


class Summaries(Canvas):
    """Results of jobs."""

    def made(self, made: Made, kit: Path | None) -> None:
        """A new pool."""
        self.line(f"Pool {made.name} ({made.level}) is made.", style=GOOD)
        if kit is not None:
            self.line(f"The recovery kit is in {kit}: print it, keep it elsewhere, delete the file.")
        else:
            self.line("Its recovery kit: print it or copy it by hand, and keep it where your computer is not.")
            self.line()
            self.lines(f"  {text}".rstrip() for text in made.kit.text().splitlines())
        self.next_step("webraid add-backend   (it asks; or at once: webraid add-backend local NAME --path FOLDER)")

    def added(self, added: Added) -> None:
        """A disk that joined."""
        free = f", {show_size(added.free)} free" if added.free is not None else ""
        self.line(f"Disk {added.name} ({added.kind}, domain {added.domain}{free}) has joined:", style=GOOD)
        for sentence in verdict.of_added(added).splitlines():
            self.line(sentence)
        if added.up or added.down:
            rates = f"{rate(added.up, 1)} up, {rate(added.down, 1)} down"
            self.line(f"It answers in {_quick(added.latency)}; one connection moves {rates}.", style=FAINT)
        if added.free_tier:
            self.line(f"Free there: {added.free_tier}.", style=FAINT)
        for note in added.notes:
            self.line(f"Note: {note}.", style=WARN)
        self.next_step(verdict.after_added(added))

    def put(self, result: PutResult, flows: Sequence[Traffic]) -> None:
        """A snapshot."""
        took = f" at {result.level} in {duration(result.seconds)}"
        self.line(Text.assemble("Snapshot ", (result.snapshot, "bold"), took))
        self.line()
        others = f", {many(result.others, 'other')}" if result.others else ""
        new, changed, same = result.files_new, result.files_changed, result.files_unmodified
        rows = [
            ("files", f"{new:,} new, {changed:,} changed, {same:,} unmodified; {many(result.dirs, 'folder')}{others}"),
            ("read", f"{show_size(result.read)} of {show_size(result.bytes)}, {rate(result.read, result.seconds)}"),
            ("added", f"{show_size(result.added)}, packed into {show_size(result.packed)}"),
            ("stored", f"{show_size(result.stored)} on all disks together"),
        ]
        if result.repaired:
            rows.append(("mended", many(result.repaired, "shard")))
        if result.problems:
            rows.append(("problems", not_as_it_should_be(len(result.problems), "stored")))
        self.pairs(rows)
        self._flows(flows)
        self.line()
        good = result.survives >= result.promised and result.survives > 0 and not result.alarms
        self.line(_capital(verdict.of_put(result)) + ".", style=GOOD if good else WARN)
        for alarm in result.alarms:
            self.line(f"ALARM: {alarm}", style=BAD)
        for other in result.conflicts:
            self.line(f"Snapshot {other} of the same folder was made at the same time elsewhere: both are kept.", WARN)
        self.next_step(verdict.after_put(result, flows))

    def got(self, result: GetResult, flows: Sequence[Traffic]) -> None:
        """Files that are back."""
        are = "would be written into" if result.dry_run else "are in"
        parts = [many(result.files, "file")] if result.files or not result.dirs else []
        parts += [many(result.dirs, "folder")] if result.dirs else []
        text = f"{' and '.join(parts)} of snapshot {result.snapshot} {are} "
        if not result.files and result.skipped and not result.dry_run:
            text = f"No file of snapshot {result.snapshot} had to be written: they are in "
        self.line(Text.assemble(text, (safe(result.target), "bold")))
        self.line()
        speed = rate(result.bytes, result.seconds)
        rows = [("read", f"{show_size(result.bytes)} in {duration(result.seconds)}, {speed}")]
        if result.dry_run:
            rows = [("to read", show_size(result.bytes))]
        if result.updated:
            name = "to replace" if result.dry_run else "replaced"
            rows.append((name, f"{many(result.updated, 'file')} that differed"))
        if result.deleted:
            name = "to delete" if result.dry_run else "deleted"
            rows.append((name, f"{many(result.deleted, 'thing')} not in the snapshot"))
        if result.verified:
            rows.append(("read back", f"{many(result.verified, 'file')}, {len(result.mismatched):,} wrong"))
        if result.skipped:
            rows.append(("skipped", f"{many(result.skipped, 'file')} there already"))
        if result.problems:
            rows.append(("problems", not_as_it_should_be(len(result.problems), "restored")))
        if result.unreadable:
            rows.append(("unreadable", f"{many(len(result.unreadable), 'file')}: too few shards are left"))
        self.pairs(rows)
        self._flows(flows)
        self.next_step(verdict.after_get(result))

    def checked(self, result: CheckResult, flows: Sequence[Traffic]) -> None:
        """What a check found."""
        good = not result.exit_code
        self.line(verdict.of_check(result), style=GOOD if good else BAD if result.exit_code != 20 else WARN)
        self.line()
        self.inspected(result.disks)
        for alarm in result.alarms:
            self.alarm(alarm)
        self.pairs([
            ("snapshots", f"{result.snapshots:,} walked, {many(result.chunks, 'chunk')} accounted for"),
            ("read", f"{show_size(sum(disk.bytes_read for disk in result.disks))} in {duration(result.seconds)}"),
        ])  # fmt: skip
        self._flows(flows)
        self.next_step(verdict.after_check(result))

    def inspected(self, disks: Sequence[DiskCheck]) -> None:
        """What check and scrub found, a line for each disk."""
        if disks:
            head = ("Disk", "Shards", "By hash", "Read", "Missing", "Corrupt", "Log")
            self.table(head, [_checked(disk) for disk in disks], right=head[1:6])
            self.line()

    def verdict(self, text: str, code: int) -> None:
        """The first line of a page, in the colour of how bad it is."""
        self.line(text, style=GOOD if not code else WARN if code == EXIT_DEGRADED else BAD)

    def alarm(self, text: str) -> None:
        """Something that must be looked at."""
        self.line(f"ALARM: {text}", style=BAD)

    def finding(self, severity: str, topic: str, what: str, why: str, todo: str) -> None:
        """One thing that the doctor has found, with what to do."""
        style = {"alarm": BAD, "warning": WARN}.get(severity, FAINT)
        self.line(Text.assemble((f"{severity.upper()}  ", style), (f"{safe(topic)}: ", "bold"), safe(what)))
        if why:
            self.draw(Padding(Text(safe(why), style=FAINT), INDENT))
        if todo:
            self.draw(Padding(Text.assemble(("Do: ", "bold"), safe(todo)), INDENT))

    def fine(self, texts: Sequence[str]) -> None:
        """What was looked at and needs nothing."""
        self.line("Looked at and fine:")
        for text in texts:
            self.draw(Padding(Text(safe(text)), INDENT))

    def flows(self, flows: Sequence[Traffic]) -> None:
        """What a run has cost, a line for each disk."""
        self._flows(flows)

    def repaired(self, result: Repaired) -> None:
        """What was mended."""
        code = verdict.repair_code(result)
        self.line(verdict.of_repair(result), style=GOOD if not code else WARN if not result.lost else BAD)
        if result.shards:
            made = f"{many(result.from_files, 'shard')} from this machine's files" if result.from_files else ""
            read = f"{show_size(result.read)} read" if result.read else ""
            words = [f"{show_size(result.bytes)} in {duration(result.seconds)}", read, made]
            self.pairs([("stored", "; ".join(word for word in words if word))])
        self._flows(self.moved)
        if result.refused is not None:
            self.next_step(result.refused.hint)
        elif result.waiting or result.lost:
            self.next_step("Bring the missing disks back, or add another one; then run it again. See 'webraid status'.")
        elif result.silent:
            self.next_step(f"Bring {listed(result.silent)} back, or see 'webraid rebuild --help' if that cannot be.")

    def recovered(self, result: Recovered, more: Sequence[str] = ()) -> None:
        """A pool that is back; ``more``: lines about this machine."""
        self.line(f"Pool {result.name} is back on this machine.", style=GOOD)
        self.line()
        snapshots = f"{result.snapshots:,}, the newest is {result.latest}" if result.snapshots else "none yet"
        rows = [("disks", ", ".join(sorted(result.disks)) or "none"), ("snapshots", snapshots)]
        if result.unreachable:
            rows.insert(1, ("out of reach", ", ".join(sorted(result.unreachable))))
        self.pairs(rows)
        for alarm in result.alarms:
            self.line(f"ALARM: {alarm}", style=BAD)
        if not result.fresh:
            self.line("Too few disks answered to be certain that nothing newer exists.", style=WARN)
        if more:
            self.line()
        for text in more:
            self.line(text)
        self.next_step("webraid get -t FOLDER" if result.snapshots else "webraid put PATH")

    def tested(self, name: str, outcome: str, took: str, detail: str) -> None:
        """One check of a disk."""
        style = {"ok": GOOD, "failed": BAD}.get(outcome, FAINT)
        self.line(Text.assemble((f"{outcome:<15}", style), name.replace("_", " "), (f"  {took}", FAINT)))
        if detail and (outcome == "failed" or self.verbose):
            self.line(f"    {detail}", style=style)

    def timed(self, name: str, speed: Speed) -> None:
        """How fast a disk is."""
        self.line(f"{name} answers in {_quick(speed.latency)}.")
        head = ("Connections", "Up", "Down")
        rows = [("1", rate(speed.up, 1), rate(speed.down, 1))]
        if speed.connections > 1:
            rows.append((f"{speed.connections} at once", rate(speed.up_together, 1), rate(speed.down_together, 1)))
        self.table(head, rows, right=head[1:])
        self.line(f"Measured with {show_size(speed.moved)}.", style=FAINT)

    def removed(self, names: Sequence[str], survives: int, disks: int) -> None:
        """Disks that left."""
        for name in names:
            self.line(f"Disk {name} is no longer part of the pool; what lies on it was not touched.")
        self.line(f"The pool {survival(survives, disks)}.", style=GOOD if survives > 0 else WARN)

    def _flows(self, flows: Sequence[Traffic]) -> None:
        """A line for each disk, and what its budget has left."""
        if not flows:
            return
        self.line()
        columns: list[tuple[str, list[str]]] = [
            ("Disk", [flow.disk for flow in flows]),
            ("Sent", [show_size(flow.up) for flow in flows]),
            ("Received", [show_size(flow.down) for flow in flows]),
            ("Requests", [f"{flow.requests:,}" for flow in flows]),
            ("Retries", [f"{flow.retries:,}" for flow in flows]),
        ]
        if any(flow.throttled for flow in flows):
            columns.append(("Held up", [duration(flow.throttled) if flow.throttled else "" for flow in flows]))
        if any(flow.errors for flow in flows):
            columns.append(("Errors", [f"{flow.errors:,}" for flow in flows]))
        head = [name for name, _ in columns]
        self.table(head, list(zip(*(cells for _, cells in columns), strict=True)), right=head[1:])
        budgets = [(flow.disk, verdict.of_budgets(flow.budgets)) for flow in flows if flow.budgets]
        if budgets:
            self.pairs(budgets)


def _checked(disk: DiskCheck) -> list[str | Text]:
    def number(count: int, style: str = "") -> Text:
        return Text(f"{count:,}", style=style if count else "")

    words = f"{disk.verdict}: {disk.error}" if disk.error else disk.verdict
    return [
        disk.name, f"{disk.listed:,}", f"{disk.hashed:,}", f"{disk.read:,}", number(disk.missing, WARN),
        number(disk.corrupt, BAD), words,
    ]  # fmt: skip


def _quick(seconds: float) -> str:
    """'under 1 ms', '45 ms', '1.2 s'."""
    if seconds >= 1:
        return duration(seconds)
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.001 else "under 1 ms"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
