"""relevel: a stored snapshot is made safer, with as few bytes as that takes."""

from __future__ import annotations

import itertools
import shutil

import pytest

from tests.pool.machine import PASSPHRASE
from tests.pool.moving import Make, comes_back, filled, legal, objects, packs, weakest
from webraid.errors import EXIT_OK, ConfigError
from webraid.jobs.base.seats import object_sizes
from webraid.model import Code


def test_more_parity_uploads_nothing_but_that_parity(small: Make) -> None:
    machine = small("rs:3+1", 6)
    source = filled(machine)
    with machine.open() as pool:
        pool.relevel("latest", "rs:3+2")  # xor becomes rs: stored anew
        before = {pack.id: pack for pack in packs(pool) if pack.geometry.code is Code.RS}
        old = [objects(machine, number) for number in range(1, 7)]
        plan = pool.relevel("latest", "rs:3+3", dry_run=True)
        assert (plan.widened, plan.repacked) == (len(before), 0)
        result = pool.relevel("latest", "rs:3+3")
        assert (result.exit_code, result.survives, result.widened) == (EXIT_OK, 3, len(before))
        assert result.stored == plan.stored == sum(object_sizes(pack)[0] for pack in before.values())
        fresh = [path.name for number in range(1, 7) for path in objects(machine, number) - old[number - 1]]
        assert sum(name.endswith(".5") for name in fresh if len(name) == 34) == len(before)
        assert pool.snapshots()[-1].info.level == "rs:3+3"
        now = {pack.id: pack for pack in packs(pool) if pack.id in before}
        assert all(now[key].shards[:5] == pack.shards for key, pack in before.items())
        assert legal(pool)
        assert pool.check(read_data=True).missing_shards == 0
        assert pool.relevel("latest", "rs:3+3").fitting == len(before)
    lose = [1, 4, 6]
    for number in lose:
        shutil.rmtree(machine.disk(number))
    assert comes_back(machine, source)


def test_every_shard_of_a_wider_stripe_can_be_made_again(small: Make) -> None:
    machine = small("rs:2+2", 6)
    source = filled(machine, 6)
    with machine.open() as pool:
        pool.relevel("latest", "rs:2+3")
        pool.relevel("latest", "rs:2+4")
        assert weakest(pool) == 4
    for gone in ((1, 2), (3, 4), (5, 6)):
        for number in gone:
            shards = machine.disk(number) / "shards"
            for path in (path for path in shards.rglob("*") if path.is_file()):
                path.unlink()
        with machine.open() as pool:
            pool.check()
            pool.repair()
            assert weakest(pool) == 4
            assert pool.check(read_data=True).exit_code == EXIT_OK
    assert comes_back(machine, source)


def test_without_parity_the_data_stay_where_they_are(small: Make) -> None:
    machine = small("raid0", 4)
    source = filled(machine, 6)
    with machine.open() as pool:
        for number in (5, 6):
            pool.add_backend("local", f"d{number}", {"path": str(machine.disk(number))})
        result = pool.relevel("latest", "rs:4+2")
        assert (result.widened > 0, result.repacked, result.survives) == (True, 0, 2)
    for number in (2, 3):
        shutil.rmtree(machine.disk(number))
    assert comes_back(machine, source)


def test_more_copies_are_only_copied(small: Make) -> None:
    machine = small("raid1:2", 4)
    filled(machine, 4)
    with machine.open() as pool:
        result = pool.relevel("latest", "raid1:3")
        assert (result.repacked, result.survives, result.missing) == (0, 2, 0)
        assert weakest(pool) == 2 and result.exit_code == EXIT_OK


def test_another_shape_is_stored_anew_and_recorded(small: Make) -> None:
    machine = small("raid5", 4)
    source = filled(machine, 6)
    with machine.open() as pool:
        old = {pack.id for pack in packs(pool)}
        result = pool.relevel("latest", "raid6")
        assert (result.repacked, result.widened, result.survives) == (len(old), 0, 2)
        assert pool._ctx.table.state.condemned.keys() == old
        assert pool._ctx.table.state.losses() == 2
        again = pool.relevel("latest", "raid6")
        assert (again.fitting, again.stored) == (again.packs, 0)
        assert pool.put([str(source)]).added == 0
        assert pool.prune(now=True, secret=PASSPHRASE).exit_code == EXIT_OK
        assert not old & {pack.id for pack in packs(pool)}, "the old packs are freed"
        assert pool.check(read_data=True).exit_code == EXIT_OK
    for number in itertools.islice((2, 4), 2):
        shutil.rmtree(machine.disk(number))
    assert comes_back(machine, source)


def test_a_lower_level_is_refused(small: Make) -> None:
    machine = small("raid6", 4)
    filled(machine, 1)
    with machine.open() as pool, pytest.raises(ConfigError, match="would survive 1"):
        pool.relevel("latest", "raid5")
