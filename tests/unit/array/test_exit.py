"""A process that read and wrote around a hung disk ends when its work is done."""

from __future__ import annotations

import subprocess
import sys
import time

SCRIPT = """
import threading
from tests.unit.array.rig import Rig
six = Rig(6)
pack, data = six.stored(5_000_000)
six.faults[1].hang = threading.Event()
assert bytes(six.array.read(pack).get(0, len(data))) == data
for _, view in six.array.read_many([]):
    pass
with six.array.writer(patience=0.1) as writer:
    writer.submit(six.stripe(5_000_000, seed=5)[0])
    assert writer.finish()[0].missing == ((1, six.id(1)),)
print("done", flush=True)
"""


def test_a_hung_disk_does_not_keep_the_process_alive() -> None:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "done\n"
        began = time.monotonic()
        assert process.wait(20) == 0
        assert time.monotonic() - began < 3
