"""The cron story with Debian's own cron: a night in four minutes.  Where no cron may be started, its lines are driven
as cron would."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.programs import program
from tests.unattended.conftest import Clock, Night
from tests.unattended.test_install import CRONTAB, as_cron_does, backdate
from webraid.errors import EXIT_OK, EXIT_TEMPORARY
from webraid.unattended.record import LastRun, last_run

WEBRAID = f"{sys.executable} -m webraid"
# Everything that cron reads and writes is this namespace's own: no crontab of this machine is seen, run or changed.
WORLD = f"""
set -eu
mount -t tmpfs tmpfs /var/spool/cron
mkdir -m 1730 /var/spool/cron/crontabs
chgrp crontab /var/spool/cron/crontabs
mount -t tmpfs tmpfs /etc/cron.d
mount --bind /dev/null /etc/crontab
mkdir "$WORLD/sbin"
cp "$(command -v cron)" "$WORLD/sbin/cron"
printf '#!/bin/sh\\ncat >> "%s"\\n' "$WORLD/mail" > "$WORLD/sbin/sendmail"
chmod 755 "$WORLD/sbin/sendmail"
mount --bind "$WORLD/sbin" /usr/sbin
mount -t tmpfs tmpfs /run
echo '# a line of mine' | crontab -
{WEBRAID} schedule install --cron > "$WORLD/installed"
crontab -l > "$WORLD/crontab"
exec /usr/sbin/cron -f
"""


def may_start_cron() -> bool:
    """As root, where mounts of one's own may be made.  Debian's cron is installed if it is missing."""
    if os.geteuid() or not shutil.which("unshare"):
        return False
    if subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode:
        return False
    return bool(program("cron"))


@contextmanager
def cron(night: Night) -> Iterator[Path]:
    """cron at work on a crontab that 'schedule install' has written; gives the folder with its mail."""
    world = night.root / "world"
    world.mkdir()
    environ = night.environ | {"WORLD": str(world), "SHELL": "/bin/sh"}
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "sh", "-c", WORLD]
    with (world / "said").open("wb") as said:
        child = subprocess.Popen(words, env=environ, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        yield world
        assert child.poll() is None, (world / "said").read_text()
    finally:
        child.kill()
        child.wait()


def wait_for(what: Callable[[], bool], why: Path) -> None:
    deadline = time.monotonic() + 200  # cron looks once a minute
    while not what():
        assert time.monotonic() < deadline, why.read_text() if why.exists() else why
        time.sleep(0.2)


@pytest.fixture
def hurried(night: Night) -> Night:
    """Its nights are a minute long."""
    night.clock = Clock(time.time())
    return night.says('[schedule]\ncron = "* * * * *"\njitter = "0"\njobs = ["put"]\non-battery = true')


def ended(night: Night, code: int) -> Callable[[], bool]:
    def now() -> bool:
        found: LastRun | None = last_run(night.settings.places)
        return found is not None and found.ended is not None and found.exit_code == code

    return now


def drive(night: Night, make: Callable[[str, str], Path]) -> Callable[[], subprocess.CompletedProcess[str]]:
    """Without cron: its line, run as cron runs it."""
    table = night.root / "table"
    make("crontab", CRONTAB.format(file=table))
    environ = night.environ | {"PATH": os.environ["PATH"]}
    subprocess.run([*WEBRAID.split(), "schedule", "install", "--cron", "-q"], env=environ, check=True, timeout=60)

    def minute() -> subprocess.CompletedProcess[str]:
        backdate(night)
        (night.state / "last-run.json").unlink(missing_ok=True)
        (line,) = [line for line in table.read_text().splitlines() if line.startswith("* * * * * ")]
        return as_cron_does(line, night.root / "home")

    return minute


@pytest.mark.deep
@pytest.mark.timeout(1200)
def test_cron_backs_up_in_silence_mails_a_failure_and_the_next_run_mends(
    hurried: Night, fake_program: Callable[[str, str], Path]
) -> None:
    if not may_start_cron():
        minute = drive(hurried, fake_program)
        done = minute()
        assert (done.returncode, done.stdout, done.stderr) == (EXIT_OK, "", "")
        hurried.lose("d1", "d2", "d3")
        done = minute()
        assert done.returncode == EXIT_TEMPORARY
        assert "the scheduled run of pool home failed" in done.stderr
        hurried.bring_back("d1", "d2", "d3")
        assert minute().returncode == EXIT_OK
        return
    with cron(hurried) as world:
        wait_for(ended(hurried, EXIT_OK), world / "said")
        print((world / "crontab").read_text(), hurried.log, sep="\n")
        assert (world / "crontab").read_text().startswith("# a line of mine\n# BEGIN webraid")
        assert hurried.last.timer
        assert hurried.snapshots() >= 1
        assert not (world / "mail").exists(), "a good night is silent"
        hurried.lose("d1", "d2", "d3")
        wait_for(ended(hurried, EXIT_TEMPORARY), world / "said")
        wait_for((world / "mail").exists, world / "said")
        print((world / "mail").read_text())
        assert "Subject: Cron" in (world / "mail").read_text()
        assert "the scheduled run of pool home failed (exit code 5" in (world / "mail").read_text()
        hurried.bring_back("d1", "d2", "d3")
        wait_for(ended(hurried, EXIT_OK), world / "said")
        print(hurried.log)
