"""The public API: where the pool stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webraid.pool.base import Opened

if TYPE_CHECKING:
    from webraid.jobs.status import Status


class Standing(Opened):
    """What tells how safe everything is."""

    def status(self) -> Status:
        """Where the pool stands."""
        from webraid.jobs.status import status

        return status(self._ctx)
