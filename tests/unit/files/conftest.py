"""A whole way from a tree to its restored twin, and stepping down from root where that makes a difference."""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from webraid.env import seeded
from webraid.files.entry import Entry
from webraid.files.restore import Action, Problem, Restorer
from webraid.files.scan import open_source, root_for, scan

NOBODY = 65534
Stored = list[tuple[Entry, bytes]]


def store(paths: Sequence[Path], problems: list[Problem] | None = None) -> Stored:
    """What a put would keep: entries and content streams.  Without a list of problems there must be none."""
    found: list[Problem] = [] if problems is None else problems
    kept: Stored = []
    for scanned in scan([root_for(path) for path in paths], on_problem=found.append):
        content = bytearray()
        if scanned.entry.type == "f":
            block = bytearray(100_000)
            with open_source(scanned) as file:
                while count := file.readinto(memoryview(block)):
                    content += block[:count]
                assert not file.changed()
        chunks = b"chunk of content" if content else b""
        kept.append((msgspec.structs.replace(scanned.entry, chunks=chunks), bytes(content)))
    if problems is None:
        assert found == []
    return kept


def fetch(kept: Stored, target: Path, *, seed: int = 0, piece: int = 40_000, **options: Any) -> Restored:
    """What a get would do, the pieces of all files arriving in a random order."""
    done = Restored()
    with Restorer(target, on_problem=done.problems.append, env=seeded(seed), **options) as restorer:
        pieces: list[tuple[Any, bytes, int]] = []
        files = []
        for entry, content in kept:
            action = restorer.prepare(entry)
            done.actions[entry.path] = action
            if action is Action.CONTENT:
                files.append(file := restorer.open_file(entry))
                pieces += [(file, content[i : i + piece], i) for i in range(0, len(content), piece)]
        random.Random(seed).shuffle(pieces)
        for file, data, offset in pieces:
            file.write_stream(data, offset)
        for file in files:
            file.finish()
        restorer.finish()
        done.notes = restorer.notes
    return done


class Restored:
    """What a restore told."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.actions: dict[bytes, Action] = {}
        self.notes: dict[str, int] = {}

    @property
    def reasons(self) -> list[str]:
        return [f"{problem.path}: {problem.reason}" for problem in self.problems]


@pytest.fixture(name="store", scope="session")
def store_fixture() -> Callable[..., Stored]:
    return store


@pytest.fixture(name="fetch", scope="session")
def fetch_fixture() -> Callable[..., Restored]:
    return fetch


@pytest.fixture
def space() -> Iterator[Path]:
    """An empty folder that every user may write to, and that may hold trees too deep for Python's own rmtree."""
    path = Path(tempfile.mkdtemp(prefix="webraid-test-"))
    path.chmod(0o777)
    yield path
    subprocess.run(["chmod", "-R", "u+rwx", path], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["rm", "-rf", "--", path], check=True)


@contextmanager
def nobody() -> Iterator[None]:
    """Steps down from root for a while; does nothing for somebody who is not root anyway."""
    if os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@pytest.fixture
def as_nobody() -> Iterator[None]:
    with nobody():
        yield


@pytest.fixture
def step_down() -> Callable[[], AbstractContextManager[None]]:
    return nobody


@pytest.fixture
def is_root() -> bool:
    return os.geteuid() == 0
