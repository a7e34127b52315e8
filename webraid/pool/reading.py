"""The public API: snapshots, what is in them, and files back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from webraid.pool.base import Opened

if TYPE_CHECKING:
    from webraid.entry import Entry
    from webraid.files.choice import Choice
    from webraid.jobs.base.snapshots import Which
    from webraid.jobs.browsing.diff import Change, Difference
    from webraid.jobs.browsing.du import Sizes
    from webraid.jobs.browsing.find import Wanted
    from webraid.jobs.restoring.get import GetResult
    from webraid.table.fold import Shot


class Reading(Opened):
    """What reads; it changes nothing on the disks."""

    def get(
        self, snapshot: str = "latest", paths: Sequence[str] = (), *, to: str | Path | None = None,
        which: Which | None = None, overwrite: str | bool = "never", include: Sequence[str] = (),
        exclude: Sequence[str] = (), choice: Choice | None = None, delete: bool = False, verify: bool = False,
        sparse: bool = False, in_place: bool = False, dry_run: bool = False, numeric_ids: bool = False,
        listing: bool = False,
    ) -> GetResult:  # fmt: skip
        """Restore a snapshot, 'SNAP:folder', or some ``paths`` of it below ``to`` (default: ./webraid-restore-SNAP).

        ``overwrite``: 'never', 'if-newer', 'if-changed' or 'always'.  ``include``, ``exclude``: patterns as those of
        .gitignore files; ``choice`` stands for both where there is more to say.  ``delete``: remove what lies in
        restored folders and is not in the snapshot.  ``verify``: read all back.  ``sparse``: make holes of zeros.
        ``in_place``: restore to where it came from.  ``dry_run``: only tell.  ``listing``: an event
        for every file.
        """
        from webraid.files.choice import Choice
        from webraid.files.select import lines
        from webraid.jobs.base.snapshots import EVERY
        from webraid.jobs.restoring.get import GetOptions, get

        chosen = choice or Choice(lines(include), lines(exclude))
        options = GetOptions(overwrite, chosen, delete, verify, sparse, in_place, dry_run, numeric_ids, listing)
        target = Path(to) if to is not None else None
        raw = [os.fsencode(path) for path in paths]
        return get(self._ctx, snapshot, raw, target=target, which=which or EVERY, options=options)

    def cat(self, what: str, *, which: Which | None = None) -> Iterator[bytes]:
        """The content of 'SNAP:path' in pieces."""
        from webraid.jobs.base.snapshots import EVERY
        from webraid.jobs.restoring.cat import cat

        return cat(self._ctx, what, which=which or EVERY)

    def ls(
        self, what: str = "latest", paths: Sequence[str] = (), *, recursive: bool = True, which: Which | None = None
    ) -> Iterator[Entry]:
        """The entries of a snapshot in path order; not ``recursive``: ``paths`` and what lies directly in them."""
        from webraid.jobs.base.snapshots import EVERY, entries, open_for_reading, select

        open_for_reading(self._ctx)
        raw = [os.fsencode(path) for path in paths]
        return entries(self._ctx, select(self._ctx, what, which or EVERY), raw, recursive=recursive)

    def snapshots(self, names: Sequence[str] = (), *, which: Which | None = None, latest: int = 0) -> list[Shot]:
        """Snapshots, oldest first: ``names``, or all of ``which``; ``latest``: only so many of each host and path."""
        from webraid.jobs.base.snapshots import EVERY, chosen, look, newest_of_each

        look(self._ctx)
        found = chosen(self._ctx, names, which or EVERY)
        return newest_of_each(found, latest) if latest else found

    def snapshot(self, name: str = "latest", *, which: Which | None = None) -> Shot:
        """The one that a word names (after ``snapshots``).  Raises NotInTable."""
        from webraid.jobs.base.snapshots import EVERY, select

        return select(self._ctx, name, which or EVERY).shot

    def find(
        self, wanted: Wanted, snapshots: Sequence[str] = (), *, which: Which | None = None
    ) -> Iterator[tuple[Shot, list[Entry]]]:
        """Look for files in all snapshots, in ``snapshots``, or in those of ``which``; the newest come first."""
        from webraid.jobs.base.snapshots import EVERY
        from webraid.jobs.browsing.find import find

        return find(self._ctx, wanted, snapshots, which=which or EVERY)

    def diff(
        self, first: str, second: str, *, metadata: bool = False, which: Which | None = None,
        on_change: Callable[[Change], None] = lambda change: None,
    ) -> Difference:  # fmt: skip
        """Compare two snapshots, or a folder of each; ``on_change`` is told every difference in path order."""
        from webraid.jobs.base.snapshots import EVERY
        from webraid.jobs.browsing.diff import diff

        return diff(self._ctx, first, second, metadata=metadata, which=which or EVERY, on_change=on_change)

    def du(
        self, what: str = "latest", *, depth: int = 1, which: Which | None = None, unique: bool = False
    ) -> Sizes:  # fmt: skip
        """How large a snapshot, or a folder of it, is; folder by folder down to ``depth``.

        ``unique``: also how much of it no other snapshot has.
        """
        from webraid.jobs.base.snapshots import EVERY
        from webraid.jobs.browsing.du import du

        return du(self._ctx, what, depth=depth, which=which or EVERY, unique=unique)

    def conflicts(self, shot: Shot) -> list[Shot]:
        """Snapshots of the same folder made elsewhere at the same time."""
        return self._ctx.table.state.conflicts(shot)

    def is_snapshot(self, word: str) -> bool:
        """Whether a command-line word names a snapshot (after ``snapshots``)."""
        from webraid.jobs.base.snapshots import is_selection

        return is_selection(word, self._ctx)
