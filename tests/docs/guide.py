"""Guides are played as they stand: every shell block of a page, pasted into one shell in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.docs.pages import ROOT

PASSPHRASE = "violin harbour candle seven pebble orbit"


def script(page: str) -> str:
    """The ```sh blocks of docs/<page>, one after the other."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL))


def play(
    text: str, folder: Path, *, instead: Mapping[str, str] | None = None, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``text`` in ``folder``, with a home and a pool of its own.  ``instead``: words for places that exist here."""
    for there, here in (instead or {}).items():
        assert there in text, f"the guide does not say {there!r} any more"
        text = text.replace(there, here)
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    surroundings = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]), "HOME": str(home),
        "WEBRAID_CONFIG": str(home / "config.toml"), "WEBRAID_STATE_DIR": str(home / "state"), "LANG": "C.UTF-8",
        "WEBRAID_PASSWORD": PASSPHRASE, "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **(environ or {}),
    }  # fmt: skip
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], cwd=folder, env=surroundings, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=170,
    )  # fmt: skip
