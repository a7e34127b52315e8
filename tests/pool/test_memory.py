"""Memory does not grow with what is stored: measured by the kernel, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.pool.machine import Home

SIZE = 512 << 20
LIMIT_KIB = 256 << 10

RUN = """
import sys
from webraid.__main__ import main
sys.argv = ["webraid", "-q", *sys.argv[1:]]
try:
    code = main()
except SystemExit as end:
    code = end.code
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print("peak", status["VmHWM"].split()[0], code or 0)  # not ru_maxrss: that begins with the size of who started us
"""


def peak(machine: Home, *words: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words],
        env=machine.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    _, kib, code = done.stdout.splitlines()[-1].split()
    assert code == "0", done.stderr
    return int(kib)


def test_half_a_gibibyte_is_stored_and_restored_below_256_mib(home: Callable[[str, int], Home], tmp_path: Path) -> None:
    machine = home("raid6", 6)
    big = tmp_path / "big"
    with big.open("wb") as file:
        for _ in range(SIZE >> 23):
            file.write(os.urandom(8 << 20))
    assert peak(machine, "put", str(big)) < LIMIT_KIB
    out = machine.folder / "out"
    assert peak(machine, "get", "-t", str(out)) < LIMIT_KIB
    with big.open("rb") as one, (out / "big").open("rb") as other:
        while data := one.read(8 << 20):
            assert other.read(len(data)) == data
