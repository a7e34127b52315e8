"""Everything the suite runs on: what the modules of tests/conformance/kinds say, one module a kind of disk."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path

from tests.conformance.kind import Deviation, Kind

_MODULES = [
    importlib.import_module(f"tests.conformance.kinds.{module.name}")
    for module in pkgutil.iter_modules([str(Path(__file__).parent / "kinds")])
    if not module.name.endswith("_deviations")
]
KINDS: Mapping[str, Kind] = {name: kind for module in _MODULES for name, kind in module.KINDS.items()}
DEVIATIONS: tuple[Deviation, ...] = tuple(one for module in _MODULES for one in module.DEVIATIONS)
