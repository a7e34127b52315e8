"""The public API: files go into the pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from webraid.pool.base import Opened

if TYPE_CHECKING:
    from webraid.jobs.put import PutResult


class Storing(Opened):
    """What stores."""

    def put(
        self, paths: Sequence[str], *, level: str = "", tags: Sequence[str] = (), one_file_system: bool = False,
        exclude: Callable[[bytes, bool], bool] | None = None,
    ) -> PutResult:  # fmt: skip
        """Store files and folders as a snapshot.  ``exclude(path as stored, is a folder)`` leaves things out."""
        from webraid.jobs.put import put

        return put(
            self._ctx, paths, level=level, tags=tags, one_file_system=one_file_system, exclude=exclude
        )  # fmt: skip
