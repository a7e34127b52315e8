"""drill: a few files, chosen by chance, are really restored and compared, without as many disks as may be lost.

Nothing else shows that a backup can be restored.  Only after a drill that went well is deletion switched on.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from webraid.codec.pack import Place
from webraid.entry import Entry, EntryType
from webraid.errors import EXIT_ALARM, EXIT_OK, EXIT_UNREADABLE, NotInTable, PoolError, WebRAIDError, worst
from webraid.files.problem import display
from webraid.jobs.base.context import Context, locked
from webraid.jobs.base.events import FileTrouble, Progress, Started, ignore
from webraid.jobs.base.pages import Pages, load_index
from webraid.jobs.base.snapshots import ordered
from webraid.jobs.care.local_source import compare_chunks, read_stream
from webraid.jobs.care.margin import margin
from webraid.jobs.restoring.get import get
from webraid.model import show_size
from webraid.table.fold import Shot
from webraid.table.records import Drilled
from webraid.table.tree import some_leaf

LARGEST = 64 << 20  # bytes: larger files are left to the scrub, unless there are no others
SPARED = 64 << 20  # bytes that are left free where files are restored to
TRIES = 40  # places looked at for one file
PREFIX = "drill-"


@dataclass(frozen=True, slots=True)
class Drill:
    """One file.  ``path`` is safe to print; ``problem``: '' when it came back as it was stored.  ``source``: 'same'
    when the file it was made from is unchanged and equal, 'changed' when it is another one now, 'gone'."""

    snapshot: str
    path: str = field(repr=False)
    size: int
    problem: str = ""
    damaged: bool = False
    source: str = ""


@dataclass(slots=True)
class DrillResult:
    """What was restored.  ``without``: the disks that were not asked, as if they were lost."""

    files: list[Drill] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    recorded: bool = False
    seconds: float = 0.0

    @property
    def bytes(self) -> int:
        """Of the files that came back."""
        return sum(file.size for file in self.files if not file.problem)

    @property
    def failed(self) -> list[Drill]:
        """Files that did not come back as they were."""
        return [file for file in self.files if file.problem]

    @property
    def exit_code(self) -> int:
        """Alarm where wrong bytes came back, unreadable where none did."""
        return worst(
            EXIT_ALARM if any(file.damaged for file in self.failed) else EXIT_OK,
            EXIT_UNREADABLE if self.failed else EXIT_OK,
        )


@dataclass(frozen=True, slots=True)
class _Choice:
    shot: Shot
    entry: Entry


def drill(ctx: Context, files: int = 5) -> DrillResult:
    """Restore so many files into a temporary folder and compare them; remember it on all disks when all is well.

    Raises NotInTable when there is nothing to restore, PoolBusy, QuorumLost.
    """
    started = ctx.env.monotonic()
    with locked(ctx.settings.places):
        ctx.open_table(spot=True)
        ctx.table.require_quorum()
        load_index(ctx)
        chosen = _with_room(ctx, _choose(ctx, files))
        ctx.event(Started("drill", len(chosen), sum(choice.entry.size for choice in chosen)))
        without = _left_out(ctx)
        result = DrillResult(without=sorted(ctx.disk_name(disk) for disk in without))
        fewer = replace(ctx, disks={disk: made for disk, made in ctx.disks.items() if disk not in without})
        fewer.settings = replace(ctx.settings, on_event=ignore)
        with _folder(ctx) as folder:
            _restore(ctx, fewer, chosen, folder, result)
        ctx.note_findings()
        if not result.failed:
            now = int(ctx.env.now() * 1000)
            ctx.table.append(Drilled(time_ms=now, files=len(result.files), size=result.bytes))
            result.recorded = True
        ctx.table.flush(ctx.config.limits.patience)
    result.seconds = ctx.env.monotonic() - started
    return result


# ------------------------------------------------------------------------------------------------------------- choosing
def _choose(ctx: Context, count: int) -> list[_Choice]:
    """Files of different sources and snapshots; no two with the same content."""
    sources: dict[tuple[object, ...], list[Shot]] = {}
    for shot in ordered(ctx):
        info = shot.info
        key = (info.host, info.source, tuple(root.origin for root in info.roots))
        sources.setdefault(key, []).append(shot)
    if not sources:
        return []
    pages, rng, found, odd = Pages(ctx), ctx.env.rng, dict[bytes, _Choice](), list[_Choice]()
    for _ in range(TRIES * count):
        if len(found) == count:
            break
        shot = rng.choice(sources[rng.choice(sorted(sources, key=repr))])
        leaf = some_leaf(shot.info.root, pages, rng.randrange)
        every = [entry for entry in leaf if entry.type is EntryType.FILE]
        fit = [entry for entry in every if 0 < entry.size <= LARGEST and entry.chunks]
        if fit:
            entry = rng.choice(fit)
            found.setdefault(entry.chunks, _Choice(shot, entry))
        else:
            odd += [_Choice(shot, entry) for entry in every]
    if not found and odd:  # only large or empty files: the smallest with content, else one that is empty
        odd.sort(key=lambda choice: (not choice.entry.chunks, choice.entry.size))
        return odd[:1]
    return list(found.values())


def _with_room(ctx: Context, chosen: list[_Choice]) -> list[_Choice]:
    """What fits into the folder at once.  Raises NotInTable where there is nothing, PoolError where nothing fits."""
    if not chosen:
        raise NotInTable("there is no file to restore yet", hint="Store something with 'webraid put PATH'.")
    room, fit = shutil.disk_usage(ctx.settings.places.state).free - SPARED, []
    for choice in sorted(chosen, key=lambda choice: choice.entry.size):
        room -= choice.entry.size
        if room >= 0:
            fit.append(id(choice))
    if not fit:
        raise PoolError(
            f"there is no room to restore {show_size(min(choice.entry.size for choice in chosen))} for a trial",
            hint=f"Free some space where {ctx.settings.places.state} is, or set WEBRAID_STATE_DIR.",
        )
    return [choice for choice in chosen if id(choice) in fit]


def _left_out(ctx: Context) -> set[bytes]:
    """As many failure domains, chosen by chance, as may be lost now without any loss: so parity is really used."""
    usable = {disk: domain for disk, domain in ctx.domains().items() if disk in ctx.table.usable()}
    count = max(0, min(margin(ctx, usable).survives, len(set(usable.values())) - 1))
    gone = set(ctx.env.rng.sample(sorted(set(usable.values())), count))
    return {disk for disk, domain in usable.items() if domain in gone}


@contextmanager
def _folder(ctx: Context) -> Iterator[Path]:
    """Beside our own state, for this user's eyes only; what an interrupted drill has left goes first."""
    state = ctx.settings.places.state
    for left in state.glob(f"{PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=state))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# ------------------------------------------------------------------------------------------------------------ restoring
def _restore(ctx: Context, fewer: Context, chosen: list[_Choice], folder: Path, result: DrillResult) -> None:
    by_shot: dict[bytes, list[_Choice]] = {}
    for choice in chosen:
        by_shot.setdefault(choice.shot.id, []).append(choice)
    done = 0
    for number, choices in enumerate(by_shot.values()):
        target = folder / str(number)
        found = _bring_back(fewer, choices, target)
        troubles = {path: _with_names(ctx, fewer, reason) for path, reason in found.items()}
        for choice in choices:
            file = _judged(ctx, choice, target, troubles)
            result.files.append(file)
            done += choice.entry.size
            ctx.event(Progress(len(result.files), done))
            if file.problem:
                ctx.event(FileTrouble(file.path, file.problem))
        shutil.rmtree(target, ignore_errors=True)


def _bring_back(fewer: Context, choices: list[_Choice], target: Path) -> dict[str, str]:
    """Restore them as 'get' does.  What is wrong, by path."""
    try:
        got = get(fewer, choices[0].shot.id.hex(), [choice.entry.path for choice in choices], target=target)
    except WebRAIDError as error:
        return {display(choice.entry.path): str(error) for choice in choices}
    fewer.note_findings()
    return {trouble.path: trouble.reason for trouble in (*got.problems, *got.unreadable)}


def _with_names(ctx: Context, fewer: Context, reason: str) -> str:
    """The disks that were left out on purpose by their names."""
    for disk in ctx.disks.keys() - fewer.disks.keys():
        reason = reason.replace(f"{disk.hex()} (not in the pool)", f"{ctx.disk_name(disk)} (left out)")
    return reason


def _judged(ctx: Context, choice: _Choice, target: Path, troubles: dict[str, str]) -> Drill:
    entry, name = choice.entry, display(choice.entry.path)
    snapshot = choice.shot.name
    path = bytes(target) + b"/" + entry.path
    if not entry.chunks and not _is_file(path):
        return Drill(snapshot, name, entry.size, troubles.get(name, "it did not come back"))
    places: dict[bytes, Place] = {chunk: found[0][1] for chunk, found in ctx.index.find(entry.chunk_ids()).items()}
    if not compare_chunks(ctx, path, entry, places):
        if name in troubles:
            return Drill(snapshot, name, entry.size, troubles[name])
        return Drill(snapshot, name, entry.size, "what was restored is not what was stored", damaged=True)
    return Drill(snapshot, name, entry.size, source=_source(choice, path))


def _is_file(path: bytes) -> bool:
    return stat.S_ISREG(os.lstat(path).st_mode) if os.path.lexists(path) else False


def _source(choice: _Choice, restored: bytes) -> str:
    """How the file stands that the snapshot was made from."""
    entry = choice.entry
    root = next(
        (r for r in choice.shot.info.roots if entry.path == r.name or entry.path.startswith(r.name + b"/")), None
    )
    if root is None:
        return ""
    path = root.origin + entry.path[len(root.name) :]
    try:
        now = Path(path.decode("utf-8", "surrogateescape")).lstat()
    except OSError:
        return "gone"
    same = (now.st_size, now.st_mtime_ns) == (entry.size, entry.mtime_ns) and _equal(path, restored, entry)
    return "same" if same else "changed"


def _equal(path: bytes, restored: bytes, entry: Entry) -> bool:
    step, whole = 4 << 20, Entry(path=b"", type=EntryType.FILE, size=entry.size)
    return all(
        (ours := read_stream(path, whole, at, min(step, entry.size - at))) is not None
        and ours == read_stream(restored, whole, at, min(step, entry.size - at))
        for at in range(0, entry.size, step)
    )
