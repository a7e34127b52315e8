"""The public API: data move between disks and levels."""

from __future__ import annotations

from webraid.pool.base import Opened


class Moving(Opened):
    """Rebuilding, replacing, draining, balancing."""
