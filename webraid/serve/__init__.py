"""Snapshots over WebDAV, read-only."""
