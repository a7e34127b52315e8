"""Writing a snapshot's entries below a folder: nothing outside of it, nothing of the user's overwritten unasked."""

from __future__ import annotations

import os
import stat
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType

from webraid.entry import Entry, EntryType, sort_key
from webraid.env import Env
from webraid.files.folders import Descriptors, Folders
from webraid.files.levels import Levels, is_unfinished
from webraid.files.metadata import Metadata
from webraid.files.overwrite import Fate, Overwrite, SameContent, fate, policy_of
from webraid.files.part import Site, found
from webraid.files.place import make_link, make_special, settle_folder, settle_implied
from webraid.files.problem import Problem, display, words
from webraid.files.restored import RestoredFile
from webraid.files.safepath import split, why_unsafe
from webraid.files.sparse import stream_length, stream_to_file
from webraid.files.target import open_target

__all__ = ["Action", "Problem", "RestoredFile", "Restorer", "stream_to_file"]

OnProblem = Callable[[Problem], None]

WHY = {
    Fate.KEPT: "it exists already and differs; it was left as it is (see --overwrite)",
    Fate.FOLDER: "a folder stands there",
}
NEWER = "files that are newer here were left as they are"


class Action(StrEnum):
    """What became of an entry."""

    CONTENT = "content"  # a file: open it, write its content, finish it
    DONE = "done"  # restored already
    LINK = "link"  # a hard link; made by Restorer.finish
    SKIPPED = "skipped"  # it is there already, and the same
    KEPT = "kept"  # something newer is there, and stays
    REFUSED = "refused"  # not restored; a Problem told why (one for a whole folder)


@dataclass(slots=True)
class _First:
    """The first of a group of hard links.  ``identity``: (st_dev, st_ino) once it is in place."""

    path: bytes
    type: EntryType
    identity: tuple[int, int] | None = None


class Restorer:
    """One restore into one folder.

    ``prepare`` every entry in ``sort_key`` order from one thread; fill the files that want content through
    ``open_file`` in any order, from any thread; ``finish`` at the end.  A context manager: left early, unfinished files
    are taken away and the next run goes on from there.  ``overwrite``: see files/overwrite.py; True and False stand for
    'always' and 'never'.  ``same_content``: asked of a file that looks the same, by 'always' alone.  ``sparse``: holes
    are made where the source had them; ``punch``: also where the content is zeros.  ``max_open``: descriptors of
    unfinished files.
    """

    def __init__(
        self,
        target: Path,
        *,
        on_problem: OnProblem,
        overwrite: str | bool = Overwrite.NEVER,
        same_content: SameContent | None = None,
        numeric_ids: bool = False,
        sparse: bool = True,
        punch: bool = False,
        env: Env | None = None,
        max_open: int = 128,
    ) -> None:
        """Makes the target when missing.  Raises ConfigError when it can't, PoolBusy when another run writes there."""
        self._on_problem = on_problem
        self._policy = policy_of(overwrite)
        self._same_content = same_content
        self._notes: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._last = b""
        self._blocked = b""
        self._groups: dict[bytes, _First] = {}
        self._links: list[tuple[Entry, _First, bool]] = []
        self._own_folders: list[tuple[Entry, tuple[int, int]]] = []
        self._to_replace: set[bytes] = set()
        self._open_files: dict[bytes, RestoredFile] = {}
        self._top = open_target(target, self._note)
        metadata = Metadata(numeric_ids=numeric_ids, on_note=self._note)
        folders = Folders(self._top, 64)
        self._site = Site(folders, Descriptors(max_open), metadata, (env or Env()).random, sparse, punch)
        self._levels = Levels(folders)

    def __enter__(self) -> Restorer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def notes(self) -> dict[str, int]:
        """What could not be set though nothing is wrong (owners without root, say) -> how often."""
        with self._lock:
            return dict(self._notes)

    @property
    def folders(self) -> Folders:
        """The folders below the target."""
        return self._site.folders

    def replaces(self, path: bytes) -> bool:
        """Whether what stood at that path goes, or went, for a prepared entry."""
        return path in self._to_replace

    # -------------------------------------------------------------------------------------------------------- entries
    def prepare(self, entry: Entry) -> Action:
        """Makes, or makes room for, one entry; refuses whatever could reach outside of the target."""
        path = entry.path
        reason = why_unsafe(entry)
        if not reason and sort_key(path) <= sort_key(self._last):
            reason = "it comes twice, or out of order"
        if reason:
            return self._refuse(entry, path, reason)
        self._last = path
        if self._blocked and path.startswith(self._blocked):
            return Action.REFUSED
        folder = split(path)[0]
        try:
            before = self._levels.enter(folder)
        except OSError as error:
            self._blocked = folder + b"/"
            return self._refuse(entry, folder, f"{words(error)}; nothing below it was restored")
        try:
            return self._prepare_folder(entry) if entry.type is EntryType.DIR else self._prepare_leaf(entry, before)
        except OSError as error:
            return self._refuse(entry, path, words(error))

    def open_file(self, entry: Entry) -> RestoredFile:
        """The file of an entry that wants content.  Never raises: what goes wrong is reported, see RestoredFile."""
        file = RestoredFile(entry, self._site, self, replace=entry.path in self._to_replace)
        with self._lock:
            self._open_files[entry.path] = file
        return file

    def finish(self) -> None:
        """Hard links, then the metadata of folders, the deepest first.  Files still unfinished are given up."""
        for file in list(self._open_files.values()):
            file.abandon("its content never came")
        for entry, first, replace in self._links:
            self._finish_link(entry, first, replace)
        for entry, identity in reversed(self._own_folders):
            self._finish_folder(entry, identity)
        for path in reversed(self._levels.implied):
            self._finish_implied(path)

    def close(self) -> None:
        """Takes unfinished files away and gives all descriptors back."""
        for file in list(self._open_files.values()):
            file.abandon()
        self._site.files.close()
        self._site.folders.close()
        if self._top >= 0:
            os.close(self._top)
            self._top = -1

    # -------------------------------------------------------------------------------------------------------- prepare
    def _prepare_folder(self, entry: Entry) -> Action:
        was = self._levels.make(entry.path)
        with self._site.folders.at(entry.path) as fd:
            now = os.fstat(fd)
        same = was is not None and (stat.S_IMODE(was.st_mode), was.st_mtime_ns) == (entry.mode, entry.mtime_ns)
        mine = self._policy in (Overwrite.ALWAYS, Overwrite.IF_CHANGED)
        if was is None or same or mine or is_unfinished(was):
            self._own_folders.append((entry, (now.st_dev, now.st_ino)))
        else:
            self._note("folders that existed already keep their own owner, mode and times")
        return Action.DONE

    def _prepare_leaf(self, entry: Entry, before: frozenset[bytes]) -> Action:
        if entry.type is EntryType.SOCKET:
            self._note("sockets are not restored")
            return Action.SKIPPED
        folder_path, name = split(entry.path)
        if name in before:
            with self._site.folders.at(folder_path) as folder:
                was = found(folder, name)
                what = Fate.REPLACE if was is None else fate(entry, was, folder, self._policy, self._same_content)
            if was is not None and what is not Fate.REPLACE:
                return self._leave(entry, was, what)
            if was is not None:
                self._to_replace.add(entry.path)
        first = self._groups.get(entry.hardlink)
        if first is not None and first.type is entry.type:
            self._links.append((entry, first, entry.path in self._to_replace))
            return Action.LINK
        if entry.type is EntryType.FILE and stream_length(entry) and not entry.chunks:
            return self._refuse(entry, entry.path, "the snapshot holds no content for it")
        self._join_group(entry, None)
        return self._make(entry)

    def _leave(self, entry: Entry, was: os.stat_result, what: Fate) -> Action:
        if what in WHY:
            return self._refuse(entry, entry.path, WHY[what])
        if what is Fate.NEWER:
            self._note(NEWER)
            return Action.KEPT
        self._join_group(entry, (was.st_dev, was.st_ino))
        return Action.SKIPPED

    def _make(self, entry: Entry) -> Action:
        if entry.type is EntryType.FILE:
            if stream_length(entry):
                return Action.CONTENT
            return Action.DONE if self.open_file(entry).finish() else Action.REFUSED
        if entry.type in (EntryType.CHAR, EntryType.BLOCK) and os.geteuid() != 0:
            return self._refuse(entry, entry.path, "only root may make devices")
        self.landed(entry, make_special(entry, self._site, replace=entry.path in self._to_replace))
        return Action.DONE

    def _join_group(self, entry: Entry, identity: tuple[int, int] | None) -> None:
        """A first, or one whose first is not part of this restore, stands for its group from now on."""
        if entry.nlink > 1 or entry.hardlink:
            self._groups.setdefault(entry.hardlink or entry.path, _First(entry.path, entry.type, identity))

    def landed(self, entry: Entry, identity: tuple[int, int]) -> None:
        """Notes what the hard links of a group will be made from; for RestoredFile's use."""
        first = self._groups.get(entry.hardlink or entry.path)
        if first is not None and first.path == entry.path:
            first.identity = identity

    # --------------------------------------------------------------------------------------------------------- finish
    def _finish_link(self, entry: Entry, first: _First, replace: bool) -> None:
        try:
            if first.identity is None:
                self.report(entry.path, f"the file it is a hard link of was not restored: {display(first.path)}")
            elif not make_link(entry, first.path, first.identity, self._site, replace=replace):
                self._note("hard links became copies: the file system has no links")
        except OSError as error:
            self.report(entry.path, words(error))

    def _finish_folder(self, entry: Entry, identity: tuple[int, int]) -> None:
        try:
            settle_folder(entry, identity, self._site)
        except OSError as error:
            self.report(entry.path, f"its owner, mode or times: {words(error)}")

    def _finish_implied(self, path: bytes) -> None:
        try:
            settle_implied(path, self._site)
        except OSError as error:
            self.report(path, f"its mode: {words(error)}")

    # -------------------------------------------------------------------------------------------------------- reports
    def _refuse(self, entry: Entry, path: bytes, reason: str) -> Action:
        if entry.type is EntryType.DIR and path == entry.path:
            self._blocked = path + b"/"
            reason += "; nothing below it was restored"
        self.report(path, reason)
        return Action.REFUSED

    def report(self, path: bytes, reason: str) -> None:
        """Tells a problem; for RestoredFile's use, from any thread."""
        with self._lock:
            self._on_problem(Problem(display(path), reason))

    def _note(self, text: str) -> None:
        with self._lock:
            self._notes[text] += 1

    def closed(self, entry: Entry) -> None:
        """Forgets a handle; for RestoredFile's use."""
        with self._lock:
            self._open_files.pop(entry.path, None)
