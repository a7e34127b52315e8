"""The terminal: plain lines, tables, bars, events as they come, and the live picture while a job runs."""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import typer
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from webraid.cli.gauge import Gauge, Meters, nothing
from webraid.cli.words import many, safe
from webraid.jobs.base.events import DiskNotice, FileRestored, FileStored, FileTrouble, Notice, ShardFound

if TYPE_CHECKING:
    from rich.live import Live

    from webraid.cli.traffic import Traffic
    from webraid.env import Env
    from webraid.jobs.base.events import Event

PIPE_WIDTH = 120  # columns where nobody says how many there are
FEW = 20  # lines of one sort before the rest is only counted
GOOD, WARN, BAD, FAINT = "green", "yellow", "bold red", "dim"


def console(stream: TextIO) -> Console:
    """A console on ``stream`` that takes text as it is: no markup, no guessing."""
    known = stream.isatty() or "COLUMNS" in os.environ
    width = None if known else PIPE_WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


class Canvas:
    """Two consoles: results on stdout; what happens meanwhile on stderr, or above the live picture."""

    def __init__(self, env: Env, *, quiet: bool = False, verbose: int = 0) -> None:
        self.env = env
        self.quiet = quiet
        self.verbose = verbose
        self.out = console(sys.stdout)
        self.err = console(sys.stderr)
        self._gauge: Gauge | None = None
        self._live: Live | None = None
        self._lock = threading.Lock()
        self._told: Counter[tuple[str, str]] = Counter()
        self.hushed = False
        self.moved: Sequence[Traffic] = ()  # by each disk in the latest job, as far as it came to its end

    # -- results -----------------------------------------------------------------------------------------------------
    def line(self, text: str | Text = "", style: str = "") -> None:
        """One line (wrapped at words if it must be)."""
        self.draw(text if isinstance(text, Text) else Text(safe(text)), style=style)

    def lines(self, texts: Iterable[str]) -> None:
        """Lines that are never wrapped: they can be copied or read by a program."""
        for text in texts:
            self.out.print(Text(safe(text)), soft_wrap=True)

    def draw(self, what: RenderableType, style: str = "") -> None:
        """Anything rich can draw; in a pipe without the spaces that fill up its lines."""
        if self.out.is_terminal:
            self.out.print(what, style=style)
            return
        if isinstance(what, Text):
            typer.echo(what.plain)
            return
        with self.out.capture() as drawn:
            self.out.print(what)
        for row in drawn.get().splitlines():
            typer.echo(row.rstrip())

    def pairs(self, rows: Sequence[tuple[str, str]]) -> None:
        """What is what, one below the other."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style=FAINT, no_wrap=True)
        grid.add_column()
        for name, value in rows:
            grid.add_row(f"  {name}", Text(safe(value)))
        self.draw(grid)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str | Text]], right: Sequence[str] = ()) -> None:
        """Columns with a head; those named in ``right`` hold numbers.  The last one takes what room is left."""
        table = Table(box=None, padding=(0, 2, 0, 0), header_style=FAINT, pad_edge=False)
        for name in head:
            last = name == head[-1]
            table.add_column(
                name, justify="right" if name in right else "left", no_wrap=not last, overflow="fold",
                header_style=FAINT,
            )  # fmt: skip
        for row in rows:
            table.add_row(*(cell if isinstance(cell, Text) else Text(safe(cell)) for cell in row))
        self.draw(table)

    def next_step(self, text: str) -> None:
        """What to do now, if anything."""
        if text:
            self.line()
            self.line(Text.assemble(("Next: ", "bold"), safe(text)))

    @property
    def narrow(self) -> bool:
        """Whether there are few columns."""
        return self.out.width < 76

    @property
    def ascii(self) -> bool:
        """Whether the terminal shows nothing but ASCII."""
        return not self.out.encoding.lower().startswith("utf")

    def bar(self, share: float, width: int, style: str = GOOD, more: float = 0.0) -> Text:
        """How full something is; ``more``: a second share behind the first one."""
        full = min(width, max(int(share > 0), round(share * width)))
        behind = min(width - full, max(int(more > 0), round((share + more) * width) - full))
        solid, half, rest = ("#", "=", ".") if self.ascii else ("█", "▒", "░")
        left = (rest * (width - full - behind), FAINT)
        return Text.assemble((solid * full, style), (half * behind, style), left)

    # -- while a job runs --------------------------------------------------------------------------------------------
    @property
    def draws(self) -> bool:
        """Whether a job's picture is drawn: only for somebody who sees it."""
        return not self.quiet and self.out.is_terminal and self.err.is_terminal

    @contextmanager
    def job(self, title: str, meters: Meters = nothing) -> Iterator[None]:
        """Show how it goes: a picture on a terminal, nothing elsewhere.  Events come as lines above it."""
        self._told.clear()
        if not self.draws:
            yield
            self._tell_rest()
            self.moved = meters()
            return
        from webraid.cli.render.live import picture

        self._gauge = Gauge(self.env, title, meters)
        with picture(self, self._gauge) as self._live:
            try:
                yield
            finally:
                self._tell_rest()
                self._live, self._gauge = None, None
        self.moved = meters()

    def event(self, event: Event) -> None:
        """Take in an event; on any thread."""
        gauge = self._gauge
        if gauge:
            gauge.take(event)
        if self.hushed:
            return
        match event:
            case DiskNotice():
                text = event.text.replace(f"disk {event.disk}: ", "")  # an error says its disk's name, too
                sort = ("disk", f"{event.disk}: {text.partition(':')[0]}")  # told once, however often it is tried
                self._tell(sort, f"{event.disk}: {text}", BAD if event.alarm else WARN, most=1)
            case ShardFound():
                text = f"{event.disk}: shard {event.pack[:8]}.{event.index} is {event.problem}"
                self._tell((event.disk, f"{event.problem} shard"), text, BAD if event.problem == "corrupt" else WARN)
            case FileTrouble():
                self._tell(("", "file"), f"{event.path}: {event.reason}", WARN)
            case FileStored() | FileRestored() if self.verbose:
                self._tell(("", "stored"), f"{event.action:9}  {event.path}", FAINT)
            case Notice() if event.warning or self.verbose:
                self._tell(("note", event.text), event.text, WARN if event.warning else FAINT, most=1)

    def _tell(self, sort: tuple[str, str], text: str, style: str, most: int = FEW) -> None:
        """One line about what happened; of each sort only so many."""
        with self._lock:
            self._told[sort] += 1
            if self._told[sort] > most and (most == 1 or not self.verbose):
                return
        if self.quiet and style in (WARN, FAINT):
            return
        there = self.out if self._live else self.err
        there.print(Text(safe(text), style=style), soft_wrap=not self._live)

    def _tell_rest(self) -> None:
        """How many more there were of each sort."""
        if self.verbose or self.quiet:
            return
        for (disk, noun), count in list(self._told.items()):
            if count > FEW and disk not in ("disk", "note"):
                of = f"{disk}: " if disk else ""
                there = self.out if self._live else self.err
                there.print(Text(f"{safe(of)}and {many(count - FEW, noun)} more", style=WARN))
