"""The public API: snapshots as folders, and files read from any offset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webraid.pool.base import Opened

if TYPE_CHECKING:
    from webraid.jobs.base.snapshots import Which
    from webraid.jobs.browsing.browse import Browser
    from webraid.jobs.browsing.browse_content import Reader


class Browse(Opened):
    """Looking into snapshots without restoring them."""

    def browse(self, *, which: Which | None = None, cache: int | None = None) -> Browser:
        """All snapshots as one tree of folders: what ``webraid mount`` and ``webraid serve`` show.

        ``which``: only these.  ``cache``: bytes of content kept in memory (default 64 MiB).  The result is a context
        manager; close it before the pool.  Any thread may use it.
        """
        from webraid.jobs.base.snapshots import EVERY
        from webraid.jobs.browsing.browse import Browser
        from webraid.jobs.browsing.browse_content import CACHE

        return Browser(self._ctx, which=which or EVERY, cache=CACHE if cache is None else cache)

    def open_file(self, what: str, *, cache: int | None = None) -> Reader:
        """A reader of the file 'SNAP:path': ``read(offset, size)`` fetches what it needs and no more.

        ``cache``: bytes of content kept in memory (default 64 MiB).  Close it, or use it as a context manager, before
        the pool is closed.  Raises NotInTable where there is no such file.
        """
        from webraid.jobs.browsing.browse_content import CACHE, open_file

        return open_file(self._ctx, what, CACHE if cache is None else cache)
