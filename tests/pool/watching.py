"""Small trees to put, sources of a config, and which files a put opens."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.pool.machine import Home
from webraid.jobs.storing.put import PutOptions, PutResult

_watched: list[tuple[str, list[str]]] = []


def _on_open(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _watched and isinstance(arguments[0], bytes | str):
        top, opened = _watched[-1]
        path = os.fsdecode(arguments[0])
        if path.startswith(top):
            opened.append(path)


sys.addaudithook(_on_open)


@contextmanager
def files_opened(top: Path) -> Iterator[list[str]]:
    """Files below ``top`` that are opened by their whole path, as content is; folders are not counted."""
    opened: list[str] = []
    _watched.append((f"{top}/", opened))
    try:
        yield opened
    finally:
        _watched.pop()
        opened[:] = [path for path in opened if not os.path.isdir(path)]


def plant(folder: Path, count: int) -> Path:
    """``count`` small files in three folders."""
    for number in range(count):
        part = folder / f"{number % 3}"
        part.mkdir(parents=True, exist_ok=True)
        (part / f"{number:03}.jpg").write_bytes(random.Random(number).randbytes(2000))
    return folder


def sources(machine: Home, **more: str) -> None:
    """Sources into the config: name -> lines of its section."""
    config = machine.folder / "config.toml"
    text = "".join(f'\n[[source]]\nname = "{name}"\n{body}\n' for name, body in more.items())
    config.write_text(config.read_text() + text)


def put(machine: Home, *paths: Path, **options: object) -> PutResult:
    """put, with these PutOptions."""
    with machine.open() as pool:
        return pool.put([str(path) for path in paths], options=PutOptions(**options))  # type: ignore[arg-type]


def paths_in(machine: Home, snapshot: str = "latest") -> list[str]:
    """What a snapshot has."""
    with machine.open() as pool:
        return [os.fsdecode(entry.path) for entry in pool.ls(snapshot)]
