"""Opening the local cache where it lies, with what must outlive it kept in the state folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from webraid.config import Places
from webraid.errors import ConfigError
from webraid.table.local import Database, Local

TAG = "CACHEDIR.TAG"
SIGNED = "Signature: 8a477f597d28d172789f06886806bc55"  # https://bford.info/cachedir/
TEXT = f"{SIGNED}\n# WebRAID's cache: it can be deleted at any time, and no backup needs it.\n"


def open_cache(places: Places) -> Local:
    """The cache of this machine's pool.  Raises ConfigError, PoolError."""
    path = places.database
    if path == places.lasting:
        return Local(Database(path))
    if path is not None:
        _mark(path.parent)
    return Local(Database(path), Database(places.lasting))


def _mark(folder: Path) -> None:
    """So that backups leave it out.  Raises ConfigError where somebody else could write into it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(
            f"{folder} is no folder that this user alone can write to", hint="Keep the cache in another folder."
        )
    tag = folder / TAG
    if not tag.exists():
        tag.write_text(TEXT)
