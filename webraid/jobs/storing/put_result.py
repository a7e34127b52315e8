"""What a put is asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from webraid.errors import EXIT_ALARM, EXIT_DEGRADED, EXIT_OK, EXIT_PARTIAL, WebRAIDError, worst
from webraid.files.select import Rules
from webraid.jobs.base.events import FileTrouble

EVERYTHING = Rules()


class Compression(StrEnum):
    """How hard chunks are compressed before they are sealed."""

    AUTO = "auto"  # what does not pay is left as it is
    OFF = "off"
    MAX = "max"


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a long put makes what it has restorable: after so many ``seconds``, or ``bytes`` of new content."""

    seconds: float = 15 * 60
    bytes: int = 10 << 30


@dataclass(frozen=True, slots=True)
class PutOptions:
    """How a put goes about it.

    ``source``: the config's name for what is stored.  ``host``: another machine's name.  ``parent``: the snapshot that
    files are compared with, instead of what this machine remembers; ``force``: all files are read.  ``ignore_inode``,
    ``ignore_ctime``: a file with another inode, or another time of its last change of state, may still be unchanged.
    ``allow_empty``: what has vanished was deleted on purpose.  ``list_files``: tell of every file (events.FileStored).
    ``least``: losses that must be survived as the disks are now, else there is no snapshot.  ``time_ms``: what the
    snapshot says of its time, in milliseconds since 1970; None: now.  ``scan``: what there is to store is counted
    beside, so that events.Progress tells the total.
    """

    level: str = ""
    tags: tuple[str, ...] = ()
    host: str = ""
    source: str = ""
    rules: Rules = EVERYTHING
    parent: str = ""
    force: bool = False
    ignore_inode: bool = False
    ignore_ctime: bool = False
    skip_if_unchanged: bool = False
    dry_run: bool = False
    allow_empty: bool = False
    list_files: bool = False
    compression: Compression = Compression.AUTO
    pace: Pace = Pace()
    least: int = 0
    time_ms: int | None = None
    scan: bool = False


@dataclass(slots=True)
class PutResult:
    """What a put did.  Sizes in bytes; ``stored`` counts parity too.  ``survives``: losses survived, honestly.

    ``source``: the config's name for it.  ``skipped``: nothing has changed since ``snapshot``, which was made before.
    ``dry_run``: nothing was stored, ``added`` is what would have been.  ``checkpoints``: how many partial snapshots
    were made on the way.  ``excluded``: entries that the rules left out (what is below a folder is not counted).
    ``failure``: why this source was not stored, while others were.
    """

    snapshot: str = ""
    level: str = ""
    files_new: int = 0
    files_changed: int = 0
    files_unmodified: int = 0
    dirs: int = 0
    others: int = 0
    files: int = 0
    bytes: int = 0
    read: int = 0
    added: int = 0
    packed: int = 0
    stored: int = 0
    seconds: float = 0.0
    survives: int = 0
    promised: int = 0
    disks: int = 0
    missing_shards: int = 0
    problems: list[FileTrouble] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    repaired: int = 0
    source: str = ""
    skipped: bool = False
    dry_run: bool = False
    checkpoints: int = 0
    excluded: int = 0
    failure: WebRAIDError | None = None

    @property
    def exit_code(self) -> int:
        """The most severe of what happened."""
        if self.failure is not None:
            return worst(self.failure.exit_code, EXIT_ALARM if self.alarms else EXIT_OK)
        short = self.survives < self.promised and not self.dry_run
        return worst(
            EXIT_ALARM if self.alarms else EXIT_OK,
            EXIT_DEGRADED if short else EXIT_OK,
            EXIT_PARTIAL if self.problems else EXIT_OK,
        )


def together(results: Sequence[PutResult]) -> PutResult:
    """Several puts as one: sums, and the least that any of them survives."""
    if len(results) == 1:
        return results[0]
    stored = [result for result in results if result.failure is None]
    total = PutResult(dry_run=any(result.dry_run for result in results))
    for name in _SUMS:
        setattr(total, name, sum(getattr(result, name) for result in results))
    for result in results:
        total.problems += result.problems
        total.alarms = sorted({*total.alarms, *result.alarms})
        total.conflicts += result.conflicts
    weakest = min(stored, key=lambda result: result.survives - result.promised, default=None)
    if weakest is not None:
        total.survives, total.promised, total.level = weakest.survives, weakest.promised, weakest.level
        total.disks = weakest.disks
    total.snapshot = ", ".join(result.snapshot for result in stored if not result.skipped)
    return total


_SUMS = (
    "files_new", "files_changed", "files_unmodified", "dirs", "others", "files", "bytes", "read", "added", "packed",
    "stored", "seconds", "missing_shards", "repaired", "checkpoints", "excluded",
)  # fmt: skip
