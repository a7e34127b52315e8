"""Pools as a command opens them that was given flags, on copies of one that is made once."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from tests.pool.machine import Home
from webraid.backend.base import Backend
from webraid.cli.flags import Flags
from webraid.cli.invocation import Invocation
from webraid.env import Env
from webraid.pool import Pool, open_pool

SIZE = 6_000_000
NOTHING = Flags()
Wrap = Callable[[str, Callable[[], Backend]], Callable[[], Backend]]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files that make a few stripes where the memory is small."""
    folder = tmp_path / "tree"
    folder.mkdir()
    rng = random.Random(5)
    for number in range(12):
        (folder / f"file {number}").write_bytes(rng.randbytes(SIZE // 12))
    return folder


class Clock:
    """Moves when somebody sleeps, and a little whenever it is read."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self.slept = 0.0
        self._lock = threading.Lock()
        self.env = Env(now=self.read, monotonic=self.read, sleep=self.sleep, rng=random.Random(1))

    def read(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.time += seconds
            self.slept += seconds


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], Home]:
    """A pool of each form, made once."""
    return cache(lambda level, count: Home(tmp_path_factory.mktemp("model") / "home").make(level, count))


@pytest.fixture
def home(models: Callable[[str, int], Home], tmp_path: Path) -> Callable[[str, int], Home]:
    """A copy of it, on folders of its own."""

    def copied(level: str, count: int) -> Home:
        model = models(level, count)
        shutil.copytree(model.folder, tmp_path / "home")
        config = tmp_path / "home" / "config.toml"
        config.write_text(config.read_text().replace(str(model.folder), str(tmp_path / "home")))
        return Home(tmp_path / "home")

    return copied


@contextmanager
def run(
    machine: Home,
    flags: Flags = NOTHING,
    *,
    only: Sequence[str] = (),
    env: Env | None = None,
    wrap: Wrap | None = None,
    on_event: Callable[[object], None] | None = None,
) -> Iterator[Pool]:
    """The pool as a command with these flags opens it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in machine.environ.items():
            patch.setenv(name, value)
        call = Invocation(flags)
        call.only = only
        where = call.settings
    where.env, where.on_event = env or where.env, on_event or machine.events.append
    where.wrap = wrap or where.wrap
    machine.events.clear()
    with open_pool(where) as pool:
        yield pool


def configure(machine: Home, section: str, **values: Any) -> None:
    """Set options of a section of the config file, or of a disk."""
    path = machine.folder / "config.toml"
    document: Any = tomlkit.parse(path.read_text())
    named = [disk for disk in document["disk"] if disk["name"] == section]
    target = named[0] if named else document.setdefault(section, {})
    for key, value in values.items():
        target[key.replace("_", "-")] = value
    path.write_text(tomlkit.dumps(document))
