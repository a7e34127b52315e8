"""The picture of a running job: overall bar, then a line for every disk; drawn anew a few times a second."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.table import Table
from rich.text import Text

from webraid.cli.gauge import FETCHING, SENDING, Flow, Gauge, Reading
from webraid.cli.words import clock, many, safe
from webraid.model import show_size

if TYPE_CHECKING:
    from webraid.cli.render.canvas import Canvas

FRAMES = 8  # a second
LITTLE = 0.01  # of the busiest disk's traffic: a look at the log is no progress
DISKS = 16  # lines; with more disks the quiet ones are left out
SPINNER, PLAIN_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "|/-\\"


class _Picture:
    """What rich asks for at every frame."""

    def __init__(self, canvas: Canvas, gauge: Gauge) -> None:
        self._canvas = canvas
        self._gauge = gauge
        self._frame = 0

    def __rich__(self) -> RenderableType:
        self._frame += 1
        now = self._gauge.read()
        parts: list[RenderableType] = [self._head(now)]
        if now.done is not None:
            parts.append(self._overall(now))
        if now.current:
            parts.append(self._current(safe(now.current)))
        if now.disks:
            parts.append(self._disks(now))
        return Constrain(Group(*parts), self._canvas.out.width - len("^C"))

    def _head(self, now: Reading) -> Text:
        signs = PLAIN_SPINNER if self._canvas.ascii else SPINNER
        words = [_of(now) if now.total_files and now.files <= now.total_files else many(now.files, now.unit)]
        if now.bytes:
            words.append(show_size(now.bytes))
        if now.job == "put":
            words.append(f"{show_size(sum(disk.up for disk in now.disks))} sent")
        if now.speed:
            words.append(f"{show_size(now.speed)}/s")
        if now.errors:
            words.append(many(now.errors, "problem"))
        words.append(clock(now.seconds))
        return Text.assemble(
            (f"{signs[self._frame % len(signs)]} ", "cyan"), (f"{now.job}  ", "bold"), "  ".join(words),
            overflow="ellipsis", no_wrap=True,
        )  # fmt: skip

    def _current(self, path: str) -> Text:
        """What is being read; of a long path the end says more."""
        room = self._canvas.out.width - len("  ...^C")
        short = path if len(path) <= room else f"...{path[-room:]}"
        return Text(f"  {short}", "dim", no_wrap=True, overflow="ellipsis")

    def _overall(self, now: Reading) -> Text:
        done = now.done or 0.0
        left = f"  {clock(max(1.0, now.left))} left" if now.left else ""
        total = f" of {show_size(now.total_bytes)}" if now.total_bytes else ""
        words = f" {int(done * 100):3}%{total}{left}"  # never rounded up: 100 % is all of it
        room = max(4, min(40, self._canvas.out.width - len(words) - 4))
        return Text.assemble("  ", self._canvas.bar(done, room, "cyan"), words, no_wrap=True)

    def _disks(self, now: Reading) -> Table:
        shown = now.disks
        if len(shown) > DISKS:
            shown = sorted(shown, key=lambda disk: (not disk.trouble, -disk.rate))[:DISKS]
        most = max((disk.moved(now.job) for disk in shown), default=0) or 1
        both = now.job not in SENDING | FETCHING
        name = max(len(disk.name) for disk in shown) + 2
        grid = Table.grid(padding=(0, 2), expand=True)
        grid.add_column(width=min(name, 10 if self._canvas.narrow else 20), no_wrap=True, overflow="ellipsis")
        grid.add_column(width=8 if both else self._bar, no_wrap=True)
        for _ in range(2 if both else 1):
            grid.add_column(width=15 if both else 10, justify="right", no_wrap=True)
        if not (both and self._canvas.narrow):
            grid.add_column(width=12, justify="right", no_wrap=True)
        grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        for disk in shown:
            grid.add_row(*(self._two_ways(disk, most) if both else self._one_way(disk, now.job, most)))
        return grid

    @property
    def _bar(self) -> int:
        """Columns of a disk's bar."""
        return 8 if self._canvas.narrow else 16

    def _one_way(self, disk: Flow, job: str, most: int) -> list[Text]:
        """What went there, or came from there."""
        moved, style = disk.moved(job), _style(disk)
        bar = self._canvas.bar(moved / most, self._bar, style)
        words = [Text(show_size(moved)), _speed(disk), Text(safe(disk.trouble), style)]
        return [Text(f"  {safe(disk.name)}"), bar, *words]

    def _two_ways(self, disk: Flow, most: int) -> list[Text]:
        """What was written there, solid, and what was read from there, behind it."""
        style = _style(disk)
        ways = ((disk.up, "in"), (disk.down, "out"))
        words = [Text(f"{show_size(size)} {way}" if size else "") for size, way in ways]
        up, down = (size / most if size / most > LITTLE else 0.0 for size in (disk.up, disk.down))
        bar = self._canvas.bar(up, 8, style, more=down)
        words += [] if self._canvas.narrow else [_speed(disk)]
        return [Text(f"  {safe(disk.name)}"), bar, *words, Text(safe(disk.trouble), style)]


def _style(disk: Flow) -> str:
    return "bold red" if disk.alarm else "yellow" if disk.trouble else "green"


def _speed(disk: Flow) -> Text:
    return Text(f"{show_size(disk.rate)}/s" if disk.rate else "")


def _of(now: Reading) -> str:
    return f"{now.files:,} of {many(now.total_files or 0, now.unit)}"


@contextmanager
def picture(canvas: Canvas, gauge: Gauge) -> Iterator[Live]:
    """Draw until the block ends; then the picture goes, and the summary takes its place."""
    with Live(
        _Picture(canvas, gauge), console=canvas.out, refresh_per_second=FRAMES, transient=True,
        redirect_stdout=False, redirect_stderr=False, vertical_overflow="ellipsis",
    ) as live:  # fmt: skip
        yield live
