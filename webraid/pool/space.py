"""The public API: snapshots are forgotten, and their space comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from webraid.pool.base import Opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from webraid.jobs.base.retention import Policy
    from webraid.jobs.base.snapshots import Which
    from webraid.jobs.space.forget import Forgotten
    from webraid.jobs.space.pruned import Pruned
    from webraid.jobs.space.stats import Measured, Mode
    from webraid.jobs.space.stats import Space as PoolSpace
    from webraid.jobs.storing.tag import Change, Retagged


class Space(Opened):
    """Retention and deletion."""

    def forget(
        self, snapshots: Sequence[str] = (), *, policy: Policy | None = None, which: Which | None = None,
        group_by: str = "host,paths", allow_none: bool = False, dry_run: bool = False,
    ) -> Forgotten:  # fmt: skip
        """Strike off ``snapshots`` (ids, 'latest'), or those that ``policy`` does not keep of every group.

        ``which``: judge only those.  ``allow_none``: a group may lose all it has.  What only they needed is garbage
        then; ``prune`` deletes it.  Raises RightMissing, QuorumLost, NotInTable.
        """
        from webraid.jobs.base.snapshots import EVERY, parse_groups
        from webraid.jobs.space.forget import forget

        return forget(
            self._ctx, snapshots, policy=policy, which=which or EVERY, by=parse_groups(group_by),
            allow_none=allow_none, dry_run=dry_run,
        )  # fmt: skip

    def forget_by_policy(
        self, *, which: Which | None = None, group_by: str | None = None, allow_none: bool = False,
        dry_run: bool = False,
    ) -> Forgotten:  # fmt: skip
        """Strike off what [retention] of the config does not keep; nothing where it holds no rule.  ``group_by``: None
        for the config's."""
        from webraid.jobs.base.snapshots import EVERY
        from webraid.jobs.space.forget import forget_by_policy

        return forget_by_policy(self._ctx, which or EVERY, group_by=group_by, allow_none=allow_none, dry_run=dry_run)

    def tag(
        self, change: Change, snapshots: Sequence[str] = (), *, which: Which | None = None, dry_run: bool = False
    ) -> list[Retagged]:
        """Change the tags of ``snapshots``, or of all of ``which``; ids stay.

        Returns the snapshots whose tags are others now.  Raises RightMissing, QuorumLost, NotInTable.
        """
        from webraid.jobs.base.snapshots import EVERY
        from webraid.jobs.storing.tag import tag

        return tag(self._ctx, change, snapshots, which=which or EVERY, dry_run=dry_run)

    def prune(
        self, *, dry_run: bool = False, now: bool = False, secret: str = "", repack: bool = True,
        max_repack: int | None = None, max_unused: float | None = None,
        confirm: Callable[[Pruned], bool] = lambda pruned: True,
    ) -> Pruned:  # fmt: skip
        """Condemn what no kept snapshot needs, and delete what was condemned long enough ago ([prune] of the config).

        ``secret``: the passphrase or recovery code; with it neither the brake, the retention lock nor a drill that is
        still to come holds anything up, and with ``now`` nor does the trash time.  ``confirm`` is shown what would be
        done before it is done.  ``repack``: half-dead packs are packed anew, moving ``max_repack`` bytes at most, or
        until no more than the share ``max_unused`` of all bytes is unused.

        Raises RightMissing, WrongPassphrase, QuorumLost, NotInTable, IntegrityError.
        """
        from webraid.jobs.space.prune import prune

        return prune(
            self._ctx, dry_run=dry_run, now=now, secret=secret, repack_too=repack, max_repack=max_repack,
            max_unused=max_unused, confirm=confirm,
        )  # fmt: skip

    def stats(
        self, snapshots: Sequence[str] = (), *, mode: Mode = "restore-size"
    ) -> tuple[Measured, PoolSpace]:  # fmt: skip
        """How large ``snapshots`` (all if none is named) are, and what the pool's space is used for.

        ``mode``: 'restore-size', 'raw-data' or 'files-by-contents', as restic's.  Raises NotInTable.
        """
        from webraid.jobs.space.stats import stats

        return stats(self._ctx, snapshots, mode=mode)
