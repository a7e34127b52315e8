"""Hot spares: no data until another disk is lost, then all of its data."""

from __future__ import annotations

import shutil

import pytest

from tests.pool.moving import Make, comes_back, filled, join, legal, lying, weakest
from webraid.errors import EXIT_OK, ConfigError
from webraid.table.records import ACTIVE


def test_a_spare_gets_no_data_until_a_disk_is_lost(small: Make) -> None:
    machine = small("raid6", 5)
    with machine.open() as pool:
        join(pool, machine, 6)
        pool.set_spare("d6")
    source = filled(machine)
    with machine.open() as pool:
        pool.status()
        assert lying(pool)["d6"] == 0
        before = lying(pool)["d1"]
    shutil.rmtree(machine.disk(1))
    with machine.open() as pool:
        result = pool.rebuild("d1")
        assert result.exit_code == EXIT_OK and result.removed and list(result.planned) == ["d6"]
        assert lying(pool)["d6"] == before
        assert weakest(pool) == 2 and legal(pool)
        six = next(info for info in pool._ctx.table.state.members() if info.name == "d6")
        assert six.role == ACTIVE
    assert comes_back(machine, source)


def test_a_disk_with_data_is_no_spare_and_a_spare_can_be_made_a_disk(small: Make) -> None:
    machine = small("raid5", 3)
    filled(machine, 3)
    with machine.open() as pool:
        with pytest.raises(ConfigError, match="holds"):
            pool.set_spare("d1")
        join(pool, machine, 4)
        pool.set_spare("d4")
        pool.set_spare("d4", spare=False)
        assert all(info.role == ACTIVE for info in pool._ctx.table.state.members())
