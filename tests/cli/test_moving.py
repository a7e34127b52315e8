"""rebuild, replace, drain, rebalance and relevel as people and programs use them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import PICTURE, Machine


@pytest.fixture
def filled(pool: Machine) -> Machine:
    """The pool with a picture in it, a shard on each disk."""
    (pool.root / "picture").write_bytes(PICTURE)
    assert pool("put", pool.root / "picture").code == 0
    return pool


@pytest.fixture
def two_more(filled: Machine) -> Machine:
    """The same with d5 and d6."""
    pool = filled
    for name in ("d5", "d6"):
        assert pool("add-backend", "local", name, "--path", pool.root / name).code == 0
    return pool


def names(pool: Machine) -> list[str]:
    return [disk["name"] for disk in pool("backend", "ls", "--json").document["backends"]]


def test_drain_tells_what_goes_where_and_then_offers_to_remove_the_disk(two_more: Machine) -> None:
    pool = two_more
    plan = pool("drain", names(pool)[0], "-n", "--json").document
    assert plan["dry_run"] and plan["total_bytes"] == sum(item["bytes"] for item in plan["planned"]) > 0
    one = plan["backend"]
    said = pool("backend", "drain", one, "--deadline", "2999-01-31")
    assert said.code == 0 and f"Nothing needs {one} any more" in said.out and f"webraid backend rm {one}" in said.out
    assert f"Disk {one} is drained: " in said.out
    again = pool("drain", "--json").document
    assert (again["backend"], again["bytes_left"], again["late"]) == (one, 0, False)
    assert again["deadline"].startswith("2999-01-")
    assert pool("drain", "--stop", one).out.startswith(f"Disk {one} is used as any other")
    assert "No disk is being drained" in pool("drain").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["drain", "--deadline", "2027-01-31"], "which disk?"),
        (["drain", "d9"], "no disk called 'd9'"),
        (["replace", "d9", "d8"], "no disk called 'd9'"),
        (["rebuild", "d9"], "no disk called 'd9'"),
        (["relevel", "latest", "--level", "raid2"], "raid2 is not offered"),
        (["rebalance", "--max", "much"], "is not a size"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(pool: Machine, words: list[str], said: str) -> None:
    run = pool(*words)
    assert run.code and said in run.err


def test_a_date_that_is_none_is_refused(pool: Machine) -> None:
    run = pool("drain", names(pool)[0], "--deadline", "31.1.2027")
    assert run.code == 2 and "is not a date" in run.err


def test_too_little_room_is_exit_20_and_says_what_to_do(filled: Machine) -> None:
    run = filled("drain", names(filled)[0])
    assert run.code == 20 and "no legal home" in run.out and "add-backend" in run.out


def test_a_lost_disk_is_rebuilt_and_another_replaced(two_more: Machine, tmp_path: Path) -> None:
    pool = two_more
    lost, worn = names(pool)[:2]
    shutil.rmtree(pool.root / lost)
    rebuilt = pool("rebuild", lost, "--onto", "d5", "--json").document
    assert rebuilt["removed"] and rebuilt["onto"] == "d5" and rebuilt["shards_rebuilt"] and not rebuilt["shards_copied"]
    assert "is replaced by d6" in pool("replace", worn, "d6").out
    assert not {lost, worn} & set(names(pool))
    assert pool("get", "-t", tmp_path / "out").code == 0


def test_rebalance_shows_how_full_the_disks_are(two_more: Machine) -> None:
    document = two_more("rebalance", "-n", "--json").document
    assert {item["backend"] for item in document["before"]} >= {"d5", "d6"}
    run = two_more("rebalance", "--now")
    assert run.code == 0


def test_relevel_only_makes_safer(two_more: Machine) -> None:
    run = two_more("relevel", "latest", "--level", "raid0")
    assert run.code == 2 and "only makes safer" in run.err
    done = two_more("relevel", "latest", "--level", "raid6", "--json").document
    assert done["redundancy"]["level"] == "raid6" and done["redundancy"]["survives"] == 2
    assert "lies at raid6 already" in two_more("relevel", "latest", "--level", "raid6").out


def test_spares_and_domains_are_said_on_the_command_line(two_more: Machine) -> None:
    assert two_more("backend", "spare", "d6", "--json").document["role"] == "spare"
    assert two_more("backend", "spare", "d6", "--off", "--json").document["role"] == "active"
    assert two_more("backend", "domain", "d6", "attic").code == 0
    shown = two_more("backend", "ls", "--json").document["backends"]
    assert [disk["domain"] for disk in shown if disk["name"] == "d6"] == ["attic"]
