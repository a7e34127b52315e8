"""The guide to what is stored is run as it stands, and its numbers are those of the code."""

from __future__ import annotations

from pathlib import Path

from tests.docs.guide import play, script
from tests.docs.pages import ROOT
from webraid.jobs.storing import vanished
from webraid.jobs.storing.put import Pace

TEXT = " ".join((ROOT / "docs" / "guide" / "selection.md").read_text().split())


def test_the_guide_to_selection_works_word_for_word(tmp_path: Path) -> None:
    done = play(script("guide/selection.md"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "100000" in done.stdout
    assert "is empty" in done.stderr and "exit code 1" in done.stderr
    assert "work       snapshot " in done.stdout and "documents  snapshot " in done.stdout


def test_its_numbers_are_those_of_the_code() -> None:
    pace = Pace()
    assert f"Every {pace.seconds // 60:.0f} minutes, or after {pace.bytes >> 30} GiB" in TEXT
    assert f"of {vanished.MANY} files or more" in TEXT
    assert vanished.SHARE == 10 and "less than a tenth" in TEXT
    assert f"{vanished.WALKED:,} files left or more" in TEXT
