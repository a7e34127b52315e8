"""The public API: snapshots are forgotten, and their space comes back."""

from __future__ import annotations

from webraid.pool.base import Opened


class Space(Opened):
    """Retention and deletion."""
