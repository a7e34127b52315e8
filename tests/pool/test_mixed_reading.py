"""raid6 over seven kinds of disk through their real SDKs: any two of them die in the middle of a get."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pool.mixed import PAIRS, Mixed, calm
from webraid.errors import EXIT_OK


@pytest.mark.parametrize("pair", PAIRS)
def test_any_pair_may_die_while_reading(clouds: Mixed, stored: Path, tmp_path: Path, pair: tuple[str, str]) -> None:
    def die() -> None:
        for name in pair:
            clouds.kill(name)

    try:
        assert clouds.get(stored, tmp_path / "out", die) == (EXIT_OK, [])
        calm(clouds.requests)
    finally:
        for name in pair:
            clouds.revive(name)
