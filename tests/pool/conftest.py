"""Pools on real folders, and a tree of real files to put into them."""

from __future__ import annotations

import os
import shutil
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from webraid.codec.keys import KdfParams
from webraid.jobs.context import Settings
from webraid.pool import Pool, init_pool, open_pool, settings

PASSPHRASE = "correct horse battery staple winter"
QUICK = KdfParams(memory_kib=1024, passes=1, lanes=1)
FILES, BYTES = 5200, 80 << 20


class Home:
    """A machine's config and state in a temporary folder, with pools on folders beside them."""

    def __init__(self, folder: Path, disks: Path | None = None) -> None:
        self.folder = folder
        self.disks = disks or folder
        self.events: list[object] = []
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "WEBRAID_CONFIG": str(self.folder / "config.toml"),
            "WEBRAID_STATE_DIR": str(self.folder / "state"),
        }

    @property
    def settings(self) -> Settings:
        return settings(environ=self.environ, on_event=self.events.append)

    def make(self, level: str, count: int) -> Home:
        init_pool(self.settings, name="home", level=level, passphrase=PASSPHRASE, kdf=QUICK)
        with self.open() as pool:
            for number in range(1, count + 1):
                pool.add_backend("local", f"d{number}", {"path": str(self.disk(number))})
        return self

    def disk(self, number: int) -> Path:
        return self.disks / f"d{number}"

    def open(self) -> Pool:
        self.events.clear()
        return open_pool(self.settings)


@pytest.fixture
def home(tmp_path: Path) -> Callable[[str, int], Home]:
    """Make a pool: home(level, number of folders)."""
    return lambda level, count: Home(tmp_path / "home").make(level, count)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """At least 5,000 real files: Python's own library and what is installed beside it, with everything odd added."""
    target = tmp_path_factory.mktemp("source") / "library"
    target.mkdir()
    count = size = 0
    for root in dict.fromkeys(sysconfig.get_paths()[name] for name in ("stdlib", "purelib")):
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(name for name in folders if name not in ("__pycache__", "site-packages"))
            for name in sorted(files):
                source = Path(folder) / name
                if count >= FILES or size >= BYTES or source.is_symlink() or source.stat().st_size > 1 << 20:
                    continue
                copy = target / Path(root).name / source.relative_to(root)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, copy)
                count, size = count + 1, size + copy.stat().st_size
    assert count >= 5000, f"only {count} files found on this machine"
    oddities(target / "odd")
    yield target
    shutil.rmtree(target)


def oddities(folder: Path) -> None:
    """What real trees have besides plain files."""
    folder.mkdir()
    (folder / "empty folder").mkdir()
    (folder / "empty file").touch()
    (folder / "many chunks").write_bytes(os.urandom(3 << 20) * 2)
    os.link(folder / "many chunks", folder / "second link")
    (folder / "link").symlink_to("many chunks")
    (folder / "dangling").symlink_to("/nowhere/at/all")
    os.mkfifo(folder / "fifo")
    with (folder / "sparse").open("wb") as file:
        file.seek(50 << 20)
        file.write(b"end")
    Path(os.fsdecode(os.fsencode(folder) + b"/not utf-8 \xff\xfe")).write_text("x")
    (folder / "new\nline").write_text("x")
    (folder / "-rf").write_text("x")
    (folder / ("n" * 255)).write_text("x")
    (folder / "private").write_text("x")
    (folder / "private").chmod(0o600)
    (folder / "setgid").mkdir()
    (folder / "setgid").chmod(0o2750)
    os.utime(folder / "empty file", ns=(1_000_000_001, 1_000_000_002_003_004_005))
    try:
        os.setxattr(folder / "private", "user.colour", b"blue")
    except OSError:
        pass  # this file system has none; the files' own tests make sure of xattrs
