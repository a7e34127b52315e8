"""Machines that are removed: what they had acknowledged stays, what they write later never counts, anywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pool.machine import PASSPHRASE, Home
from webraid.errors import Evicted, NotInTable, PoolError, WrongPassphrase
from webraid.jobs.base.context import Context, open_context
from webraid.jobs.base.events import Notice
from webraid.pool import recover_pool
from webraid.table.records import Prepare


@pytest.fixture
def one(home: Callable[[str, int], Home], tmp_path: Path) -> Home:
    (tmp_path / "file").write_text("content")
    return home("raid5", 3)


def join(one: Home, folder: Path, name: str, *rights: str, disk: int = 1) -> Home:
    """Another machine of the pool."""
    machine = Home(folder)
    options = {"path": str(one.disk(disk))}
    _, pool = recover_pool(
        machine.settings, kind="local", options=options, secret=PASSPHRASE, rights=rights, machine=name
    )
    pool.close()
    return machine


def put(machine: Home, path: Path) -> str:
    with machine.open() as pool:
        return pool.put([str(path)]).snapshot


def shots(machine: Home) -> set[str]:
    with machine.open() as pool:
        return {shot.name for shot in pool.snapshots()}


def context(machine: Home) -> Context:
    return open_context(machine.settings)


def test_machines_are_listed_with_what_they_may_do(one: Home, tmp_path: Path) -> None:
    join(one, tmp_path / "b", "nas", "append")
    with one.open() as pool:
        found = {item.name: item for item in pool.devices()}
    assert found["nas"].rights == ("append",) and not found["nas"].this and found["nas"].records == 1
    assert sum(item.this for item in found.values()) == 1
    assert all(item.last and not item.evicted for item in found.values())


def test_no_two_machines_have_one_name(one: Home, tmp_path: Path) -> None:
    join(one, tmp_path / "b", "nas")
    join(one, tmp_path / "c", "nas")
    with one.open() as pool:
        assert {"nas", "nas-2"} <= {item.name for item in pool.devices()}


def test_what_a_removed_machine_had_acknowledged_stays(one: Home, tmp_path: Path) -> None:
    two = join(one, tmp_path / "b", "nas")
    kept = put(two, tmp_path / "file")
    with one.open() as pool:
        gone = pool.remove_device(PASSPHRASE, "nas")
    assert (gone.name, gone.unfinished) == ("nas", 0)
    assert kept in shots(one)
    with one.open() as pool:
        assert [item.evicted for item in pool.devices() if item.name == "nas"] == [True]
        assert pool.get(kept, to=tmp_path / "out").exit_code == 0


def test_a_removed_machine_is_told_and_can_write_no_more_but_still_read(one: Home, tmp_path: Path) -> None:
    two = join(one, tmp_path / "b", "nas")
    kept = put(two, tmp_path / "file")
    with one.open() as pool:
        pool.remove_device(PASSPHRASE, "nas")
    with pytest.raises(Evicted, match="removed from the pool") as raised:
        put(two, tmp_path / "file")
    assert "webraid recover" in raised.value.hint
    assert kept in shots(two)
    told = [event.text for event in two.events if isinstance(event, Notice) and event.warning]
    assert any("removed from the pool" in text for text in told)


def test_a_removed_machine_comes_back_only_with_the_passphrase(one: Home, tmp_path: Path) -> None:
    two = join(one, tmp_path / "b", "nas")
    with one.open() as pool:
        pool.remove_device(PASSPHRASE, "nas")
    shots(two)  # it learns of it
    with pytest.raises(WrongPassphrase):
        recover_pool(two.settings, kind="local", options={"path": str(one.disk(1))}, secret="wrong")
    join(one, tmp_path / "b", "nas")
    assert put(two, tmp_path / "file") in shots(one)


def test_what_a_removed_machine_writes_later_counts_nowhere_not_even_on_an_empty_machine(
    one: Home, tmp_path: Path
) -> None:
    two = join(one, tmp_path / "b", "nas")
    ctx = context(two)
    ctx.open_table()
    ctx.table.append(Prepare(run=b"a" * 16, creates=(b"p" * 16,)))
    with one.open() as pool:
        gone = pool.remove_device(PASSPHRASE, "nas")
        assert gone.unfinished == 1
    late = Prepare(run=b"b" * 16, creates=(b"q" * 16,))
    assert ctx.table.append(late).durable  # it has not looked since, or does not care
    seq = ctx.table.book.head(ctx.identity.key.id)
    assert seq is not None and seq.seq == gone.seq + 1
    ctx.close()
    three = join(one, tmp_path / "c", "desk", disk=2)
    for machine in (one, three):
        seen = context(machine)
        seen.open_table()
        assert b"p" * 16 not in seen.table.state.pins() and b"q" * 16 not in seen.table.state.pins()
        assert all(run.id != b"b" * 16 for run in seen.table.state.runs.values())
        seen.close()


def test_a_commit_that_an_eviction_meets_half_way_is_not_acknowledged(one: Home, tmp_path: Path) -> None:
    two = join(one, tmp_path / "b", "nas")
    ctx = context(two)
    ctx.open_table()
    acks = ctx.table.append(Prepare(run=b"a" * 16))
    with one.open() as pool:
        pool.remove_device(PASSPHRASE, "nas")
    with pytest.raises(Evicted):
        ctx.table.fence(acks)
    ctx.close()


def test_an_interrupted_removal_is_finished_by_the_next_one(one: Home, tmp_path: Path) -> None:
    from webraid.jobs.access.evict import _evict
    from webraid.jobs.access.keys import owned

    two = join(one, tmp_path / "b", "nas")
    ctx = context(one)
    with owned(ctx, PASSPHRASE) as opened:
        device = next(item for item in ctx.table.state.devices.values() if item.name == "nas")
        ctx.table.append(_evict(opened.owner, device.id, -1))
        assert device.id not in ctx.table.state.ends
    ctx.close()
    with pytest.raises(Evicted):
        put(two, tmp_path / "file")
    with one.open() as pool:
        assert pool.remove_device(PASSPHRASE, "nas").seq == 1
        with pytest.raises(NotInTable, match="removed already"):
            pool.remove_device(PASSPHRASE, "nas")


def test_a_machine_is_not_removed_by_itself_nor_without_the_passphrase(one: Home, tmp_path: Path) -> None:
    join(one, tmp_path / "b", "nas")
    with one.open() as pool:
        me = next(item for item in pool.devices() if item.this)
        with pytest.raises(PoolError, match="working on"):
            pool.remove_device(PASSPHRASE, me.name)
        with pytest.raises(WrongPassphrase):
            pool.remove_device("not the passphrase", "nas")
        with pytest.raises(NotInTable):
            pool.remove_device(PASSPHRASE, "nobody")
        assert not any(item.evicted for item in pool.devices())
