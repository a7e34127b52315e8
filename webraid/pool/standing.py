"""The public API: where the pool stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webraid.pool.base import Opened

if TYPE_CHECKING:
    from webraid.jobs.standing.doctor import Diagnosis
    from webraid.jobs.standing.durability import Durability
    from webraid.jobs.standing.status import Status


class Standing(Opened):
    """What tells how safe everything is."""

    def status(self) -> Status:
        """Where the pool stands: what it survives, its disks, what was last done.  Never raises for missing disks."""
        from webraid.jobs.standing.status import status

        return status(self._ctx)

    def durability(self) -> Durability:
        """What is survived now, by level and failure domain, and what a model with stated rates says of a year."""
        from webraid.jobs.standing.durability import durability

        return durability(self._ctx)

    def doctor(self, *, canary: bool = True) -> Diagnosis:
        """Look for what is not as it should be, with what to do about it.

        ``canary``: try to delete a small object on every disk, to see which of them this machine's keys can erase.
        """
        from webraid.jobs.standing.doctor import doctor

        return doctor(self._ctx, canary=canary)
