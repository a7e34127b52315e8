"""The main job at every level: a real tree, six folders, any m of them gone, everything back."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pool.machine import Home
from webraid.codec.levels import parse_level
from webraid.errors import EXIT_OK, EXIT_UNREADABLE
from webraid.files.compare import compare_trees

LEVELS = ["raid0", "raid1", "raid1:3", "raid4", "raid5", "raid5:4", "raid6", "raid6:5", "rs:2+3", "rs:3+1"]


@pytest.mark.parametrize("level", LEVELS)
def test_any_m_folders_may_go_and_everything_comes_back(
    level: str, home: Callable[[str, int], Home], library: Path
) -> None:
    machine = home(level, 6)
    losses = parse_level(level).losses(6)
    with machine.open() as pool:
        result = pool.put([str(library)])
        assert (result.exit_code, result.survives) == (EXIT_OK, losses), result
        assert result.files >= 5000
    choices = list(itertools.combinations(range(1, 7), losses))
    for number in random.Random(level).choice(choices):
        shutil.rmtree(machine.disk(number))
    out = machine.folder / "out"
    with machine.open() as pool:
        got = pool.get(to=out)
        assert (got.exit_code, got.problems, got.unreadable) == (EXIT_OK, [], [])
    assert compare_trees(library, out / library.name) == []
    shutil.rmtree(out)


def test_one_folder_more_gives_21_and_names_the_files(home: Callable[[str, int], Home], library: Path) -> None:
    machine = home("raid6", 6)
    with machine.open() as pool:
        pool.put([str(library)])
    for number in (1, 4, 6):
        shutil.rmtree(machine.disk(number))
    out = machine.folder / "out"
    with machine.open() as pool:
        got = pool.get(to=out)
    assert got.exit_code == EXIT_UNREADABLE
    assert any(trouble.path.startswith("library/") for trouble in got.unreadable)
    assert all("d1" in trouble.reason and "d4" in trouble.reason for trouble in got.unreadable)
    for path in out.rglob("*"):  # what did come back is right, and nothing unfinished is left behind
        original = library.parent / path.relative_to(out)
        if path.is_file() and not path.is_symlink():
            assert path.read_bytes() == original.read_bytes()
