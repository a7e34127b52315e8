"""What every test shares: an environment of its own, no network but loopback, and Hypothesis's profiles."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

DEEP = bool(os.environ.get("WEBRAID_DEEP"))

# Two shared cores make a wall-clock deadline a coin toss; a failure prints the blob that replays it.
settings.register_profile("fast", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", settings.get_profile("fast"), max_examples=5_000)
settings.load_profile("deep" if DEEP else "fast")


def _refuse_outside(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook: a test that reaches for another machine fails where it does so."""
    if event != "socket.connect" or not isinstance(arguments[1], tuple):
        return
    host = str(arguments[1][0])
    if host == "localhost" or ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        return
    raise PermissionError(f"tests talk to this machine only, not to {host}")


sys.addaudithook(_refuse_outside)


@pytest.fixture(scope="session", autouse=True)
def own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees the user's home, pools, cloud logins, proxies or keyring; every test is told so by HOME."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("WEBRAID_", "AWS_", "XDG_", "RCLONE_")) or name.lower().endswith("_proxy"):
                patch.delenv(name)
        if DEEP:
            patch.setenv("WEBRAID_DEEP", "1")
        patch.setenv("HOME", str(home))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        yield
