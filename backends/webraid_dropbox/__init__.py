"""Disks that are app folders in a Dropbox.  The class lives in backend.py."""

from __future__ import annotations

from webraid_dropbox.backend import DropboxBackend
from webraid_dropbox.options import DropboxOptions

__all__ = ["DropboxBackend", "DropboxOptions"]
