"""The page on the Python API is run, block by block; its table of methods is whole."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT
from webraid.pool import Pool

TEXT = (ROOT / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "backends"))),
        "PYTHONWARNINGS": "error",
    }
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120)


def test_every_block_runs_as_it_stands(tmp_path: Path) -> None:
    done = run("\n".join(BLOCKS), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "survives the loss of 2 of 6 disks" in done.stdout
    assert "degraded" in done.stdout
    assert "d3" in done.stdout  # the error names disks


def test_a_claim_that_does_not_hold_is_noticed(tmp_path: Path) -> None:
    claims = [line for line in "\n".join(BLOCKS).splitlines() if line.strip().startswith("assert ")]
    assert len(claims) >= 8
    assert run("from webraid.pool import settings\nassert settings() is None", tmp_path).returncode == 1


def test_every_part_of_the_api_is_named_and_documented() -> None:
    parts = {Path(inspect.getfile(part)).name for part in Pool.__mro__[1:-1]} - {"base.py"}
    assert parts == set(re.findall(r"\(\.\./webraid/pool/(\w+\.py)\)", TEXT))
    for name, method in inspect.getmembers(Pool, inspect.isfunction):
        assert name.startswith("_") or method.__doc__, name
