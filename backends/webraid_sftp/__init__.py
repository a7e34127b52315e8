"""Disks that are folders on a server one logs in to by SSH.  The class lives in backend.py."""

from __future__ import annotations

from webraid_sftp.backend import SftpBackend
from webraid_sftp.options import SftpOptions

__all__ = ["SftpBackend", "SftpOptions"]
