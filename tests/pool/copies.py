"""A pool that is made once for a file of tests, and copied for each."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.pool.machine import Home


def copy_of(model: Home, folder: Path) -> Home:
    """The same pool on folders of its own; what was stored lies where it lay."""
    shutil.copytree(model.folder, folder, symlinks=True)
    config = folder / "config.toml"
    config.write_text(config.read_text().replace(str(model.folder), str(folder)))
    return Home(folder)
