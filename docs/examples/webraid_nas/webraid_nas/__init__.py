"""A kind of disk for WebRAID: a folder on a NAS, over FTP.  The class lives in backend.py."""

from __future__ import annotations

from webraid_nas.backend import NasBackend
from webraid_nas.options import NasOptions

__all__ = ["NasBackend", "NasOptions"]
