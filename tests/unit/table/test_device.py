"""This machine's key and its own log: complete or not there, and never a number written twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.table.rig import ALICE, ENV, OWNER, POOL, ROOT, Writer
from webraid.errors import ConfigError, NotAPool
from webraid.table.device import (
    Identity,
    OwnLog,
    forget_identity,
    has_identity,
    load_identity,
    load_slots,
    save_identity,
)

ME = Identity(POOL, OWNER.public, "machine", ROOT, ALICE)


# ------------------------------------------------------------------------------------------------------------- identity
def test_an_identity_comes_back_and_is_readable_by_nobody_else(tmp_path: Path) -> None:
    save_identity(tmp_path, ME, ENV)
    assert load_identity(tmp_path) == ME
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())


def test_a_repr_tells_no_secret() -> None:
    assert ROOT.secret.hex() not in repr(ME) and repr(ROOT.secret) not in repr(ME)
    assert repr(ALICE.private) not in repr(ME)


def test_without_its_card_it_is_none(tmp_path: Path) -> None:
    save_identity(tmp_path, ME, ENV)
    (tmp_path / "card.json").unlink()
    assert not has_identity(tmp_path)
    with pytest.raises(NotAPool, match="no key"):
        load_identity(tmp_path)


@pytest.mark.parametrize("part", ["card.json", "kek", "slot"])
@pytest.mark.parametrize("damage", ["", "nonsense", "00" * 32])
def test_a_damaged_identity_is_refused_with_a_way_out(tmp_path: Path, part: str, damage: str) -> None:
    save_identity(tmp_path, ME, ENV)
    (tmp_path / part).write_text(damage)
    with pytest.raises(ConfigError) as caught:
        load_identity(tmp_path)
    assert "recover" in caught.value.hint


def test_forgetting_an_identity_takes_its_log_along(tmp_path: Path) -> None:
    forget_identity(tmp_path / "never")
    save_identity(tmp_path, ME, ENV)
    OwnLog(tmp_path).append(*Writer(ALICE).write())
    forget_identity(tmp_path)
    assert not has_identity(tmp_path) and not OwnLog(tmp_path).records()


def test_slots_come_back_and_damaged_ones_are_none(tmp_path: Path) -> None:
    assert load_slots(tmp_path) == {}
    (tmp_path / "slots.json").write_text('{"a": "31", "b": "ff"}')
    assert load_slots(tmp_path) == {"a": b"1", "b": b"\xff"}
    (tmp_path / "slots.json").write_text('{"a": "xyz"}')
    assert load_slots(tmp_path) == {}


# -------------------------------------------------------------------------------------------------------------- own log
@pytest.fixture
def made() -> list[tuple[str, bytes]]:
    me = Writer(ALICE)
    return [me.write() for _ in range(12)]


def test_records_come_back_oldest_first(tmp_path: Path, made: list[tuple[str, bytes]]) -> None:
    for name, blob in reversed(made):
        OwnLog(tmp_path).append(name, blob)
    log = OwnLog(tmp_path)
    assert list(log.records().items()) == made
    assert log.newest() == made[-1][0]


def test_an_empty_log_has_no_newest(tmp_path: Path) -> None:
    assert OwnLog(tmp_path).newest() == "" and OwnLog(tmp_path).records() == {}
    OwnLog(tmp_path).prune(5)


@pytest.mark.parametrize(("seq", "left"), [(0, 12), (5, 7), (11, 1), (12, 1), (99, 1)])
def test_pruning_keeps_what_some_disk_lacks_and_always_the_newest(
    tmp_path: Path, made: list[tuple[str, bytes]], seq: int, left: int
) -> None:
    log = OwnLog(tmp_path)
    for name, blob in made:
        log.append(name, blob)
    log.prune(seq)
    assert list(log.records().items()) == made[-left:]


def test_what_a_killed_run_left_half_written_is_no_record_and_goes(tmp_path: Path) -> None:
    log = OwnLog(tmp_path)
    name, blob = Writer(ALICE).write()
    log.append(name, blob)
    half = tmp_path / "log" / (name.replace("/", "_") + ".new")
    half.write_bytes(blob[:50])
    (tmp_path / "log" / "notes.txt").write_text("not ours")
    assert log.records() == {name: blob}
    log.prune(0)
    assert not half.exists() and (tmp_path / "log" / "notes.txt").exists()
