"""The public API: files go into the pool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from webraid.pool.base import Opened

if TYPE_CHECKING:
    from webraid.files.listed import ListKind
    from webraid.jobs.storing.put import PutOptions, PutResult


class Storing(Opened):
    """What stores."""

    def put(
        self, paths: Sequence[str], *, level: str = "", tags: Sequence[str] = (), one_file_system: bool = False,
        exclude: Sequence[str] = (), options: PutOptions | None = None, lists: Sequence[tuple[str, ListKind]] = (),
    ) -> PutResult:  # fmt: skip
        """Store files and folders as a snapshot.

        ``exclude``: patterns as in a .gitignore file.  ``options``: everything else that ``webraid put`` has flags for
        (webraid.jobs.storing.put.PutOptions); what is given beside it adds to it.  ``lists``: files that name more
        paths.
        Raises PoolBusy, QuorumLost, NotEnoughDisks, SourcesUnreadable, ConfigError.
        """
        from dataclasses import replace

        from webraid.files.select import Rules, lines
        from webraid.jobs.storing.put import DEFAULT, put

        how = options or DEFAULT
        rules = how.rules | Rules(lines(exclude), one_file_system=one_file_system)
        how = replace(how, level=level or how.level, tags=(*how.tags, *tags), rules=rules)
        return put(self._ctx, paths, how, lists=lists)

    def put_stream(self, name: str, command: Sequence[str] = (), *, options: PutOptions | None = None) -> PutResult:
        """Store what ``command`` prints, or standard input without one, as a snapshot of one file called ``name``.

        When the command ends with anything but 0 nothing is stored and SourcesUnreadable is raised.
        """
        from webraid.jobs.storing.put import DEFAULT, put_stream

        return put_stream(self._ctx, name, command, options or DEFAULT)

    def put_sources(self, names: Sequence[str] = (), *, options: PutOptions | None = None) -> list[PutResult]:
        """Store the [[source]]s of the config, or those of these names, each as a snapshot of its own.

        ``PutResult.source`` says whose a result is.

        A source that cannot be stored has ``PutResult.failure`` set and does not keep the others from being stored.
        If none can be stored the first one's error is raised.
        """
        from webraid.jobs.storing.put import DEFAULT
        from webraid.jobs.storing.sources import put_sources

        return put_sources(self._ctx, names, options or DEFAULT)
