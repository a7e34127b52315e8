"""The files the demo stores: Python's own library, photo-like files, and the odd things a Unix tree has."""

from __future__ import annotations

import os
import random
import shutil
import sysconfig
from collections.abc import Iterator
from pathlib import Path

CODE_BYTES = 12_000_000  # of Python's own library, at most
CODE_FILES = 600
PHOTOS = 5
ROOTS = ("odds", "photos", "python")
LEFT_OUT = {"__pycache__", "test", "tests", "idle_test", "site-packages", "dist-packages"}


def make(folder: Path) -> tuple[int, int]:
    """Fill ``folder`` with 'python', 'photos' and 'odds'.  Returns (files, bytes)."""
    _code(folder / "python")
    _photos(folder / "photos")
    _odds(folder / "odds")
    files = [path for root in ROOTS for path in (folder / root).rglob("*") if path.is_file() and not path.is_symlink()]
    return len(files), sum(path.stat().st_blocks * 512 for path in files)


def _library(top: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(top):
        folders[:] = sorted(set(folders) - LEFT_OUT)
        for name in sorted(names):
            path = Path(where) / name
            if path.suffix in (".py", ".txt", ".json", ".so") and path.is_file() and os.access(path, os.R_OK):
                yield path


def _code(target: Path) -> None:
    """A source tree: copies of what is on this machine, with their times and modes."""
    top, used = Path(sysconfig.get_paths()["stdlib"]), 0
    for number, path in enumerate(_library(top)):
        used += path.stat().st_size
        if number >= CODE_FILES or used > CODE_BYTES:
            break
        copy = target / path.relative_to(top)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


def _photos(target: Path) -> None:
    """As large and as incompressible as photos are; the same ones in every run."""
    chance = random.Random(1)
    target.mkdir()
    for number in range(PHOTOS):
        body = chance.randbytes(chance.randrange(1_200_000, 4_200_000))
        photo = target / f"IMG_{2041 + number}.jpg"
        photo.write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + body + b"\xff\xd9")
        taken = 1_700_000_000 + number * 86_400 + chance.random()
        os.utime(photo, (taken, taken))


def _odds(target: Path) -> None:
    """Links, holes, modes, names: what a copy easily gets wrong."""
    (target / "an empty folder").mkdir(parents=True)
    (target / "naïve name\twith a tab").write_text("found\n")
    (target / "private").write_text("only mine\n")
    (target / "private").chmod(0o600)
    (target / "run.sh").write_text("#!/bin/sh\necho it runs\n")
    (target / "run.sh").chmod(0o755)
    (target / "link to a photo").symlink_to("../photos/IMG_2041.jpg")
    (target / "link to nothing").symlink_to("gone")
    (target / "second name of run.sh").hardlink_to(target / "run.sh")
    with (target / "disk.img").open("wb") as file:  # 4 MiB, of which 8 KiB are data
        file.write(b"begin" + bytes(4091))
        file.seek((4 << 20) - 4096)
        file.write(b"end" + bytes(4093))
    os.mkfifo(target / "a pipe")
    os.utime(target / "an empty folder", ns=(1_234_567_890_123_456_789, 1_234_567_890_123_456_789))
