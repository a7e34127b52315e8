"""tools/webraid_recover.py as a module, for tests that look into it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

PATH = Path(__file__).parents[2] / "tools" / "webraid_recover.py"


def _loaded() -> Any:
    spec = importlib.util.spec_from_file_location("webraid_recover_under_test", PATH)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


TOOL = _loaded()
