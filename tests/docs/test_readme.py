"""The README's five minutes, run word for word; and what it says of levels is what the code says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, table
from webraid import __version__
from webraid.codec.levels import parse_level
from webraid.errors import EXIT_NO_POOL, ConfigError, NotEnoughDisks

TEXT = (ROOT / "README.md").read_text()
PASSPHRASE = "violin harbour candle seven pebble orbit"
SCRIPT = "\n".join(re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))


def run(script: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """As pasted into a shell in the checkout; the passphrase comes from the environment, nobody is asked."""
    environ = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "TMPDIR": str(tmp_path), "WEBRAID_PASSWORD": PASSPHRASE, "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, env=environ, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_the_five_minutes_work_word_for_word(tmp_path: Path) -> None:
    done = run(SCRIPT, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("the same\n") == SCRIPT.count("echo the same") == 3
    assert list(tmp_path.iterdir()) == [], "the last line leaves something behind"


def test_a_command_that_fails_ends_the_script(tmp_path: Path) -> None:
    done = run(f"export WEBRAID_CONFIG={tmp_path}/none\nwebraid status\necho reached\n", tmp_path)
    assert done.returncode == EXIT_NO_POOL
    assert "reached" not in done.stdout


def test_the_table_of_levels_is_what_the_code_says() -> None:
    rows = table(TEXT, "## Levels")
    words = {"no disk": 0, "any one": 1, "any two": 2, "all but one": 5}
    for names, least, survives, _ in rows[:-1]:
        plain = re.findall(r"`(\w+)`", names)[0]
        spec = parse_level(plain)
        assert spec.least == int(least)
        assert spec.losses(6) == words[re.split("[;,]", survives)[0]]
    assert parse_level("rs:4+2").least == 6
    assert parse_level("rs:4+2").losses(6) == 2


@pytest.mark.parametrize("level", ["raid0", "raid1", "raid4", "raid5", "raid6"])
def test_the_table_of_levels_tells_what_is_stored(level: str) -> None:
    row = next(row for row in table(TEXT, "## Levels") if f"`{level}`" in row[0])
    shape = parse_level(level).geometry(6)
    assert float(row[3].split()[0].rstrip(";")) == round(shape.n / shape.k, 2)


@pytest.mark.parametrize("level", ["raid2", "raid3"])
def test_the_levels_it_calls_refused_are(level: str) -> None:
    with pytest.raises(ConfigError, match=level):
        parse_level(level)
    with pytest.raises(NotEnoughDisks):
        parse_level("raid6").geometry(3)


def test_it_calls_itself_alpha_while_it_is() -> None:
    assert ("It is alpha" in TEXT) == __version__.startswith("0.")
