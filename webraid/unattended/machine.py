"""This machine as scheduled runs see it: power, priority, and whether somebody else is at work."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from webraid.config import Places
from webraid.errors import PoolBusy
from webraid.jobs.base.context import locked

POWER = Path("/sys/class/power_supply")


def on_battery(power: Path = POWER) -> bool:
    """Whether a battery is being used up and no mains supply is online.  A machine that does not tell is on mains.

    The files are those of Linux, Documentation/ABI/testing/sysfs-class-power; batteries of mice and the like (scope
    'Device') do not count.
    """
    discharging = False
    try:
        supplies = sorted(power.iterdir())
    except OSError:
        return False
    for supply in supplies:
        kind = _said(supply / "type")
        if kind in ("Mains", "USB") and _said(supply / "online") == "1":
            return False
        if kind == "Battery" and _said(supply / "scope") != "Device":
            discharging |= _said(supply / "status") == "Discharging"
    return discharging


def _said(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def stand_back(nice: int) -> None:
    """Lower this process's priority for processor and disk; never raise it.  Threads made later inherit both."""
    with contextlib.suppress(OSError):  # a container may forbid even this; the backup matters more
        os.setpriority(os.PRIO_PROCESS, 0, max(os.getpriority(os.PRIO_PROCESS, 0), min(nice, 19)))
    ionice = shutil.which("ionice")
    if ionice:
        subprocess.run(
            [ionice, "-c", "3", "-p", str(os.getpid())], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=10, check=False,
        )  # fmt: skip


@contextlib.contextmanager
def single(places: Places) -> Iterator[None]:
    """One scheduled run a machine, and none while another one changes the pool.  Raises PoolBusy."""
    places.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(places.state / "schedule.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PoolBusy("another scheduled run is at work on this machine") from None
        with locked(places):  # its jobs take this lock themselves, so it is only tried here
            pass
        yield
    finally:
        os.close(descriptor)
