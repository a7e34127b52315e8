"""Disks at any of the places that rclone knows.  The class lives in backend.py."""

from __future__ import annotations

from webraid_rclone.backend import RcloneBackend
from webraid_rclone.options import RcloneOptions
from webraid_rclone.types import known_types

__all__ = ["RcloneBackend", "RcloneOptions", "known_types"]
