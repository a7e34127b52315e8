"""get --dry-run: what a restore would do, from looking alone."""

from __future__ import annotations

import os
import stat
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

from webraid.entry import Entry, EntryType, sort_key
from webraid.errors import ConfigError
from webraid.files.folders import Folders
from webraid.files.overwrite import Fate, Overwrite, SameContent, fate, policy_of
from webraid.files.part import found
from webraid.files.problem import Problem, display, words
from webraid.files.restore import NEWER, WHY, Action, OnProblem
from webraid.files.safepath import split, why_unsafe

WAY = "something that is no folder stands in the way"


class Rehearsal:
    """What Restorer's ``prepare`` would answer; nothing is made, changed or locked."""

    def __init__(
        self, target: Path, *, on_problem: OnProblem, overwrite: str | bool = Overwrite.NEVER,
        same_content: SameContent | None = None,
    ) -> None:  # fmt: skip
        """The target need not exist.  Raises ConfigError when it cannot be looked at."""
        self._on_problem = on_problem
        self._policy = policy_of(overwrite)
        self._same_content = same_content
        self._notes: Counter[str] = Counter()
        self._last = b""
        self._new = b""  # below this folder nothing is there
        self._blocked = b""
        self.folders: Folders | None = None
        self._top = -1
        try:
            self._top = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
            self.folders = Folders(self._top, 64)
        except FileNotFoundError:
            pass  # it would be made
        except OSError as error:
            raise ConfigError(f"can't restore into {display(os.fsencode(target))}: {words(error)}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.folders is not None:
            self.folders.close()
            os.close(self._top)

    @property
    def notes(self) -> dict[str, int]:
        """What would be left as it is -> how often."""
        return dict(self._notes)

    def prepare(self, entry: Entry) -> tuple[Action, bool]:
        """What would become of the entry, and whether something would be replaced for it."""
        reason = why_unsafe(entry)
        if not reason and sort_key(entry.path) <= sort_key(self._last):
            reason = "it comes twice, or out of order"
        if reason:
            return self._refuse(entry, reason)
        self._last = entry.path
        if self._blocked and entry.path.startswith(self._blocked):
            return Action.REFUSED, False
        if entry.type is EntryType.SOCKET:
            return Action.SKIPPED, False
        if self.folders is None or (self._new and entry.path.startswith(self._new)):
            return _made(entry), False
        try:
            return self._look(entry, self.folders)
        except FileNotFoundError:
            return _made(entry), False  # a folder on the way would be made
        except OSError as error:
            return self._refuse(entry, words(error))

    def _look(self, entry: Entry, folders: Folders) -> tuple[Action, bool]:
        parent, name = split(entry.path)
        with folders.at(parent) as fd:
            was = found(fd, name)
            if was is None:
                if entry.type is EntryType.DIR:
                    self._new = entry.path + b"/"
                return _made(entry), False
            if entry.type is EntryType.DIR:
                return (Action.DONE, False) if stat.S_ISDIR(was.st_mode) else self._refuse(entry, WAY)
            what = fate(entry, was, fd, self._policy, self._same_content)
        if what in WHY:
            return self._refuse(entry, WHY[what])
        if what is Fate.NEWER:
            self._notes[NEWER] += 1
            return Action.KEPT, False
        return (Action.SKIPPED, False) if what is Fate.SAME else (_made(entry), True)

    def _refuse(self, entry: Entry, reason: str) -> tuple[Action, bool]:
        if entry.type is EntryType.DIR:
            self._blocked = entry.path + b"/"
            reason += "; nothing below it would be restored"
        self._on_problem(Problem(display(entry.path), reason))
        return Action.REFUSED, False


def _made(entry: Entry) -> Action:
    return Action.CONTENT if entry.type is EntryType.FILE else Action.DONE
