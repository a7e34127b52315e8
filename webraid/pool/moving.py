"""The public API: data move between disks and levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webraid.pool.base import Opened

if TYPE_CHECKING:
    from webraid.jobs.moves.drain import Drained, DrainProgress
    from webraid.jobs.moves.evacuate import Evacuated
    from webraid.jobs.moves.rebalance import Rebalanced
    from webraid.jobs.moves.relevel import Releveled


class Moving(Opened):
    """Rebuilding, replacing, draining, balancing, other levels.

    ``limit``: bytes at most that a call moves (None: all); call it again to go on.  ``dry_run``: only the plan.  All of
    them raise NotInTable, ConfigError, QuorumLost, RightMissing and PoolBusy.
    """

    def rebuild(
        self, name: str, *, onto: str = "", limit: int | None = None, force: bool = False, dry_run: bool = False
    ) -> Evacuated:  # fmt: skip
        """Make again what only the lost disk ``name`` had, each shard from k others, then take the disk out.

        It goes to disk ``onto``; without one to hot spares, or spread over all others.  ``force``: also if it answers.
        """
        from webraid.jobs.moves.rebuild import rebuild

        return rebuild(self._ctx, name, onto=onto, limit=limit, force=force, dry_run=dry_run)

    def replace(self, old: str, new: str, *, limit: int | None = None, dry_run: bool = False) -> Evacuated:
        """Copy everything from disk ``old``, which can still be read, to disk ``new``, then take ``old`` out."""
        from webraid.jobs.moves.replace import replace_disk

        return replace_disk(self._ctx, old, new, limit=limit, dry_run=dry_run)

    def drain(
        self, name: str, *, deadline_ms: int | None = None, limit: int | None = None, remove: bool = False,
        dry_run: bool = False,
    ) -> Drained:  # fmt: skip
        """Empty disk ``name``: nothing new goes there, what it has goes elsewhere.

        ``deadline_ms``: when it must be empty, milliseconds since 1970 (0: no hurry, None: as said before).
        ``remove``: take it out of the pool once it is empty.
        """
        from webraid.jobs.moves.drain import drain

        return drain(self._ctx, name, deadline_ms=deadline_ms, limit=limit, remove=remove, dry_run=dry_run)

    def drain_on(self, *, limit: int | None = None) -> list[Drained]:
        """Go on with every disk that is being drained, the nearest deadline first.  What a nightly run calls."""
        from webraid.jobs.moves.drain import drain_on

        return drain_on(self._ctx, limit=limit)

    def stop_drain(self, name: str) -> None:
        """Use a disk that was being drained as any other again."""
        from webraid.jobs.moves.drain import stop_drain

        stop_drain(self._ctx, name)

    def drain_progress(self, name: str) -> DrainProgress:
        """How far a disk is emptied; asks no disk.  After ``status`` or any other call that opened the table."""
        from webraid.jobs.disks.backends import find_disk
        from webraid.jobs.moves.drain import drain_progress

        return drain_progress(self._ctx, find_disk(self._ctx, name).id)

    def rebalance(self, *, limit: int | None = None, now: bool = False, dry_run: bool = False) -> Rebalanced:
        """Fill all disks evenly and bring every stripe where it should lie.

        What was moved is deleted in its old place when the trash time is over; ``now``: at once.
        """
        from webraid.jobs.moves.rebalance import rebalance

        return rebalance(self._ctx, limit=limit, now=now, dry_run=dry_run)

    def relevel(self, snapshot: str, level: str, *, dry_run: bool = False) -> Releveled:
        """Bring everything that a snapshot needs to a higher level, with as few bytes as that takes."""
        from webraid.jobs.moves.relevel import relevel

        return relevel(self._ctx, snapshot, level, dry_run=dry_run)
