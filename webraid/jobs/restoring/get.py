"""get: a snapshot's files back onto this machine, pack by pack, from whichever disks are quickest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from webraid.entry import Entry, EntryType
from webraid.errors import EXIT_ALARM, EXIT_OK, EXIT_PARTIAL, EXIT_UNREADABLE, ConfigError, NotInTable, worst
from webraid.files.choice import EVERYTHING, Choice
from webraid.files.folders import Folders
from webraid.files.overwrite import Overwrite, policy_of
from webraid.files.problem import Problem, display
from webraid.files.rehearse import Rehearsal
from webraid.files.restore import Action, Restorer
from webraid.files.safepath import split
from webraid.files.sparse import stream_length
from webraid.files.surplus import Surplus
from webraid.jobs.base.context import Context
from webraid.jobs.base.events import FileRestored, FileTrouble, Notice, Progress, Started
from webraid.jobs.base.settings import host
from webraid.jobs.base.snapshots import EVERY, Selection, Which, below, entries, open_for_reading, select
from webraid.jobs.restoring.contents import Contents, Told
from webraid.jobs.restoring.destination import Destination, at_target, in_place
from webraid.jobs.restoring.ours import Ours
from webraid.jobs.restoring.readback import read_back, same_content
from webraid.model import many

SO_OFTEN = 0.1  # seconds between progress events
KEPT_OURS = "what the pool itself has there (its config, keys, state, disks) was left as it is"
RESTORED, UPDATED, UNCHANGED, DELETED = "restored", "updated", "unchanged", "deleted"


@dataclass(frozen=True, slots=True)
class GetOptions:
    """How a get goes about it.

    ``overwrite``: 'never', 'if-newer', 'if-changed' or 'always' (files/overwrite.py).  ``choice``: --include and
    --exclude.  ``delete``: what lies in restored folders and is not in the snapshot goes.  ``verify``: all is read back
    and compared.  ``sparse``: runs of zeros become holes.  ``in_place``: every root goes back to where it came from.
    ``dry_run``: nothing is written.  ``numeric_ids``: owners by number.  ``listing``: every file is told.
    """

    overwrite: str | bool = Overwrite.NEVER
    choice: Choice = EVERYTHING
    delete: bool = False
    verify: bool = False
    sparse: bool = False
    in_place: bool = False
    dry_run: bool = False
    numeric_ids: bool = False
    listing: bool = False


DEFAULT = GetOptions()


@dataclass(slots=True)
class GetResult:
    """What a get did, or would do (``dry_run``).

    ``files``: written, of these ``updated`` in the place of others; ``skipped``: there already, or newer here;
    ``deleted``: what was not in the snapshot; ``verified``: files that were read back.  ``unreadable``: files that need
    a pack with fewer than k shards left.  ``mismatched``: files that are not what was written.  ``narrowed``: not all
    disks were to be used.
    """

    snapshot: str
    target: str
    files: int = 0
    updated: int = 0
    bytes: int = 0
    skipped: int = 0
    dirs: int = 0
    deleted: int = 0
    verified: int = 0
    seconds: float = 0.0
    bad_shards: int = 0
    dry_run: bool = False
    narrowed: bool = False
    problems: list[FileTrouble] = field(default_factory=list)
    unreadable: list[FileTrouble] = field(default_factory=list)
    mismatched: list[FileTrouble] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """The most severe of what happened."""
        return worst(
            EXIT_ALARM if self.mismatched else EXIT_OK, EXIT_UNREADABLE if self.unreadable else EXIT_OK,
            EXIT_PARTIAL if self.problems else EXIT_OK,
        )  # fmt: skip


def get(
    ctx: Context, snapshot: str = "latest", paths: Sequence[bytes] = (), *, target: Path | None = None,
    which: Which = EVERY, options: GetOptions = DEFAULT,
) -> GetResult:  # fmt: skip
    """Restore a snapshot, or the ``paths`` of it, below ``target`` (./webraid-restore-SNAP if it is None).

    Raises NotInTable when there is no such snapshot or path, ConfigError when the options do not fit together; a file
    that cannot be had is in the result.
    """
    started = ctx.env.monotonic()
    policy_of(options.overwrite)
    open_for_reading(ctx)
    selection = select(ctx, snapshot, which)
    found = _destinations(ctx, selection, paths, target, options)
    _refuse_nothing(ctx, selection, paths, found, options.choice)
    shown = ", ".join(dict.fromkeys(str(item.target / item.put.decode("utf-8", "surrogateescape")) for item in found))
    result = GetResult(
        selection.shot.name, shown, dry_run=options.dry_run, narrowed=bool(ctx.settings.only)
    )  # fmt: skip
    for item in found:
        _Get(ctx, selection, item, options, result).run()
    result.bad_shards = len(ctx.findings)
    ctx.note_findings()
    if options.delete and result.unreadable and not options.dry_run:
        ctx.event(Notice("nothing was deleted, as some files could not be had", warning=True))
    for text, count in result.notes.items():
        ctx.event(Notice(f"{text} ({count} times)"))
    result.seconds = ctx.env.monotonic() - started
    return result


def _destinations(
    ctx: Context, selection: Selection, paths: Sequence[bytes], target: Path | None, options: GetOptions
) -> list[Destination]:
    if not options.in_place:
        if options.delete and target is None:
            raise ConfigError("--delete needs a target", hint="Name the folder with -t, or say --in-place.")
        found = at_target(selection, paths, target or Path(f"webraid-restore-{selection.shot.name}"))
    else:
        if target is not None:
            raise ConfigError("--in-place cannot stand beside -t: it restores to where the files came from")
        found = in_place(selection, paths)
        other = selection.shot.info.host
        if other != host() and selection.shot.device != ctx.identity.key.id:
            text = f"snapshot {selection.shot.name} was made on {other}, and this is {host()}"
            if options.delete:
                raise ConfigError(text, hint="Leave out --delete, or restore into a folder with -t and compare.")
            ctx.event(Notice(text, warning=True))
    if options.delete:
        _refuse_delete(ctx, selection, found)
    return found


def _refuse_nothing(
    ctx: Context, selection: Selection, paths: Sequence[bytes], found: Sequence[Destination], choice: Choice
) -> None:
    """Raises NotInTable before any folder is made where there is nothing to bring back, ConfigError where a file
    stands in its way."""
    name = selection.shot.name
    for item in found:
        if item.target.exists() and not item.target.is_dir():
            raise ConfigError(f"{item.target} is not a folder", hint="Name a folder with -t: files are put into it.")
    whole = Selection(selection.shot)
    wanted = {b"/".join(part for part in (selection.sub, path.strip(b"/")) if part) for path in paths or [b""]}
    gone = sorted(path for path in wanted if path and next(iter(entries(ctx, whole, (path,))), None) is None)
    if gone and len(gone) == len(wanted):
        shown = ", ".join(display(path) for path in gone)
        raise NotInTable(f"nothing in snapshot {name} matches {shown}", hint=f"See what it holds: webraid ls {name}")
    for path in gone:
        ctx.event(Notice(f"{display(path)} is not in snapshot {name}", warning=True))
    if not choice.narrow:
        return
    there = (
        choice(item.asked(entry.path), entry.type is EntryType.DIR)
        for item in found
        for _, entry in item.entries(ctx, selection)
        if entry is not None
    )
    if not any(there):
        raise NotInTable(f"nothing in snapshot {name} matches --include", hint=f"See what it holds: webraid ls {name}")


def _refuse_delete(ctx: Context, selection: Selection, found: Sequence[Destination]) -> None:
    """Raises ConfigError where what is not in the snapshot was never meant to be in it, or is the pool itself."""
    info, name = selection.shot.info, selection.shot.name
    leave_out = "Leave out --delete, or restore into an empty folder and compare."
    if any(item.is_folder and item.target.resolve() == Path("/") for item in found):
        raise ConfigError("--delete is not for '/' as a whole", hint="Restore folder by folder.")
    if info.partial:
        text = f"snapshot {name} is of a put that was cut short: --delete would take all that it never reached"
        raise ConfigError(text, hint=leave_out)
    if any(root.listed for root in info.roots):
        text = f"snapshot {name} holds what a list named (--files-from): --delete would take all that lies beside"
        raise ConfigError(text, hint=leave_out)
    ours = next((item.target for item in found if Ours(ctx, item.target).around), None)
    if ours is not None:
        raise ConfigError(f"{ours} is, or lies in, a folder of the pool itself", hint="Give another target with -t.")
    if info.problems:
        had = many(info.problems, "problem")
        text = f"the put of snapshot {name} had {had}: what it could not read is not in it, and goes"
        ctx.event(Notice(f"{text} if it is here", warning=True))


class _Get:
    """One destination."""

    def __init__(
        self, ctx: Context, selection: Selection, destination: Destination, options: GetOptions, result: GetResult
    ) -> None:
        self.ctx = ctx
        self.selection = selection
        self.destination = destination
        self.options = options
        self.result = result
        self.missing: set[bytes] = set()  # what is not in place as the snapshot has it: not to be verified
        self.replaced: Callable[[bytes], bool] = lambda path: False
        self.ours = Ours(ctx, destination.target)
        self.last_event = 0.0
        self.done = 0

    def run(self) -> None:
        """All of it, or how it would be."""
        if self.options.dry_run:
            self._rehearse()
        else:
            self._restore()

    def _restore(self) -> None:
        options = self.options
        with Restorer(
            self.destination.target, on_problem=self._problem, overwrite=options.overwrite, same_content=self._same,
            numeric_ids=options.numeric_ids, punch=options.sparse, env=self.ctx.env,
        ) as restorer:  # fmt: skip
            self.replaced = restorer.replaces
            contents = Contents(self.ctx, Told(self._filled, self._lost, self._wrote))
            surplus = Surplus(restorer.folders, self._may_go, self._trouble) if options.delete else None
            self._walk(surplus, lambda entry: self._prepare(entry, restorer, contents))
            contents.look_up()
            self.ctx.event(Started("get", contents.files, contents.size))
            contents.fetch(restorer)
            if surplus is not None and not self.result.unreadable:
                surplus.finish(self._gone)
            restorer.finish()
            self._note(restorer.notes)
            if options.verify:
                self._verify(restorer.folders)

    def _rehearse(self) -> None:
        with Rehearsal(
            self.destination.target, on_problem=self._problem, overwrite=self.options.overwrite, same_content=self._same
        ) as rehearsal:
            surplus = None
            if self.options.delete and rehearsal.folders is not None:
                surplus = Surplus(rehearsal.folders, self._may_go, self._trouble)
            self._walk(surplus, lambda entry: self._would(entry, rehearsal))
            if surplus is not None:
                surplus.finish(self._gone, remove=False)
            self._note(rehearsal.notes)

    # -- what is wanted ----------------------------------------------------------------------------------------------
    def _walk(self, surplus: Surplus | None, prepare: Callable[[Entry], Action]) -> None:
        """Every entry in order; a folder that is not chosen is made when something in it is."""
        waiting = list[Entry]()
        for _, entry in self.destination.entries(self.ctx, self.selection):
            if entry is None:
                if surplus is not None:
                    surplus.enter(b"")
                continue
            if surplus is not None:
                surplus.saw(entry.path)
            if self.ours(entry.path):
                if not self.ours(split(entry.path)[0]):
                    self._note({KEPT_OURS: 1})
                continue
            while waiting and not below(entry.path, waiting[-1].path):
                waiting.pop()
            action = None
            if self._chosen(entry.path, entry.type is EntryType.DIR):
                for folder in waiting:
                    prepare(folder)
                waiting.clear()
                action = prepare(entry)
            elif entry.type is EntryType.DIR:
                waiting.append(entry)
            if surplus is not None and entry.type is EntryType.DIR and action is not Action.REFUSED:
                surplus.enter(entry.path)

    def _chosen(self, path: bytes, is_dir: bool) -> bool:
        return self.options.choice(self.destination.asked(path), is_dir)

    def _may_go(self, path: bytes, is_dir: bool) -> bool:
        return self._chosen(path, is_dir) and not self.ours(path)

    def _same(self, entry: Entry, fd: int) -> bool:
        return same_content(self.ctx, entry, fd)

    def _prepare(self, entry: Entry, restorer: Restorer, contents: Contents) -> Action:
        action = restorer.prepare(entry)
        if action is Action.CONTENT:
            contents.want(entry)
        else:
            self._count(entry, action, replaced=self.replaced(entry.path))
        return action

    def _would(self, entry: Entry, rehearsal: Rehearsal) -> Action:
        action, replaced = rehearsal.prepare(entry)
        if action is Action.CONTENT:
            self.result.bytes += stream_length(entry)
        self._count(entry, action, replaced=replaced)
        return action

    def _count(self, entry: Entry, action: Action, *, replaced: bool) -> None:
        if action in (Action.REFUSED, Action.KEPT):
            self.missing.add(entry.path)
        if action is Action.REFUSED:
            return
        if action in (Action.SKIPPED, Action.KEPT):
            self.result.skipped += 1
            self._tell(entry, UNCHANGED)
            return
        self.result.dirs += entry.type is EntryType.DIR
        self.result.files += entry.type is EntryType.FILE
        self.result.updated += replaced
        if entry.type is not EntryType.DIR:
            self._tell(entry, UPDATED if replaced else RESTORED)

    # -- what comes of it --------------------------------------------------------------------------------------------
    def _filled(self, entry: Entry, in_place: bool) -> None:
        self.done += 1
        self._count(entry, Action.DONE if in_place else Action.REFUSED, replaced=self.replaced(entry.path))

    def _lost(self, entry: Entry, reason: str) -> None:
        self.missing.add(entry.path)
        trouble = FileTrouble(display(entry.path), reason)
        self.result.unreadable.append(trouble)
        self.ctx.event(trouble)

    def _wrote(self, size: int) -> None:
        self.result.bytes += size
        now = self.ctx.env.monotonic()
        if now - self.last_event >= SO_OFTEN:
            self.last_event = now
            self.ctx.event(Progress(self.done, self.result.bytes))

    def _gone(self, path: bytes) -> None:
        self.result.deleted += 1
        if self.options.listing:
            self.ctx.event(FileRestored(display(path), DELETED, 0))

    def _tell(self, entry: Entry, action: str) -> None:
        if self.options.listing:
            self.ctx.event(FileRestored(display(entry.path), action, entry.size))

    def _trouble(self, path: bytes, reason: str) -> None:
        self._problem(Problem(display(path), reason))

    def _problem(self, problem: Problem) -> None:
        trouble = FileTrouble(problem.path, problem.reason)
        self.result.problems.append(trouble)
        self.ctx.event(trouble)

    def _note(self, notes: Mapping[str, int]) -> None:
        for text, count in notes.items():
            self.result.notes[text] = self.result.notes.get(text, 0) + count

    # -- read back ---------------------------------------------------------------------------------------------------
    def _verify(self, folders: Folders) -> None:
        """Every file that is in place now, from the disk as far as that can be had."""
        self.ctx.event(Started("verify", self.result.files + self.result.skipped))
        for _, entry in self.destination.entries(self.ctx, self.selection):
            if entry is None or entry.type is not EntryType.FILE or entry.path in self.missing:
                continue
            if not self.ours(entry.path) and self._chosen(entry.path, is_dir=False):
                reason = read_back(self.ctx, entry, folders)
                self.result.verified += 1
                self.ctx.event(Progress(self.result.verified))
                if reason:
                    trouble = FileTrouble(display(entry.path), reason)
                    self.result.mismatched.append(trouble)
                    self.ctx.event(trouble)
