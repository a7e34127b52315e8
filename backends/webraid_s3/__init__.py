"""Disks that are buckets: AWS S3 and everything that speaks its protocol.  The class lives in backend.py."""

from __future__ import annotations

from webraid_s3.backend import S3Backend
from webraid_s3.options import S3Options

__all__ = ["S3Backend", "S3Options"]
