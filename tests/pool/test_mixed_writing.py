"""raid6 over seven kinds of disk through their real SDKs: any two of them die in the middle of a put."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pool.mixed import PAIRS, Mixed, calm, plant
from webraid.errors import EXIT_DEGRADED, EXIT_OK


@pytest.mark.parametrize("pair", PAIRS)
def test_any_pair_may_die_while_writing(clouds: Mixed, stored: Path, tmp_path: Path, pair: tuple[str, str]) -> None:
    def die() -> None:
        for name in pair:
            clouds.kill(name)

    fresh = plant(tmp_path / "fresh")
    try:
        assert clouds.put(fresh, die) in (EXIT_OK, EXIT_DEGRADED)  # ok: the two had taken their part just before
        calm(clouds.requests)
        assert clouds.get(fresh, tmp_path / "out") == (EXIT_OK, [])
    finally:
        for name in pair:
            clouds.revive(name)
