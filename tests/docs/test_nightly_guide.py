"""The guide for nights: its commands are run as they stand, and the jobs that it names are those that there are."""

from __future__ import annotations

from pathlib import Path

from tests.docs.guide import play, script
from tests.docs.pages import ROOT, table
from tests.unattended.test_install import CRONTAB
from webraid.unattended.steps import STEPS


def test_the_nightly_guide_works_word_for_word(tmp_path: Path) -> None:
    """With a crontab in a file: nobody's own is touched."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "crontab").write_text(f"#!/bin/sh\n{CRONTAB.format(file=tmp_path / 'table')}\n")
    (programs / "crontab").chmod(0o755)
    done = play(f"PATH={programs}:$PATH\n" + script("guide/nightly.md"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "30 2 * * mon-fri WEBRAID_CONFIG=" in done.stdout
    assert "webraid-home.timer" in done.stdout
    assert "went well" in done.stdout
    assert "run ended with 0" in done.stdout
    assert "Removed:" in done.stdout
    assert not (tmp_path / "table").exists()
    assert list((tmp_path / "home").rglob("webraid*.timer")) == []


def test_the_jobs_it_names_are_the_jobs_that_there_are() -> None:
    rows = table((ROOT / "docs/guide/nightly.md").read_text(), "## What a night does")
    assert {row[0].strip("`") for row in rows} == set(STEPS)
