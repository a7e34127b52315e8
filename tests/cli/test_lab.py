"""lab: clouds that come up, are broken, mended and added to the pool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Machine


@pytest.fixture
def lab(home: Machine, tmp_path: Path) -> Iterator[Path]:
    where = tmp_path / "lab"
    run = home("lab", "up", "--profile", "fast6", "--dir", where)
    assert run.code == 0
    yield where
    assert home("lab", "down", "--dir", where).code == 0


def states(home: Machine, lab: Path) -> dict[str, str]:
    clouds = home("lab", "ls", "--dir", lab, "--json").document["clouds"]
    return {cloud["name"]: cloud["state"] for cloud in clouds}


def test_clouds_are_broken_and_mended_by_name(home: Machine, lab: Path) -> None:
    assert set(states(home, lab).values()) == {"up"}
    for command, state in (("kill", "killed"), ("hang", "hung"), ("slow", "slow"), ("corrupt", "corrupting")):
        assert home("lab", command, "c2", "--dir", lab).code == 0
        assert states(home, lab)["c2"] == state
        assert home("lab", "restore", "c2", "--dir", lab).code == 0
    assert home("lab", "wipe", "c1", "--dir", lab).code == 0
    assert set(states(home, lab).values()) == {"up"}
    run = home("lab", "kill", "c9", "--dir", lab)
    assert run.code == 2
    assert "c1, c2" in run.err


def test_up_again_with_add_makes_disks_of_all_clouds_once(home: Machine, lab: Path) -> None:
    for _ in range(2):
        run = home("lab", "up", "--profile", "fast6", "--dir", lab, "--add")
        assert run.code == 0
    disks = home("backend", "ls", "--json").document["backends"]
    assert {disk["name"]: disk["domain"] for disk in disks if disk["kind"] == "s3"} == {
        f"c{number}": f"c{number}" for number in range(1, 7)
    }
    secret = home("lab", "ls", "--dir", lab, "--json").document["clouds"][0]["secret_key"]
    assert secret not in run.out + run.err
    assert secret not in (home.root / "config.toml").read_text()
    assert home("put", home.root / "photos").code == 0


def test_the_lab_is_in_the_state_folder_unless_told_otherwise(machine: Machine) -> None:
    assert machine("lab", "up", "--profile", "fast6").code == 0
    try:
        assert (machine.root / "state" / "lab" / "lab.json").exists()
    finally:
        assert machine("lab", "down").code == 0
    assert machine("lab", "ls").code == 2
