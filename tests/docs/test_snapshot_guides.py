"""The guides on snapshots and retention, run word for word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.guide import play, script
from tests.docs.pages import ROOT, table
from webraid.cli.app import tree
from webraid.files.overwrite import Overwrite


def test_the_guide_on_snapshots_works_word_for_word(tmp_path: Path) -> None:
    done = play(script("guide/snapshots.md"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("the same\n") == 2
    assert "MU   photos/notes.txt" in done.stdout
    assert "-    photos/raw/beach.raw" in done.stdout
    assert "first words\n" in done.stdout
    assert "1 match in 1 snapshot." in done.stdout
    assert "deleted    photos/mine.txt" in done.stderr
    assert "updated    photos/notes.txt" in done.stderr
    assert done.stdout.endswith("second words\n")
    assert [path.name for path in tmp_path.iterdir()] == ["home"], "the last line leaves something behind"


def test_the_guide_on_retention_works_word_for_word(tmp_path: Path) -> None:
    done = play(script("guide/retention.md"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "has tags [day1]" in done.stdout
    assert done.stdout.count("1 snapshot forgotten.") == 3
    assert "Nothing is to be forgotten." in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["home"], "the last line leaves something behind"


@pytest.mark.parametrize(("page", "heading"), [("guide/snapshots.md", "## Getting files back")])
def test_every_way_to_overwrite_is_told(page: str, heading: str) -> None:
    rows = table((ROOT / "docs" / page).read_text(), heading)
    assert [row[0].strip("`") for row in rows] == list(Overwrite)


def test_every_rule_of_forget_is_told() -> None:
    text = (ROOT / "docs" / "guide" / "retention.md").read_text()
    flags = {flag for option in tree().commands["forget"].params for flag in option.opts if flag.startswith("--keep-")}
    assert len(flags) == 13
    for flag in flags:
        base, _, ending = flag.rpartition("-")
        assert flag in text or f"`-{ending}`" in text, flag
        assert base in text
