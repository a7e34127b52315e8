"""Disks that are a folder in somebody's Google Drive.  The class lives in backend.py."""

from __future__ import annotations

from webraid_gdrive.backend import DriveBackend
from webraid_gdrive.options import DriveOptions

__all__ = ["DriveBackend", "DriveOptions"]
