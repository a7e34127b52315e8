"""How a running job stands: totals, per disk, and how quick it is just now.  Fed by events and the disks' meters."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from webraid.cli.traffic import Traffic
from webraid.jobs.base.events import DiskBytes, DiskNotice, FileTrouble, Progress, ShardFound, Started

if TYPE_CHECKING:
    from webraid.env import Env
    from webraid.jobs.base.events import Event

Meters = Callable[[], Sequence[Traffic]]

WINDOW = 4.0  # seconds that a rate looks back
STEP = 0.2  # seconds between the points it is drawn from
STEADY = 20.0  # seconds that the time left looks back
SMALL = 0.25  # of the longest leap: what grows by less is told with the next one,
LULL = 3.0  # or after so many seconds
FIRST = 1.0  # second of which nobody can tell how it will go on
ALMOST = 0.99  # of a put, at most, while it runs: the snapshot is written when all the content is there

# what goes to the disks, or comes from them, is what these jobs are about; all others read and write
SENDING = frozenset({"put"})
FETCHING = frozenset({"get", "check", "scrub", "drill", "recover"})

# what Progress.files counts; everywhere else files
UNITS = {
    "check": "disk", "repair": "shard", "scrub": "shard", "rebuild": "shard", "replace": "shard", "drain": "shard",
    "rebalance": "shard", "relevel": "pack",
}  # fmt: skip


def nothing() -> Sequence[Traffic]:
    """No pool, no meters."""
    return ()


class Speed:
    """Bytes a second over the last WINDOW seconds."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def at(self, now: float, count: int) -> float:
        """Note that ``count`` bytes have gone through by ``now``; the rate up to now."""
        if not self._points or now - self._points[-1][0] >= STEP:
            self._points.append((now, count))
        while len(self._points) > 2 and now - self._points[0][0] > WINDOW:
            self._points.popleft()
        then, before = self._points[0]
        return (count - before) / (now - then) if now > then else 0.0


class Outlook:
    """How long it still takes, going by the last STEADY seconds."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, int]] = deque()

    def left(self, now: float, count: int, rest: int) -> float | None:
        """Seconds for ``rest`` more bytes, with ``count`` done by ``now``; None: nobody knows yet.

        Packs settle in leaps, so it counts down from the last one, as long as the next is not overdue.  What comes
        between two leaps is told with the next.
        """
        points = self._points
        grown = count - points[-1][1] if points else 0
        if not points or grown > self._longest() * SMALL or (grown > 0 and now - points[-1][0] >= LULL):
            points.append((now, count))
        while len(points) > 2 and now - points[0][0] > STEADY:
            points.popleft()
        (then, before), (last, reached) = points[0], points[-1]
        if last - then < FIRST:
            return None
        in_time = rest * (last - then) / (reached - before) - (now - last)
        leap = reached - points[-2][1]  # overdue: if the next came only just now
        return max(0.0, in_time, (rest - leap) * (now - then) / (reached - before + leap))

    def _longest(self) -> int:
        return max((here[1] - before[1] for before, here in pairwise(self._points)), default=0)


@dataclass(slots=True)
class Flow:
    """One disk while a job runs."""

    name: str
    up: int = 0
    down: int = 0
    rate: float = 0.0
    trouble: str = ""
    alarm: bool = False
    speed: Speed = field(default_factory=Speed)

    def moved(self, job: str) -> int:
        """Bytes that tell how far the disk is in ``job``: those of its direction, or both where it has none."""
        return self.up if job in SENDING else self.down if job in FETCHING else self.up + self.down


@dataclass(slots=True)
class Reading:
    """The gauge at one moment.  ``left``: seconds still to go, None while nobody knows."""

    job: str
    unit: str
    seconds: float
    files: int
    bytes: int
    stored: int
    errors: int
    total_files: int | None
    total_bytes: int | None
    rate: float
    left: float | None
    current: str
    disks: list[Flow]

    @property
    def speed(self) -> float:
        """Bytes a second: of content where it comes in, of what all disks get together where it goes out."""
        return sum(disk.rate for disk in self.disks) if self.job == "put" else self.rate

    @property
    def done(self) -> float | None:
        """Share of the bytes, 0 to 1; None while the total is unknown."""
        most = ALMOST if self.job in SENDING else 1.0
        if self.total_bytes:
            return max(0.0, min(most, self.bytes / self.total_bytes))
        if self.total_files and (self.unit != "file" or self.total_bytes == 0):
            return min(most, self.files / self.total_files)
        return None


class Gauge:
    """Takes events on any thread."""

    def __init__(self, env: Env, title: str, meters: Meters = nothing) -> None:
        self._env = env
        self._lock = threading.Lock()
        self._begin = env.monotonic()
        self._started = Started(title)
        self._progress = Progress()
        self._errors = 0
        self._speed = Speed()
        self._outlook = Outlook()
        self._meters = meters
        self._disks: dict[str, Flow] = {}

    def take(self, event: Event) -> None:
        """Count an event in."""
        with self._lock:
            match event:
                case Started():
                    self._started, self._progress = event, Progress()
                    self._speed, self._outlook = Speed(), Outlook()
                case Progress():
                    self._progress = event
                case DiskBytes():
                    disk = self._disk(event.disk)
                    disk.trouble = disk.trouble if disk.alarm else ""  # it moves again
                case DiskNotice():
                    disk = self._disk(event.disk)
                    disk.trouble, disk.alarm = event.text.partition(":")[0], disk.alarm or event.alarm
                case ShardFound():
                    self._errors += 1
                    self._disk(event.disk).trouble = f"has {event.problem} shards"
                case FileTrouble():
                    self._errors += 1

    def _disk(self, name: str) -> Flow:
        return self._disks.setdefault(name, Flow(name))

    def read(self) -> Reading:
        """Where things stand now."""
        with self._lock:
            now = self._env.monotonic()
            started, progress = self._started, self._progress
            total_files = started.total_files if progress.total_files is None else progress.total_files
            total_bytes = started.total_bytes if progress.total_bytes is None else progress.total_bytes
            rate = self._speed.at(now, progress.bytes)
            for flow in self._meters():
                disk = self._disk(flow.disk)
                disk.up, disk.down = flow.up, flow.down
                disk.rate = disk.speed.at(now, disk.moved(started.job))
            left = self._outlook.left(now, progress.bytes, max(0, (total_bytes or 0) - progress.bytes))
            return Reading(
                started.job, UNITS.get(started.job, "file"), now - self._begin, progress.files, progress.bytes,
                progress.stored, self._errors, total_files, total_bytes, rate, left if total_bytes else None,
                progress.current,
                [self._disks[name] for name in sorted(self._disks)],
            )  # fmt: skip
