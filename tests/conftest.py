"""What every test shares: an environment of its own, no network but loopback, and Hypothesis's profiles."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

DEEP = bool(os.environ.get("WEBRAID_DEEP"))

# Two shared cores make a wall-clock deadline a coin toss; a failure prints the blob that replays it.
settings.register_profile("fast", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", settings.get_profile("fast"), max_examples=5_000)
settings.load_profile("deep" if DEEP else "fast")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell does to jobs in the background; tests press Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)

MEMORY = Path("/dev/shm")
ROOM = 4 << 30  # bytes; a run needs less than half of it


def _quick_enough() -> bool:
    """Whether temporary folders can lie in memory: syncs cost nothing there, and they are most of the time of a run."""
    try:
        with tempfile.NamedTemporaryFile(dir=MEMORY) as probe:
            os.setxattr(probe.name, "user.webraid", b"1")  # older kernels keep none there, and tests want them
    except (OSError, AttributeError):
        return False
    return shutil.disk_usage(MEMORY).free > ROOM


if "TMPDIR" not in os.environ and _quick_enough():
    tempfile.tempdir = os.environ["TMPDIR"] = str(MEMORY)  # pytest has looked at the variable already

LIVE: list[str] = []  # the kind of --live, while it is given: the only tests that may talk to others


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--live", default="", metavar="KIND", help="run tests/live on an account of yours")
    parser.addoption("--live-journal", default="", metavar="FILE", help="where the redacted journal of --live goes")


class ToldAtOnce:
    """A failure is told when it happens: a run that is ended early still says which test it was."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._terminal.write_line(f"\nFAILED {report.nodeid} after {report.duration:.0f} s\n{report.longreprtext}")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    LIVE[:] = [kind for kind in (config.getoption("--live"),) if kind]
    if terminal := config.pluginmanager.get_plugin("terminalreporter"):  # the workers have none
        config.pluginmanager.register(ToldAtOnce(terminal))


# Two workers share the files: the long ones go first, or one worker ends alone with the longest.
LONG = ("test_year.py", "test_mixed_writing.py", "test_demo.py", "test_levels.py", "test_mixed.py")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Without --live its tests are not there at all: nothing is skipped.  With it there are no others."""
    if collection_path.suffix != ".py":
        return None
    if not (collection_path.name == "test_live.py" and collection_path.parent.name == "live"):
        return True if LIVE and collection_path.name.startswith("test_") else None
    return None if LIVE else True


def _refuse_outside(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook: a test that reaches for another machine fails where it does so."""
    if LIVE or event != "socket.connect" or not isinstance(arguments[1], tuple):
        return
    host = str(arguments[1][0])
    if host == "localhost" or ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        return
    raise PermissionError(f"tests talk to this machine only, not to {host}")


sys.addaudithook(_refuse_outside)


@contextlib.contextmanager
def outside_shut_out(home: Path, *, deep: bool = DEEP) -> Iterator[None]:
    """Nothing sees the user's home, pools, cloud logins, proxies or keyring; everything is told so by HOME."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("WEBRAID_LIVE_") and LIVE:
                continue
            proxy = name.lower().endswith("_proxy") and not LIVE
            if name.startswith(("WEBRAID_", "AWS_", "XDG_", "RCLONE_")) or proxy:
                patch.delenv(name)
        if deep:
            patch.setenv("WEBRAID_DEEP", "1")
        patch.setenv("HOME", str(home))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        yield


@pytest.fixture(scope="session", autouse=True)
def own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """As outside_shut_out says, for every test."""
    with outside_shut_out(tmp_path_factory.mktemp("home")):
        yield
