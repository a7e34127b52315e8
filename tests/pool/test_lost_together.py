"""As many disks as the level promises are gone for good, and too few are left for a majority: the pool goes on."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.pool.machine import Home
from webraid.errors import EXIT_OK, QuorumLost, RedundancyError


def _tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(20):
        (tree / f"{number}").write_bytes(Random(number).randbytes(150_000))
    return tree


@pytest.mark.parametrize(
    ("level", "disks", "lost"), [("raid1", 3, (2, 3)), ("rs:2+4", 6, (1, 3, 4, 6)), ("raid6", 4, (1, 2))]
)
def test_disks_that_are_lost_together_leave_together_and_new_ones_take_their_place(
    tmp_path: Path, level: str, disks: int, lost: tuple[int, ...]
) -> None:
    tree, machine = _tree(tmp_path), Home(tmp_path / "home").make(level, disks)
    names = [f"d{number}" for number in lost]
    with machine.open() as pool:
        pool.put([str(tree)])
    for number in lost:
        machine.disk(number).rename(tmp_path / f"gone{number}")
    with machine.open() as pool:
        if len(lost) * 2 > disks:  # each alone leaves too few that answer; who is told so is told what to do
            with pytest.raises(QuorumLost) as told:
                pool.remove_backend(names[0], lost=True)
            assert f"webraid backend rm {' '.join(names)} --lost" in told.value.hint
        pool.remove_backend(*names, lost=True)
    with machine.open() as pool:
        assert len(pool.status().disks) == disks - len(lost)
        for number in range(disks + 1, disks + 1 + len(lost)):
            pool.add_backend("local", f"d{number}", {"path": str(machine.disk(number))})
        pool.repair()
    with machine.open() as pool:
        now = pool.status()
        assert now.missing_shards == 0 and now.survives == now.promised
        assert pool.put([str(tree)]).exit_code == EXIT_OK
        pool.get(to=tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out" / "tree").iterdir()} == {
        path.name: path.read_bytes() for path in tree.iterdir()
    }


def test_more_than_data_can_do_without_stay(tmp_path: Path) -> None:
    tree, machine = _tree(tmp_path), Home(tmp_path / "home").make("raid6", 4)
    with machine.open() as pool:
        pool.put([str(tree)])
        for number in (1, 2, 3):
            machine.disk(number).rename(tmp_path / f"gone{number}")
    with machine.open() as pool, pytest.raises(RedundancyError, match="d1 and d2 and d3"):
        pool.remove_backend("d1", "d2", "d3", lost=True)
    for number in (1, 2, 3):
        (tmp_path / f"gone{number}").rename(machine.disk(number))
    with machine.open() as pool:
        assert pool.status().missing_shards == 0


def test_one_that_answers_after_all_may_be_among_them(tmp_path: Path) -> None:
    tree, machine = _tree(tmp_path), Home(tmp_path / "home").make("raid1", 4)
    with machine.open() as pool:
        pool.put([str(tree)])
    for number in (2, 3):
        machine.disk(number).rename(tmp_path / f"gone{number}")
    with machine.open() as pool:
        assert pool.remove_backend("d2", "d3", "d4", lost=True) == 0
        assert [disk.name for disk in pool.status().disks] == ["d1"]
