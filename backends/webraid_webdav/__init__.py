"""Disks that are folders on a WebDAV server: Nextcloud, ownCloud, Koofr, pCloud, a NAS.  The class: backend.py."""

from __future__ import annotations

from webraid_webdav.backend import WebdavBackend
from webraid_webdav.options import WebdavOptions

__all__ = ["WebdavBackend", "WebdavOptions"]
