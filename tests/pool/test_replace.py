"""replace: another disk takes over from one that can still be read, and nothing is less safe meanwhile."""

from __future__ import annotations

import pytest

from tests.pool.machine import PASSPHRASE
from tests.pool.moving import Interrupting, Make, Small, comes_back, filled, join, legal, lying, packs, weakest
from webraid.errors import EXIT_DEGRADED, EXIT_OK, ConfigError
from webraid.jobs.base.events import Progress, Started
from webraid.jobs.moves.evacuate import Evacuated
from webraid.model import shard_name
from webraid.pool import Pool, open_pool, recover_pool
from webraid.table.records import ACTIVE, DRAINING, SPARE


def test_everything_is_copied_and_the_old_disk_leaves(small: Make) -> None:
    machine = small("rs:3+2", 5)
    source = filled(machine)
    with machine.open() as pool:
        join(pool, machine, 6)
        pool.set_spare("d6")
        before = lying(pool)["d1"]
    seen: list[int] = []

    def look(event: object) -> None:
        if isinstance(event, Progress):
            seen.append(weakest(held[0]))

    held: list[Pool] = []
    with open_pool(machine.settings, on_event=look) as pool:
        held.append(pool)
        plan = pool.replace("d1", "d6", dry_run=True)
        assert plan.planned == {"d6": plan.total} and _members(pool)["d6"].role == SPARE
        result = pool.replace("d1", "d6")
        assert (result.exit_code, result.carried.copied, result.carried.rebuilt) == (EXIT_OK, before, 0)
        assert result.carried.read == before
        assert result.removed and "d1" not in _members(pool)
        assert _members(pool)["d6"].role == ACTIVE
        assert lying(pool)["d6"] == before
        assert weakest(pool) == 2 and legal(pool)
    assert seen and min(seen) >= 2, "redundancy fell on the way"
    assert comes_back(machine, source)


def _members(pool: Pool):  # type: ignore[no-untyped-def]
    return {info.name: info for info in pool._ctx.table.state.members()}


def test_what_the_old_disk_does_not_serve_is_made_from_the_others(small: Make) -> None:
    machine = small("rs:3+2", 5)
    source = filled(machine)
    with machine.open() as pool:
        join(pool, machine, 6)
        one = _members(pool)["d1"].id
        mine = [(pack.id, home.index) for pack in packs(pool) for home in pack.homes if home.disk == one]
    (damaged, missing), rest = mine[:2], mine[2:]
    path = machine.disk(1) / shard_name(*damaged)
    path.write_bytes(b"x" + path.read_bytes()[1:])
    (machine.disk(1) / shard_name(*missing)).unlink()
    with machine.open() as pool:
        result = pool.replace("d1", "d6")
        assert (result.carried.copied, result.carried.rebuilt) == (len(rest), 2)
        assert result.carried.read == len(rest) + 2 * 3
        assert result.exit_code == EXIT_OK and result.removed and weakest(pool) == 2
    assert comes_back(machine, source)


def test_an_interrupted_replacement_goes_on(small: Make) -> None:
    machine = small("rs:3+2", 5)
    source = filled(machine)
    with machine.open() as pool:
        join(pool, machine, 6)
        before = lying(pool)["d1"]
    with open_pool(machine.settings, on_event=Interrupting(1)) as pool, pytest.raises(KeyboardInterrupt):
        pool.replace("d1", "d6")
    with machine.open() as pool:
        pool.status()
        assert _members(pool)["d1"].role == DRAINING
        result = pool.replace("d1", "d6")
        assert result.carried.shards < before and result.removed
        assert weakest(pool) == 2 and legal(pool)
    assert comes_back(machine, source)


def test_a_disk_that_is_drained_itself_takes_nothing(small: Make) -> None:
    machine = small("raid5", 4)
    filled(machine, 3)
    with machine.open() as pool:
        pool.drain("d2")
        with pytest.raises(ConfigError, match="drained itself"):
            pool.replace("d1", "d2")


def test_two_machines_that_replace_two_disks_by_the_same_one_make_nothing_less_safe(small: Make) -> None:
    machine = small("rs:2+1", 3)
    source = filled(machine, 9)
    with machine.open() as pool:
        join(pool, machine, 4)
    other = Small(machine.folder / "other")
    recover_pool(other.settings, kind="local", options={"path": str(machine.disk(1))}, secret=PASSPHRASE)[1].close()
    first: list[Evacuated] = []

    def meanwhile(event: object) -> None:
        if isinstance(event, Started) and not first:
            with machine.open() as pool:
                first.append(pool.replace("d1", "d4"))

    with open_pool(other.settings, on_event=meanwhile) as pool:
        second = pool.replace("d2", "d4")
        assert first[0].removed and not second.removed
        assert second.crowded and second.exit_code == EXIT_DEGRADED
        assert weakest(pool) == 1
    with machine.open() as pool:
        join(pool, machine, 5)
        pool.rebalance()
        again = pool.replace("d2", "d4")
        assert again.removed and not again.crowded and again.exit_code == EXIT_OK
        assert weakest(pool) == 1
    assert comes_back(machine, source)
