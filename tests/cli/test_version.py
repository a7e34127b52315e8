"""version: one line, or everything that matters for a bug report."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.cli.conftest import Machine
from webraid import __version__
from webraid.cli.version import ALWAYS, MAYBE

PROJECT = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())["project"]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=\[; ]", text, maxsplit=1)[0] for text in requirements}


def test_the_flag_prints_one_line(machine: Machine) -> None:
    run = machine("--version")
    assert (run.code, run.out, run.err) == (0, f"webraid {__version__}\n", "")


def test_the_command_names_libraries_formats_and_programs(machine: Machine) -> None:
    document = machine("version", "--json").document
    assert document["webraid"] == __version__
    for name in ("python", "system", "isa_l", "rclone", "fuse", *ALWAYS, *MAYBE):
        assert document[name.replace("-", "_")]
    assert re.fullmatch(r"pack \d+, envelope \d+, log \d+, index \d+", document["formats"])
    page = machine("version").out
    assert f"webraid                   {__version__}" in page
    assert "libfuse" in page or re.search(r"fuse +\d+\.\d+", page)


def test_what_is_named_is_what_the_package_asks_for() -> None:
    assert set(ALWAYS) <= names(PROJECT["dependencies"])
    extras = set().union(
        *(names(wanted) for extra, wanted in PROJECT["optional-dependencies"].items() if extra != "dev")
    )
    assert set(MAYBE) <= extras
    for extra in ("s3", "gdrive", "dropbox", "webdav", "sftp", "keyring", "mount", "notify", "serve"):
        assert names(PROJECT["optional-dependencies"][extra]) & set(MAYBE), extra
