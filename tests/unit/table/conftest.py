"""Worlds that are closed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.unit.table.rig import World, world


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """worlds(count=3, ...): memory disks and machines."""
    with ExitStack() as stack:
        yield lambda **more: stack.enter_context(world(tmp_path, **more))
