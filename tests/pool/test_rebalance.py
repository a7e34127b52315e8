"""rebalance: after disks were added all are evenly full, stripes lie where they should, and old places are freed."""

from __future__ import annotations

from dataclasses import replace

from tests.pool.machine import PASSPHRASE, Home
from tests.pool.moving import Make, Small, bytes_on, comes_back, filled, join, legal, lying, objects, packs, weakest
from webraid.env import Env
from webraid.errors import EXIT_OK
from webraid.jobs.base.events import Started
from webraid.jobs.moves.rebalance import Rebalanced
from webraid.model import shard_name
from webraid.pool import open_pool, recover_pool

BIG = 1 << 30


def shards_there(machine: Home, number: int) -> int:
    return sum("shards" in path.parts for path in objects(machine, number))


def test_a_new_disk_gets_its_part_and_the_old_places_are_freed(small: Make) -> None:
    machine = small("rs:2+1", 4)
    source = filled(machine)
    with machine.open() as pool:
        for number in (5, 6):
            join(pool, machine, number)
        pool.status()
        before, count = bytes_on(pool), sum(lying(pool).values())
        plan = pool.rebalance(dry_run=True)
        assert bytes_on(pool) == before and plan.planned and plan.before == {**dict.fromkeys(plan.before, 0), **before}
        due = sum(before.values()) / 6
        assert plan.planned <= 2 * due * 1.25
        result = pool.rebalance()
        after = bytes_on(pool)
        assert result.exit_code == EXIT_OK and result.carried.size == plan.planned
        assert result.after == after and sum(lying(pool).values()) == count
        assert max(after.values()) - min(after.values()) <= max(before.values()) / 2
        assert weakest(pool) == 1 and legal(pool)
        assert result.dropped == result.carried.shards == result.freed.waiting
    there = sum(shards_there(machine, number) for number in range(1, 7))
    with machine.open() as pool:
        again = pool.rebalance(now=True)
        assert (again.carried.shards, again.freed.shards, again.freed.waiting) == (0, result.dropped, 0)
        assert pool.check(read_data=True).exit_code == EXIT_OK
    assert there - sum(shards_there(machine, number) for number in range(1, 7)) == result.dropped
    assert comes_back(machine, source)


def test_what_moved_is_deleted_when_the_trash_time_is_over(small: Make) -> None:
    machine = small("rs:2+1", 4)
    filled(machine, 9)
    with machine.open() as pool:
        join(pool, machine, 5)
        moved = pool.rebalance().dropped
        assert moved and pool.rebalance().freed.shards == 0
    clock = Env()
    with open_pool(replace(machine.settings, env=replace(clock, now=lambda: clock.now() + 8 * 86400))) as pool:
        assert pool.rebalance().freed.shards == moved
        assert pool.rebalance().freed.shards == 0


def test_prune_frees_what_moved_too(small: Make) -> None:
    machine = small("rs:2+1", 4)
    source = filled(machine, 9)
    with machine.open() as pool:
        join(pool, machine, 5)
        moved = pool.rebalance().dropped
        there = sum(shards_there(machine, number) for number in range(1, 6))
        result = pool.prune(now=True, secret=PASSPHRASE)
        assert result.exit_code == EXIT_OK and result.freed > 0
        gone = there - sum(shards_there(machine, number) for number in range(1, 6))
        assert moved and gone >= moved and pool.rebalance(now=True).freed.shards == 0
    assert comes_back(machine, source)


def test_nothing_is_deleted_whose_new_copy_is_not_whole(small: Make) -> None:
    machine = small("rs:2+1", 4)
    source = filled(machine, 9)
    with machine.open() as pool:
        join(pool, machine, 5)
        before = {(pack.id, home.index): home.disk for pack in packs(pool) for home in pack.homes}
        pool.rebalance()
        ctx = pool._ctx
        five = next(info.id for info in ctx.table.state.joined() if info.name == "d5")
        pack, home = next((pack, home) for pack in packs(pool) for home in pack.homes if home.disk == five)
        ctx.index.mark_bad(pack.id, home.index, five, "missing")
        result = pool.rebalance(now=True)
        assert result.freed.kept == 1
        old = int(ctx.disk_name(before[pack.id, home.index])[1:])
        assert (machine.disk(old) / shard_name(pack.id, home.index)).exists()
        pool.repair()
        assert pool.rebalance(now=True).freed.kept == 0
        assert weakest(pool) == 1
    assert comes_back(machine, source)


def test_another_machine_that_knew_nothing_of_it_reads_on(small: Make, tmp_path_factory) -> None:  # type: ignore[no-untyped-def]
    machine = small("rs:2+1", 4)
    filled(machine, 9)
    other = Home(machine.folder / "other")
    _, theirs = recover_pool(other.settings, kind="local", options={"path": str(machine.disk(1))}, secret=PASSPHRASE)
    with theirs:
        theirs.snapshots()
        with machine.open() as pool:
            join(pool, machine, 5)
            pool.rebalance()
            assert pool.rebalance(now=True).freed.shards
        assert theirs.get(to=other.folder / "stale").exit_code == EXIT_OK
    with other.open() as pool:
        assert pool.put([str(machine.folder / "source")]).exit_code == EXIT_OK
        assert pool.check(read_data=True).exit_code == EXIT_OK
        assert legal(pool)


def test_a_changed_failure_domain_moves_what_lies_wrongly(small: Make) -> None:
    machine = small("rs:2+1", 5)
    filled(machine)
    with machine.open() as pool:
        pool.status()
        for name in ("d1", "d2", "d3"):
            pool.move_domain(name, "attic")
        assert weakest(pool) < 1
        result = pool.rebalance()
        assert result.crowded and weakest(pool) == 1 and legal(pool)
        assert pool.rebalance(dry_run=True).crowded == 0
    with machine.open() as pool:
        assert {disk.domain for disk in pool.status().disks} == {"attic", "d4", "d5"}


def test_a_limit_is_kept_and_the_next_run_goes_on(small: Make) -> None:
    machine = small("rs:2+1", 4)
    filled(machine)
    with machine.open() as pool:
        join(pool, machine, 5)
        first = pool.rebalance(limit=3 << 20)
        assert 0 < first.carried.size <= 3 << 20 and first.left
        second = pool.rebalance()
        assert second.left == 0 and pool.rebalance(dry_run=True).moves == 0


def test_what_a_stopped_drain_left_twice_is_dropped(small: Make) -> None:
    machine = small("rs:2+1", 5)
    source = filled(machine, 9)
    with machine.open() as pool:
        moved = pool.drain("d1").carried.shards
        pool.stop_drain("d1")
        count = sum(lying(pool).values())
        result = pool.rebalance(now=True)
        assert result.dropped >= moved and sum(lying(pool).values()) == count - moved
        assert weakest(pool) == 1 and legal(pool)
    assert comes_back(machine, source)


def capacities(machine: Home, tight: str) -> None:
    """As this machine sees it one disk is nearly full, and the others have room."""
    config = machine.folder / "config.toml"
    text = config.read_text()
    for number in range(1, 6):
        size = "4 MB" if f"d{number}" == tight else "1 GB"
        text = text.replace(f'name = "d{number}"\n', f'name = "d{number}"\ncapacity = "{size}"\n')
    config.write_text(text)


def test_two_machines_that_choose_the_same_disk_for_two_shards_of_a_stripe_make_nothing_less_safe(small: Make) -> None:
    machine = small("rs:2+1", 4)
    source = filled(machine, 9)
    with machine.open() as pool:
        join(pool, machine, 5)
    other = Small(machine.folder / "other")
    recover_pool(other.settings, kind="local", options={"path": str(machine.disk(1))}, secret=PASSPHRASE)[1].close()
    capacities(machine, "d1")
    capacities(other, "d2")
    first: list[Rebalanced] = []

    def meanwhile(event: object) -> None:
        if isinstance(event, Started) and not first:
            with machine.open() as pool:
                first.append(pool.rebalance())

    with open_pool(other.settings, on_event=meanwhile) as pool:
        second = pool.rebalance()
        pool.status()
        assert first[0].dropped == first[0].moves > 0 and second.moves > second.dropped
        assert weakest(pool) == 1
    with machine.open() as pool:
        pool.rebalance(now=True)
        assert weakest(pool) == 1 and legal(pool)
        assert pool.check(read_data=True).exit_code == EXIT_OK
    assert comes_back(machine, source)
