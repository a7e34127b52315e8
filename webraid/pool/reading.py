"""The public API: snapshots, what is in them, and files back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from webraid.pool.base import Opened

if TYPE_CHECKING:
    from webraid.entry import Entry
    from webraid.jobs.get import GetResult
    from webraid.table.fold import Shot


class Reading(Opened):
    """What reads; it changes nothing on the disks."""

    def get(
        self, snapshot: str = "latest", paths: Sequence[str] = (), *, to: str | Path | None = None,
        overwrite: bool = False, numeric_ids: bool = False,
    ) -> GetResult:  # fmt: skip
        """Restore a snapshot (or some paths of it) below ``to``."""
        from webraid.jobs.get import get

        raw = [os.fsencode(path) for path in paths]
        target = Path(to) if to is not None else None
        return get(self._ctx, snapshot, raw, target=target, overwrite=overwrite, numeric_ids=numeric_ids)

    def cat(self, what: str) -> Iterator[bytes]:
        """The content of 'SNAP:path' in pieces."""
        from webraid.jobs.cat import cat

        return cat(self._ctx, what)

    def ls(self, what: str = "latest", paths: Sequence[str] = ()) -> Iterator[Entry]:
        """The entries of a snapshot in path order."""
        from webraid.jobs.snapshots import entries, open_for_reading, select

        open_for_reading(self._ctx)
        return entries(self._ctx, select(self._ctx, what), [os.fsencode(path) for path in paths])

    def snapshots(self) -> list[Shot]:
        """All snapshots, oldest first."""
        from webraid.jobs.snapshots import open_for_reading, ordered

        open_for_reading(self._ctx)
        return ordered(self._ctx)

    def conflicts(self, shot: Shot) -> list[Shot]:
        """Snapshots of the same folder made elsewhere at the same time."""
        return self._ctx.table.state.conflicts(shot)

    def is_snapshot(self, word: str) -> bool:
        """Whether a command-line word names a snapshot (after ``snapshots``)."""
        from webraid.jobs.snapshots import is_selection

        return is_selection(word, self._ctx)
