"""Closing a disk waits for nobody."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.backend.rig import WAIT, result, until
from webraid.backend.disk import Disk
from webraid.backend.faulty import Fault, Faults
from webraid.backend.memory import Memory
from webraid.backend.retrying import RetryPolicy
from webraid.backend.wrapper import Op
from webraid.env import Env
from webraid.errors import (
    Unavailable,
)  # fmt: skip
from webraid.model import Usage

ONCE = RetryPolicy(attempts=1)
ROOT = Path(__file__).resolve().parents[3]


def test_closing_fails_what_is_queued_and_waits_for_no_hung_call(rigs: Any) -> None:
    rig = rigs(threads=1)
    rig.faults.script = [Fault.HANG]
    running, queued, cancelled = rig.disk.usage(), rig.disk.usage(), rig.disk.usage()
    until(lambda: rig.faults.calls == 1)
    cancelled.cancel()
    began = time.monotonic()
    assert not rig.disk.close()
    assert not rig.disk.close(timeout=0.02)
    assert time.monotonic() - began < 1
    with pytest.raises(Unavailable, match="disk attic: it is closed"):
        result(queued)
    with pytest.raises(Unavailable, match="it is closed"):
        result(rig.disk.usage())
    rig.faults.release.set()
    assert result(running) == Usage(used=0)
    assert rig.disk.close(timeout=WAIT)
    assert [memory.closed for memory in rig.opened] == [True]
    assert rig.faults.calls == 1


def test_closing_ends_a_wait_between_retries(env: Env) -> None:
    faults = Faults()
    faults.down = True
    asleep = threading.Event()

    def sleep(seconds: float) -> None:
        asleep.set()
        time.sleep(0.001)

    policy = RetryPolicy(attempts=1000, base=1e6, cap=1e6, deadline=1e9)
    disk = Disk("attic", faults.opener(Memory), env=replace(env, sleep=sleep), retry=policy)
    future = disk.usage()
    assert asleep.wait(WAIT)
    assert disk.close(timeout=WAIT)
    with pytest.raises(Unavailable):
        result(future)
    assert faults.calls == 1


def test_a_backend_that_fails_to_close_is_counted(env: Env) -> None:
    class Sticky(Memory):
        def close(self) -> None:
            raise OSError("busy")

    disk = Disk("attic", Sticky, env=env)
    result(disk.usage())
    assert disk.close(timeout=WAIT)
    assert disk.meter.counts()[Op.CLOSE].errors == {"ProtocolError": 1}


@pytest.mark.parametrize("closing", ["disk.close()", "pass"])
def test_a_process_with_a_hung_call_ends_within_a_second(closing: str) -> None:
    script = f"""
import threading, time
from webraid.backend.disk import Disk
from webraid.backend.faulty import Faults
from webraid.backend.memory import Memory
from webraid.env import Env
faults = Faults()
faults.hang = threading.Event()
disk = Disk("attic", faults.opener(Memory), env=Env(), threads=3)
futures = [disk.usage() for _ in range(10)]
while faults.calls < 3:
    time.sleep(0.001)
{closing}
print("end of main", flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert run.stdout.readline() == b"end of main\n"
        began = time.monotonic()
        try:
            assert run.wait(WAIT) == 0
        finally:
            run.kill()
        assert time.monotonic() - began < 1
        assert run.stderr.read() == b""
