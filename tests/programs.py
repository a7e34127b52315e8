"""Programs of the system that tests run beside ours: found, or installed with apt-get where root runs the tests."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

PACKAGES = {  # Debian's, by the program that the tests start
    "cron": ("cron",),
    "fish": ("fish",),
    "fusermount3": ("fuse3",),
    "groff": ("groff",),
    "mandoc": ("mandoc",),
    "nginx": ("nginx", "libnginx-mod-http-dav-ext"),
    "rclone": ("rclone",),
    "restic": ("restic",),
    "sshd": ("openssh-server",),
    "swift-object-server": ("swift-proxy", "swift-account", "swift-container", "swift-object"),
    "systemd-analyze": ("systemd",),
    "zsh": ("zsh",),
}
FAST = ("fish", "fusermount3", "groff", "mandoc", "restic", "systemd-analyze", "zsh")  # of 'make test'
PLACES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
POLICY = Path("/usr/sbin/policy-rc.d")  # Debian asks it before a package starts its service
PATIENCE = 900  # seconds, for apt-get; also for another apt-get that is at work


def program(name: str, *also: Path) -> str:
    """The path of a program, where the files it cannot do without are there as well.

    Where it may not be installed, the test goes as ``do_without`` says.
    """
    if _missing(name, *also):
        _install([name])
    if _missing(name, *also):
        do_without(f"{name} is missing; on Debian and Ubuntu: apt-get install {' '.join(PACKAGES[name])}")
    return str(shutil.which(name, path=PLACES))


def do_without(what: str) -> NoReturn:
    """In CI a failure; elsewhere the test is skipped, and pytest's summary says ``what`` it lacks."""
    import pytest  # not on the machine yet when this file runs as a program

    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def _missing(name: str, *also: Path) -> bool:
    return not (shutil.which(name, path=PLACES) and all(file.exists() for file in also))


def _install(names: Iterable[str]) -> None:
    """What can be installed is; what apt-get has to say goes to standard error."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    packages = [package for name in names for package in PACKAGES[name]]
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    wait = ["-o", f"DPkg::Lock::Timeout={PATIENCE}"]
    with _alone(), _no_service_starts():
        for words in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
            done = subprocess.run(
                ["apt-get", "-q", *wait, *words], env=environ, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=PATIENCE,
            )  # fmt: skip
            if done.returncode:
                print(f"apt-get {' '.join(words)}: {done.stderr[-1000:]}", file=sys.stderr)


@contextmanager
def _alone() -> Iterator[None]:
    """Two workers that miss the same package do not install it at the same time."""
    with (Path(tempfile.gettempdir()) / "webraid-tests-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _no_service_starts() -> Iterator[None]:
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


if __name__ == "__main__":  # before the fast tests: all at once, and not within the time of one of them
    if wanted := [name for name in FAST if _missing(name)]:
        _install(wanted)
