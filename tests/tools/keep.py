"""Pools that are kept for good: what this version writes, later versions and tools/webraid_recover.py must read.

    python -m tests.tools.keep

writes tests/vectors/pools/<version>-<level>.tar.xz for this version; what earlier versions wrote is never touched.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from pathlib import Path

from tests.pool.machine import PASSPHRASE, QUICK, Home
from webraid import __version__

KEPT = Path(__file__).parents[1] / "vectors" / "pools"
LEVELS = ("raid0", "raid1", "raid4", "raid5", "raid6", "rs:2+2")
AFTER = "a passphrase of the second epoch"


def content() -> dict[str, bytes]:
    """The files of the newest snapshot: always the same."""
    noise = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(1500))
    return {"empty": b"", "text": b"the same line again\n" * 500, "noise": noise, "folder/more": noise[:100] * 3}


def digest(folder: Path) -> dict[str, bytes]:
    """What lies in a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def make(level: str, folder: Path) -> Path:
    """A pool with a life behind it: a snapshot forgotten, a tag, a new epoch, and the files of ``content``."""
    home, source = Home(folder / "home").make(level, 4), folder / "kept"
    (source / "folder").mkdir(parents=True)
    (source / "old").write_text("of a snapshot that is forgotten")
    with home.open() as pool:
        first = pool.put([str(source)]).snapshot
        (source / "old").unlink()
        for name, data in content().items():
            (source / name).write_bytes(data)
            os.utime(source / name, (1_700_000_000, 1_700_000_000))
        pool.put([str(source)], tags=["kept"])
        pool.forget([first])
        pool.rotate_keys(PASSPHRASE, AFTER, kdf=QUICK)
        (source / "text").write_bytes(content()["text"] + b"!")
        pool.put([str(source)])
    return folder / "home"


def keep(level: str) -> None:
    """Write one archive."""
    target = KEPT / f"{__version__}-{level.replace(':', '-')}.tar.xz"
    if target.exists():
        return
    KEPT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, tarfile.open(target, "w:xz") as archive:
        home = make(level, Path(temporary))
        for number in range(1, 5):
            for path in sorted(path for path in home.joinpath(f"d{number}").rglob("*") if path.is_file()):
                info = tarfile.TarInfo(path.relative_to(home).as_posix())
                data = path.read_bytes()
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))


if __name__ == "__main__":
    for one in LEVELS:
        keep(one)
