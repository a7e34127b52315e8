"""Disks that are folders: an internal disk, a USB stick, a mounted NAS.  The class lives in backend.py."""

from __future__ import annotations

from webraid_local.backend import LocalBackend
from webraid_local.options import LocalOptions

__all__ = ["LocalBackend", "LocalOptions"]
