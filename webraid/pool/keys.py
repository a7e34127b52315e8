"""The public API: keys, machines and their rights."""

from __future__ import annotations

from webraid.pool.base import Opened


class Keys(Opened):
    """Key slots, devices, the recovery kit."""
