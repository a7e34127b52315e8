"""The whole bench once, tiny: it runs, compares and writes what it promises.  How fast is nobody's business here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CASES = {
    "startup": {"python -c pass", "--help", "status"},
    "memory": {"put 0 MB", "get 0 MB"},
    "lab5": {
        "put", "get", "64 KiB range", "get, fastest killed", "put 100 x 4 KiB", "get 100 x 4 KiB",
        "put, fastest killed",
    },
    "local": {"B put", "B unchanged", "B get"},
}  # fmt: skip


def test_the_quick_bench_measures_every_part(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "bench", "--quick", "--alone", "--corpora", "B", "--json", str(report)]
    done = subprocess.run([*command, "--dir", str(tmp_path / "work")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(report.read_text("utf-8"))
    assert found["facts"]["cores"] >= 1
    ours = [row for row in found["rows"] if row["contender"] == "webraid"]
    assert {part: {row["case"] for row in ours if row["part"] == part} for part in CASES} == {
        part: cases - {"python -c pass"} for part, cases in CASES.items()
    }
    assert all(row["median"] > 0 and row["peak"] > 0 for row in found["rows"])
    assert all(row["bound"] > 0 and row["requests"] > 0 for row in found["rows"] if row["part"] == "lab5")
    assert done.stdout.count("\n") > len(found["rows"])
    assert not list((tmp_path / "work").iterdir())
